"""What the written policy does where it ranks: which items each case is shown, or in which order the cases wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain.errors import PolicyError
from drivetrain.policy.items import ITEMS, KEY
from drivetrain.policy.modeler import Predicts, modeler
from drivetrain.policy.problem import Array, Problem
from drivetrain.policy.ranking import crossed, ranked
from drivetrain.policy.worth import Considered, consider, worth
from drivetrain.policy.written import Choice, Written

NOTHING = "nothing shown"
BETWEEN = " > "


def listed(
    problem: Problem,
    policy: Written,
    columns: Mapping[str, Sequence[Any]],
    predictors: Sequence[Predicts],
    items: Mapping[str, Any] | None = None,
) -> list[Choice]:
    """The ranking of each case's items, or the place of each case in one queue.

    Args:
        problem: The decision; it has a ranking.
        policy: What `read` returned.
        columns: Column -> n values that formulas and models use.
        predictors: The models.
        items: Column -> one value an item, what `read_items` returned; None where cases are ranked.

    Returns:
        Of items: the setting is their names in order of place, and `values` says what showing each in full view would
        gain (None: the limits forbid it). Of cases: the setting is the place.

    Raises:
        PolicyError: There are no items, or a prediction is no distribution.
    """
    if policy.settings != problem.labels:
        raise PolicyError("the plan's settings are not those of the policy.", "Run `make decide` again.")
    ranking = problem.ranking
    assert ranking is not None
    if problem.seen != policy.seen:
        problem = replace(problem, seen=policy.seen)
    prices = {entry.constraint: entry.price for entry in policy.prices}
    ask = modeler(problem, predictors)
    cases: dict[str, Any] = {
        name: np.asarray(values) if name in problem.columns else values for name, values in columns.items()
    }
    count = len(next(iter(cases.values()), ()))
    cases.setdefault("", np.arange(count))
    if not problem.items:
        found = consider(problem, cases, ask)
        place = ranked(problem, cases, found, prices, 1)
        value = worth(problem, cases, ask, {ranking.lever: place[:, None]})[:, 0]
        value = np.broadcast_to(value, place.shape)
        return [
            _place(problem, found, float(p), float(v), row) for row, (p, v) in enumerate(zip(place, value, strict=True))
        ]
    if items is None:
        raise PolicyError("the items to rank are not there.", "Run `make decide`.", where=f"artifacts/{ITEMS}")
    keys = list(items[KEY])
    every = crossed(cases, items)
    found = consider(problem, every, ask)
    place = ranked(problem, every, found, prices, len(keys)).reshape(count, -1)
    nothing = found.values[:, 0].reshape(count, -1)
    gain = (found.values[:, 1] - found.values[:, 0]).reshape(count, -1)
    may = found.feasible[:, 1].reshape(count, -1)
    return [_shelf(problem, keys, *row) for row in zip(place, nothing, gain, may, strict=True)]


def in_order(keys: Sequence[str], place: Array) -> str:
    """The names of the items that are shown, in order of place; 0 is not shown."""
    return BETWEEN.join(_by_place(keys, place)) or NOTHING


def _by_place(keys: Sequence[str], place: Array) -> list[str]:
    order = np.argsort(np.where(place > 0, place, np.inf), kind="stable")
    return [keys[item] for item in order[: int((place > 0).sum())]]


def _shelf(problem: Problem, keys: list[str], place: Array, nothing: Array, gain: Array, may: Array) -> Choice:
    """One case's items."""
    ranking = problem.ranking
    assert ranking is not None
    shown = _by_place(keys, place)
    values = {key: float(more) if ok else None for key, more, ok in zip(keys, gain, may, strict=True)}
    more = float((ranking.seen(place) * gain).sum())
    reasons = [f"expected to be worth {more:.4g} {problem.unit} more than showing nothing"]
    if not may.all():
        reasons.append(f"{int((~may).sum())} items are not allowed")
    return Choice(in_order(keys, place), {ranking.lever: shown}, float(nothing.sum()) + more, values, tuple(reasons))


def _place(problem: Problem, found: Considered, place: float, value: float, row: int) -> Choice:
    """One case's place in the queue."""
    assert problem.ranking is not None
    lever = problem.ranking.lever
    label = problem.label({lever: place})
    places = problem.settings[lever]
    apart = float(places[-1] - (places[1] if places[0] == 0 else places[0])) or 1.0
    rate = float(found.values[row, 0] - found.values[row, 1])
    said = (
        f"being dealt with is expected to be worth {rate:.4g} {problem.unit}"
        if places[0] == 0
        else f"each place further back is expected to cost {rate / apart:.4g} {problem.unit}"
    )
    return Choice(label, {lever: place}, value, {label: value}, (said,))
