"""What each policy is worth beside the others, and the prices that make the optimized one."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy
from drivetrain.decision import logged, measure, rankings, simulator
from drivetrain.decision.evaluate import (
    OPTIMIZED,
    Figure,
    Label,
    Statistic,
    bootstrap,
    interval,
    mean_of,
    proportion_or,
    ratio_of_means,
)
from drivetrain.decision.history import figure, judged_by_log
from drivetrain.decision.notes import missed, outdone, said
from drivetrain.decision.optimizer import EXACT, Optimum, optimize
from drivetrain.decision.shares import shares_of
from drivetrain.decision.world import World
from drivetrain.errors import PolicyError
from drivetrain.spec.formula import BATCH, Formula

Array = NDArray[Any]
Floats = NDArray[np.float64]

ROUNDS = 3
"""How often a searched lever is searched again at the prices of the round before."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What `decide` found.

    Attributes:
        result: The evidence, as plain data.
        actions: Policy -> lever -> setting of each evaluated case.
        values: Policy -> value of each evaluated case, shape (n,); more is better.
        prices: Constraint -> shadow price.
        world: The cases that the policies were evaluated on.
        threshold: Value below which results are the worst share; None where the mean of all counts.
        scores: Policy -> what each logged case says about it (doubly robust), shape (l,); empty without a log.
    """

    result: Mapping[str, Any]
    actions: Mapping[str, policy.Action]
    values: Mapping[str, Floats]
    prices: Mapping[str, float]
    world: World
    threshold: float | None = None
    scores: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The optimized policy: prices of the constraints, the threshold of the worst share, and how good it can be."""

    prices: Mapping[str, float]
    threshold: float | None
    gap: float | None


