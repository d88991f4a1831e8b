"""What the figures depend on: scenarios, constants, single settings, catastrophes, constraints, and an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy
from drivetrain.decision import experiment, pictures, simulator
from drivetrain.decision.compare import Decided, Fitted, fit, label_of, optimized, worth
from drivetrain.decision.evaluate import OPTIMIZED
from drivetrain.decision.history import rewards
from drivetrain.decision.world import World, moved
from drivetrain.errors import PolicyError
from drivetrain.spec import Spec
from drivetrain.spec.formula import Formula

Floats = NDArray[np.float64]

LEAST_SHARE = 0.02
"""A region is only named when at least this share of the cases lies in it."""
SAMPLE = 1_000
"""Cases that are looked at beside the comparison, where every case takes many questions to the models."""
TRADED = 500
"""Cases by which other bounds of a constraint are tried there."""
MOST_PLACES = 20
"""Places up to which rankings are compared."""
FEW = 11
"""Settings that are tried for all cases where each takes a ranking of its own."""
CURVE = 41
"""Settings in the curve of value against a numeric lever."""


def all_of(spec: Spec, problem: policy.Problem, decided: Decided, fitted: World) -> tuple[dict[str, Any], str]:
    """Everything beside the comparison, as plain data, with its pictures drawn; and the code of an experiment."""
    world = decided.world
    found: dict[str, Any] = {
        "scenarios": scenarios(problem, world, decided.actions),
        "sensitivity": sensitivity(problem, decided),
        "curve": curve(problem, decided),
        "catastrophe": catastrophe(problem, decided),
        "tradeoff": tradeoff(problem, fitted, decided),
        "uplift": uplift(problem, decided),
    }
    notes = list(decided.result["notes"])
    for lever, shown in problem.seen.items():
        said = f"{shown[0]:g} to {shown[1]:g}" if problem.settings[lever].dtype.kind != "U" else ", ".join(shown)
        beyond = problem.settings[lever]
        outside = (
            sorted(set(beyond.tolist()) - set(shown))
            if beyond.dtype.kind == "U"
            else [value for value in (float(beyond.min()), float(beyond.max())) if not shown[0] <= value <= shown[1]]
        )
        if outside:
            notes.append(
                f"The log shows `{lever}` at {said} only; other settings are not chosen "
                "(`optimizer.extrapolate` is off)."
            )
    plan, program = experiment.planned(spec, problem, decided)
    if plan:
        found["experiment"] = plan
        notes.append(experiment.said(plan))
    found["notes"] = notes
    found["pictures"] = pictures.draw(spec.root, problem, {**decided.result, **found}, world, decided)
    return found, program


def scenarios(problem: policy.Problem, world: World, actions: Mapping[str, policy.Action]) -> list[dict[str, Any]]:
    """What each policy is expected to be worth in each scenario, in the measure; the policies are those of today."""
    rows = []
    plain = replace(problem, scenarios=())
    for shock in problem.scenarios:
        changed, cases, ask = policy.shocked(plain, shock, world.cases, world.ask)
        values = {}
        for name, action in actions.items():
            levers = {lever: np.asarray(setting)[:, None] for lever, setting in action.items()}
            here = simulator.worth(replace(changed, tail=None), world, levers, (cases, ask))[:, 0]
            values[name] = problem.sign * float(world.weights @ np.broadcast_to(here, world.weights.shape))
        rows.append({"name": shock.name, "weight": shock.weight, "values": values, "label": "model-based"})
    return rows


def sensitivity(problem: policy.Problem, decided: Decided) -> list[dict[str, Any]]:
    """What the optimized policy gains over today's (or over doing nothing) at each constant's low and high."""
    world, actions = decided.world, decided.actions
    against = next((name for name in ("today", "do_nothing", "simple_rule") if name in actions), None)
    if against is None:
        return []
    rows = []
    if problem.searched and world.count > SAMPLE:
        world, actions = _sample(world, actions, problem.seed)
    for name, ends in problem.ranges.items():
        costs = [cost for cost in problem.costs.values() if isinstance(cost, Formula)]
        used = (problem.value, *problem.terms.values(), *problem.allowed, *costs)
        if not any(name in formula.names for formula in used):
            continue
        gains, refitted = [], []
        for end in ends:
            here = replace(problem, constants={**problem.constants, name: end})
            cases = moved(world, here, {}, {name: end})
            base = float(world.weights @ worth(here, here.value, cases, actions[against]))
            kept = float(world.weights @ worth(here, here.value, cases, actions[OPTIMIZED]))
            made = optimized(here, Fitted(decided.prices, decided.threshold, 0.0), cases)
            gains.append(kept - base)
            refitted.append(float(world.weights @ worth(here, here.value, cases, made)) - base)
        rows.append(
            {"constant": name, "low": ends[0], "high": ends[1], "against": against, "gain": gains}
            | {"refitted": refitted, "label": label_of(problem)}
        )
    return rows


def _sample(
    world: World, actions: Mapping[str, policy.Action], seed: int, size: int = SAMPLE
) -> tuple[World, dict[str, policy.Action]]:
    """Some of the cases, drawn by lot, and what is done with them."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(world.case))[:size])
    part = replace(
        world,
        case=world.case[rows],
        split=world.split[rows],
        columns={name: values[rows] for name, values in world.columns.items()},
        beliefs={name: _belief_rows(belief, rows) for name, belief in world.beliefs.items()},
        truth={name: values[rows] for name, values in world.truth.items()},
        weights=world.weights[rows] / world.weights[rows].sum(),
        inputs={name: _rows(values, rows) for name, values in world.inputs.items()},
        log=None,
        observed={name: values[rows] for name, values in world.observed.items()},
        entity=None,
    )
    return part, {name: {lever: v[rows] for lever, v in action.items()} for name, action in actions.items()}


