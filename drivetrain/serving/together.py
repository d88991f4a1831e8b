"""Choices that are best for all cases of a batch together, so that constraints hold over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from drivetrain import policy
from drivetrain.serving.cases import decode
from drivetrain.spec.formula import BATCH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivetrain.policy import Choice, Listing, Problem
    from drivetrain.serving.assessed import Assessed
    from drivetrain.serving.engine import Engine
    from drivetrain.serving.rollout import Draw

    Floats = NDArray[np.float64]

ROUNDS = 40
"""Most prices that shelves are asked for."""
CLOSE = 1e-6
"""What one more round must promise, as a share of the range of values."""


class Optimum(Protocol):
    """What an optimizer finds; `decision.Optimum` is one."""

    @property
    def choice(self) -> NDArray[np.int64]:
        """Index of the setting of each case, shape (n,)."""

    @property
    def prices(self) -> NDArray[np.float64]:
        """Shadow price of each constraint, shape (m,)."""


Optimize = Callable[..., Optimum]
"""`decision.optimize`: values (n, k), uses (m, n, k), feasible (n, k), weights (n,), names -> the best choice."""


def together(
    engine: Engine,
    rows: Sequence[Mapping[str, Any]],
    assessed: Mapping[int, Assessed],
    held: Mapping[int, Draw],
    settled: Sequence[int],
    optimize: Optimize,
) -> dict[int, Assessed]:
    """The settled rows with the choices that are best for all of them together.

    Args:
        engine: Models and policy.
        rows: A case each; media as bytes.
        assessed: What is known of each by itself.
        held: Rows that keep what the lot gave them, and count with it.
        settled: Rows that are decided.
        optimize: `decision.optimize`.

    Raises:
        PolicyError: No choice keeps to the constraints.
    """
    # A sum in a constraint is over these cases, however many the plan expects in a batch.
    problem = replace(engine.problem, constants={**engine.problem.constants, BATCH: float(len(settled))})
    columns, models = _columns(engine, rows, settled), list(engine.predictors.values())
    kept = {place: held[row] for place, row in enumerate(settled) if row in held}
    if problem.ranking is None:
        before = [choice for row in settled if (choice := assessed[row].choice) is not None]
        choices = _settings(problem, engine, columns, before, kept, optimize)
    else:
        listing = policy.listing(problem, engine.policy, columns, models, engine.items)
        written = {price.constraint: price.price for price in engine.policy.prices}
        prices = np.array([written.get(name, 0.0) for name in listing.ready.found.names])
        choices = (_shelves if problem.items else _beside)(listing, prices, kept, optimize)
    return {
        row: replace(assessed[row], choice=choice, settled=choice.allowed, recommendation=choice.setting)
        for row, choice in zip(settled, choices, strict=True)
    }


def _settings(
    problem: Problem,
    engine: Engine,
    columns: Mapping[str, Any],
    before: Sequence[Choice],
    held: Mapping[int, Draw],
    optimize: Optimize,
) -> list[Choice]:
    """Each case by itself: one of the settings that were tried."""
    prices = {price.constraint: price.price for price in engine.policy.prices}
    ask = policy.modeler(problem, list(engine.predictors.values()))
    known = policy.consider(problem, columns, ask, prices, engine.policy.threshold)
    labels = _labels(problem, known)
    feasible = np.array(known.feasible)
    for place, draw in held.items():
        same = labels[place] == draw.setting
        # A drawn setting that a search did not try is not among these; the row then counts with its choice.
        feasible[place] = same if same.any() else feasible[place]
    chosen = optimize(known.values, known.uses, feasible, _even(len(before)), known.names).choice
    action = known.action(chosen)
    found = []
    for place, choice in enumerate(before):
        levers = {name: setting[place].item() for name, setting in action.items()}
        label = problem.label(levers)
        reasons = choice.reasons
        if label != choice.setting:
            reasons = (f"{choice.setting} would use too much of what all cases share",)
        value = float(known.values[place, chosen[place]])
        values = {**choice.values, label: value}
        found.append(replace(choice, setting=label, levers=levers, value=value, reasons=reasons, values=values))
    return found


def _shelves(listing: Listing, prices: Floats, held: Mapping[int, Draw], optimize: Optimize) -> list[Choice]:
    """One of the shelves that are best at some prices for each case: those prices are asked for until none helps.

    Every round takes the prices at which the shelves known so far are allocated best, and adds to each case the shelf
    that is best for it at these: column generation (Dantzig and Wolfe 1960), whose allocation nears the best there is.
    """
    names, count = listing.ready.found.names, listing.count
    rows, weights = np.arange(count), _even(count)
    drawn = [_drawn(listing, case, draw) for case, draw in held.items()]
    fixed = np.isin(rows, list(held))
    asked: list[Floats] = []
    values, uses, free = np.zeros((count, 1)), np.zeros((len(names), count, 1)), fixed[:, None]
    for case, (value, used) in zip(held, drawn, strict=True):
        values[case, 0], uses[:, case, 0] = value, used

    def look(at: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        found = listing.ready.at(at)
        return (
            found.values.reshape(count, -1).sum(axis=1)[:, None],
            found.uses.reshape(len(names), count, -1).sum(axis=2)[:, :, None],
            (found.free[rows, found.beside] & ~fixed)[:, None],
        )

    steep = _steep(listing)
    wanted = [prices, np.zeros(len(names)), steep, *np.diag(steep)]
    for _ in range(ROUNDS):
        for at in wanted:
            fresh = look(at)
            asked.append(at)
            values, uses, free = (
                np.concatenate(pair, axis=-1) for pair in zip((values, uses, free), fresh, strict=True)
            )
        best = optimize(values, uses, free, weights, names)
        worth, used, may = look(best.prices)
        score = np.where(free, values - np.tensordot(best.prices, uses, 1), -np.inf).max(axis=1)
        gain = np.where(may[:, 0], worth[:, 0] - best.prices @ used[:, :, 0] - score, 0).clip(0).mean()
        if gain <= CLOSE * float(np.ptp(values) + 1e-12):
            break
        wanted = [best.prices]
    found: list[Choice | None] = [None] * count
    for which in np.unique(best.choice).tolist():
        # Before the shelves that were asked for stand the drawn ones: their rows keep what they drew.
        ranked = listing.ready.at(asked[max(which - 1, 0)])
        for case in np.flatnonzero(best.choice == which).tolist():
            found[case] = listing.choice(ranked, case)
    return [choice for choice in found if choice is not None]


def _drawn(listing: Listing, case: int, draw: Draw) -> tuple[float, Floats]:
    """Value and uses of a shelf that was drawn."""
    problem, known = listing.problem, listing.ready.found
    assert problem.ranking is not None
    assert listing.keys is not None
    lever = problem.ranking.lever
    rows = slice(case * len(listing.keys), (case + 1) * len(listing.keys))
    place = {key: at for at, key in enumerate(draw.levers[lever], start=1)}
    places = np.array([place.get(key, 0) for key in listing.keys], dtype=float)
    same = np.ones(len(problem.settings[lever]), dtype=bool)
    for name, setting in draw.levers.items():
        if name != lever:
            same &= problem.settings[name] == setting
    out, on = (int(np.flatnonzero(same & (problem.settings[lever] == shown))[0]) for shown in (0, 1))
    gain = known.values[rows, on] - known.values[rows, out]
    used = np.where(places > 0, known.uses[:, rows, on], known.uses[:, rows, out])
    return float((known.values[rows, out] + problem.ranking.seen(places) * gain).sum()), used.sum(axis=1)


def _steep(listing: Listing) -> Floats:
    """Prices beside which no value counts."""
    known = listing.ready.found
    spread = np.array([float(np.ptp(used)) for used in known.uses])
    return np.asarray(1e3 * listing.count * (float(np.ptp(known.values)) + 1e-12) / np.where(spread > 0, spread, 1))


def _beside(listing: Listing, prices: Floats, held: Mapping[int, Draw], optimize: Optimize) -> list[Choice]:
    """The order of the written prices, and at their places the settings of the other levers that are best together."""
    problem, count = listing.problem, listing.count
    assert problem.ranking is not None
    found = listing.ready.at(prices)
    others = policy.others_of(problem, problem.ranking.lever)
    if others and len(prices):
        place = found.action[problem.ranking.lever]
        width = len(next(iter(others.values())))
        settings = {name: np.tile(values, (count, 1)) for name, values in others.items()}
        settings[problem.ranking.lever] = np.repeat(np.asarray(place)[:, None], width, axis=1)
        known = policy.tried(problem, listing.cases, listing.ask, settings)
        # Who may have nothing at this place is left to people, and counts with what is done now.
        feasible = np.array(known.feasible | ~known.feasible.any(axis=1, keepdims=True))
        for case, draw in held.items():
            feasible[case] = np.logical_and.reduce([values == draw.levers[name] for name, values in others.items()])
        chosen = optimize(known.values, known.uses, feasible, _even(count), known.names).choice
        found = replace(
            found,
            action={**{name: values[chosen] for name, values in others.items()}, problem.ranking.lever: place},
            values=known.values[np.arange(count), chosen],
            beside=chosen,
            totals=known.values,
            free=known.feasible,
        )
    return [listing.choice(found, case) for case in range(count)]


def _even(count: int) -> Floats:
    return np.full(count, 1 / count)


def _labels(problem: Problem, known: policy.Considered) -> NDArray[np.str_]:
    """Label of every setting that was tried for each case, shape (n, k)."""
    shape = known.values.shape
    tried = {name: np.broadcast_to(values, shape) for name, values in known.levers.items()}
    distinct: dict[tuple[Any, ...], str] = {}
    found = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        key = tuple(values[place].item() for values in tried.values())
        if key not in distinct:
            distinct[key] = problem.label(dict(zip(tried, key, strict=True)))
        found[place] = distinct[key]
    return found


def _columns(engine: Engine, rows: Sequence[Mapping[str, Any]], chosen: Sequence[int]) -> dict[str, Any]:
    """The columns of some rows, as formulas and models take them; pictures stay bytes until a model looks at them."""
    parts = [decode(engine.fields, [rows[row]], engine.limits) for row in chosen]
    columns: dict[str, Any] = {}
    for name in parts[0].columns:
        values = [
            part.files[0].get(name) if engine.fields[name].is_media else part.columns.get(name, [None])[0]
            for part in parts
        ]
        columns[name] = np.asarray(values) if name in engine.problem.columns else values
    return columns
