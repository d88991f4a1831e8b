"""What the written policy does where it ranks: which items each case is shown, or in which order the cases wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivetrain.errors import PolicyError
from drivetrain.policy.items import ITEMS, KEY
from drivetrain.policy.modeler import Ask, Cases, Predicts, modeler
from drivetrain.policy.problem import Array, Problem
from drivetrain.policy.ranked import Rankable, Ranked, rankable
from drivetrain.policy.ranking import crossed
from drivetrain.policy.settings import named
from drivetrain.policy.worth import Considered, others_of
from drivetrain.policy.written import Beside, Choice, Written

NOTHING = "nothing shown"
EMPTY = "(empty)"
"""How a place is read that stays empty before one that does not; among levers' settings it is None."""
BETWEEN = " > "


@dataclass(frozen=True, slots=True)
class Listing:
    """Cases that are about to be ranked.

    Attributes:
        problem: The decision; it has a ranking.
        cases: What formulas and models read: case × item, or cases.
        ask: The models.
        ready: What is known of these rows before there are prices.
        keys: Names of the items, where items are ranked; else None.
        count: Number of cases.
    """

    problem: Problem
    cases: Cases
    ask: Ask
    ready: Rankable
    keys: list[str] | None
    count: int

    def choice(self, found: Ranked, case: int) -> Choice:
        """One case of a ranking, as people read it."""
        if self.keys is None:
            return _place(self.problem, found, case)
        return _shelf(self.problem, self.keys, self.ready.found, found, case)


def listing(
    problem: Problem,
    policy: Written,
    columns: Mapping[str, Sequence[Any]],
    predictors: Sequence[Predicts],
    items: Mapping[str, Any] | None = None,
) -> Listing:
    """What is known of the cases of one queue, or of every case with every item, before they are ranked.

    Args:
        problem: The decision; it has a ranking.
        policy: What `read` returned.
        columns: Column -> n values that formulas and models use.
        predictors: The models.
        items: Column -> one value an item, what `read_items` returned; None where cases are ranked.

    Raises:
        PolicyError: There are no items, or a prediction is no distribution.
    """
    if policy.settings != problem.labels:
        raise PolicyError("the plan's settings are not those of the policy.", "Run `make decide` again.")
    assert problem.ranking is not None
    if problem.seen != policy.seen:
        problem = replace(problem, seen=policy.seen)
    ask = modeler(problem, predictors)
    cases: dict[str, Any] = {
        name: np.asarray(values) if name in problem.columns else values for name, values in columns.items()
    }
    count = len(next(iter(cases.values()), ()))
    cases.setdefault("", np.arange(count))
    if not problem.items:
        return Listing(problem, cases, ask, rankable(problem, cases, ask, 1), None, count)
    if items is None:
        raise PolicyError("the items to rank are not there.", "Run `make decide`.", where=f"artifacts/{ITEMS}")
    keys, every = list(items[KEY]), crossed(cases, items)
    return Listing(problem, every, ask, rankable(problem, every, ask, len(keys)), keys, count)


def listed(
    problem: Problem,
    policy: Written,
    columns: Mapping[str, Sequence[Any]],
    predictors: Sequence[Predicts],
    items: Mapping[str, Any] | None = None,
) -> list[Choice]:
    """The ranking of each case's items, or the place of each case in one queue; arguments and errors of `listing`.

    Returns:
        Of items: the setting is their names in order of place, and `values` says what showing each in full view would
        gain (None: the limits forbid it). Of cases: the setting is the place. Other levers stand beside it as in any
        joint setting; `beside` has the best shelf under each of theirs, and of cases `values` what each is worth at the
        place.
    """
    known = listing(problem, policy, columns, predictors, items)
    found = known.ready.priced({entry.constraint: entry.price for entry in policy.prices})
    return [known.choice(found, case) for case in range(known.count)]


def on_shelf(problem: Problem, keys: Sequence[str], action: Mapping[str, Array]) -> str:
    """What one case's items and levers are set to, as people read it.

    Args:
        problem: The decision; items are ranked.
        keys: Their names.
        action: Lever -> setting of each item, shape (items,); of another lever the same for all.
    """
    assert problem.ranking is not None
    order = {problem.ranking.lever: _by_place(keys, action[problem.ranking.lever])}
    return shelf(problem, {name: values[0].item() for name, values in action.items()} | order)


def _by_place(keys: Sequence[str], place: Array) -> list[str | None]:
    """The names from the first place to the last that is taken."""
    found: list[str | None] = [None] * int(place.max(initial=0))
    for item in np.flatnonzero(place > 0).tolist():
        found[int(place[item]) - 1] = keys[item]
    return found


