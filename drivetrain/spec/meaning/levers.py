"""Do the levers mean something: their settings, limits, reference policies and history."""

from typing import Any

from drivetrain.spec.facts import Tree
from drivetrain.spec.formula.types import ANY, Typed
from drivetrain.spec.kinds import CLASH, LITERAL, MISSING, TYPE
from drivetrain.spec.meaning.context import Context
from drivetrain.spec.names import an
from drivetrain.spec.reading import Path


def check_levers(context: Context) -> None:
    """Levers and what nobody controls; findings go to the context."""
    for path, lever in context.parts("levers"):
        kind = lever.get("type")
        if kind == "options":
            _options(context, path, lever)
        elif kind in ("integer", "range"):
            _numeric(context, path, lever)
        elif kind == "ranking":
            _ranking(context, path, lever)
        for at, limit in context.items(lever.get("limits"), (*path, "limits")):
            context.formula(limit, at, "boolean", before="a limit")
        for name, policy in lever.get("policies", {}).items():
            _policy(context, (*path, "policies", name), lever, policy)
        _history(context, path, lever)
    context.unique("uncontrollable", context.parts("uncontrollable"))
    for path, thing in context.parts("uncontrollable"):
        if "column" in thing:
            context.name(thing["column"], (*path, "column"), "column")


def _options(context: Context, path: Path, lever: Tree) -> None:
    source = lever.get("options_from", {})
    if not context.said((*path, "options")) and not context.said((*path, "options_from")):
        context.add(
            MISSING, path, "`options` is missing (the settings).", "Write it, such as `options: [call, nothing]`."
        )
    outcome = source.get("outcome")
    at = (*path, "options_from", "outcome")
    if outcome is not None and context.name(outcome, at, "outcome"):
        entry = context.names[outcome]
        if entry.type not in ("category", "any"):
            what = f"`{outcome}` is {an(entry.type)}, and only the classes of a category can be settings."
            context.add(TYPE, at, what, "Choose an outcome with `values`.")


def _numeric(context: Context, path: Path, lever: Tree) -> None:
    low, high, step = lever.get("minimum"), lever.get("maximum"), lever.get("step", 1)
    if low is not None and high is not None:
        if low > high:
            context.add(CLASH, path, f"`minimum` {low:g} is above `maximum` {high:g}.", "Exchange them.")
        elif isinstance(step, int | float) and step > high - low > 0:
            context.add(CLASH, (*path, "step"), f"{step:g} is wider than the range.", "Take a smaller step, or `none`.")
    if lever["type"] == "integer":
        for key in ("minimum", "maximum", "step"):
            if isinstance(lever.get(key), float) and not lever[key].is_integer():
                context.add(CLASH, (*path, key), f"{lever[key]:g} is no whole number.", "Or make the lever a `range`.")
    context.formula(lever.get("cost"), (*path, "cost"), before="a cost")


def _ranking(context: Context, path: Path, lever: Tree) -> None:
    attention, slots = lever.get("attention"), lever.get("slots")
    if attention is not None and slots is not None and len(attention) != slots:
        what = f"has {len(attention)} weights for {slots} slots."
        context.add(CLASH, (*path, "attention"), what, "Give one weight a slot.")
    of = lever.get("of")
    if of is not None and of != "cases":
        sources = [str(source.get("name")) for source in context.facts.parts("data")]
        context.refer(of, sources, "source", (*path, "of"), "data")


def _policy(context: Context, path: Path, lever: Tree, policy: Any) -> None:
    if isinstance(policy, dict):
        if "formula" in policy:
            found = context.formula(policy["formula"], (*path, "formula"), "any", before="a policy")
            _setting_type(context, (*path, "formula"), lever, found)
        if "column" in policy and context.name(policy["column"], (*path, "column"), "column"):
            entry = context.names[policy["column"]]
            _setting_type(context, (*path, "column"), lever, Typed(entry.type))
        for key in ("most_likely", "confident"):
            if key in policy:
                context.name(policy[key], (*path, key), "outcome")
        if "else" in policy:
            _setting(context, (*path, "else"), lever, policy["else"])
    else:
        _setting(context, path, lever, policy)