def compare(
    problem: policy.Problem, fitted: World, judged: World, *, logged_cases: World | None = None, seed: int = 42
) -> Decided:
    """Fit the policy on one part of the cases and judge all policies on another.

    Args:
        problem: The decision.
        fitted: Cases that the prices of the constraints come from (the validation split).
        judged: Cases that no model and no price has seen (test and held-out).
        logged_cases: Such cases whose log is kept apart from them, as that of rankings is; None: `judged` has its log.
        seed: Of the bootstrap.

    Raises:
        PolicyError: No feasible policy exists, or a reference policy cannot be computed.
    """
    made = fit(problem, fitted)
    notes = [judged.note] if judged.note else []
    actions: dict[str, policy.Action] = {}
    for name in policy.REFERENCES:
        if name != "accuracy_first" and name not in problem.policies:
            notes.append(f"The plan states no `{name}` policy; a review will ask for it.")
            continue
        actions[name] = reference(problem, name, judged)
    actions[OPTIMIZED] = optimized(problem, made, judged)
    by_labels = label_of(problem) == "causal"
    values = {name: worth(problem, problem.value, judged, action) for name, action in actions.items()}
    values = {name: judged.by_case(value) for name, value in values.items()}
    figures: dict[Any, Figure] = {name: mean_of(value, judged.shares, judged.entity) for name, value in values.items()}
    for name, value in values.items():
        if name != OPTIMIZED:
            figures[OPTIMIZED, name] = mean_of(values[OPTIMIZED] - value, judged.shares, judged.entity)
    limits = policy.limits(problem, judged.columns)

    def measured(name: str, limit: policy.Limit) -> tuple[Floats, Floats]:
        return measure_of(problem, limit, judged, actions[name])

    parts: dict[str, tuple[Floats, Floats]] = {}
    statistics: dict[Any, Statistic] = {}
    for limit in limits:
        parts[limit.name] = measured(OPTIMIZED, limit)
        statistics["limit", limit.name] = ratio_of_means(*parts[limit.name])
    own = {}
    if problem.reported is not None:
        try:
            own = {name: measure.reported(problem, judged, action, worth) for name, action in actions.items()}
        except PolicyError as error:
            notes.append(f"No figure of the plan's `measure.formula`: {error.what}")
    statistics |= {("reported", name): statistic for name, statistic in own.items()}
    figures |= bootstrap(statistics, judged.shares, entity=judged.entity, seed=seed)
    for limit in limits:
        unit = problem.constants[BATCH] if BATCH in limit.numerator.names else 1.0
        figures["limit", limit.name] = proportion_or(
            figures["limit", limit.name], *parts[limit.name], judged.shares, judged.entity, unit
        )
    labels: dict[str, Label] = dict.fromkeys(actions, label_of(problem))
    speaking, done = judged, actions
    if logged_cases is not None:
        speaking = logged_cases
        done = {
            name: optimized(problem, made, speaking) if name == OPTIMIZED else reference(problem, name, speaking)
            for name in actions
        }
    found, scores = judged_by_log(problem, speaking, done)
    log = speaking.log
    if log is not None and problem.horizon is None and not any(shock.weight for shock in problem.scenarios):
        rest: Label = "causal" if log.causal else "not causal"
        share, entity = speaking.shares_of(log), speaking.entities_of(log)
        for name, score in scores.items():
            if found[name]["enough"]:
                labels[name] = rest
                figures[name] = figure(logged.mean(score, share, entity))
        for name in scores:
            if labels[name] == labels[OPTIMIZED] == rest and name != OPTIMIZED:
                figures[OPTIMIZED, name] = figure(logged.mean(scores[OPTIMIZED] - scores[name], share, entity))
            elif name != OPTIMIZED:
                figures[OPTIMIZED, name] = _apart(figures[OPTIMIZED], figures[name])
    result = {
        "measure": problem.measure,
        "unit": problem.unit,
        "direction": "minimize" if problem.sign < 0 else "maximize",
        "cases": judged.count,
        "policies": [
            _policy_row(problem, name, figures[name], labels[name], actions[name], judged) for name in actions
        ],
        "differences": [
            {
                "name": OPTIMIZED,
                "against": name,
                **interval(figures[OPTIMIZED, name]),
                "label": weaker(labels[OPTIMIZED], labels[name]),
            }
            for name in actions
            if name != OPTIMIZED
        ],
        "constraints": [
            limit_row(
                limit,
                figures["limit", limit.name],
                made.prices,
                float(judged.shares @ parts[limit.name][1]),
                problem.levers,
            )
            for limit in limits
        ],
        "reported": {
            "formula": str(problem.reported),
            "label": label_of(problem),
            "policies": [{"name": name, **interval(figures["reported", name])} for name in own],
        }
        if own
        else None,
        "checked": measure.checked(problem, judged, actions[OPTIMIZED], worth),
        "gap": made.gap,
        "threshold": made.threshold,
        "logged": found,
        "notes": [
            *notes,
            *missed(made.gap, values, judged.shares),
            *outdone(
                limits, values, judged.shares, lambda name, limit: measure_of(problem, limit, judged, actions[name])
            ),
            *said(problem, speaking, by_labels, found),
        ],
    }
    return Decided(result, actions, values, made.prices, judged, made.threshold, scores)


def label_of(problem: policy.Problem) -> Label:
    """How far a figure goes that comes from labels or models alone."""
    moved = any(problem.affected[name] for name in problem.outcomes) or problem.items is not None or problem.censored
    return "model-based" if moved or problem.horizon or any(s.weight for s in problem.scenarios) else "causal"


def weaker(first: Label, second: Label) -> Label:
    """The label of a difference: no better than that of either figure."""
    order: tuple[Label, ...] = ("not causal", "model-based", "causal")
    return min(first, second, key=order.index)


