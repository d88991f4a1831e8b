"""Does the objective mean something: its terms, value, horizon and limits."""

from drivetrain.spec.kinds import CIRCLE, CLASH, MISSING, TYPE
from drivetrain.spec.meaning.context import Context
from drivetrain.spec.names import an
from drivetrain.spec.reading import Path


def check_objective(context: Context) -> None:
    """Objective and decision; findings go to the context."""
    objective = context.tree.get("objective", {})
    root: Path = ("objective",)
    measure = objective.get("measure", {})
    context.formula(measure.get("formula"), (*root, "measure", "formula"), population=True, value=True)
    for name, constant in objective.get("constants", {}).items():
        bounds = [constant[key] for key in ("low", "value", "high") if key in constant]
        if bounds != sorted(bounds):
            what = "`low`, `value` and `high` are not in this order."
            advice = "`low` is the least plausible number, `high` the largest."
            context.add(CLASH, (*root, "constants", name), what, advice, "warn")
    for name, term in objective.get("terms", {}).items():
        context.formula(term, (*root, "terms", name), "any")
    _circles(context)
    context.formula(objective.get("value"), (*root, "value"), before="the value")
    _over_time(context)
    guardrails = objective.get("guardrails", ())
    for path, guardrail in context.items(guardrails, (*root, "guardrails")):
        context.constraint(path, guardrail)
    context.unique("guardrails", context.items(guardrails, (*root, "guardrails")))
    for path, proxy in context.items(objective.get("proxies", ()), (*root, "proxies")):
        context.formula(proxy.get("measure"), (*path, "measure"), "any", population=True)
    _decision(context)


def _circles(context: Context) -> None:
    """Terms that refer to each other."""
    told: set[str] = set()
    for circle in context.term_circles:
        if not told & set(circle):
            told |= set(circle)
            way = " → ".join(f"`{step}`" for step in circle)
            what = f"refers to itself: {way}."
            context.add(CIRCLE, ("objective", "terms", circle[0]), what, "Write one of them without the others.")


def _over_time(context: Context) -> None:
    over_time = context.tree.get("objective", {}).get("over_time", {})
    root: Path = ("objective", "over_time")
    context.formula(over_time.get("continues"), (*root, "continues"), before="what continues")
    for name, text in over_time.get("next", {}).items():
        path = (*root, "next", name)
        found = context.formula(text, path, "any", before="the next period")
        if not context.name(name, path, "column", "lever"):
            continue
        entry = context.names[name]
        kinds = {"number": "number", "boolean": "number", "time": "number"}
        if "any" not in (entry.type, found.type) and kinds.get(entry.type, entry.type) != kinds.get(
            found.type, found.type
        ):
            what = f"`{name}` is {an(entry.type)}, and in the next period would be {an(found.type)}."
            context.add(TYPE, path, what, "Give it a value of its own type.")


def _decision(context: Context) -> None:
    cases = context.tree.get("decision", {}).get("cases")
    sources = [str(source.get("name")) for source in context.facts.parts("data")]
    if cases is not None:
        context.refer(cases, sources, "source", ("decision", "cases"), "data")
    elif len(sources) > 1 and not context.said(("decision", "cases")):
        what = f"the plan has {len(sources)} sources and does not say whose rows are the cases."
        advice = "Write `decision: {cases: …}` with one of " + ", ".join(f"`{name}`" for name in sources) + "."
        context.add(MISSING, ("decision",), what, advice, "fail" if "models" in context.tree else "note")
