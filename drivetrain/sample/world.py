"""A small world in which a plan makes sense: what has been made so far, and how its sources refer to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FormulaError
from drivetrain.sample import columns as make
from drivetrain.sample.hints import Hints
from drivetrain.source.columns import case_name, join_keys

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec import Join, Source, Spec

Frame = dict[str, "NDArray[Any]"]
"""Columns of a source's rows by name, outcomes under their own names."""

MEDIA = ("images", "audio", "text", "images+text", "series")
ROW = "\0row"
"""Number of each row, kept beside the columns; no column can be called that."""
YEAR = 365 * make.DAY


@dataclass
class World:
    """What has been made so far.

    Attributes:
        spec: The plan.
        stage: Folder to write to.
        seed: Seed of every draw.
        known: What formulas tell about columns.
        frames: Source -> its rows.
        pools: Key -> the names that occur.
        truth: What is known about each outcome.
        levels: Category column -> value -> the number that stands for it, before columns are standardised.
        names: Source of files -> their paths below its location, one for each row.
    """

    spec: Spec
    stage: Path
    seed: int
    known: Hints
    frames: dict[str, Frame] = field(default_factory=dict)
    pools: dict[str, NDArray[Any]] = field(default_factory=dict)
    truth: dict[str, Any] = field(default_factory=dict)
    levels: dict[str, dict[str, float]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def draw(self, *names: str) -> np.random.Generator:
        """A stream of random numbers of its own for each name."""
        return make.generator(self.seed, *names)

    def key(self, source: str, column: str) -> str:
        """The name under which a key column's values are kept: joined columns and columns of one name share theirs."""
        same = {(source, column)}
        ties = [
            (s.name, here, str(j.data), there)
            for s in self.spec.data
            for j in s.join
            for here, there in join_keys(j).items()
        ]
        for _ in ties:
            for a, here, b, there in ties:
                if (a, here) in same or (b, there) in same:
                    same |= {(a, here), (b, there)}
        return min(name for _, name in same)


def followed(spec: Spec, source: Source) -> tuple[Source, Join] | None:
    """The source whose rows look back at this one's (`as_of`), where its rows have a time to look back from."""
    for other in spec.data:
        for join in other.join:
            if join.data == source.name and join.as_of and other.time and other.name != source.name:
                return other, join
    return None


def is_detail(spec: Spec, join: Join) -> bool:
    """Whether a join brings what happened to each row later, rather than facts about it."""
    other = spec.source(str(join.data))
    return bool(other.outcomes) and other.kind == "table" and not join.as_of


def detail_of(spec: Spec, source: Source) -> Source | None:
    """The source whose rows a detail source continues."""
    for other in spec.data:
        if any(join.data == source.name and is_detail(spec, join) for join in other.join):
            return other
    return None


def joined(world: World, source: Source) -> Frame:
    """A source's rows with the columns that its joins bring, as far as these are facts."""
    import numpy as np

    frame = dict(world.frames[source.name])
    for join in source.join:
        if is_detail(world.spec, join) or join.as_of:
            continue
        other = world.spec.source(str(join.data))
        there = joined(world, other)
        here, theirs = next(iter(join_keys(join).items()))
        if here not in frame or theirs not in there:
            continue
        place = {key: row for row, key in enumerate(there[theirs].tolist())}
        take = np.array([place.get(key, 0) for key in frame[here].tolist()])
        frame = {name: values[take] for name, values in there.items() if name not in frame} | frame
    return frame


def join_names(source: Source) -> list[str]:
    """Columns of a source that it is joined by."""
    return [here for join in source.join for here in join_keys(join)]


def recorded(spec: Spec, source: Source) -> list[str]:
    """Columns of a source that say how levers were set, and with which probability, whatever role they are given."""
    past = [lever.history for lever in spec.levers if lever.history is not None]
    here = [history for history in past if (history.data or case_name(spec)) == source.name]
    names = [name for history in here for name in (history.column, history.propensity)]
    return [name for name in names if isinstance(name, str)]


def value_of(world: World, formula: str, frame: Mapping[str, Any]) -> NDArray[Any] | None:
    """A formula over rows; None when it names what is not there."""
    from drivetrain.spec.formula import evaluate, parse

    try:
        parsed = parse(formula)
        objective = world.spec.objective
        names: dict[str, Any] = {f"cost({lever.name})": 0.0 for lever in world.spec.levers}
        names |= {"period": 0.0, **frame}
        if objective is not None:
            for name, constant in objective.constants.items():
                if constant.value is not None:
                    names.setdefault(name, float(constant.value))
            for name, text in objective.terms.items():
                if name in parsed.names and name not in names:
                    names[name] = value_of(world, text, frame)
        if any(names.get(name) is None for name in parsed.entries):
            return None
        return evaluate(parsed, {name: names[name] for name in parsed.entries})
    except FormulaError:
        return None


def span(source: Source) -> tuple[float, float]:
    """First and last second of a source's rows: as collected, else the two years before a fixed day.

    Data that must be fresh end with the month before this one, which makes them change from month to month.
    """
    collected = source.collected
    end = datetime(2025, 12, 31, tzinfo=UTC).timestamp()
    if collected is not None and collected.to is not None:
        end = _seconds(collected.to)
    elif source.needs.max_age:
        now = datetime.now(UTC)
        end = datetime(now.year, now.month, now.day, tzinfo=UTC).timestamp() - make.DAY
    start = _seconds(collected.from_) if collected is not None and collected.from_ is not None else end - 2 * YEAR
    return start, max(end, start + make.DAY)


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