def fit(problem: policy.Problem, world: World) -> Fitted:
    """The optimized policy for some cases.

    Raises:
        PolicyError: The limits allow nothing, or no choice fulfils the constraints.
    """
    if problem.ranking is not None:
        ranked, gap = rankings.fit(problem, world)
        return Fitted(ranked, None, gap)
    if problem.tail is None:
        prices, optimum = priced(problem, world, None)
        return Fitted(prices, None, optimum.policy_gap)
    from scipy.optimize import minimize_scalar

    plain = replace(problem, tail=None)
    values = simulator.consider(plain, world).values
    low, high = float(values.min()), float(values.max())
    for _ in range(8):
        found = minimize_scalar(
            lambda at: -priced(problem, world, float(at))[1].policy_value,
            bounds=(low, high),
            method="bounded",
            options={"maxiter": 24},
        )
        if found.x > low + 0.02 * (high - low) or high == low:
            break
        low -= 2 * (high - low)
    threshold = float(found.x)
    prices, optimum = priced(problem, world, threshold)
    return Fitted(prices, threshold, optimum.policy_gap)


def priced(problem: policy.Problem, world: World, threshold: float | None) -> tuple[dict[str, float], Optimum]:
    """Shadow prices of the hard constraints for some cases."""
    prices: dict[str, float] = {}
    for _ in range(ROUNDS if problem.searched else 1):
        before = prices
        found = simulator.consider(problem, world, prices, threshold)
        free = found.feasible.any(axis=1)
        if not free.any():
            raise PolicyError(
                "the limits allow no setting for any case.", "Look at the levers' `limits`.", where="levers"
            )
        weights = world.weights[free] / world.weights[free].sum()
        optimum = optimize(found.values[free], found.uses[:, free], found.feasible[free], weights, found.names)
        _refuse_broken(found, optimum)
        prices = dict(zip(found.names, optimum.prices.tolist(), strict=True))
        if not any(prices.values()) or prices == before:
            break
    return prices, optimum


def _refuse_broken(found: policy.Considered, optimum: Optimum) -> None:
    """A policy that only a lot among all cases would keep within its limits cannot be written down."""
    missed = -1e-6 * (1 + np.abs(found.uses).max(axis=(1, 2), initial=0.0))
    broken = [name for name, slack, most in zip(found.names, optimum.policy_slack, missed, strict=True) if slack < most]
    if broken and found.values.size > EXACT:
        raise PolicyError(
            f"no policy fulfils {', '.join(broken)} by a price of its own for each: too many cases are worth the same.",
            "Let the models read more, relax the constraint, or declare it `hard: false`.",
            where="optimizer",
        )


def optimized(problem: policy.Problem, made: Fitted, world: World) -> policy.Action:
    """What the written policy does; where the limits allow nothing, the fallback."""
    if problem.ranking is not None:
        return rankings.action(problem, world, made.prices)
    found = simulator.consider(problem, world, made.prices, made.threshold)
    chosen = found.choose(made.prices)
    action = found.action(chosen)
    if (chosen < 0).any():
        fallback = reference(problem, "fallback", world)
        action = {lever: np.where(chosen < 0, fallback[lever], values) for lever, values in action.items()}
    return action


def reference(problem: policy.Problem, name: str, world: World) -> policy.Action:
    """A reference policy; of a searched range accuracy-first tries a coarse grid."""
    coarse = problem
    if problem.searched is not None:
        grid = np.unique(problem.settings[problem.searched])
        kept = grid[np.unique(np.linspace(0, len(grid) - 1, 41).round().astype(int))]
        where = np.isin(problem.settings[problem.searched], kept)
        coarse = replace(
            problem,
            settings={lever: values[where] for lever, values in problem.settings.items()},
            labels=tuple(np.array(problem.labels)[where].tolist()),
        )
    at_certain = name == "accuracy_first" or any(
        getattr(rule, "most_likely", None) or getattr(rule, "confident", None)
        for rule in problem.policies.get(name, {}).values()
    )
    whole = dict(world.beliefs)
    if not whole and (at_certain or name in problem.policies):
        whole = dict(world.ask(world.cases, coarse.settings))
    return policy.reference(coarse, name, world.columns, whole, world.groups)