def _shelf(problem: Problem, keys: list[str], known: Considered, found: Ranked, case: int) -> Choice:
    """One case's items."""
    ranking = problem.ranking
    assert ranking is not None
    rows = slice(case * len(keys), (case + 1) * len(keys))
    places, others = problem.settings[ranking.lever], others_of(problem, ranking.lever)
    hidden, shown = np.flatnonzero(places == 0), np.flatnonzero(places == 1)
    at = int(found.beside[case])
    every = []
    for which in range(len(hidden)):
        gain = (known.values[rows, shown[which]] - known.values[rows, hidden[which]]).tolist()
        may = known.feasible[rows, shown[which]].tolist()
        beside = {name: values[which].item() for name, values in others.items()}
        levers = {ranking.lever: _by_place(keys, found.places[rows, which]), **beside}
        every.append(
            Beside(
                shelf(problem, levers),
                {name: levers[name] for name in problem.levers},
                float(found.totals[case, which]) if found.free[case, which] else None,
                {key: more if ok else None for key, more, ok in zip(keys, gain, may, strict=True)},
            )
        )
    chosen = every[at]
    more = float(found.totals[case, at] - known.values[rows, hidden[at]].sum())
    reasons = [f"expected to be worth {more:.4g} {problem.unit} more than showing nothing"]
    reasons += _against(problem, found, case)
    if forbidden := sum(gain is None for gain in chosen.values.values()):
        reasons.append(f"{forbidden} items are not allowed")
    value = float(found.totals[case, at])
    return Choice(chosen.setting, chosen.levers, value, chosen.values, tuple(reasons), tuple(every))


def _against(problem: Problem, found: Ranked, case: int) -> list[str]:
    """What the other levers' setting is worth over the next best one, each with the best ranking that goes with it."""
    assert problem.ranking is not None
    others, at = others_of(problem, problem.ranking.lever), int(found.beside[case])
    if not others:
        return []
    if not found.free[case].any():
        return ["no setting is allowed by the limits"]
    totals = np.where(found.free[case], found.totals[case], -np.inf)
    totals[at] = -np.inf
    rival = int(totals.argmax())
    if not np.isfinite(totals[rival]):
        return [f"no other setting of {', '.join(others)} is allowed by the limits"]
    other = _beside_title(others, rival)
    apart = float(found.totals[case, at] - totals[rival])
    if apart >= 0:
        return [f"worth {apart:.4g} {problem.unit} more than with {other}"]
    return [f"with {other} it would be worth {-apart:.4g} {problem.unit} more, but use too much of what all share"]


def _beside_title(others: Mapping[str, Array], which: int) -> str:
    return ", ".join(f"{name}: {named(values[which])}" for name, values in others.items())


def shelf(problem: Problem, levers: Mapping[str, Any]) -> str:
    """A shelf, and what is set beside it, as people read it."""
    return problem.label({name: _read(v) if isinstance(v, list) else v for name, v in levers.items()})


def _read(order: Sequence[str | None]) -> str:
    return BETWEEN.join(EMPTY if key is None else key for key in order) or NOTHING


def done(problem: Problem, setting: str) -> tuple[str, ...]:
    """What a setting does, as its rates are watched: the items that a shelf shows, and each other lever's setting.

    Of a queue it is the other levers' setting alone, since the place of a case depends on who else waits.
    """
    if problem.ranking is None:
        return (setting,)
    lever, others = problem.ranking.lever, others_of(problem, problem.ranking.lever)
    if not others:
        return _items_of(setting) if problem.items else ()
    # An item's name may hold anything: what stands around the ranking is known.
    mark = "\0"
    for which in range(len(next(iter(others.values())))):
        beside = {name: values[which] for name, values in others.items()}
        before, after = problem.label({**beside, lever: mark}).split(mark)
        if setting.startswith(before) and setting.endswith(after) and len(setting) >= len(before) + len(after):
            told = tuple(f"{name}: {named(value)}" for name, value in beside.items())
            inner = setting[len(before) : len(setting) - len(after)]
            return (*(_items_of(inner) if problem.items else ()), *told)
    return ()


def _items_of(shelf: str) -> tuple[str, ...]:
    return tuple(item for item in shelf.split(BETWEEN) if item != EMPTY)


def _place(problem: Problem, found: Ranked, row: int) -> Choice:
    """One case's place in the queue."""
    assert problem.ranking is not None
    lever = problem.ranking.lever
    others = others_of(problem, lever)
    place = float(found.action[lever][row])
    labels = [
        problem.label({lever: place, **{name: values[which] for name, values in others.items()}})
        for which in range(found.totals.shape[1])
    ]
    levers = {name: found.action[name][row].item() for name in problem.levers}
    # A queue alone keeps its limits where it can; of settings beside it those that the limits forbid are not taken.
    free = found.free[row] if others else [True]
    values = {one: float(value) if ok else None for one, value, ok in zip(labels, found.totals[row], free, strict=True)}
    places = np.unique(problem.settings[lever])
    apart = float(places[-1] - (places[1] if places[0] == 0 else places[0])) or 1.0
    rate = float(found.rate[row])
    said = (
        f"being dealt with is expected to be worth {rate:.4g} {problem.unit}"
        if places[0] == 0
        else f"each place further back is expected to cost {rate / apart:.4g} {problem.unit}"
    )
    reasons = (said, *_against(problem, found, row))
    return Choice(labels[int(found.beside[row])], levers, float(found.values[row]), values, reasons)