def curve(problem: policy.Problem, decided: Decided) -> dict[str, Any] | None:
    """Mean expected value when every case gets the same setting: the expected-profit curve of the only lever.

    Where one lever stands beside a ranking it is that lever's, each setting with the best ranking for it.
    """
    world = decided.world
    if problem.ranking is not None and len(problem.levers) == 2:
        [beside] = policy.others_of(problem, problem.ranking.lever)
        return _by_setting(problem, decided, beside)
    if len(problem.levers) != 1:
        return None
    [lever] = problem.levers
    if problem.ranking is not None:
        return _by_places(problem, decided) if problem.items else None
    settings = problem.settings[lever]
    if len(settings) > CURVE:
        settings = settings[np.unique(np.linspace(0, len(settings) - 1, CURVE).round().astype(int))]
    rows = np.random.default_rng(problem.seed).permutation(len(world.case))[: SAMPLE if problem.searched else 2000]
    cases = {name: _rows(values, rows) for name, values in world.cases.items()}
    weights = world.weights[rows] / world.weights[rows].sum()
    if world.models is None:
        beliefs = policy.Beliefs({name: _belief_rows(belief, rows) for name, belief in world.beliefs.items()})
        values = policy.worth(problem, cases, lambda now, levers: beliefs, problem.settings)
        settings = problem.settings[lever]
    else:
        values = policy.worth(problem, cases, world.models, {lever: settings})
    mean = problem.sign * (weights @ np.broadcast_to(values, (len(rows), len(settings))))
    return {"lever": lever, "settings": settings.tolist(), "values": mean.tolist(), "label": "model-based"}


def _by_places(problem: policy.Problem, decided: Decided) -> dict[str, Any]:
    """Mean value of the best ranking of one place, of two, and so on."""
    world, ranking = decided.world, problem.ranking
    assert ranking is not None
    places = np.arange(0, min(ranking.slots or MOST_PLACES, MOST_PLACES, world.width) + 1)
    made = Fitted(decided.prices, decided.threshold, 0.0)
    values = []
    for count in places.tolist():
        if not count:
            action = {ranking.lever: np.zeros(len(world.case))}
        else:
            weights = ranking.attention[:count] or (1.0,) * count
            here = replace(problem, ranking=replace(ranking, slots=count, attention=weights))
            action = optimized(here, made, world)
        values.append(problem.sign * float(world.weights @ worth(problem, problem.value, world, action)))
    return {
        "lever": f"places of {ranking.lever}",
        "settings": places.tolist(),
        "values": values,
        "label": "model-based",
        "places": True,
    }