def worth(problem: policy.Problem, formula: Formula, world: World, action: policy.Action) -> Floats:
    """A formula of each case under an action: what came true, or what the models expect where that cannot be known."""
    if label_of(problem) == "causal":
        return policy.realised(problem, formula, world.columns, world.truth, action)
    levers = {lever: np.asarray(values)[:, None] for lever, values in action.items()}
    if formula is problem.value:
        expected = simulator.worth(problem, world, levers)
    elif world.models is None:
        expected = policy.expectation(problem, formula, world.columns, _under(problem, world, action), levers)
    else:
        expected = policy.expectation(problem, formula, world.columns, world.ask(world.cases, levers), levers)
    return np.asarray(np.broadcast_to(expected[:, 0], world.case.shape))


def _under(problem: policy.Problem, world: World, action: policy.Action) -> policy.Beliefs:
    """Beliefs about all settings, reduced to those of the action."""
    taken = np.stack([np.asarray(action[lever]).astype(str) for lever in problem.levers])
    settings = np.stack([np.asarray(problem.settings[lever]).astype(str) for lever in problem.levers])
    place = (settings[:, None, :] == taken[:, :, None]).all(axis=0).argmax(axis=1)
    rows = np.arange(len(place))

    def one(array: Array | None) -> Array | None:
        return array if array is None or array.shape[1] == 1 else array[rows, place][:, None]

    return policy.Beliefs(
        {
            name: replace(belief, probabilities=one(belief.probabilities), quantiles=one(belief.quantiles))
            for name, belief in world.beliefs.items()
        }
    )


def _apart(first: Figure, second: Figure) -> Figure:
    """The difference of two figures of different origin; no pairing narrows its interval."""
    value = first.value - second.value
    return Figure(
        value,
        value - float(np.hypot(first.value - first.low, second.high - second.value)),
        value + float(np.hypot(first.high - first.value, second.value - second.low)),
    )


def measure_of(
    problem: policy.Problem, limit: policy.Limit, world: World, action: policy.Action
) -> tuple[Floats, Floats]:
    """Numerator and denominator of a constraint's measure for each case under an action."""
    numerator = worth(problem, limit.numerator, world, action)
    below = worth(problem, limit.denominator, world, action)
    if limit.column is not None:
        name, group = limit.column
        there = action.get(name, world.columns.get(name))
        member = np.asarray(there).astype(str) == group
        numerator, below = numerator * member, below * member
    # A mean over cases counts each case once, however many items it has.
    each = 1 if limit.denominator.names else world.width
    return world.by_case(numerator), world.by_case(below) / each


def _policy_row(
    problem: policy.Problem, name: str, figure: Figure, label: Label, action: policy.Action, world: World
) -> dict[str, Any]:
    """A policy's figure in the measure, in which less may be better, and how often it takes each setting."""
    turned = figure if problem.sign > 0 else Figure(-figure.value, -figure.high, -figure.low)
    return {"name": name, **interval(turned), "label": label, "shares": shares_of(problem, action, world)}


def limit_row(
    limit: policy.Limit,
    figure: Figure,
    prices: Mapping[str, float],
    below: float = 1.0,
    levers: Container[str] = (),
) -> dict[str, Any]:
    """A constraint's figure beside its bound; `state` says whether the interval can tell the two apart.

    Args:
        limit: The constraint.
        figure: What it comes to.
        prices: Constraint -> shadow price, in value per unit of numerator - bound · denominator.
        below: Mean of the denominator: what a bound of one more gives room for.
        levers: Names of the levers. A limit on cases that got a setting is kept where none got it.
    """
    chosen = limit.denominator.names | ({limit.column[0]} if limit.column else set())
    nobody = not below and any(name in levers for name in chosen)

    def holds(value: float) -> bool:
        return value <= limit.bound if limit.upper else value >= limit.bound

    ends = (nobody or holds(figure.low), nobody or holds(figure.high))
    state = "met" if all(ends) else "too few cases to tell" if any(ends) else "not met"
    return {
        "name": limit.name,
        **interval(figure),
        "bound": limit.bound,
        "kind": "at_most" if limit.upper else "at_least",
        "hard": limit.hard,
        "met": bool(nobody or holds(figure.value)),
        "state": state,
        "price": prices.get(limit.name, 0.0),
        "relaxed": prices.get(limit.name, 0.0) * below,
    }
