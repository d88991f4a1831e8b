"""How many more labels until the target? Read off the learning curve that training measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.findings import Finding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec import Spec

DRAWS = 2_000
FURTHEST = 100
"""Times the rows of today beyond which a curve says nothing any more."""


def curves(spec: Spec) -> Iterator[Finding]:
    """A finding for each model whose learning curve stands in the evidence of training.

    The evidence of the step `train` may hold, for each model, `learning_curve: {"metric", "target", "points": [{"rows",
    "error", "standard_error"}]}`: the error on validation rows after training on that many.
    """
    from drivetrain import evidence

    kept = evidence.read(spec.root, "train")
    for name, entry in _curves(kept.result if kept else {}).items():
        where = f"models.{name}"
        points = [p for p in entry.get("points", []) if p.get("rows", 0) > 0 and p.get("error") is not None]
        target = entry.get("target")
        if len(points) < 3 or target is None:
            yield Finding(
                "DA190",
                "unknown",
                where,
                "the learning curve has too few points to say how many more labels are needed."
                if len(points) < 3
                else "the learning curve has no target to reach.",
                "Measure it on more sizes, and name what the model must reach.",
            )
            continue
        yield _needed(where, entry, points, float(target))


def _curves(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    models = result.get("models", {})
    if not isinstance(models, Mapping):
        return {}
    return {n: m["learning_curve"] for n, m in models.items() if isinstance(m, Mapping) and m.get("learning_curve")}


def _needed(where: str, entry: Mapping[str, Any], points: Sequence[Mapping[str, Any]], target: float) -> Finding:
    import numpy as np

    rows = np.array([float(p["rows"]) for p in points])
    error = np.array([float(p["error"]) for p in points])
    noise = np.array([float(p.get("standard_error") or 0.0) for p in points])
    metric, have = entry.get("metric", "error"), int(rows.max())
    now = float(error[rows.argmax()])
    low, middle, high = labels_needed(rows, error, noise, target)
    facts = {"target": target, "error_now": now, "rows_now": have, "needed": [low, middle, high]}
    if now <= target:
        return Finding(
            "DA190", "pass", where, f"{metric} is {now:.3g}, the target {target:.3g} is reached.", facts=facts
        )
    if math.isinf(middle):
        return Finding(
            "DA190",
            "warn",
            where,
            f"{metric} is {now:.3g} with {have:,} rows and levels off above the target of {target:.3g}.",
            "More labels of the same kind will not do: better labels, other inputs or another model may.",
            facts={**facts, "needed": [None, None, None]},
        )
    more = [max(0, math.ceil(value) - have) if math.isfinite(value) else None for value in (low, middle, high)]
    upper = f"{more[2]:,}" if more[2] is not None else "no end in sight"
    return Finding(
        "DA190",
        "warn",
        where,
        f"{metric} is {now:.3g} with {have:,} rows; the target of {target:.3g} needs about {more[1]:,} more labels "
        f"(95 % interval {more[0]:,} to {upper}).",
        "Collect them, or say why less is enough.",
        facts={
            **facts,
            "needed": [v if v is None or math.isfinite(v) else None for v in (low, middle, high)],
            "more": more,
        },
    )


def labels_needed(
    rows: NDArray[np.float64], error: NDArray[np.float64], noise: NDArray[np.float64], target: float
) -> tuple[float, float, float]:
    """Rows at which a learning curve reaches a target: lower end, estimate and upper end of a 95 % interval.

    The curve is `error = floor + scale x rows^-rate` (Cortes et al. 1994), fitted by least squares over a grid of
    floors and rates; the interval comes from 2,000 curves drawn with the points' standard errors, or with the
    residuals' where these are larger.

    Args:
        rows: Training rows, `(k,)`, at least three.
        error: Error at each, `(k,)`.
        noise: Standard error of each, `(k,)`; 0 where it is not known.
        target: Error to reach.

    Returns:
        Rows; infinity where the curve levels off above the target.
    """
    import numpy as np

    estimate, residual = _reach(rows, error[None], target)
    spread = float(np.sqrt(residual[0] / max(len(rows) - 2, 1)))
    drawn = error + np.random.default_rng(0).standard_normal((DRAWS, len(rows))) * np.maximum(noise, spread)
    reached, _ = _reach(rows, drawn, target)
    low, high = np.quantile(reached, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(estimate[0]), float(high)


def _reach(
    rows: NDArray[np.float64], errors: NDArray[np.float64], target: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows at which each of several curves reaches the target, and the squared residual of its fit, `(m,)` each."""
    import numpy as np

    rates = np.linspace(0.1, 1.2, 45)
    basis = rows[:, None] ** -rates
    size = (basis**2).sum(0)
    along, total, square = errors @ basis, basis.sum(0), (errors**2).sum(1)
    best = np.full(len(errors), np.inf)
    reached = np.full(len(errors), np.inf)
    for floor in np.linspace(0, 0.99, 34) * errors.min():
        # What is left of each curve above this floor, projected on each power of the rows.
        part = along - floor * total
        residual = (square - 2 * floor * errors.sum(1) + len(rows) * floor**2)[:, None] - part**2 / size
        residual[part <= 0] = np.inf
        rate = residual.argmin(1)
        here = np.maximum(residual[np.arange(len(errors)), rate], 0.0)
        scale = part[np.arange(len(errors)), rate] / size[rate]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            where = (scale / (target - floor)) ** (1 / rates[rate]) if target > floor else np.full(len(errors), np.inf)
        better = here < best
        reached[better] = np.where(np.isfinite(where), where, np.inf)[better]
        best[better] = here[better]
    reached[reached > FURTHEST * rows.max()] = np.inf
    return reached, best