def _by_setting(problem: policy.Problem, decided: Decided, lever: str) -> dict[str, Any]:
    """Mean value when every case gets the same setting of the lever beside a ranking, and the best ranking for it."""
    world, made = decided.world, Fitted(decided.prices, decided.threshold, 0.0)
    settings = np.array(list(dict.fromkeys(problem.settings[lever].tolist())))
    if len(settings) > FEW:
        settings = settings[np.unique(np.linspace(0, len(settings) - 1, FEW).round().astype(int))]
    values = []
    for setting in settings.tolist():
        action = optimized(given(problem, {lever: setting}), made, world)
        values.append(problem.sign * float(world.weights @ worth(problem, problem.value, world, action)))
    return {
        "lever": lever,
        "settings": settings.tolist(),
        "values": values,
        "label": label_of(problem),
        "ranked": True,
    }


def given(problem: policy.Problem, fixed: Mapping[str, Any]) -> policy.Problem:
    """The decision beside a ranking with some levers at one setting; of a number that is none, the nearest."""
    inside = np.ones(len(problem.labels), dtype=bool)
    for lever, value in fixed.items():
        settings = problem.settings[lever]
        near = settings == value if settings.dtype.kind == "U" else np.abs(settings - value)
        inside &= near if near.dtype == bool else near == near.min()
    return replace(
        problem,
        settings={lever: values[inside] for lever, values in problem.settings.items()},
        labels=tuple(np.array(problem.labels)[inside].tolist()),
    )


def catastrophe(problem: policy.Problem, decided: Decided) -> dict[str, Any] | None:
    """How often what must never come about does, under each policy, and where: settings, and quarters of a column."""
    if problem.catastrophe is None:
        return None
    world, formula = decided.world, problem.catastrophe
    rates = {}
    plain = replace(problem, horizon=None, scenarios=(), tail=None)
    for name, action in decided.actions.items():
        levers = {lever: np.asarray(setting)[:, None] for lever, setting in action.items()}
        chance = policy.expectation(plain, formula, world.columns, world.ask(world.cases, levers), levers)[:, 0]
        rates[name] = np.broadcast_to(chance, world.weights.shape)
    chosen = rates[OPTIMIZED]
    regions: list[dict[str, Any]] = []
    candidates: dict[str, Any] = {**world.inputs, **world.columns, **decided.actions[OPTIMIZED]}
    for column, raw in candidates.items():
        for name, inside in _parts(column, np.asarray(raw)):
            share = float(world.weights @ inside)
            if share >= LEAST_SHARE:
                rate = float((world.weights * inside) @ chosen) / share
                regions.append({"where": name, "share": share, "probability": rate})
    overall = {name: float(world.weights @ rate) for name, rate in rates.items()}
    worst = [row for row in regions if row["probability"] > 2 * overall[OPTIMIZED]]
    worst.sort(key=lambda row: -row["probability"])
    return {"formula": str(formula), "probability": overall, "regions": worst[:5], "label": "model-based"}


def _parts(column: str, values: Any) -> list[tuple[str, NDArray[np.bool_]]]:
    """Categories, or quarters of a number, with the cases in them."""
    if values.dtype.kind in "US":
        return [(f"{column} is {value}", values == value) for value in np.unique(values).tolist()[:20]]
    if values.dtype.kind not in "iufb":
        return []
    numbers = values.astype(float)
    edges = np.unique(np.nanquantile(numbers, [0, 0.25, 0.5, 0.75, 1])) if np.isfinite(numbers).any() else np.array([])
    return [
        (f"{column} from {low:g} to {high:g}", (numbers >= low) & (numbers <= high))
        for low, high in pairwise(edges.tolist())
    ]


def tradeoff(problem: policy.Problem, fitted: World, decided: Decided) -> dict[str, Any] | None:
    """Mean value for other bounds of a constraint: what relaxing it would be worth, or tightening it would cost.

    Of the one with the greatest price; where none binds, of the one that is nearest to binding, up to where it would.
    """
    found = _traded(problem, decided)
    if found is None:
        return None
    rule, bounds = found
    judged = decided.world
    if problem.ranking is None and (problem.searched or not problem.simple):
        fitted, judged = (_sample(world, {}, problem.seed, TRADED)[0] for world in (fitted, judged))
    points = []
    for bound in bounds:
        rules = tuple(replace(r, bound=bound) if r.name == rule.name else r for r in problem.constraints)
        here = replace(problem, constraints=rules)
        try:
            made = fit(here, fitted)
        except PolicyError:
            continue
        action = optimized(here, made, judged)
        points.append(
            {"bound": bound, "value": problem.sign * float(judged.weights @ worth(here, here.value, judged, action))}
        )
    binds = any(_of(rule, name) and price > 0 for name, price in decided.prices.items())
    return {
        "name": rule.name,
        "bound": rule.bound,
        "points": points,
        "label": label_of(problem),
        "binds": binds,
        "cases": judged.count,
    }


