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
from drivetrain.policy.ranking import scored
from drivetrain.policy.simulate import allowed, evaluate_guess, expectation
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
        return {problem.ranking.lever: _ranking(problem, name, columns, beliefs, groups)}
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
) -> Array:
    """Places by the score that the policy gives."""
    ranking = problem.ranking
    assert ranking is not None
    count = _count(columns, beliefs)
    may = np.ones(count, dtype=bool)
    if problem.items:
        may = np.broadcast_to(allowed(problem, columns, beliefs), (count, 2))[:, 1]
    rule = problem.policies.get(name, {}).get(ranking.lever)
    if name == "accuracy_first" or getattr(rule, "most_likely", None):
        outcomes = _valued(problem) if name == "accuracy_first" else problem.opened(rule.most_likely)  # type: ignore[union-attr]
        certain = {key: _certain(b) if key in outcomes else b for key, b in beliefs.items()}
        worth = expectation(problem, problem.value, columns, certain)
        score = np.broadcast_to(worth[:, -1] - worth[:, 0] if problem.items else worth[:, 0] - worth[:, -1], (count,))
        # Who gains nothing by being shown is not shown.
        return scored(problem, name, score, may & (score > 0) if problem.items else may, groups)
    if rule is None:
        raise PolicyError(
            f"the plan states no `{name}` policy.", "Add it under the lever's `policies`.", where="levers"
        )
    if isinstance(rule, str | int | float):
        score = np.zeros(count)
        return score if problem.items else scored(problem, name, score, may, groups)
    score = np.asarray(_apply(problem, ranking.lever, rule, columns, beliefs, count))
    return scored(problem, name, score, may, groups)


def as_if_certain(
    problem: Problem, columns: Mapping[str, Array], beliefs: Mapping[str, Belief], outcomes: tuple[str, ...]
) -> Action:
    """The setting named like the likeliest class; where classes are no settings, the best if that class were certain.

    Accuracy is all that counts for this policy: it does not see how sure the model is, nor what an error costs.
    """
    cases = _count(columns, beliefs)
    if len(outcomes) == 1 and len(problem.levers) == 1:
        belief, lever = beliefs[outcomes[0]], problem.levers[0]
        if belief.classes and set(belief.classes) <= set(problem.settings[lever].tolist()):
            return {lever: np.broadcast_to(belief.likeliest()[:, 0, 0], (cases,)).astype(str)}
    certain = {name: _certain(beliefs[name]) if name in outcomes else beliefs[name] for name in beliefs}
    values = np.where(
        allowed(problem, columns, beliefs), expectation(problem, problem.value, columns, certain), -np.inf
    )
    best = values.argmax(axis=1)
    return {lever: settings[best] for lever, settings in problem.settings.items()}


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
    likely = as_if_certain(problem, columns, beliefs, problem.opened(outcome))[lever]
    if getattr(rule, "confident", None) is None:
        return likely
    probabilities = beliefs[outcome].probabilities
    if probabilities is None or problem.opened(outcome) != (outcome,):
        raise PolicyError(
            f"`confident` needs classes of which one is true, and `{outcome}` has none.",
            "Use a formula, or give the outcome `bins`.",
            where=f"levers.{lever}.policies",
        )
    sure = probabilities.max(axis=2)[:, 0] >= rule.at_least
    return np.where(sure, likely, np.full(cases, rule.otherwise))


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
            inside &= settings == (str(rule) if settings.dtype.kind == "U" else rule)
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
