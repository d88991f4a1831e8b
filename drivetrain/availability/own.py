"""The team's own checks, in `check_data.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain.findings import Finding, Level

if TYPE_CHECKING:
    import pyarrow as pa

Answer = str | Finding | Iterable[str | Finding] | None


@dataclass(frozen=True, slots=True)
class OwnCheck:
    """One check of the team's own.

    Attributes:
        name: Name of the function.
        asks: First line of its docstring: what must hold.
        source: Source whose rows it takes; the decision's cases when None.
        level: Level of what it finds.
        judge: The function.
    """

    name: str
    asks: str
    source: str | None
    level: Level
    judge: Callable[[pa.Table], Answer]

    def __call__(self, rows: pa.Table) -> Answer:
        """Judge rows, as the function itself would."""
        return self.judge(rows)


_CHECKS: list[OwnCheck] = []


def own_check(source: str | None = None, *, level: Level = "fail") -> Callable[[Callable[[Any], Answer]], OwnCheck]:
    """Add a check: a function that takes the rows of a source and returns what is wrong with them.

    It returns nothing when all is well, else a sentence, several sentences, or findings. Its docstring says what it
    asks for. Rows come as `drivetrain.source.cases` gives them, an Arrow table with the columns of the plan, the joins
    and `split`; `.to_pandas()` makes a data frame of it.

    Args:
        source: Name of the source; the decision's cases when None.
        level: Level of what it finds: `fail`, `warn` or `note`.
    """

    def add(judge: Callable[[Any], Answer]) -> OwnCheck:
        asks = (judge.__doc__ or judge.__name__.replace("_", " ")).strip().splitlines()[0]
        check = OwnCheck(judge.__name__, asks, source, level, judge)
        _CHECKS[:] = [other for other in _CHECKS if other.name != check.name]
        _CHECKS.append(check)
        return check

    return add


def registered() -> list[OwnCheck]:
    """The checks that were added so far."""
    return list(_CHECKS)


def judged(check: OwnCheck, rows: pa.Table, where: str) -> list[Finding]:
    """What one check finds; a check that breaks off is a finding, too."""
    try:
        answer = check(rows)
        said = [answer] if isinstance(answer, str | Finding) else list(answer or ())
    except Exception as error:  # the team's code may raise anything; one broken check must not hide the others
        return [
            Finding(
                "DA901",
                "fail",
                where,
                f"`{check.name}` broke off: {type(error).__name__}: {error}",
                "Correct the check in check_data.py.",
            )
        ]
    if not said:
        return [Finding("DA900", "pass", where, f"{check.asks} (`{check.name}`)")]
    return [
        item
        if isinstance(item, Finding)
        else Finding("DA900", check.level, where, f"{item} (`{check.name}`)", check.asks)
        for item in said
    ]
