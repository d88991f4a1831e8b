"""Settings of levers as a log would show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.sample.world import value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.sample.world import Frame, World
    from drivetrain.spec import Source
    from drivetrain.spec.levers import History, IntegerLever, Lever, OptionsLever, RangeLever, RankingLever

STEPS = 200
"""Settings of a range that are tried for each row."""


def log_levers(world: World, source: Source, frame: Frame) -> None:
    """Add to a source's rows the columns that record settings, their probabilities, and which were drawn by lot."""
    from drivetrain.source.columns import case_name

    rows = len(next(iter(frame.values())))
    for name, declared in source.columns.items():
        if declared.role == "logged" and declared.type == "boolean" and name not in frame:
            frame[name] = world.draw(source.name, name).random(rows) < 0.6
    for lever in world.spec.levers:
        history = lever.history
        if history is None or not history.column or (history.data or case_name(world.spec)) != source.name:
            continue
        settings, density = _settings(world, source, lever, history, frame, rows)
        frame[history.column] = settings
        if isinstance(history.propensity, str):
            frame[history.propensity] = density.round(6)
    for name, declared in source.columns.items():
        if declared.role == "logged" and name not in frame:
            from drivetrain.sample import columns

            draw = world.draw(source.name, name)
            frame[name] = (
                columns.weights(declared, rows, draw)
                if name == source.weight
                else columns.column(name, declared, rows, world.known, draw)
            )


def _settings(
    world: World, source: Source, lever: Lever, history: History, frame: Frame, rows: int
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The setting of each row, and the probability (of a range: the density) with which it was chosen."""
    import numpy as np

    draw = world.draw(source.name, lever.name, "log")
    lot = value_of(world, history.rows, frame)
    cell = np.ones(rows, bool) if lot is None else np.broadcast_to(lot.astype(bool), (rows,))
    if lever.type == "options":
        return _options(world, lever, history, frame, rows, cell, draw)
    if lever.type == "ranking":
        return _places(world, lever, frame, rows, draw)
    return _numbers(world, lever, history, frame, rows, cell, draw)


def allowed(world: World, lever: Lever, frame: Frame, settings: Sequence[Any], rows: int) -> NDArray[np.bool_]:
    """Which settings the limits allow in each row, `(n, k)`."""
    import numpy as np

    result = np.ones((rows, len(settings)), bool)
    for place, setting in enumerate(settings):
        for limit in lever.limits:
            value = value_of(world, limit, {**frame, lever.name: np.asarray(setting)})
            if value is not None:
                result[:, place] &= np.broadcast_to(value.astype(bool), (rows,))
    return result


def _options(
    world: World,
    lever: OptionsLever,
    history: History,
    frame: Frame,
    rows: int,
    cell: NDArray[np.bool_],
    draw: np.random.Generator,
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    import numpy as np

    settings = world.spec.derived.settings(lever)
    if history.kind in ("constant", "never"):
        fixed = lever.policies.today if isinstance(lever.policies.today, str) else settings[0]
        return np.full(rows, fixed), np.ones(rows)
    may = allowed(world, lever, frame, settings, rows)
    lot = may / np.maximum(may.sum(1, keepdims=True), 1)
    share = lot.copy()
    if history.kind in ("human", "rule"):
        # People choose with a reason most of the time, and otherwise as it happens: so all settings overlap.
        favourite = np.full(rows, -1)
        chosen = lever.options_from.outcome if lever.options_from else None
        if chosen and chosen in frame:
            favourite = np.array([settings.index(v) if v in settings else -1 for v in frame[chosen].tolist()])
            weight = 0.55
        else:
            favourite, weight = draw.integers(0, len(settings), rows), 0.3
        known = (favourite >= 0) & may[np.arange(rows), np.maximum(favourite, 0)]
        share[known] = (1 - weight) * lot[known]
        share[np.flatnonzero(known), favourite[known]] += weight
    elif not cell.all():
        # Outside of the cell that is drawn by lot, what is usual is done.
        usual = settings.index(lever.policies.do_nothing) if lever.policies.do_nothing in settings else 0
        fixed_rows = ~cell & may[:, usual]
        share[fixed_rows] = 0.0
        share[fixed_rows, usual] = 1.0
    place = (share.cumsum(1) < draw.random((rows, 1)) * share.sum(1, keepdims=True)).sum(1)
    place = np.minimum(place, len(settings) - 1)
    return np.array(settings)[place], share[np.arange(rows), place]


def _numbers(
    world: World,
    lever: IntegerLever | RangeLever,
    history: History,
    frame: Frame,
    rows: int,
    cell: NDArray[np.bool_],
    draw: np.random.Generator,
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    import numpy as np

    low = 0.0 if lever.minimum is None else float(lever.minimum)
    high = low + 1.0 if lever.maximum is None else float(lever.maximum)
    usual = getattr(lever.policies.do_nothing, "column", None)
    if history.kind in ("constant", "never"):
        return np.full(rows, (low + high) / 2), np.ones(rows)
    whole = lever.type == "integer"
    width = (1.0 if lever.step == "none" else lever.step) if whole else (high - low) / STEPS
    count = int((high - low) / width + 1e-9) + 1 if whole else STEPS
    start = np.zeros(rows) if whole else draw.random(rows)
    seen = np.zeros(rows, int)
    chosen = np.full(rows, np.nan)
    # One setting after the other, keeping each allowed one with the chance that makes all of them equally likely.
    for step in range(count):
        candidate = low + (step + start) * width
        fits = np.ones(rows, bool)
        for limit in lever.limits:
            value = value_of(world, limit, {**frame, lever.name: candidate})
            if value is not None:
                fits &= np.broadcast_to(value.astype(bool), (rows,))
        seen += fits
        take = fits & (draw.random(rows) * seen < 1)
        chosen = np.where(take, candidate, chosen)
    chosen = np.where(seen > 0, chosen, low)
    density = 1.0 / (np.maximum(seen, 1) * (1.0 if whole else width))
    if not cell.all() and usual in frame:
        chosen = np.where(cell, chosen, frame[usual].astype(float))
        density = np.where(cell, density, 1.0)
    return (np.rint(chosen) if whole else chosen.round(4)), density


def _places(
    world: World, lever: RankingLever, frame: Frame, rows: int, draw: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    import numpy as np

    places = np.arange((lever.slots or 5) + 1)
    may = allowed(world, lever, frame, list(places.astype(float)), rows)
    share = may / np.maximum(may.sum(1, keepdims=True), 1)
    place = (share.cumsum(1) < draw.random((rows, 1)) * share.sum(1, keepdims=True)).sum(1)
    place = np.minimum(place, len(places) - 1)
    return place, share[np.arange(rows), place]