def _of(rule: policy.Rule, limit: str) -> bool:
    """Whether a limit is the rule, overall or in one of its groups."""
    return limit == rule.name or (bool(rule.by) and limit.startswith(f"{rule.name} ("))


def _traded(problem: policy.Problem, decided: Decided) -> tuple[policy.Rule, list[float]] | None:
    """The constraint whose bounds are tried, and these; None where there is none that can be optimised."""
    hard = [rule for rule in problem.constraints if rule.hard and rule.ratio is not None]
    prices = {
        rule.name: max((p for name, p in decided.prices.items() if _of(rule, name)), default=0.0) for rule in hard
    }
    if binding := [rule for rule in hard if prices[rule.name] > 0]:
        rule = max(binding, key=lambda rule: prices[rule.name])
        return rule, [rule.bound + step * (abs(rule.bound) or 1) for step in (-0.5, -0.25, 0, 0.25, 0.5, 1)]
    came = {row["name"]: row["value"] for row in decided.result["constraints"]}
    apart = {rule: came[rule.name] - rule.bound for rule in hard if came.get(rule.name) is not None}
    apart = {rule: room for rule, room in apart.items() if room}
    if not apart:
        return None
    rule = min(apart, key=lambda rule: abs(apart[rule]) / (abs(rule.bound) or 1))
    return rule, [rule.bound + step * apart[rule] for step in (0, 0.4, 0.8, 1.2, 1.6, 2)]


def uplift(problem: policy.Problem, decided: Decided) -> dict[str, Any] | None:
    """The Qini curve: gain against the share of cases treated, by the policy's order and by chance.

    With two settings and a log; the gain is doubly robust over the logged cases in which both settings had a chance
    (Radcliffe 2007, with the scores of Dudik, Langford and Li 2011): of the others nobody knows what it is.
    """
    log, world = decided.world.log, decided.world
    if log is None or log.propensity is None or len(problem.levers) != 1 or len(problem.labels) != 2:
        return None
    [lever] = problem.levers
    base = decided.actions.get("do_nothing")
    if base is None or len(np.unique(base[lever])) != 1 or not decided.scores:
        return None
    control = str(base[lever][0])
    treatment = next(label for label in problem.labels if label != control)
    part = {name: _rows(values, log.rows) for name, values in world.cases.items()}
    both = {lever: np.array([control, treatment])}
    each = np.broadcast_to(policy.worth(problem, part, world.ask, both), (len(log.rows), 2))
    columns = {name: values[log.rows] for name, values in world.columns.items()}
    reward, known = rewards(problem, world, log)
    open_ = np.broadcast_to(policy.allowed(problem, columns, world.ask(part, both), both), each.shape).all(axis=1)
    rows = np.flatnonzero(known & open_ & (log.propensity < 1 - 1e-9))
    if not len(rows):
        return None
    treated = (log.used[lever] == treatment)[rows]
    expected = np.where(treated, each[rows, 1], each[rows, 0])
    surprise = (reward[rows] - expected) / log.propensity[rows] * np.where(treated, 1, -1)
    effect = each[rows, 1] - each[rows, 0]
    order = np.argsort(-effect, kind="stable")
    gains = np.concatenate([[0.0], np.cumsum((effect + surprise)[order]) / len(order)])
    at = np.unique(np.linspace(0, len(order), 51).round().astype(int))
    label = "causal" if log.causal else "not causal"
    return {"share": (at / len(order)).tolist(), "gain": gains[at].tolist(), "treatment": treatment, "label": label}


def _rows(values: Any, rows: NDArray[np.int64]) -> Any:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]


def _belief_rows(belief: policy.Belief, rows: NDArray[np.int64]) -> policy.Belief:
    return replace(
        belief,
        probabilities=None if belief.probabilities is None else belief.probabilities[rows],
        quantiles=None if belief.quantiles is None else belief.quantiles[rows],
    )
