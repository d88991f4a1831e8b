"""The one namespace of a plan: constants, terms, levers, columns, outcomes, and what is built in."""

import keyword
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from drivetrain.spec.reading import Path

Kind = Literal["constant", "term", "lever", "column", "outcome", "built-in"]
Type = Literal["number", "boolean", "category", "time", "id", "text", "labels", "mask", "media", "any"]

MEDIA = {"images": "image", "audio": "audio", "text": "text", "images+text": "image", "series": None}
"""Kinds of data that are files -> the column of their contents."""
_FILE_COLUMNS: dict[str, Type] = {"path": "text", "folder": "category", "stem": "category", "suffix": "category"}
_COLUMN_TYPES: dict[str, Type] = {
    "number": "number", "integer": "number", "boolean": "boolean", "category": "category", "id": "id", "time": "time",
    "text": "text", "path": "text", "image": "media", "audio": "media",
}  # fmt: skip
_OUTCOME_TYPES: dict[str, Type] = {
    "binary": "boolean", "number": "number", "category": "category", "labels": "labels", "mask": "mask",
}  # fmt: skip
RESERVED = ("period", "value")
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file: these cannot be file names there, whatever the suffix.
DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)
MEDIA_NAMES = ("image", "audio", "text", "path", "folder", "stem", "suffix")


_WORDS = {
    "boolean": "a truth value", "id": "an id", "text": "text", "labels": "a set of labels", "media": "a file",
    "outcome": "an outcome", "integer": "an integer", "built-in": "a built-in name", "image": "an image",
    "audio": "a sound", "time": "a time",
}  # fmt: skip


