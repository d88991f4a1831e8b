"""The settings of the levers: each on its own, and their product."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.spec import Spec
from drivetrain.spec.formula import Formula
from drivetrain.spec.levers import Lever, OptionsLever, RankingLever

Array = NDArray[Any]

MOST_SETTINGS = 20_000
"""Joint settings beyond this are refused: one array row a setting would not fit."""
GRID = 201
"""Settings tried first for a range without steps."""


def values(spec: Spec, lever: Lever) -> Array:
    """The settings of one lever; shape (k,)."""
    if isinstance(lever, RankingLever):
        return _places(spec, lever)
    if isinstance(lever, OptionsLever):
        names = list(spec.derived.settings(lever.name))
        if not names:
            raise PolicyError("has no settings.", "Name at least two under `options`.", where=f"levers.{lever.name}")
        return np.array(names, dtype=str)
    if lever.minimum is None or lever.maximum is None:
        raise PolicyError(
            "has no minimum or no maximum yet.", "Say between which settings it moves.", where=f"levers.{lever.name}"
        )
    if lever.step == "none":
        return np.linspace(lever.minimum, lever.maximum, GRID)
    steps = int(np.floor((lever.maximum - lever.minimum) / lever.step + 1e-9))
    if steps + 1 > MOST_SETTINGS:
        raise PolicyError(
            f"has {steps + 1:,} settings.",
            f"Take a larger step ({MOST_SETTINGS:,} settings at most), or `step: none`.",
            where=f"levers.{lever.name}",
        )
    return np.asarray(lever.minimum + lever.step * np.arange(steps + 1))


def _places(spec: Spec, lever: RankingLever) -> Array:
    """Places of a ranking: of items 0 (not shown) and 1 (shown), of cases 1 to the length of the queue."""
    if lever.of != "cases":
        return np.array([0.0, 1.0])
    batch = spec.decision.batch if spec.decision else None
    if batch is None or not batch.cases:
        raise PolicyError(
            "puts the cases into an order, and the plan does not say how many wait at a time.",
            "Write `decision: {batch: {every: 1 day, cases: 200}}`.",
            where=f"levers.{lever.name}",
        )
    if lever.attention is not None:
        raise PolicyError(
            "has `attention`, which belongs to a ranking of items.",
            "Let the value say what waiting costs, e.g. `-harm * queue`.",
            where=f"levers.{lever.name}.attention",
        )
    places = np.arange(1.0, min(lever.slots or batch.cases, batch.cases) + 1)
    return places if len(places) == batch.cases else np.append(0.0, places)


def joint(single: Mapping[str, Array]) -> tuple[dict[str, Array], list[str]]:
    """The product of the levers' settings, with a label each."""
    count = int(np.prod([len(found) for found in single.values()]))
    if count > MOST_SETTINGS:
        raise PolicyError(
            f"{count:,} joint settings of {', '.join(single)} are too many.",
            f"Take larger steps, or fewer levers ({MOST_SETTINGS:,} at most).",
            where="levers",
        )
    rows = list(product(*(found.tolist() for found in single.values())))
    settings = {name: np.array([row[place] for row in rows]) for place, name in enumerate(single)}
    labels = [label(tuple(single), dict(zip(single, row, strict=True))) for row in rows]
    return settings, labels


def label(levers: tuple[str, ...], setting: Mapping[str, Any]) -> str:
    """A joint setting as people read it."""
    texts = {name: named(setting[name]) for name in levers}
    return texts[levers[0]] if len(levers) == 1 else ", ".join(f"{name}: {text}" for name, text in texts.items())


def named(value: Any) -> str:
    """One lever's setting as people read it."""
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def costs(spec: Spec, lever: Lever) -> Mapping[str, float] | Formula:
    """What each setting of a lever costs, or the formula of it."""
    if isinstance(lever, OptionsLever | RankingLever):
        return dict(spec.derived.costs(lever.name))
    return spec.derived.expand(lever.cost)
