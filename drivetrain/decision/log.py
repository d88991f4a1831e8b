"""Decisions of the past among the cases: which settings were used, with which chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy, source
from drivetrain.decision.columns import arrays
from drivetrain.errors import DataError
from drivetrain.spec import Spec
from drivetrain.spec.formula import evaluate, parse

Array = NDArray[Any]
Floats = NDArray[np.float64]

ALWAYS = ("True", "true", "1", "1.0")
"""How a plan says that something holds in every row."""


@dataclass(frozen=True, slots=True)
class Log:
    """Decisions that were taken in the past, and what came of them.

    Attributes:
        rows: Which of the world's cases they are, shape (l,).
        used: Lever -> the setting that was used, shape (l,).
        propensity: Probability (a number: density) of that setting; None when nobody knows it. Shape (l,).
        causal: Whether settings were randomised.
        kind: How settings came about, in the plan's words.
        truth, observed: As those of the world, of these rows; None: the world's own. Where items are ranked, a log
            holds some of the pairs of case and item only, and what came of each.
        weights: Of these rows, shape (l,); None: those of the world's cases.
        strange: What a report says of rows that were left out.
        chances: Lever -> probability of its own setting, where there are several levers; shape (l,) each. Of a range,
            whose propensity is a density, none.
    """

    rows: NDArray[np.int64]
    used: Mapping[str, Array]
    propensity: Floats | None
    causal: bool
    kind: str
    truth: Mapping[str, Array] | None = None
    observed: Mapping[str, NDArray[np.bool_]] | None = None
    weights: Floats | None = None
    strange: str = ""
    chances: Mapping[str, Floats] = field(default_factory=dict)

    def some(self, kept: NDArray[np.bool_]) -> Log:
        """Some of the rows."""

        def of(values: Mapping[str, Array] | None) -> dict[str, Array] | None:
            return None if values is None else {name: array[kept] for name, array in values.items()}

        return Log(
            self.rows[kept],
            of(self.used) or {},
            None if self.propensity is None else self.propensity[kept],
            self.causal,
            self.kind,
            of(self.truth),
            of(self.observed),
            None if self.weights is None else self.weights[kept],
            self.strange,
            of(self.chances) or {},
        )


def log_of(spec: Spec, problem: policy.Problem, table: Any) -> Log | None:
    """Past decisions among the rows of a table; None when the table does not hold the settings that were used."""
    moved = any(problem.affected[name] for name in problem.outcomes)
    if problem.censored or not (moved or problem.items):
        return None
    used, chance, kinds = {}, np.ones(table.num_rows), []
    own: dict[str, Floats] = {}
    known = True
    rows, strange = np.ones(table.num_rows, dtype=bool), ""
    for lever in spec.levers:
        history = lever.history
        if history is None or history.column is None or history.column not in table.column_names:
            return None
        column = table[history.column]
        values = column.to_pylist()
        rows &= np.array([value is not None for value in values])
        text = problem.settings[lever.name].dtype.kind == "U"
        used[lever.name] = (
            np.array(["" if v is None else str(v) for v in values], dtype=str)
            if text
            else np.array([np.nan if v is None else v for v in values], dtype=float)
        )
        if text:
            other = rows & ~np.isin(used[lever.name], problem.settings[lever.name])
            if other.any():
                names = ", ".join(f"`{name}`" for name in np.unique(used[lever.name][other])[:5].tolist())
                strange = (
                    f"{int(other.sum())} logged cases had `{lever.name}` at {names}, which the plan does not know."
                )
            rows &= ~other
        if history.rows.strip() not in ALWAYS:
            condition = parse(history.rows)
            here = arrays(frozenset(condition.names), table, frozenset())
            rows &= np.broadcast_to(np.asarray(evaluate(condition, here)) == 1, rows.shape)
        kinds.append(history.kind)
        given = history.propensity
        if given is None:
            known, mine = False, chance
        elif isinstance(given, str):
            if given not in table.column_names:
                return None
            mine = np.asarray(table[given].to_numpy(zero_copy_only=False), dtype=float)
        else:
            mine = np.full(table.num_rows, float(given))
        if known:
            chance = chance * mine
            if lever.type != "range" and len(spec.levers) > 1:
                own[lever.name] = mine
    kind = kinds[0] if len(set(kinds)) == 1 else "human" if "human" in kinds else "rule"
    if kind in ("constant", "never") or not rows.any():
        return None
    where = np.flatnonzero(rows)
    return Log(
        where,
        {name: values[where] for name, values in used.items()},
        chance[where] if known else None,
        all(entry == "randomised" for entry in kinds),
        str(kind),
        strange=strange,
        chances={name: values[where] for name, values in own.items()},
    )


def seen(spec: Spec, problem: policy.Problem, table: Any) -> dict[str, tuple[Any, ...]]:
    """Lever -> the settings that the log shows, or the lowest and highest; only of levers that move an outcome."""
    moving = {lever for name in problem.outcomes for lever in problem.affected[name]}
    found: dict[str, tuple[Any, ...]] = {}
    for lever in spec.levers:
        history = lever.history
        if lever.type == "ranking" or lever.name not in moving or history is None or history.column is None:
            continue
        held = table
        if history.column not in table.column_names and problem.items and history.data:
            # Beside a ranking a setting may be logged where what was shown is.
            held = source.cases(spec, history.data)
        if history.column not in held.column_names:
            continue
        values = [value for value in held[history.column].to_pylist() if value is not None]
        if not values:
            continue
        if problem.settings[lever.name].dtype.kind == "U":
            known = set(problem.settings[lever.name].tolist())
            there = {str(value) for value in values}
            if not known & there:
                raise DataError(
                    f"the log holds {', '.join(f'`{name}`' for name in sorted(there)[:5])}, and none of the settings "
                    f"{', '.join(f'`{name}`' for name in sorted(known)[:5])}.",
                    "Name in `history.column` the column that says which setting was used, in the plan's words.",
                    where=f"levers.{lever.name}.history.column",
                )
            found[lever.name] = tuple(sorted(known & there))
        else:
            numbers = np.array(values, dtype=float)
            found[lever.name] = (float(numbers.min()), float(numbers.max()))
    return found