def as_name(text: str) -> str:
    """A valid name that is near to `text`; empty when there is none."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:64].lstrip("0123456789_")


def an(word: str) -> str:
    """A kind or type of a name, with its article: `an outcome`, `a number`."""
    return _WORDS.get(word, f"a {word}")


class Name(NamedTuple):
    """What a name stands for.

    Attributes:
        name: As formulas use it.
        kind: Constant, term, lever, column, outcome, or built in.
        type: What its values are; `any` when the plan does not say.
        values: Classes of a category or labels, settings of a lever; None when the plan does not say.
        path: Where it is defined.
        sources: Sources that have it.
        logged: Column with `role: logged`.
        late: Column with `known: after`.
        audit: Column with `use: audit`.
        implicit: A column that is only referred to (`entity`, `groups`, `filename` …), not declared.
    """

    name: str
    kind: Kind
    type: Type = "any"
    values: frozenset[str] | None = None
    path: Path = ()
    sources: tuple[str, ...] = ()
    logged: bool = False
    late: bool = False
    audit: bool = False
    implicit: bool = False


class Double(NamedTuple):
    """A name that is defined a second time."""

    name: str
    path: Path
    what: str
    advice: str


class Names(Mapping[str, Name]):
    """Every name of a plan.

    Attributes:
        complete: Whether levers and data stand, so that a name that is not here is an error and not a matter of time.
        doubles: Names that are defined twice, or that cannot be used.
    """

    def __init__(self, raw: Any, clean: Mapping[str, Any], settings: Mapping[str, frozenset[str] | None]) -> None:
        self.table: dict[str, Name] = {"period": Name("period", "built-in", "number")}
        self.doubles: list[Double] = []
        self.raw = raw if isinstance(raw, dict) else {}
        self.clean = clean
        self.groups = joined(clean)
        self.complete = "levers" in self.raw and "data" in self.raw
        self._collect(settings)

    def __getitem__(self, name: str) -> Name:
        return self.table[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def __contains__(self, name: object) -> bool:
        return name in self.table

    def of(self, *kinds: Kind) -> list[str]:
        """Names of these kinds, in the order of the plan."""
        return [name for name, entry in self.table.items() if entry.kind in kinds]

    def _collect(self, settings: Mapping[str, frozenset[str] | None]) -> None:
        objective = self.raw.get("objective")
        for name in _keys(objective, "constants"):
            self.add(Name(name, "constant", "number", path=("objective", "constants", name)))
        for name in _keys(objective, "terms"):
            self.add(Name(name, "term", path=("objective", "terms", name)))
        for place, lever in enumerate(_items(self.raw, "levers")):
            own = lever.get("name")
            if isinstance(own, str):
                kind: Type = "category" if lever.get("type") == "options" else "number"
                if lever.get("type") not in ("options", "integer", "range", "ranking"):
                    kind = "any"
                self.add(Name(own, "lever", kind, settings.get(own), ("levers", place, "name")))
        sources = list(enumerate(_items(self.raw, "data")))
        for place, source in sources:
            self._columns(source, place)
        for place, source in sources:
            self._outcomes(source, place)
        for place, source in sources:
            self.implied(source, place)

    def _columns(self, source: Mapping[str, Any], place: int) -> None:
        parts = _part(self.clean, "data", place).get("columns", {})
        for name in _keys(source, "columns"):
            column = parts.get(name, {})
            values = column.get("values")
            entry = Name(
                name,
                "column",
                _COLUMN_TYPES.get(column.get("type", ""), "any"),
                frozenset(value for value in values if value is not None) if values else None,
                ("data", place, "columns", name),
                (str(source.get("name")),),
                column.get("role") == "logged",
                column.get("known") == "after",
                column.get("use") == "audit",
            )
            self.add(entry)

    def _outcomes(self, source: Mapping[str, Any], place: int) -> None:
        parts = _part(self.clean, "data", place).get("outcomes", {})
        for name in _keys(source, "outcomes"):
            outcome = parts.get(name, {})
            values = outcome.get("values")
            known = frozenset(value for value in values if value is not None) if values else None
            kind = _OUTCOME_TYPES.get(outcome.get("type", "category" if values or "column" in outcome else ""), "any")
            if kind == "category" and not values and "type" not in outcome:
                kind = "any"
            self.add(Name(name, "outcome", kind, known, ("data", place, "outcomes", name), (str(source.get("name")),)))

    def implied(self, source: Mapping[str, Any], place: int) -> None:
        """Columns that a source has without declaring them."""
        own = str(source.get("name"))
        part = _part(self.clean, "data", place)
        kind = part.get("kind", "")
        implied: dict[str, tuple[Type, str]] = {}
        if kind in MEDIA:
            medium = MEDIA[kind]
            implied |= {name: (type_, "path") for name, type_ in _FILE_COLUMNS.items()}
            if medium:
                implied[medium] = ("text" if medium == "text" else "media", "location")
        for name in filename_groups(part.get("filename", "")):
            implied[name] = ("category", "filename")
        collect = part.get("collect", {})
        for name in collect.get("annotate", {}).get("columns", ()) or ():
            if name:
                implied[name] = ("category", "collect")
        if collect.get("how") == "image-search":
            implied["query"] = ("category", "collect")
        for name in part.get("groups", ()):
            if name:
                implied.setdefault(name, ("category", "groups"))
        split = part.get("split", {})
        single: list[tuple[Any, Type, str]] = [
            (part.get("entity"), "id", "entity"),
            (part.get("time"), "time", "time"),
            (part.get("weight"), "number", "weight"),
            (part.get("ratings", {}).get("user"), "id", "ratings"),
            (part.get("ratings", {}).get("item"), "id", "ratings"),
            (split.get("column"), "category", "split"),
            (None if split.get("by") in ("random", "entity", "time") else split.get("by"), "id", "split"),
            *((name, "any", "split") for name in split.get("hold_out", {})),
            *((name, "id", "join") for name in join_columns(part)[0]),
        ]
        for name, type_, field in single:
            if name:
                implied.setdefault(name, (type_, field))
        for name, (type_, field) in implied.items():
            before = self.table.get(name)
            if before is None:
                path: Path = ("data", place, field) if field != "path" else ("data", place)
                values = None
                if name == "query" and field == "collect":
                    values = frozenset(map(str, collect.get("queries", {}))) or None
                self.table[name] = Name(name, "column", type_, values, path, (own,), implicit=True)
            elif before.kind == "column" and own not in before.sources:
                self.table[name] = before._replace(sources=(*before.sources, own))

    def add(self, entry: Name) -> None:
        """Take a name in, or note why it cannot be."""
        before = self.table.get(entry.name)
        if entry.name in RESERVED:
            self._double(
                entry, f"`{entry.name}` is built in.", "Choose another name (and rename the column in the data)."
            )
        elif entry.name in MEDIA_NAMES and entry.kind != "column":
            self._double(entry, f"`{entry.name}` is the name of a column that files have.", "Choose another name.")
        elif keyword.iskeyword(entry.name) and entry.kind != "column":
            self._double(
                entry, f"`{entry.name}` is a word of Python and cannot stand in formulas.", "Choose another name."
            )
        elif before is None:
            self.table[entry.name] = entry
        elif before.kind == entry.kind == "column":
            self.again(before, entry)
        else:
            what = f"`{entry.name}` is {an(entry.kind)}, and already {an(before.kind)}."
            advice = "Names are shared by the whole plan: choose another, such as "
            self._double(entry, what, f"{advice}`{_other(entry, before)}`.")

    def again(self, before: Name, entry: Name) -> None:
        """The same column in a second source."""
        apart = [source for source in before.sources if self.groups.get(source) != self.groups.get(entry.sources[0])]
        if apart and "any" not in (before.type, entry.type):
            what = f"the column `{entry.name}` stands in `{apart[0]}` too, and no join ties the two sources."
            self._double(entry, what, "Join them, or give one of the columns another name.")
        elif before.type != entry.type and "any" not in (before.type, entry.type):
            what = f"the column `{entry.name}` is {an(entry.type)} here and {an(before.type)} in `{before.sources[0]}`."
            self._double(entry, what, "Give both the same type, or one of them another name.")
        self.table[entry.name] = before._replace(
            values=None if before.values is None or entry.values is None else before.values | entry.values,
            sources=(*before.sources, *entry.sources),
            logged=before.logged or entry.logged,
            late=before.late or entry.late,
            audit=before.audit or entry.audit,
        )

    def _double(self, entry: Name, what: str, advice: str) -> None:
        self.doubles.append(Double(entry.name, entry.path, what, advice))


def _other(entry: Name, before: Name) -> str:
    kinds = {entry.kind, before.kind}
    if kinds == {"lever", "column"}:
        return f"{entry.name}_used"
    if kinds == {"outcome", "column"}:
        return f"{entry.name}_seen"
    return f"{entry.name}_2"


def names_module(name: str) -> bool:
    """Whether a name can be that of a Python file, on every operating system."""
    return not keyword.iskeyword(name) and name not in DEVICES


def joined(clean: Mapping[str, Any]) -> dict[str, str]:
    """Source -> a name for the set of sources that joins tie together, in either direction."""
    sources = [source for source in clean.get("data", ()) if source and "name" in source]
    group = {source["name"]: source["name"] for source in sources}
    for source in sources:
        for join in source.get("join", ()):
            other = (join or {}).get("data")
            if other in group:
                old, new = group[other], group[source["name"]]
                group = {name: new if at == old else at for name, at in group.items()}
    return group


def join_columns(source: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Columns that a source's joins are made on: here, and there."""
    here: list[str] = []
    there: list[str] = []
    for join in source.get("join", ()):
        on = (join or {}).get("on")
        if isinstance(on, str):
            here.append(on)
            there.append(on)
        elif isinstance(on, dict):
            here.extend(on)
            there.extend(name for name in on.values() if name)
    return here, there


def filename_groups(pattern: str) -> list[str]:
    """Named groups of `filename`; none when it is no regular expression."""
    import re
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # as where the pattern is judged
            return list(re.compile(pattern).groupindex)
    except (re.error, RecursionError, OverflowError, FutureWarning):
        return []


def _keys(part: Any, field: str) -> list[str]:
    value = part.get(field) if isinstance(part, dict) else None
    return [key for key in value if isinstance(key, str)] if isinstance(value, dict) else []


def _items(tree: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    value = tree.get(part)
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


def _part(clean: Mapping[str, Any], part: str, place: int) -> dict[str, Any]:
    items = clean.get(part) or []
    return (items[place] or {}) if place < len(items) else {}
