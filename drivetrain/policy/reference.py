"""Policies to compare with: what is done without a model, with a simple rule, or by accuracy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.policy.belief import Belief
from drivetrain.policy.parts import parted
from drivetrain.policy.problem import Array, Problem
from drivetrain.policy.ranking import parts, scored
from drivetrain.policy.simulate import allowed, evaluate_guess, expectation
from drivetrain.policy.worth import others_of
from drivetrain.spec.formula import Formula, parse

Action = dict[str, Array]
"""Lever -> setting of each case, shape (n,)."""


def reference(
    problem: Problem,
    name: str,
    columns: Mapping[str, Array],
    beliefs: Mapping[str, Belief],
    groups: NDArray[np.int64] | None = None,
) -> Action:
    """What a reference policy does for n cases.

    A ranking's policy gives scores, highest first; `"0"` shows no item, and leaves a queue as it came.

    Args:
        problem: The decision.
        name: `do_nothing`, `today`, `simple_rule`, `fallback` or `accuracy_first`.
        columns: Name -> shape (n,).
        beliefs: Outcome -> what is believed of it.
        groups: Of a ranking: rows that are ranked together have one number; None: all rows.

    Raises:
        PolicyError: The plan does not state it, or it sets what is no setting.
    """
    if problem.ranking is not None:
        return _ranking(problem, name, columns, beliefs, groups)
    if name == "accuracy_first":
        return as_if_certain(problem, columns, beliefs, _valued(problem))
    if name not in problem.policies:
        raise PolicyError(
            f"the plan states no `{name}` policy.", "Add it under the lever's `policies`.", where="levers"
        )
    rules = problem.policies[name]
    cases = _count(columns, beliefs)
    action = {}
    for lever, rule in rules.items():
        action[lever] = _checked(problem, lever, name, _apply(problem, lever, rule, columns, beliefs, cases))
    return action


def _valued(problem: Problem) -> tuple[str, ...]:
    """The outcomes in the value: accuracy-first takes the likeliest class of each for the truth."""
    return tuple(name for name in problem.outcomes if name in problem.value.names)


def _ranking(
    problem: Problem,
    name: str,
    columns: Mapping[str, Array],
    beliefs: Mapping[str, Belief],
    groups: NDArray[np.int64] | None,
) -> Action:
    """Places by the score that the policy gives, and what it sets the other levers to."""
    ranking = problem.ranking
    assert ranking is not None
    rules = problem.policies.get(name, {})
    rule = rules.get(ranking.lever)
    if name == "accuracy_first":
        return _ranked_as_if_certain(problem, name, columns, beliefs, _valued(problem), groups)
    if rule is None:
        raise PolicyError(
            f"the plan states no `{name}` policy.", "Add it under the lever's `policies`.", where="levers"
        )
    count = _count(columns, beliefs)
    action: Action = {}
    for lever in problem.levers:
        if lever == ranking.lever:
            continue
        likely = getattr(rules[lever], "most_likely", None) or getattr(rules[lever], "confident", None)
        if likely and not _named(problem, lever, beliefs, problem.opened(likely)):
            certain = _ranked_as_if_certain(problem, name, columns, beliefs, problem.opened(likely), groups)
            values = _unless_unsure(problem, lever, rules[lever], beliefs, certain[lever])
        else:
            values = _apply(problem, lever, rules[lever], columns, beliefs, count)
        action[lever] = _checked(problem, lever, name, values)
        if problem.items:
            _refuse_several(lever, name, action[lever], groups)
    if getattr(rule, "most_likely", None):
        outcomes = problem.opened(rule.most_likely)
        return _ranked_as_if_certain(problem, name, columns, beliefs, outcomes, groups, action)
    if isinstance(rule, str | int | float):
        score = np.zeros(count)
        place = score if problem.items else scored(problem, name, score, np.ones(count, dtype=bool), groups)
        return {**action, ranking.lever: place}
    may = np.ones(count, dtype=bool)
    if problem.items:
        free = np.broadcast_to(allowed(problem, columns, beliefs), (count, len(problem.labels)))
        may = free[np.arange(count), _at(problem, action, 1.0, count)]
    score = np.asarray(_apply(problem, ranking.lever, rule, columns, beliefs, count))
    return {**action, ranking.lever: scored(problem, name, score, may, groups)}


def _ranked_as_if_certain(
    problem: Problem,
    name: str,
    columns: Mapping[str, Array],
    beliefs: Mapping[str, Belief],
    outcomes: tuple[str, ...],
    groups: NDArray[np.int64] | None,
    given: Action | None = None,
) -> Action:
    """The ranking by what would be gained if the likeliest came true, with the other levers as they would be best then.

    Args:
        problem: The decision; it has a ranking.
        name: The policy, for messages.
        columns: Name -> shape (n,).
        beliefs: Outcome -> what is believed of it.
        outcomes: Those that are taken for certain.
        groups: Rows that are ranked together have one number; None: all rows.
        given: What the other levers are set to; None: what is best.
    """
    ranking = problem.ranking
    assert ranking is not None
    count = _count(columns, beliefs)
    rows = np.arange(count)
    certain = {key: _certain(b) if key in outcomes else b for key, b in beliefs.items()}
    worth = np.broadcast_to(expectation(problem, problem.value, columns, certain), (count, len(problem.labels)))
    free = np.broadcast_to(allowed(problem, columns, beliefs), worth.shape)
    others = others_of(problem, ranking.lever)
    if given:
        at = _at(problem, given, float(problem.settings[ranking.lever][0]), count)
        every = [np.searchsorted(np.flatnonzero(_first(problem)), at)]
    else:
        every = [np.full(count, which) for which in range(max((len(v) for v in others.values()), default=1))]
    line = problem.settings[ranking.lever]
    places = np.unique(line)
    # Column of each place under each setting of the others.
    column = np.stack([np.flatnonzero(line == place) for place in places])
    if not problem.items:
        ends = (1, 0) if places[0] == 0 else (0, len(places) - 1)
        top = [np.max([_open(worth, free, rows, column[end][which]) for which in every], axis=0) for end in ends]
        place = scored(problem, name, top[0] - top[1], np.ones(count, dtype=bool), groups)
        here = np.stack([_open(worth, free, rows, column[np.searchsorted(places, place), which]) for which in every])
        chosen = np.stack(every)[here.argmax(axis=0), rows]
        return {**(given or {lever: values[chosen] for lever, values in others.items()}), ranking.lever: place}
    totals, orders = [], []
    for which in every:
        hidden, shown = column[0][which], column[1][which]
        gain = worth[rows, shown] - worth[rows, hidden]
        # Who gains nothing by being shown is not shown.
        place = scored(problem, name, gain, free[rows, shown] & (gain > 0), groups)
        kept = np.where(place > 0, free[rows, shown], free[rows, hidden])
        each = worth[rows, hidden] + ranking.seen(place) * gain
        sums = [(int((~kept[part]).sum()), -float(each[part].sum())) for part in parts(groups, count)]
        totals.append(sums)
        orders.append(place)
    chosen = np.empty(count, dtype=np.int64)
    place = np.empty(count)
    for number, part in enumerate(parts(groups, count)):
        taken = min(range(len(every)), key=lambda which: totals[which][number])
        chosen[part], place[part] = every[taken][part], orders[taken][part]
    return {**(given or {lever: values[chosen] for lever, values in others.items()}), ranking.lever: place}


def _open(worth: Array, free: Array, rows: Array, column: Array) -> Array:
    """What some cell of each row is worth; less than anything where the limits forbid it."""
    least = worth.min() - np.ptp(worth) - 1
    return np.asarray(np.where(free[rows, column], worth[rows, column], least))


def _first(problem: Problem) -> Array:
    """Which joint settings have the ranking's first place: one for each setting of the other levers."""
    assert problem.ranking is not None
    line = problem.settings[problem.ranking.lever]
    return np.asarray(line == line[0])


