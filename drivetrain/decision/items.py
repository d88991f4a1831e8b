"""The items that are ranked, from their source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from drivetrain import policy, source
from drivetrain.decision.columns import arrays, plain
from drivetrain.errors import DataError
from drivetrain.spec import Spec


def items(
    spec: Spec, problem: policy.Problem, predictors: Sequence[policy.Predicts]
) -> tuple[dict[str, Any], list[str]]:
    """Column -> one value an item, of what formulas and models read, and the key; and notes on what was left out.

    Raises:
        DataError: There is no item, two have the same key, or no item has what the decision reads.
    """
    ranking = problem.ranking
    assert ranking is not None
    assert ranking.of is not None
    table = source.cases(spec, ranking.of)
    where = f"data.{ranking.of}"
    key = ranking.key or "case"
    if key not in table.column_names:
        raise DataError(f"has no column `{key}`, which names an item.", "Name its `entity`.", where=where)
    case_columns = set(source.cases(spec).column_names)
    read = {name for predictor in predictors for name in predictor.inputs} | problem.columns
    wanted = sorted((read & set(table.column_names)) - case_columns)
    valued = [name for name in wanted if name in problem.columns]
    count = table.num_rows
    keep = np.ones(count, dtype=bool)
    for name in [*valued, key]:
        keep &= np.asarray(table[name].is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    notes = []
    if not keep.all():
        gone = int((~keep).sum())
        notes.append(f"{gone} of {count} rows of `{ranking.of}` lack {', '.join([*valued, key])} and are never shown.")
        table = table.filter(keep)
    if not table.num_rows:
        raise DataError("no item is left to rank.", "Look at the columns that formulas read.", where=where)
    keys = [str(value) for value in table[key].to_pylist()]
    if len(set(keys)) < len(keys):
        twice = sorted({one for one in keys if keys.count(one) > 1})[:3] if len(keys) < 20_000 else []
        raise DataError(f"`{key}` names two items alike {', '.join(twice)}.", "Keep one row of each.", where=where)
    columns: dict[str, Any] = arrays(frozenset(valued), table, frozenset(valued))
    columns |= {name: plain(table[name]) for name in [*wanted, key] if name not in columns and name != "case"}
    return columns | {policy.KEY: keys}, notes
