"""The stages parallel, limited and wide: what may be done with what the policy recommends.

*Parallel* drives nothing: answers are logged, and today's policy (or `defer`) is what comes back. *Limited* lets a
person approve every action. *Wide* acts on a share of the cases that people raise step by step, and goes back to
today's policy by itself when an alarm rings. What people set (the share, a pause) stands in `rollout.json` and is read
while the service runs.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from math import prod
from typing import TYPE_CHECKING, Any

from drivetrain import policy
from drivetrain.errors import FormulaError, ServiceError
from drivetrain.evidence import write_whole
from drivetrain.serving import history
from drivetrain.serving.answers import Decision
from drivetrain.serving.assessed import DEFER, Assessed, verdict
from drivetrain.stages import reached

if TYPE_CHECKING:
    from drivetrain.policy import Choice, Problem
    from drivetrain.spec import Spec

NAME = "rollout.json"
FIRST_SHARE = 0.1
"""Share of the cases that a service in stage *wide* acts on before anybody has said another."""


@dataclass(frozen=True, slots=True)
class State:
    """What people have set.

    Attributes:
        share: Share of the cases inside the scope that are acted on in stage *wide*.
        paused: Why the service acts on nothing; empty when it does.
        release: Name of the earlier release that is served; empty for the newest.
        turn: Counts the changes; the service loads models and policy anew when it has moved.
        changed: UTC time of the last change, ISO 8601.
    """

    share: float
    paused: str = ""
    release: str = ""
    turn: int = 0
    changed: str = ""


def read(spec: Spec) -> State:
    """What stands in `rollout.json`; the plan's own share, or a tenth, when nobody has set anything.

    Raises:
        ServiceError: The file is there and cannot be read.
    """
    path = spec.root / NAME
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        state = State(
            float(body["share"]), str(body["paused"]), str(body["release"]), int(body["turn"]), str(body["changed"])
        )
    except FileNotFoundError:
        share = share_in(spec.deployment.scope or "") if spec.deployment else None
        return State(FIRST_SHARE if share is None else share)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServiceError(f"cannot be read ({error}).", "Restore it, or remove it to begin anew.", NAME) from error
    if not 0 <= state.share <= 1:
        raise ServiceError(f"says a share of {state.share:g}.", "A share lies between 0 and 1.", NAME)
    return state


def change(spec: Spec, **changes: Any) -> State:
    """Set something for the running service and the next one.

    Args:
        spec: The plan.
        changes: `share`, `paused`, `release`.
    """
    before = read(spec)
    after = replace(before, **changes, turn=before.turn + 1, changed=datetime.now(UTC).isoformat(timespec="seconds"))
    write_whole(spec.root / NAME, json.dumps(asdict(after), indent=2, ensure_ascii=False) + "\n")
    return after


def released(spec: Spec, state: State) -> Spec:
    """The plan of the release that is served: its models and policy, with today's stage and deployment.

    How far the service may go is today's plan to say, whatever stood in the plan of an earlier release.
    """
    from drivetrain import load_spec

    place = history.place(spec.root, state.release)
    return load_spec(place).model_copy(update={"stage": spec.stage, "deployment": spec.deployment})


def share_in(scope: str) -> float | None:
    """The share that a scope like `5 % of web quotes` names; None when it names none."""
    found = re.match(r"\s*(\d+(?:\.\d+)?)\s*%", scope)
    return min(1.0, float(found[1]) / 100) if found else None


Scope = Callable[[Mapping[str, Any]], bool]


def scope_of(spec: Spec, known: frozenset[str]) -> Scope | None:
    """The scope as a test of a case, where the plan writes it as a formula over the case's columns.

    A scope in words cannot be computed: in stage *limited* the person who approves reads it, in stage *wide* whoever
    sends the cases keeps to it.

    Args:
        spec: The plan.
        known: Columns that a case may carry.
    """
    from drivetrain.spec import formula

    text = (spec.deployment.scope if spec.deployment else None) or ""
    try:
        parsed = formula.parse(text)
    except FormulaError:
        return None
    if not parsed.names or not parsed.names <= known:
        return None

    def inside(columns: Mapping[str, Any]) -> bool:
        import numpy as np

        if any(columns.get(name) is None for name in parsed.names):
            return False
        return bool(np.all(formula.evaluate(parsed, {name: np.asarray(columns[name]) for name in parsed.names})))

    return inside


@dataclass(frozen=True, slots=True)
class Draw:
    """A setting and how it came about.

    Attributes:
        setting: Its label.
        levers: Lever -> its value.
        explored: Whether the case was given to the lot.
        propensity: Probability with which this setting comes out for such a case (a range: density per unit).
        held_back: Why nothing is done with the case beyond writing it down; empty when something is.
        empty: Of a shelf: the settings in which nothing is shown, which a person may choose instead.
        chances: Lever -> probability of its own setting, given those of the levers before it; their product is the
            propensity. Empty where nothing was drawn.
    """

    setting: str
    levers: Mapping[str, Any]
    explored: bool
    propensity: float
    held_back: str = ""
    empty: tuple[str, ...] = ()
    chances: Mapping[str, float] = field(default_factory=dict)


def draw(spec: Spec, problem: Problem, assessed: Assessed, lot: random.Random) -> Draw:
    """Give the plan's share of the cases to the lot, among the settings that the limits allow.

    With share e and k settings to draw from, the policy's choice has probability 1 - e + e / k, every other one e / k.

    Args:
        spec: The plan; `deployment.exploration` says which share, and of which levers.
        problem: The plan as the policy sees it.
        assessed: A settled case.
        lot: Where chance comes from.
    """
    choice = assessed.choice
    assert choice is not None
    exploration = spec.deployment.exploration if spec.deployment else None
    share = (exploration.share or 0.0) if exploration else 0.0
    drawn = set(problem.levers if exploration is None or exploration.levers is None else exploration.levers)
    if not share > 0:
        return taken(problem, choice)
    if problem.ranking is not None:
        return _drawn_ranking(spec, problem, choice, share, drawn, lot)
    kept = {name: value for name, value in choice.levers.items() if name not in drawn}
    allowed = [
        label
        for place, label in enumerate(problem.labels)
        if assessed.allowed[place] and all(problem.settings[name][place] == kept[name] for name in kept)
    ] or [choice.setting]
    explored = lot.random() < share
    setting = lot.choice(allowed) if explored else choice.setting
    probability = share / len(allowed) if setting in allowed else 0.0
    probability += 1 - share if setting == choice.setting else 0.0
    levers = dict(choice.levers)
    if setting != choice.setting:
        levers = _levers_of(problem, problem.labels.index(setting))
    chances = {}
    if len(problem.levers) > 1:
        names = set(allowed)
        free = [_levers_of(problem, place) for place, label in enumerate(problem.labels) if label in names]
        chances = _chances(spec, problem, free or [dict(choice.levers)], choice.levers, levers, share, drawn)
    return Draw(setting, levers, explored, probability / _width(spec, problem, drawn), chances=chances)


def _levers_of(problem: Problem, place: int) -> dict[str, Any]:
    """What each lever is set to in a joint setting."""
    return {name: settings[place].item() for name, settings in problem.settings.items()}


def _chances(
    spec: Spec,
    problem: Problem,
    free: Sequence[Mapping[str, Any]],
    chosen: Mapping[str, Any],
    taken: Mapping[str, Any],
    share: float,
    drawn: set[str],
) -> dict[str, float]:
    """Lever -> probability of its setting, given those of the levers before it; a log asks for each lever's own.

    Args:
        spec: The plan.
        problem: The plan as the policy sees it.
        free: Lever -> setting, of each joint setting that may be drawn.
        chosen: What the policy chose.
        taken: What is done.
        share: Of the cases that are given to the lot.
        drawn: Levers that are drawn.
    """
    found: dict[str, float] = {}
    before, known = 1.0, list[str]()
    for name in problem.levers:
        if problem.ranking is not None and name == problem.ranking.lever:
            continue
        known.append(name)
        alike = sum(all(one[lever] == taken[lever] for lever in known) for one in free) / len(free)
        now = share * alike + (1 - share) * all(chosen[lever] == taken[lever] for lever in known)
        found[name] = now / before / _width(spec, problem, drawn & {name})
        before = now
    return found


def taken(problem: Problem, choice: Choice, reason: str = "") -> Draw:
    """What the policy chose, by no lot."""
    return Draw(choice.setting, choice.levers, False, 1.0, reason, _empty(problem, choice))


def _empty(problem: Problem, choice: Choice) -> tuple[str, ...]:
    """The settings in which nothing is shown: one under each allowed setting of the levers beside the shelf."""
    return tuple(
        policy.shelf(problem, {**one.levers, problem.ranking.lever: []})
        for one in choice.beside
        if problem.ranking is not None and (one.value is not None or len(choice.beside) == 1)
    )


def _drawn_ranking(
    spec: Spec, problem: Problem, choice: Choice, share: float, drawn: set[str], lot: random.Random
) -> Draw:
    """As many items as the policy shows, drawn from all that may be shown; a queue is never drawn.

    The propensity is that of one item in its place: what an estimate needs that looks at each place by itself. Levers
    beside the ranking are drawn first, among their settings that the limits allow.
    """
    ranking = problem.ranking
    assert ranking is not None
    kept = {name: value for name, value in choice.levers.items() if name != ranking.lever and name not in drawn}
    explored = lot.random() < share
    width = _width(spec, problem, drawn)
    if not problem.items:
        beside = policy.others_of(problem, ranking.lever)
        every = [
            {
                ranking.lever: choice.levers[ranking.lever],
                **{name: values[at].item() for name, values in beside.items()},
            }
            for at in range(max((len(values) for values in beside.values()), default=0))
        ]
        may_be = [
            levers
            for levers in every
            if choice.values.get(problem.label(levers)) is not None
            and all(levers[name] == value for name, value in kept.items())
        ]
        if len(may_be) < 2:
            return taken(problem, choice)
        levers = lot.choice(may_be) if explored else choice.levers
        setting = problem.label(levers)
        chance = share / len(may_be) + (1 - share if setting == choice.setting else 0.0)
        chances = _chances(spec, problem, may_be, choice.levers, levers, share, drawn)
        ordered = {name: levers[name] for name in problem.levers}
        return Draw(setting, ordered, explored, chance / width, chances=chances | {ranking.lever: 1.0})
    free = [
        one
        for one in choice.beside
        if (one.value is not None or len(choice.beside) == 1)
        and all(one.levers[name] == value for name, value in kept.items())
    ]
    mine = next(one for one in choice.beside if one.setting == choice.setting)
    picked = lot.choice(free) if explored else mine
    shown = list(picked.levers[ranking.lever])
    may = [item for item, gain in picked.values.items() if gain is not None]
    order = shown
    if explored and ranking.lever in drawn:
        lots = iter(lot.sample(may, sum(item is not None for item in shown)))
        order = [None if item is None else next(lots) for item in shown]
    levers = {**picked.levers, ranking.lever: order}
    setting = policy.shelf(problem, levers)
    chance = share / len(free) / (max(1, len(may)) if ranking.lever in drawn else 1)
    chance += 1 - share if setting == choice.setting else 0.0
    chances = _chances(spec, problem, [one.levers for one in free], choice.levers, levers, share, drawn)
    chances[ranking.lever] = chance / width / prod(chances.values())
    return Draw(setting, levers, explored, chance / width, "", _empty(problem, choice), chances)


def _width(spec: Spec, problem: Problem, drawn: set[str]) -> float:
    """Width of one setting of the range levers that are drawn: a range's propensity is a density."""
    width = 1.0
    for lever in spec.levers:
        if lever.type == "range" and lever.name in drawn:
            values = sorted(set(problem.settings[lever.name].tolist()))
            width *= (values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else 1.0
    return width


def draws(
    spec: Spec,
    problem: Problem,
    state: State,
    cases: Sequence[Assessed],
    lot: random.Random,
    scope: Scope | None = None,
) -> list[Draw | None]:
    """The setting of each case that the policy settles, and how it came about; None for one that people decide.

    Before stage *parallel*, and where a case is held back, nothing is drawn by lot: nobody acts on it.

    Args:
        spec: The plan.
        problem: The plan as the policy sees it.
        state: What people have set.
        cases: What models and policy say.
        lot: Where chance comes from.
        scope: Whether a case is inside the scope; None when the scope is not computable.
    """
    found: list[Draw | None] = []
    for case in cases:
        choice = case.choice if case.settled else None
        if choice is None:
            found.append(None)
            continue
        acting = reached(spec.stage, "parallel")
        reason = _held_back(spec, state, case, lot, scope) if acting else ""
        if acting and not reason:
            found.append(draw(spec, problem, case, lot))
        else:
            found.append(taken(problem, choice, reason))
    return found


def answer(spec: Spec, problem: Problem, case: Assessed, drawn: Draw | None) -> Decision:
    """What may be done with a case at the plan's stage.

    Args:
        spec: The plan.
        problem: The plan as the policy sees it.
        case: What models and policy say.
        drawn: What `draws` gave for it.
    """
    given = verdict(case)
    if drawn is None:
        given["status"] = "defer"
        return given
    if not reached(spec.stage, "parallel"):
        return given
    choice = case.choice
    assert choice is not None
    given["recommendation"] = drawn.setting
    if not problem.items or drawn.explored:
        known = {one.setting: one.value for one in choice.beside}
        given["value"] = known.get(drawn.setting, choice.values.get(drawn.setting))
    if drawn.explored:
        given["reasons"] = ["drawn by lot, so that the next models can learn from it"]
    if drawn.held_back:
        given["status"], given["setting"] = "recorded", case.today or DEFER
        given["reasons"] = [drawn.held_back, *given["reasons"]]
    elif spec.stage == "limited":
        given["status"], given["setting"] = "waiting", DEFER
    else:
        given["status"], given["setting"] = "act", drawn.setting
    return given


def _held_back(spec: Spec, state: State, case: Assessed, lot: random.Random, scope: Scope | None) -> str:
    """Why nothing is done with a case beyond writing it down; empty when something is."""
    if spec.stage == "parallel":
        return "stage parallel: the recommendation is written down, and today's way goes on"
    if state.paused:
        return f"paused: {state.paused}"
    if scope is not None and not scope(case.columns):
        return f"outside the scope: {spec.deployment.scope if spec.deployment else ''}"
    if spec.stage == "wide" and not _in_share(spec, state.share, case, lot):
        return f"stage wide acts on {state.share:.0%} of the cases, and this is none of them"
    return ""


def _in_share(spec: Spec, share: float, case: Assessed, lot: random.Random) -> bool:
    """A case's entity is either in or out, and stays in when the share grows; cases without one are drawn."""
    entity = case.columns.get(spec.case_source.entity or "")
    if entity is None:
        return lot.random() < share
    place = hashlib.sha256(f"{spec.slug}:{entity}".encode()).digest()[:8]
    return int.from_bytes(place, "big") / 2**64 < share