def _at(problem: Problem, action: Action, place: float, count: int) -> NDArray[np.int64]:
    """The joint setting with a place and the other levers as they are set, or of a number as near as there is."""
    assert problem.ranking is not None
    inside = np.flatnonzero(problem.settings[problem.ranking.lever] == place)
    apart = np.zeros((count, len(inside)))
    for lever, values in action.items():
        settings = problem.settings[lever][inside]
        if settings.dtype.kind == "U":
            apart += (values[:, None] != settings) * 2.0
        else:
            apart += np.abs(values[:, None].astype(float) - settings) / (float(np.ptp(settings)) or 1.0)
    return np.asarray(inside[apart.argmin(axis=1)])


def _refuse_several(lever: str, policy: str, values: Array, groups: NDArray[np.int64] | None) -> None:
    """A lever beside a ranking of items is set once for each case, whatever the item."""
    several = sum(len(np.unique(values[part])) > 1 for part in parts(groups, len(values)))
    if several:
        raise PolicyError(
            f"`{policy}` gives `{lever}` another setting for some items of {several} cases, and a case has one.",
            "Write it with columns of the cases alone, or with outcomes whose model reads no item.",
            where=f"levers.{lever}.policies.{policy}",
        )


def as_if_certain(
    problem: Problem, columns: Mapping[str, Array], beliefs: Mapping[str, Belief], outcomes: tuple[str, ...]
) -> Action:
    """The setting named like the likeliest class; where classes are no settings, the best if that class were certain.

    Accuracy is all that counts for this policy: it does not see how sure the model is, nor what an error costs.
    """
    cases = _count(columns, beliefs)
    if len(problem.levers) == 1 and _named(problem, problem.levers[0], beliefs, outcomes):
        return {problem.levers[0]: _likeliest(beliefs[outcomes[0]], cases)}
    certain = {name: _certain(beliefs[name]) if name in outcomes else beliefs[name] for name in beliefs}
    values = np.where(
        allowed(problem, columns, beliefs), expectation(problem, problem.value, columns, certain), -np.inf
    )
    best = values.argmax(axis=1)
    return {lever: settings[best] for lever, settings in problem.settings.items()}