def _setting(context: Context, path: Path, lever: Tree, setting: Any) -> None:
    """A setting that is written out."""
    kind = lever.get("type")
    if kind == "options":
        if not isinstance(setting, str):
            what = f"is the number {setting:g}, and settings are text."
            context.add(TYPE, path, what, f'Quote it: `"{setting:g}"`.')
            return
        settings = context.names[lever["name"]].values if lever.get("name") in context.names else None
        if settings is not None and setting not in settings:
            _not_among(context, path, setting, settings)
        return
    try:
        number = float(setting)
    except ValueError:
        what = f"`{setting}` is no number, and `{lever.get('name')}` takes numbers."
        context.add(TYPE, path, what, 'Write a number, or `{formula: "…"}`.')
        return
    low, high = lever.get("minimum"), lever.get("maximum")
    if kind in ("integer", "range") and ((low is not None and number < low) or (high is not None and number > high)):
        what = f"{number:g} lies outside {low if low is not None else '…'} to {high if high is not None else '…'}."
        context.add(CLASH, path, what, "Choose a setting within the limits, or widen them.")
    if kind == "ranking" and number != 0:
        context.add(
            TYPE, path, f"{number:g} is no ranking.", 'Write `"0"` for showing nothing, or `{formula: "score"}`.'
        )


def _setting_type(context: Context, path: Path, lever: Tree, found: Typed) -> None:
    """What a policy gives must be a setting."""
    if found == ANY or found.type == "any" or lever.get("type") not in ("options", "integer", "range", "ranking"):
        return
    if lever["type"] != "options":
        if found.type not in ("number", "boolean", "time"):
            context.add(TYPE, path, f"gives {an(found.type)}, and `{lever.get('name')}` takes numbers.", "")
        return
    if found.type != "category":
        what = f"gives {an(found.type)}, and the settings of `{lever.get('name')}` are text."
        context.add(TYPE, path, what, "Write `where(…, 'setting', 'other')`.")
        return
    settings = context.names[lever["name"]].values if lever.get("name") in context.names else None
    for value in sorted(found.values or ()):
        if settings is not None and value not in settings:
            _not_among(context, path, value, settings)


def _not_among(context: Context, path: Path, setting: str, settings: frozenset[str]) -> None:
    from difflib import get_close_matches

    known = sorted(settings)
    near = get_close_matches(setting, known, 1, 0.6)
    advice = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(f'`{name}`' for name in known[:12])}."
    if not known:
        advice = "The lever has no settings yet: list them under `options`."
    context.add(LITERAL, path, f"there is no setting `{setting}`.", advice)


def _history(context: Context, path: Path, lever: Tree) -> None:
    history = lever.get("history", {})
    path = (*path, "history")
    if "data" in history:
        sources = [str(source.get("name")) for source in context.facts.parts("data")]
        context.refer(history["data"], sources, "source", (*path, "data"), "data")
    if "column" in history and context.name(history["column"], (*path, "column"), "column"):
        entry = context.names[history["column"]]
        numeric = entry.type in ("number", "time")
        if lever.get("type") == "options" and numeric:
            what = f"`{history['column']}` is {an(entry.type)}, and settings are text."
            context.add(
                TYPE, (*path, "column"), what, "Declare it as `category`; it must hold the settings' names.", "warn"
            )
        elif lever.get("type") in ("integer", "range", "ranking") and entry.type in ("category", "text", "id", "media"):
            what = f"`{history['column']}` is {an(entry.type)}, and settings are numbers."
            context.add(TYPE, (*path, "column"), what, "Declare it as `number`.", "warn")
    propensity = history.get("propensity")
    if isinstance(propensity, str):
        context.name(propensity, (*path, "propensity"), "column")
    elif isinstance(propensity, int | float) and propensity <= 0:
        context.add(CLASH, (*path, "propensity"), f"{propensity:g} is no probability.", "It is above 0.")
    context.formula(history.get("rows"), (*path, "rows"), "boolean")
