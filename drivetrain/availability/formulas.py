"""Which rows a formula of the plan means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.errors import FormulaError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from drivetrain.availability.look import Look


def array(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as formulas take it, `(n,)`: text, truth values, numbers; times in seconds, empty cells NaN or ''."""
    import numpy as np
    import pyarrow as pa

    from drivetrain.source.join import in_seconds

    kind = column.type
    if pa.types.is_timestamp(kind):
        return in_seconds(column)
    if pa.types.is_boolean(kind):
        return np.array([value is True for value in column.to_pylist()])
    if pa.types.is_string(kind):
        return np.array(["" if value is None else value for value in column.to_pylist()], dtype=str)
    return np.asarray(column.cast(pa.float64()).to_numpy(), float)


def rows_where(look: Look, formula: str) -> NDArray[np.bool_] | None:
    """Rows in which a formula is true, `(n,)`; None when it names something that these rows do not have."""
    import numpy as np

    from drivetrain.spec.formula import evaluate, parse

    try:
        parsed = parse(formula)
        there = set(look.rows.column_names)
        constants = _constants(look)
        if not parsed.names <= there | constants.keys():
            return None
        names = constants | {name: array(look.rows[name]) for name in parsed.names & there}
        return np.broadcast_to(np.asarray(evaluate(parsed, names), bool), (look.rows.num_rows,))
    except FormulaError:
        return None


def _constants(look: Look) -> dict[str, Any]:
    import numpy as np

    objective = look.spec.objective
    values = {name: constant.value for name, constant in objective.constants.items()} if objective else {}
    return {name: np.asarray(float(value)) for name, value in values.items() if value is not None}
