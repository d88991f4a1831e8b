"""What a judging room says: one finding, one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

Level = Literal["pass", "note", "warn", "unknown", "fail"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""From harmless to grave. An unknown never passes a gate; a fail is what texts call an error."""


class Finding(NamedTuple):
    """One judgement.

    Attributes:
        id: Stable identifier, e.g. `DT101` (rules), `DA201` (availability), `DS001` (structure).
        level: How grave it is.
        where: The place: `drivetrain.yaml:23: levers[1].options`, a source, a file.
        what: What is the case, with the measured figure.
        advice: What to do about it; empty for a pass.
        affected: Every file, row range or field concerned. Text shows the first few, JSON all.
        facts: Figures behind the sentence, e.g. `{"measured": 81, "need": 100}`.
    """

    id: str
    level: Level
    where: str
    what: str
    advice: str = ""
    affected: Sequence[str] = ()
    facts: Mapping[str, Any] = MappingProxyType({})

    def __str__(self) -> str:
        return f"{self.where}: {self.what}{' ' + self.advice if self.advice else ''}"

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON output."""
        return self._asdict() | {"affected": list(self.affected), "facts": dict(self.facts)}


def worst(findings: Iterable[Finding]) -> Level:
    """The gravest level among `findings`; `pass` when there are none."""
    return max((f.level for f in findings), key=LEVELS.index, default="pass")


def passes(findings: Iterable[Finding]) -> bool:
    """Whether a gate may open: nothing failed and nothing is unknown."""
    return worst(findings) not in ("unknown", "fail")
