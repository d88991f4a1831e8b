"""Columns one after the other: each is read once, looked at from all sides, and let go."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from drivetrain.availability.contexts import context_columns, cut
from drivetrain.availability.look import SPLITS, Coded, Look, array, coded, count, some
from drivetrain.availability.outliers import far_off
from drivetrain.availability.skill import filled, skill
from drivetrain.availability.spelling import spelled
from drivetrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from drivetrain.findings import Finding
    from drivetrain.source.rows import Rows
    from drivetrain.spec.data import Column

SURE = 0.95
"""A column that alone explains this share of the label hardly is a fact known before."""
SUSPECT = 0.9
HINT, LEAST = 0.05, 60
"""What a column explains at least, and in how many rows, before its parts are looked at one by one."""
SAMPLE = 100_000
"""Rows on which it is measured what a column explains, or where its middle lies."""


class Sheet:
    """Everything about columns: `findings` walks through them, `copies` then knows which rows are alike."""

    def __init__(self, look: Look) -> None:
        import numpy as np

        self.look = look
        self.mixed = np.zeros(look.own.count, np.uint64)
        self.telling = False
        self.best: dict[str, tuple[str, float]] = {}
        self.telltale: set[str] = set()
        self.places = _places(look.rows.count)
        self.contexts = set(context_columns(look)) if look.spec.levers else set[str]()
        self.labels: dict[str, tuple[NDArray[Any], bool]] = {}
        for name, outcome in look.source.outcomes.items():
            if name in look.rows:
                classes = outcome.type != "number"
                label = look.coded(name).codes if classes else array(look.rows.column(name))
                self.labels[name] = (label if self.places is None else label[self.places], classes)

    def findings(self) -> Iterator[Finding]:
        """What each column has to say."""
        import pyarrow as pa

        look = self.look
        built_in = {"path", "folder", "stem", "suffix", "image", "audio", "series"}
        left_out = set[str]() if look.source.kind in ("table", "ratings") else built_in | {"text"}
        for name, values in _read_ahead(look.own, [name for name in look.own.names if name not in left_out]):
            if isinstance(values, DataError):
                yield from self._misfit(name, values)
                continue
            text = pa.types.is_string(values.type) or pa.types.is_boolean(values.type)
            seen = look.own_coded(name, values) if text else array(values)
            self._keep(name, seen)
            self._mix(seen)
            if name not in look.source.outcomes:
                yield from self._column(name, values, seen)
            # Arrow keeps what it freed; a wide table would add up.
            del values, seen
            pa.default_memory_pool().release_unused()
        for name, declared in self._brought().items():
            column = look.rows.column(name)
            text = pa.types.is_string(column.type) or pa.types.is_boolean(column.type)
            yield from self._leak(name, declared, coded(column) if text else array(column))
        yield from self._nothing_leaks()
        if look.source.kind in ("table", "ratings"):
            yield from self._copies()

    def _column(self, name: str, values: pa.ChunkedArray, seen: Coded | NDArray[Any]) -> Iterator[Finding]:
        declared = self.look.source.columns.get(name)
        if declared is None:
            return
        at = f"columns.{name}"
        if values.null_count == len(values):
            yield self.look.finding("DA502", "warn", "is empty in all rows.", "Fill it in, or take it out.", at=at)
            return
        if values.null_count > 0.5 * len(values) and declared.known == "before":
            share = values.null_count / len(values)
            yield self.look.finding("DA508", "note", f"is empty in {share:.0%} of the rows.", at=at)
        if not isinstance(seen, Coded):
            if declared.type in ("number", "integer"):
                yield from self._numbers(name, declared, seen)
        elif declared.type == "category":
            yield from self._categories(name, declared, seen)
        elif declared.type == "boolean" and len(seen.named) < 2:
            yield self.look.finding("DA502", "warn", "is the same in all rows.", "It says nothing; take it out.", at=at)
        if not self._one_to_one():
            column = self.look.rows.column(name)
            seen = coded(column) if isinstance(seen, Coded) else array(column)
        yield from self._leak(name, declared, seen)

    def _keep(self, name: str, seen: Coded | NDArray[Any]) -> None:
        """What levers are held against, so that they need not read it again."""
        if name in self.contexts and self.look.rows is self.look.own:
            if isinstance(seen, Coded):
                self.look.keep(name, seen)
            else:
                self.look.tenths.setdefault(name, cut(seen))

    def _one_to_one(self) -> bool:
        return self.look.rows.count == self.look.own.count

    def _misfit(self, name: str, error: DataError) -> Iterator[Finding]:
        """A column with cells that do not fit the declared type: every one of them is named."""
        from drivetrain.source.convert import misfits
        from drivetrain.source.read import raw_column

        values, kind = raw_column(self.look.spec, self.look.source.name, name)
        rows = misfits(values, kind)
        yield self.look.finding(
            "DA501",
            "fail",
            f"{count(len(rows), 'cell', verb='do')} not fit the type `{kind}`; the first: {error.what}",
            error.advice,
            at=f"columns.{name}" if name in self.look.source.columns else name,
            affected=self.look.own_names(rows),
            facts={"rows": len(rows)},
        )

    def _numbers(self, name: str, declared: Column, numbers: NDArray[Any]) -> Iterator[Finding]:
        import numpy as np

        at = f"columns.{name}"
        low, high = declared.minimum, declared.maximum
        finite = numbers[np.isfinite(numbers)]
        endless = np.flatnonzero(np.isinf(numbers))
        if len(endless):
            yield self.look.finding(
                "DA504",
                "warn",
                f"{count(len(endless), 'row', verb='are')} infinite.",
                "Find out what was divided by zero, and empty the cells: no model can take them.",
                at=at,
                affected=self.look.own_names(endless),
                facts={"rows": len(endless), "values": ["inf"]},
            )
        if not len(finite):
            return
        if finite.min() == finite.max():
            if declared.role == "logged":  # a probability that never changes is a fair coin, and the record of it
                return
            yield self.look.finding(
                "DA502", "warn", f"is the same in all rows ({finite[0]:g}).", "It says nothing; take it out.", at=at
            )
            return
        outside = np.zeros(len(numbers), bool)
        if low is not None or high is not None:
            outside = (numbers < (-np.inf if low is None else low)) | (numbers > (np.inf if high is None else high))
        if outside.any():
            rows = np.flatnonzero(outside)
            yield self.look.finding(
                "DA128",
                "warn",
                f"{count(len(rows), 'row', verb='lie')} outside of what the plan allows"
                f" ({'' if low is None else f'at least {low:g}'}{' and ' if None not in (low, high) else ''}"
                f"{'' if high is None else f'at most {high:g}'}).",
                "Correct the values, or the limits.",
                at=at,
                affected=self.look.own_names(rows),
                facts={"rows": len(rows)},
            )
        far = np.flatnonzero(far_off(numbers) & ~outside)
        if len(far):
            shown = [f"{value:g}" for value in np.unique(numbers[far])]
            codes = len(shown) <= 3 and len(far) >= 5
            yield self.look.finding(
                "DA504",
                "warn" if codes or len(far) <= 0.01 * len(numbers) else "note",
                f"{count(len(far), 'row', verb='lie')} far from all others: {some(shown, 3)}.",
                "Is that a code for `not known`? Then empty the cells." if codes else "Look at them; correct mistakes.",
                at=at,
                affected=self.look.own_names(far),
                facts={"rows": len(far), "values": shown[:50]},
            )

    def _categories(self, name: str, declared: Column, values: Coded) -> Iterator[Finding]:
        import numpy as np

        at = f"columns.{name}"
        if len(values.named) < 2:
            gaps = (values.codes < 0).any()
            yield self.look.finding(
                "DA502",
                "warn",
                f"is `{values.values[0]}` in all rows{' that have a value' if gaps else ''}.",
                "It says nothing but that it was filled in; declare that as true or false."
                if gaps
                else "It says nothing; take it out.",
                at=at,
            )
        alike: dict[str, list[str]] = defaultdict(list)
        for value in values.values:
            alike[spelled(value)].append(value)
        mixed = [sorted(group) for group in alike.values() if len(group) > 1]
        if mixed:
            sizes = values.sizes()
            rare = [value for group in mixed for value in sorted(group, key=lambda v: -sizes[v])[1:]]
            rows = np.flatnonzero(values.having(rare))
            yield self.look.finding(
                "DA503",
                "warn",
                f"writes the same in several ways: {'; '.join(' = '.join(map(repr, group)) for group in mixed[:3])}.",
                "Agree on one way of writing: a model takes each for a thing of its own.",
                at=at,
                affected=[" = ".join(map(repr, group)) for group in mixed] + self.look.own_names(rows),
                facts={"variants": mixed, "rows": len(rows)},
            )
        if declared.values:
            strange = [value for value in sorted(values.values) if value not in declared.values]
            absent = [value for value in declared.values if value not in values.values]
            if strange:
                rows = np.flatnonzero(values.having(strange))
                yield self.look.finding(
                    "DA127",
                    "warn",
                    f"has {some(strange)} ({count(len(rows), 'row')}), which the plan does not name.",
                    "Correct the values, or add them to `values`.",
                    at=at,
                    affected=self.look.own_names(rows),
                    facts={"values": strange},
                )
            if absent:
                yield self.look.finding(
                    "DA129", "warn", f"never is {some(absent)}.", "Collect such rows.", at=at, affected=absent
                )
        elif len(values.named) > 50 and len(values.named) > 0.5 * len(values.codes):
            yield self.look.finding(
                "DA510",
                "note",
                f"has {count(len(values.named), 'different value')} in {count(len(values.codes), 'row')}.",
                "Hardly a category: declare it as `id` or `text`.",
                at=at,
            )

    def _leak(self, name: str, declared: Column, seen: Coded | NDArray[Any]) -> Iterator[Finding]:
        """Whether the label can be read off this column."""
        import numpy as np

        usable = declared.role == "feature" and declared.known == "before" and declared.use == "both"
        if not usable or declared.type in ("text", "path", "image", "audio"):
            return
        if name in (self.look.source.entity, self.look.source.time):
            # Labels may well hang on who and when, and no model takes these in.
            return
        if name in {outcome.column for outcome in self.look.source.outcomes.values()}:
            # The label itself, declared for its limits; models never take it in.
            return
        values = seen.codes if isinstance(seen, Coded) else seen
        values = values if self.places is None else values[self.places]
        categories = isinstance(seen, Coded)
        if declared.type in ("id", "time"):
            # No model takes these in, but that a cell is filled may be a fact from afterwards.
            values, categories = filled(values, categories=categories).astype(np.int64), True
        for outcome, (label, classes) in self.labels.items():
            score = skill(values, label, categories=categories, classes=classes)
            if score > self.best.get(outcome, ("", -1.0))[1]:
                self.best[outcome] = (name, score)
            where = ""
            if score < SUSPECT:
                score, where = self._hidden(values, label, score, categories=categories, classes=classes)
            if score >= SUSPECT:
                yield self.look.finding(
                    "DA306",
                    "fail" if score >= SURE else "warn",
                    f"alone explains {score:.1%} of `{outcome}`{where}.",
                    "Find out when it is written down; if that is after the outcome, write `known: after`."
                    if score >= SURE
                    else "Make sure that it is known before the decision.",
                    at=f"columns.{name}",
                    affected=[name],
                    facts={"outcome": outcome, "skill": score},
                )
                self.telltale.add(outcome)

    def _hidden(
        self, values: NDArray[Any], label: NDArray[Any], score: float, *, categories: bool, classes: bool
    ) -> tuple[float, str]:
        """What a column explains where it is filled in, or in one part of the split, and where that is.

        Rows in which it says nothing hide a leak in the others.
        """
        if score < HINT:
            return score, ""
        parts = self.look.parts if self.places is None else self.look.parts[self.places]
        there = filled(values, categories=categories)
        places = [(there, " where it is filled in")] if not there.all() else []
        places += [((parts == k) & there, f" in the part `{part}`") for k, part in enumerate(SPLITS)]
        for inside, where in places:
            if inside.sum() < LEAST or (classes and not _enough(label[inside])):
                continue
            found = skill(values[inside], label[inside], categories=categories, classes=classes)
            if found >= SURE:
                return found, where
        return score, ""

    def _brought(self) -> dict[str, Column]:
        """Columns that joins bring."""
        found: dict[str, Column] = {}
        for source in self.look.spec.data:
            for name, declared in source.columns.items():
                if source is not self.look.source and name in self.look.rows and name not in self.look.own:
                    found.setdefault(name, declared)
        return found

    def _nothing_leaks(self) -> Iterator[Finding]:
        for outcome, (name, score) in self.best.items():
            if score < SUSPECT and outcome not in self.telltale:
                yield self.look.finding(
                    "DA306",
                    "pass",
                    f"no single column gives `{outcome}` away; the best, `{name}`, explains {score:.0%}.",
                    at=f"outcomes.{outcome}",
                    facts={"best": name, "skill": score},
                )

    def _mix(self, seen: Coded | NDArray[Any]) -> None:
        """Fold a column into a number for each row, so that equal numbers mean equal rows."""
        import numpy as np

        if isinstance(seen, Coded):
            bits = seen.codes.astype(np.int64).view(np.uint64)
            self.telling = self.telling or len(seen.named) > 0.5 * len(bits)
        else:
            bits = np.ascontiguousarray(seen, np.float64).view(np.uint64)
            self.telling = self.telling or _mostly_different(bits)
        with np.errstate(over="ignore"):
            self.mixed ^= bits
            self.mixed += np.uint64(0x632BE59BD9B4E019)
            self.mixed *= np.uint64(0x9E3779B97F4A7C15)
            self.mixed ^= self.mixed >> np.uint64(29)

    def _copies(self) -> Iterator[Finding]:
        import numpy as np

        from drivetrain.availability.leaks import sides

        ordered = np.sort(self.mixed)
        if not (ordered[1:] == ordered[:-1]).any():
            yield self.look.finding("DA307", "pass", "no row is there twice.")
            return
        order = np.argsort(self.mixed, kind="stable")
        same = self.mixed[order[1:]] == self.mixed[order[:-1]]
        again = np.zeros(len(order), bool)
        again[order[1:][same]] = True
        again[order[:-1][same]] = True
        unit = np.full(len(order), -1, np.int64)
        unit[order] = np.cumsum(np.concatenate([[True], ~same])) - 1
        rows = np.flatnonzero(again)
        if not self.telling:
            yield self.look.finding(
                "DA307",
                "note",
                f"{count(len(rows), 'row', verb='are')} like another one; columns this coarse tell no copies apart.",
                "Name an `entity` or `time`, if there is one.",
            )
            return
        across = np.flatnonzero(sides(self.look.own_parts, np.where(again, unit, -1)))
        facts = {"rows": len(rows), "across": len(across)}
        if len(across):
            yield self.look.finding(
                "DA307",
                "fail",
                f"{count(len(across), 'row', verb='are')} there again in another part of the split, copied whole.",
                "Take the copies out: the test would reward remembering them.",
                affected=self.look.own_names(rows),
                facts=facts,
            )
        else:
            yield self.look.finding(
                "DA307",
                "warn",
                f"{count(len(rows), 'row', verb='are')} there more than once, within one part of the split.",
                "Take the copies out: they count double.",
                affected=self.look.own_names(rows),
                facts=facts,
            )


def _read_ahead(rows: Rows, names: Sequence[str]) -> Iterator[tuple[str, pa.ChunkedArray | DataError]]:
    """Columns one after the other; while one is looked at, the next is read."""

    def read(name: str) -> pa.ChunkedArray | DataError:
        try:
            return rows.column(name)
        except DataError as error:
            return error

    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, names[0]) if names else None
        for place, name in enumerate(names):
            assert ahead is not None
            values = ahead.result()
            ahead = reader.submit(read, names[place + 1]) if place + 1 < len(names) else None
            yield name, values
            del values


def _enough(label: NDArray[np.int64]) -> bool:
    """Whether at least two classes are there often enough that no chance sets them apart."""
    import numpy as np

    return int(np.sum(np.bincount(label[label >= 0]) >= 20)) >= 2


def _places(count: int) -> NDArray[np.int64] | None:
    """Evenly spread rows of a long table; None when all of a short one are looked at."""
    import numpy as np

    if count <= SAMPLE:
        return None
    # Steps of one length would follow any rhythm in the file; a low-discrepancy sequence does not.
    return np.sort((np.arange(SAMPLE) * 0.6180339887498949 % 1 * count).astype(np.int64))


def _mostly_different(bits: NDArray[np.uint64]) -> bool:
    import numpy as np

    few = bits[:: len(bits) // 20_000 + 1]
    return len(np.unique(few)) > 0.5 * len(few)
