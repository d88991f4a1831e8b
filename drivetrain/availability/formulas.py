"""Which rows a formula of the plan means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.availability.look import array
from drivetrain.errors import DataError, FormulaError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.availability.look import Look


def rows_where(look: Look, formula: str) -> NDArray[np.bool_] | None:
    """Rows in which a formula is true, `(n,)`; None when it names something that these rows do not have."""
    import numpy as np

    value = value_of(look, formula, {})
    return None if value is None else np.broadcast_to(np.asarray(value, bool), (look.rows.count,))


def value_of(look: Look, formula: str, more: dict[str, Any]) -> NDArray[Any] | None:
    """A formula over the rows of a source, `(n,)` or `()`; None when it names something that is not there.

    Args:
        look: The source.
        formula: A case formula.
        more: Further names, such as a lever's settings or `cost(lever)`.
    """
    from drivetrain.policy.parts import part_of, parted
    from drivetrain.spec.formula import evaluate, parse

    try:
        parsed = parted(parse(formula))
        objective = look.spec.objective
        names: dict[str, Any] = dict(more)
        for name in parsed.entries - names.keys():
            if name in look.rows:
                names[name] = array(look.rows.column(name))
            elif objective is not None and name in objective.constants:
                names[name] = objective.constants[name].value
            elif objective is not None and name in objective.terms:
                names[name] = value_of(look, objective.terms[name], more)
            elif (part := part_of(name)) is not None and part.function == "has" and part.outcome in look.rows:
                names[name] = _labelled(look, part.outcome, part.which)
        if any(names.get(name) is None for name in parsed.entries):
            return None
        return evaluate(parsed, {name: names[name] for name in parsed.entries})
    except (FormulaError, DataError):
        return None


def _labelled(look: Look, outcome: str, label: str) -> NDArray[Any]:
    """Whether each row has a label, `(n,)`; missing where nobody said which it has."""
    import numpy as np

    from drivetrain.source import labels_in

    known = look.spec.outcome(outcome).values or []
    cells = look.rows.column(outcome).to_pylist()
    return np.array([np.nan if cell is None else float(label in labels_in(cell, known)) for cell in cells])
