"""A difference between two plans as a sentence, and whether it takes something away.

The first pattern that fits a place speaks; what no pattern knows is said plainly, so that nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from drivetrain.review.deltas import Delta
from drivetrain.review.words import policy, said

Said = tuple[str, bool]
Speaker = Callable[[Delta, re.Match[str]], Said | None]
_SPEAKERS: list[tuple[re.Pattern[str], Speaker]] = []


def sentence(delta: Delta) -> Said:
    """What changed, and whether it weakens the plan."""
    path = "/".join(step.replace("/", " ") for step in delta.path)
    # An answer that is lost, or found, is the same everywhere.
    if _asks(delta.new) and not _asks(delta.old):
        what = f"{_where(delta)} is no longer known: {delta.new['unknown']} ({delta.new.get('owner')})"
        return what, delta.old is not None
    if _asks(delta.old) and not _asks(delta.new):
        if delta.new is None:
            return f"the open question about {_where(delta)} was dropped without an answer", True
        return f"{_where(delta)} is known now: {_short(delta.new)}", False
    for pattern, speaker in _SPEAKERS:
        match = pattern.fullmatch(path)
        if match and (found := speaker(delta, match)):
            return found
    return _plainly(delta)


def _on(pattern: str) -> Callable[[Speaker], Speaker]:
    def keep(speaker: Speaker) -> Speaker:
        _SPEAKERS.append((re.compile(pattern, re.DOTALL), speaker))
        return speaker

    return keep


@_on(r"stage")
def _stage(delta: Delta, _: re.Match[str]) -> Said:
    return f"the stage moved from {delta.old} to {delta.new}", False


@_on(r"(?P<kind>levers|data|models)/(?P<name>[^/]+)/name")
def _renamed(delta: Delta, match: re.Match[str]) -> Said:
    kind = {"levers": "lever", "data": "source", "models": "model"}[match["kind"]]
    return f"{kind} `{delta.old}` is now called `{delta.new}`", False


@_on(r"(?P<kind>levers|data|models|uncontrollable)/(?P<name>[^/]+)")
def _whole(delta: Delta, match: re.Match[str]) -> Said | None:
    kind = {"levers": "lever", "data": "source", "models": "model", "uncontrollable": "uncontrollable"}[match["kind"]]
    if delta.old is None:
        return f"{kind} `{match['name']}` was added", False
    return (f"{kind} `{match['name']}` was removed", False) if delta.new is None else None


@_on(r"objective/measure/(?P<field>current|target|minimum_useful)")
def _moved(delta: Delta, match: re.Match[str]) -> Said:
    name = {"current": "today's figure", "target": "target", "minimum_useful": "least useful figure"}[match["field"]]
    if delta.old is None:
        return f"{name} is stated: {_short(delta.new)}", False
    return (f"{name} was dropped", True) if delta.new is None else (f"{name} moved from {_both(delta)}", False)


@_on(r"objective/measure/direction")
def _turned(delta: Delta, _: re.Match[str]) -> Said:
    return f"the measure is now to {delta.new}, it was to {delta.old}", False


@_on(r"objective/value|objective/terms/(?P<term>[^/]+)")
def _value(delta: Delta, match: re.Match[str]) -> Said:
    name = f"term `{match['term']}`" if match["term"] else "the value of a case"
    if delta.old is None or delta.new is None:
        return f"{name} was {'written' if delta.old is None else 'removed'}: {_short(delta.new or delta.old)}", False
    return f"{name} changed from `{delta.old}` to `{delta.new}`", False


@_on(r"objective/constants/(?P<name>[^/]+)(/value)?")
def _constant(delta: Delta, match: re.Match[str]) -> Said | None:
    old, new = (v.get("value") if isinstance(v, Mapping) else v for v in (delta.old, delta.new))
    if delta.old is None or delta.new is None:
        return f"constant `{match['name']}` was {'added' if delta.old is None else 'removed'}", False
    return f"constant `{match['name']}` moved from {_short(old)} to {_short(new)}", False


@_on(r"(objective/guardrails|optimizer/constraints)/(?P<name>[^/]+)")
def _rail(delta: Delta, match: re.Match[str]) -> Said | None:
    kind = "guardrail" if delta.path[0] == "objective" else "constraint"
    if delta.old is None:
        return f"{kind} `{match['name']}` was added", False
    return (f"{kind} `{match['name']}` was removed", True) if delta.new is None else None


@_on(r"(objective/guardrails|optimizer/constraints)/(?P<name>[^/]+)/(?P<end>at_most|at_least)")
def _limit(delta: Delta, match: re.Match[str]) -> Said:
    kind = "guardrail" if delta.path[0] == "objective" else "constraint"
    upper = match["end"] == "at_most"
    old, new = delta.old, delta.new
    both = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (old, new))
    looser = old is not None and (new is None or (both and (new > old if upper else new < old)))
    end = match["end"].replace("_", " ")
    if old is None or new is None:
        state = f"was set to {_short(new)}" if old is None else "was dropped"
        return f"`{end}` of {kind} `{match['name']}` {state}", looser
    how = "loosened" if looser else "tightened"
    return f"{kind} `{match['name']}` was {how}: {end} {_short(old)} became {_short(new)}", looser


@_on(r"(objective/guardrails|optimizer/constraints)/(?P<name>[^/]+)/by/(?P<group>.+)")
def _limit_by(delta: Delta, match: re.Match[str]) -> Said:
    kind = "guardrail" if delta.path[0] == "objective" else "constraint"
    now = "now holds" if delta.old is None else "no longer holds"
    return f"{kind} `{match['name']}` {now} in each `{match['group']}`", delta.new is None


@_on(r"(objective/guardrails|optimizer/constraints)/(?P<name>[^/]+)/hard")
def _hard(delta: Delta, match: re.Match[str]) -> Said:
    state = "must hold now" if delta.new else "may be broken now"
    return f"`{match['name']}` {state}", not delta.new


@_on(r"objective/affected/(?P<who>[^/]+)(/(?P<field>recourse))?")
def _affected(delta: Delta, match: re.Match[str]) -> Said | None:
    if match["field"]:
        if delta.old is None:
            return f"recourse of {match['who']} is named: {_short(delta.new)}", False
        if delta.new is None:
            return f"recourse of {match['who']} is no longer named", True
        return f"recourse of {match['who']} changed from {_both(delta)}", False
    if delta.old is None:
        return f"{match['who']} are now named as affected", False
    return (f"{match['who']} are no longer named as affected", True) if delta.new is None else None


@_on(r"objective/proxies/(?P<name>[^/]+)")
def _proxy(delta: Delta, match: re.Match[str]) -> Said | None:
    if delta.old is None:
        return f"proxy `{match['name']}` was added", False
    return (f"proxy `{match['name']}` is no longer named as one", True) if delta.new is None else None


@_on(r"objective/if_it_works_really_well")
def _success(delta: Delta, _: re.Match[str]) -> Said:
    return _text_of(delta, "what happens if it works really, really well", weakens=True)


@_on(r"decision/mode")
def _mode(delta: Delta, _: re.Match[str]) -> Said:
    names = {"automate": "automated", "assist": "made by people with assistance"}
    new, old = (names.get(str(v), str(v)) for v in (delta.new, delta.old))
    return f"decisions are now {new}; they were {old}", delta.new == "automate"


@_on(r"levers/(?P<lever>[^/]+)/history(/kind)?")
def _history(delta: Delta, match: re.Match[str]) -> Said | None:
    old, new = (v.get("kind") if isinstance(v, Mapping) else v for v in (delta.old, delta.new))
    lever = f"lever `{match['lever']}`"
    if old == "randomised" and new != "randomised":
        return f"{lever} lost its experiment: its settings were randomised, now they are said to be {_short(new)}", True
    if new == "randomised" and old != "randomised":
        return f"{lever} gained an experiment: its settings are randomised", False
    if delta.old is None or delta.new is None:
        state = f"is stated: {_short(new)}" if delta.old is None else "is no longer stated"
        return f"how {lever} was set so far {state}", delta.new is None
    return f"how {lever} was set so far changed from {_short(old)} to {_short(new)}", False


@_on(r"levers/(?P<lever>[^/]+)/options/(?P<setting>[^/]+)")
def _setting(delta: Delta, match: re.Match[str]) -> Said | None:
    if delta.old is not None and delta.new is not None:
        return None
    return f"setting `{match['setting']}` of lever `{match['lever']}` was {_came(delta)}", False


@_on(r"levers/(?P<lever>[^/]+)/limits/(?P<limit>.+)")
def _lever_limit(delta: Delta, match: re.Match[str]) -> Said:
    state = "may now be chosen only where" if delta.old is None else "may now be chosen without"
    return f"lever `{match['lever']}` {state} `{delta.new or delta.old}`", delta.new is None


@_on(r"levers/(?P<lever>[^/]+)/policies/(?P<policy>[^/]+)(/.*)?")
def _policy(delta: Delta, match: re.Match[str]) -> Said:
    name = f"policy `{match['policy']}` of lever `{match['lever']}`"
    inside = delta.path[4:]
    field = f" ({'.'.join(inside)})" if inside else ""
    if delta.old is None or delta.new is None:
        return (
            f"{name}{field} was {_came(delta)}: {policy(delta.new if delta.old is None else delta.old)}",
            delta.new is None,
        )
    return f"{name}{field} changed from {policy(delta.old)} to {policy(delta.new)}", False


@_on(r"levers/(?P<lever>[^/]+)/owner")
def _owner(delta: Delta, match: re.Match[str]) -> Said:
    if delta.new is None:
        return f"lever `{match['lever']}` has no owner any more", True
    return f"lever `{match['lever']}` is now owned by {_short(delta.new)}" + (
        f"; it was {_short(delta.old)}" if delta.old is not None else ""
    ), False


@_on(r"levers/(?P<lever>[^/]+)/reversible")
def _reversible(delta: Delta, match: re.Match[str]) -> Said:
    states = {True: "can be taken back", False: "cannot be taken back"}
    return (
        f"lever `{match['lever']}` {states.get(delta.new, 'may or may not be taken back')} now",
        delta.new is not True,
    )


@_on(r"data/(?P<source>[^/]+)/groups/(?P<group>.+)")
def _group(delta: Delta, match: re.Match[str]) -> Said:
    state = "is now audited" if delta.old is None else "is no longer audited"
    return f"group `{match['group']}` {state} (source `{match['source']}`)", delta.new is None


@_on(r"data/(?P<source>[^/]+)/columns/(?P<column>[^/]+)(/(?P<field>sensitive|use|known|role))?")
def _column(delta: Delta, match: re.Match[str]) -> Said | None:
    name = f"column `{match['column']}` of `{match['source']}`"
    if match["field"] == "sensitive":
        return f"{name} {'is now marked sensitive' if delta.new else 'is no longer marked sensitive'}", not delta.new
    if match["field"] == "use":
        now = (
            "is kept for the audit only now"
            if delta.new == "audit"
            else "may now be an input; it was for the audit only"
        )
        return f"{name} {now}", delta.new != "audit"
    if match["field"] == "known":
        now = "before" if delta.new == "before" else "only after"
        return f"{name} is now said to be known {now} the decision", False
    if match["field"] == "role":
        return f"{name} is now a {delta.new} column; it was {delta.old}", False
    return (f"{name} was {_came(delta)}", False) if None in (delta.old, delta.new) else None


@_on(r"data/(?P<source>[^/]+)/outcomes/(?P<outcome>[^/]+)")
def _outcome(delta: Delta, match: re.Match[str]) -> Said | None:
    return (f"outcome `{match['outcome']}` was {_came(delta)}", False) if None in (delta.old, delta.new) else None


@_on(r"data/(?P<source>[^/]+)/outcomes/(?P<outcome>[^/]+)/(?P<field>affected_by|shaped_by|values)(/(?P<item>.+))?")
def _outcome_list(delta: Delta, match: re.Match[str]) -> Said | None:
    name = f"outcome `{match['outcome']}`"
    if match["item"] is None:
        return None
    gone = delta.new is None
    if match["field"] == "values":
        return f"class `{match['item']}` of {name} was {_came(delta)}", False
    verb = "moved" if match["field"] == "affected_by" else "shaped"
    return f"{name} is {'no longer' if gone else 'now'} said to be {verb} by `{match['item']}`", gone


@_on(r"data/(?P<source>[^/]+)/rights/(?P<field>consent|licence|retention|personal)")
def _rights(delta: Delta, match: re.Match[str]) -> Said:
    if match["field"] == "personal":
        state = "are said to hold people" if delta.new else "are no longer said to hold people"
        return f"data `{match['source']}` {state}", not delta.new
    return _text_of(delta, f"{match['field']} of `{match['source']}`", weakens=True)


@_on(r"data/(?P<source>[^/]+)/collect(/.*)?")
def _collect(delta: Delta, match: re.Match[str]) -> Said | None:
    old, new = (v if isinstance(v, Mapping) else {} for v in (delta.old, delta.new))
    if old.get("how") == "experiment" and new.get("how") != "experiment":
        return f"lever `{old.get('lever')}` lost its experiment (source `{match['source']}`)", True
    if new.get("how") == "experiment" and old.get("how") != "experiment":
        return f"lever `{new.get('lever')}` gets an experiment (source `{match['source']}`)", False
    return None


@_on(r"models/(?P<model>[^/]+)/(?P<field>inputs|predicts)/(?P<item>.+)")
def _model_list(delta: Delta, match: re.Match[str]) -> Said:
    verb = {"inputs": "takes", "predicts": "predicts"}[match["field"]]
    now = "now" if delta.old is None else "no longer"
    return f"model `{match['model']}` {now} {verb} `{match['item']}`", False


@_on(r"deployment/serve/(?P<kind>[^/]+)")
def _serve(delta: Delta, match: re.Match[str]) -> Said | None:
    if None not in (delta.old, delta.new):
        return None
    return f"it is {'now' if delta.old is None else 'no longer'} served as `{match['kind']}`", False


@_on(r"deployment/guards/confirm")
def _confirm(delta: Delta, _: re.Match[str]) -> Said:
    return _text_of(delta, "what a person confirms", weakens=True)


@_on(r"deployment/exploration(/share)?")
def _exploration(delta: Delta, _: re.Match[str]) -> Said:
    old, new = (v.get("share") if isinstance(v, Mapping) else v for v in (delta.old, delta.new))
    if new is None or old is None:
        state = "is no longer" if new is None else f"({_short(new)}) is now"
        return f"a share of decisions {state} made by lot", new is None
    fewer = isinstance(old, int | float) and isinstance(new, int | float) and new < old
    return f"the share of decisions made by lot moved from {_short(old)} to {_short(new)}", fewer


@_on(r"deployment/failure_modes/(?P<name>[^/]+)")
def _failure(delta: Delta, match: re.Match[str]) -> Said | None:
    if None not in (delta.old, delta.new):
        return None
    return f"failure mode `{match['name']}` was {_came(delta)}", delta.new is None


@_on(r"maintenance/feedback_loop")
def _loop(delta: Delta, _: re.Match[str]) -> Said:
    return _text_of(delta, "the plan against feedback loops", weakens=True)


@_on(r"(?P<part>objective|decision|simulator|optimizer|deployment|maintenance|levers|data|models|uncontrollable)")
def _part(delta: Delta, match: re.Match[str]) -> Said | None:
    if None not in (delta.old, delta.new):
        return None
    return f"the part `{match['part']}` was {_came(delta)}", delta.new is None


def _text_of(delta: Delta, name: str, *, weakens: bool) -> Said:
    if delta.old is None:
        return f"{name} is stated: {_short(delta.new)}", False
    if delta.new is None:
        return f"{name} is no longer stated", weakens
    return f"{name} changed from {_both(delta)}", False


def _plainly(delta: Delta) -> Said:
    where = _where(delta)
    one = _short(delta.new if delta.old is None else delta.old)
    if delta.member:
        return f"`{one}` was {_came(delta)} in `{'.'.join(delta.path[:-1])}`", False
    if delta.old is None or delta.new is None:
        return f"{where} was {_came(delta)}: {one}", False
    return f"{where} changed from {_both(delta)}", False


def _where(delta: Delta) -> str:
    return f"`{'.'.join(delta.path)}`"


def _came(delta: Delta) -> str:
    return "added" if delta.old is None else "removed"


def _both(delta: Delta) -> str:
    return f"{_short(delta.old)} to {_short(delta.new)}"


def _short(value: Any) -> str:
    text = " ".join(said(value, "nothing").split())
    return text if len(text) <= 160 else text[:159] + "…"


def _asks(value: Any) -> bool:
    return isinstance(value, Mapping) and "unknown" in value