def _named(problem: Problem, lever: str, beliefs: Mapping[str, Belief], outcomes: tuple[str, ...]) -> bool:
    """Whether the classes of the only outcome are settings of a lever."""
    belief = beliefs.get(outcomes[0]) if len(outcomes) == 1 else None
    return bool(belief and belief.classes and set(belief.classes) <= set(problem.settings[lever].tolist()))


def _likeliest(belief: Belief, cases: int) -> Array:
    """The likeliest class of each case, as text."""
    return np.broadcast_to(belief.likeliest()[:, 0, 0], (cases,)).astype(str)


def _certain(belief: Belief) -> Belief:
    """A belief that takes the likeliest class, or the mean, for the truth."""
    if belief.probabilities is None:
        return replace(belief, quantiles=belief.mean())
    top = belief.probabilities.argmax(axis=2)
    return replace(belief, probabilities=np.eye(belief.probabilities.shape[2])[top])


def _apply(
    problem: Problem,
    lever: str,
    rule: Any,
    columns: Mapping[str, Array],
    beliefs: Mapping[str, Belief],
    cases: int,
) -> Array:
    if isinstance(rule, str | int | float):
        return np.full(cases, rule)
    if getattr(rule, "column", None):
        if rule.column not in columns:
            raise PolicyError(f"the cases have no column `{rule.column}`.", where=f"levers.{lever}.policies")
        return np.asarray(columns[rule.column])
    if getattr(rule, "formula", None):
        return _guessed(problem, parted(parse(rule.formula)), columns, beliefs, cases)
    outcome = getattr(rule, "most_likely", None) or getattr(rule, "confident", None)
    if outcome is None:
        raise PolicyError(
            "says nothing yet.", "State a setting, a formula or a column.", where=f"levers.{lever}.policies"
        )
    outcomes = problem.opened(outcome)
    if _named(problem, lever, beliefs, outcomes):
        likely = _likeliest(beliefs[outcomes[0]], cases)
    else:
        likely = as_if_certain(problem, columns, beliefs, outcomes)[lever]
    return _unless_unsure(problem, lever, rule, beliefs, likely)


def _unless_unsure(problem: Problem, lever: str, rule: Any, beliefs: Mapping[str, Belief], likely: Array) -> Array:
    """What follows from the likeliest class, and where that is not likely enough the stated setting."""
    outcome = getattr(rule, "confident", None)
    if outcome is None:
        return likely
    probabilities = beliefs[outcome].probabilities
    if probabilities is None or problem.opened(outcome) != (outcome,):
        raise PolicyError(
            f"`confident` needs classes of which one is true, and `{outcome}` has none.",
            "Use a formula, or give the outcome `bins`.",
            where=f"levers.{lever}.policies",
        )
    sure = probabilities.max(axis=2)[:, 0] >= rule.at_least
    return np.where(sure, likely, np.full(len(likely), rule.otherwise))


def _guessed(
    problem: Problem, formula: Formula, columns: Mapping[str, Array], beliefs: Mapping[str, Belief], cases: int
) -> Array:
    """A policy's formula, shape (cases,). Of an outcome that levers move it sees what comes of doing nothing."""
    known = {name: b for name, b in beliefs.items() if name in formula.names}
    found = evaluate_guess(problem, formula, columns, known, {})
    if found.shape[1] > 1:
        found = found[:, [_idle(problem)]]
    return np.broadcast_to(found[:, 0], (cases,))


def _idle(problem: Problem) -> int:
    """The joint setting that does nothing in every case; the first where there is none."""
    still = problem.policies.get("do_nothing", {})
    inside = np.ones(len(problem.labels), dtype=bool)
    for lever, rule in still.items():
        if isinstance(rule, str | int | float):
            settings = problem.settings[lever]
            same = settings == (str(rule) if settings.dtype.kind == "U" else float(rule))
            # A queue that is left as it came has no place of its own for that.
            inside &= same if same.any() else True
    return int(inside.argmax())


def _checked(problem: Problem, lever: str, policy: str, values: Array) -> Array:
    """A policy may only set what the lever can be set to."""
    settings = problem.settings[lever]
    if settings.dtype.kind == "U":
        values = values.astype(str)
        strange = sorted(set(np.unique(values).tolist()) - set(settings.tolist()))
        if strange:
            raise PolicyError(
                f"`{policy}` sets `{lever}` to {', '.join(map(repr, strange[:5]))}, which is none of its settings.",
                f"Settings are {', '.join(list(dict.fromkeys(settings.tolist()))[:12])}.",
                where=f"levers.{lever}.policies.{policy}",
            )
        return values
    numbers = values.astype(float)
    if not np.isfinite(numbers).all():
        raise PolicyError(
            f"`{policy}` gives no number for {int((~np.isfinite(numbers)).sum())} of {len(numbers)} cases.",
            "Guard missing values in its formula or column.",
            where=f"levers.{lever}.policies.{policy}",
        )
    return numbers


def _count(columns: Mapping[str, Array], beliefs: Mapping[str, Belief]) -> int:
    for belief in beliefs.values():
        return belief.cases
    return max((len(column) for column in columns.values()), default=0)
