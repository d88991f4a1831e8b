"""YAML text -> plain data that know where they stood.

A plan is read as YAML 1.2: `on`, `off`, `yes` and dates are text. libyaml's event stream does the parsing (it is an
order of magnitude faster than a parser in Python), and what it yields is put together here, so that every value keeps
its line, what a plan must not hold (tags, doubled keys, bombs made of aliases) is refused, and what YAML silently does
to a formula is noticed.
"""

import math
import re
from collections.abc import Generator
from typing import Any, NamedTuple

from drivetrain.errors import SpecError
from drivetrain.findings import Finding, Level
from drivetrain.spec.complaints import Stop, explain
from drivetrain.spec.kinds import CUT, FILE, KEY, REPEATED, TAG

Path = tuple[str | int, ...]

NAME = r"^[a-z][a-z0-9_]*$"

LARGEST = 1_000_000
"""Bytes of the largest plan that is read; the longest plan that was seen has 20,000."""
DEEPEST = 40
MOST = 100_000
"""Values in a plan, aliases written out."""

_ROOMS = {"objective": 2, "decision": 2, "levers": 3, "uncontrollable": 3, "data": 4, "models": 5, "simulator": 5}
_ROOMS |= {"optimizer": 5, "deployment": 6, "maintenance": 6}

# What YAML 1.2 has words for; other numbers are known by their form.
_WORDS: dict[str, float | bool | None] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)
_WORDS |= {f"{sign}.{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")}
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


class Place(NamedTuple):
    """Where a value stands: line and column from 1, offsets in the text, and how it is written."""

    line: int
    column: int
    start: int
    end: int
    style: str = ""
    flow: bool = False


class Document:
    """A plan as plain data.

    Attributes:
        filename: What messages call it.
        text: The text it was read from; empty for plain data made in Python.
        tree: Mappings, lists, text, numbers, truth values, None.
        places: Where each value stands; `keys` where its key stands.
        findings: What was found wrong so far.
        questions: What is unknown: the question, its owner, when it is due.
        clean: The tree without questions and faults, short forms written out (`check_structure`).
        parts: Definition of the part that stands at each path of `clean`.
    """

    def __init__(self, filename: str, text: str = "", tree: Any = None) -> None:
        self.filename, self.text, self.tree = filename, text, tree
        self.places: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self.findings: list[Finding] = []
        self.questions: dict[Path, tuple[str, str, str]] = {}
        self.clean: dict[str, Any] = {}
        self.parts: dict[Path, dict[str, Any]] = {}

    def add(self, kind: int, path: Path, what: str, advice: str = "", level: Level = "fail") -> None:
        """Note a finding about the value at `path`; its id is that of its part and kind."""
        room = _ROOMS.get(str(path[0]), 1) if path else 1
        place = self.place(path)
        shown = spell(path)
        line = f":{place.line}" if place else ""
        where = f"{self.filename}{line}: {shown}" if shown else f"{self.filename}{line}"
        facts: dict[str, Any] = {"path": shown}
        if place:
            facts |= {"line": place.line, "column": place.column}
        what, advice = one_line(what, 600), one_line(advice, 600)
        self.findings.append(Finding(f"DS{room}{kind:02}", level, where, what, advice, facts=facts))

    def open_questions(self) -> list[tuple[str, tuple[str, str, str]]]:
        """Path, and question, owner and date, of everything that is unknown."""
        return [(spell(path), question) for path, question in self.questions.items()]

    def tree_at(self, path: Path) -> Any:
        """What the file says at `path`; None when it says nothing."""
        here = self.tree
        for step in path:
            if isinstance(here, dict):
                here = here.get(step)
            elif isinstance(here, list) and isinstance(step, int) and step < len(here):
                here = here[step]
            else:
                return None
        return here

    def place(self, path: Path) -> Place | None:
        """Where `path` stands, or the nearest value around it."""
        for end in range(len(path), -1, -1):
            if found := self.keys.get(path[:end]) or self.places.get(path[:end]):
                return found
        return None


def is_question(value: Any) -> bool:
    """Whether a raw value asks a question (`{unknown: …, owner: …, due: …}`) instead of giving an answer."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("unknown"), str)
        and value.keys() <= {"unknown", "owner", "due"}
    )


def spell(path: Path) -> str:
    """A path as people write it: `levers[1].options`."""
    text = ""
    for step in path:
        key = step if isinstance(step, int) else one_line(step, 40)
        text += f"[{key}]" if isinstance(step, int) else f".{key}" if text else str(key)
    return text


def one_line(text: object, length: int = 60) -> str:
    """A text as it can stand in a message: on one line, not too long, and without characters that turn lines around."""
    plain = "".join(char if char.isprintable() else " " for char in str(text)[: 4 * length])
    line = " ".join(plain.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def read(text: str, filename: str = "drivetrain.yaml") -> Document:
    """Plain data with their places; findings for whatever can be skipped.

    Raises:
        SpecError: The text is no YAML, or too large or too deep to be a plan.
    """
    document = Document(filename, text)
    if len(text) > LARGEST:
        raise too_large(filename, len(text))
    try:
        _Composer(document).compose()
    except Stop as stop:
        document.add(FILE, (), stop.what, stop.advice)
        finding = document.findings[-1]
        where = f"{filename}:{stop.line}" if stop.line else filename
        facts = {"path": "", "line": stop.line, "column": stop.column} if stop.line else {"path": ""}
        finding = Finding(finding.id, "fail", where, stop.what, stop.advice, facts=facts)
        raise SpecError(stop.what, stop.advice, where, [finding]) from None
    return document


def too_large(filename: str, size: int) -> SpecError:
    """The error for a file that is too large to be a plan."""
    what = f"has {size / 1e6:.1f} MB; a plan has at most {LARGEST / 1e6:.0f} MB."
    advice = "Is it the right file? Data belong below `data/`."
    return SpecError(
        what, advice, filename, [Finding(f"DS1{FILE}", "fail", filename, what, advice, facts={"path": ""})]
    )


class _Composer:
    """Puts events together; depth is bounded, so that no text can exhaust the stack."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.count = 0

    def compose(self) -> None:
        import yaml

        events = _events(self.document.text)
        try:
            self.next = events.__next__
            self.next()
            event = self.next()
            if isinstance(event, yaml.StreamEndEvent):
                raise Stop("is empty.", "A plan begins with `drivetrain: 1`; `drivetrain init` writes one.")
            self.document.tree = self.value(self.next(), (), 0)
            self.next()
            event = self.next()
            if not isinstance(event, yaml.StreamEndEvent):
                line = event.start_mark.line + 1
                raise Stop("a second document begins here (`---`).", "A file holds one plan; remove the rest.", line, 1)
        except yaml.MarkedYAMLError as error:
            raise explain(error, self.document.text) from None
        except yaml.reader.ReaderError as error:
            line = self.document.text[: error.position].count("\n") + 1
            code = error.character if isinstance(error.character, int) else ord(error.character)
            raise Stop(f"holds the control character U+{code:04X}.", "Remove it.", line) from None
        finally:
            events.close()

    def value(self, event: Any, path: Path, depth: int) -> Any:
        """The value that begins with `event`."""
        import yaml

        mark, end = event.start_mark, event.end_mark
        if depth > DEEPEST:
            raise Stop(
                f"is nested more than {DEEPEST} levels deep.", "No part of a plan is.", mark.line + 1, mark.column + 1
            )
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, path)
        before = self.count
        self.count += 1
        self.check_size(mark)
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.document.places[path] = Place(mark.line + 1, mark.column + 1, mark.index, end.index)
            self.document.add(
                TAG,
                path,
                f"has the tag `{tag}`.",
                "Plans have no tags; quote text that begins with `!`.",
            )
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            style = event.style or ""
            self.document.places[path] = Place(mark.line + 1, mark.column + 1, mark.index, end.index, style)
            value = scalar(event.value) if not style else event.value
        else:
            flow = bool(event.flow_style)
            if event.anchor:
                self.anchors.pop(event.anchor, None)
            value = (
                self.mapping(path, depth, flow)
                if isinstance(event, yaml.MappingStartEvent)
                else self.sequence(path, depth, flow)
            )
            self.document.places[path] = Place(mark.line + 1, mark.column + 1, mark.index, self.end, "", flow)
        if event.anchor:
            self.anchors[event.anchor] = (value, self.count - before)
        return value

    def alias(self, event: Any, path: Path) -> Any:
        mark = event.start_mark
        if event.anchor not in self.anchors:
            raise Stop(
                f"`*{event.anchor}` is an alias in YAML, and there is no anchor `&{event.anchor}` before it.",
                "Quote text that begins with `*`.",
                mark.line + 1,
                mark.column + 1,
            )
        value, size = self.anchors[event.anchor]
        self.count += size
        self.check_size(mark)
        self.document.places[path] = Place(mark.line + 1, mark.column + 1, mark.index, event.end_mark.index)
        return value

    def check_size(self, mark: Any) -> None:
        if self.count > MOST:
            what = f"holds more than {MOST:,} values, aliases written out."
            raise Stop(what, "Is it a plan? Write what repeats once.", mark.line + 1, mark.column + 1)

    def mapping(self, path: Path, depth: int, flow: bool) -> dict[str, Any]:
        import yaml

        result: dict[str, Any] = {}
        cut = before = ""
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            mark = event.start_mark
            place = Place(
                mark.line + 1, mark.column + 1, mark.index, event.end_mark.index, getattr(event, "style", "") or ""
            )
            plain = isinstance(event, yaml.ScalarEvent)
            key = None if plain else self.key(event, path, depth, place)
            follows = self.next()
            empty = (
                flow and isinstance(follows, yaml.ScalarEvent) and follows.start_mark.index == follows.end_mark.index
            )
            if cut and empty and plain:
                result[cut] = self.mend(f"{result[cut]}, {event.value}", (*path, cut), place.end)
                cut = cut if _open(result[cut]) else ""
                continue
            key = self.key(event, path, depth, place) if plain else key
            if key is None:
                self.value(follows, (*path, "?"), depth + 1)
                if empty and before and isinstance(event, yaml.ScalarEvent):
                    self.comma(event.value, (*path, before))
                continue
            if key in result:
                first = self.document.keys[(*path, key)].line
                self.document.keys[(*path, key)] = place
                self.document.add(
                    REPEATED, (*path, key), f"stands here a second time; first in line {first}.", "Keep one of them."
                )
                self.value(follows, (*path, "?"), depth + 1)
                continue
            self.document.keys[(*path, key)] = place
            result[key] = self.value(follows, (*path, key), depth + 1)
            before = key
            cut = key if flow and _open(result[key]) and not self.document.places[(*path, key)].style else ""
        self.end = event.end_mark.index
        return result

    def key(self, event: Any, path: Path, depth: int, place: Place) -> str | None:
        """The key that `event` is; None, with a finding, when it is no text."""
        import yaml

        if isinstance(event, yaml.ScalarEvent) and event.tag is None:
            self.count += 1
            plain = scalar(event.value) if not event.style else event.value
            if isinstance(plain, str):
                return plain
            said = event.value or "(nothing)"
            self.document.keys[(*path, said)] = place
            self.document.add(KEY, (*path, said), f"the key `{said}` is no text.", f'Quote it: `"{event.value}": …`.')
            return None
        self.document.keys[(*path, "?")] = place
        self.document.add(KEY, (*path, "?"), "this key is no plain text.", "Write a name before the colon.")
        if not isinstance(event, yaml.ScalarEvent):
            self.value(event, (*path, "?"), depth + 1)
        return None

    def comma(self, digits: str, path: Path) -> None:
        """Say of `{current: 12,5}` that it is a number with a comma, and not that the key `5` is no text."""
        place, last = self.document.places[path], self.document.findings[-1]
        said = self.document.text[place.start : place.end]
        if digits.isdigit() and not place.style and re.fullmatch(r"[-+]?[0-9]+", said):
            self.document.findings.remove(last)
            what = f"YAML cuts `{said},{digits}` at its comma."
            thousands = f", or `{said}{digits}` if it parts thousands" if len(digits) == 3 else ""
            self.document.add(CUT, path, what, f"Write `{said}.{digits}`, with a point{thousands}.")

    def sequence(self, path: Path, depth: int, flow: bool) -> list[Any]:
        import yaml

        result: list[Any] = []
        cut = False
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            place = (*path, len(result))
            value = self.value(event, place, depth + 1)
            plain = flow and isinstance(event, yaml.ScalarEvent) and not event.style
            if cut and plain:
                end = self.document.places.pop(place).end
                result[-1] = self.mend(f"{result[-1]}, {event.value}", (*path, len(result) - 1), end)
                cut = _open(result[-1])
                continue
            result.append(value)
            cut = plain and _open(value)
        self.end = event.end_mark.index
        return result

    def mend(self, text: str, path: Path, end: int) -> str:
        """Put a formula together that YAML cut at its comma, and say so once it is whole."""
        place = self.document.places[path]
        self.document.places[path] = place._replace(end=end)
        if not _open(text):
            self.document.add(
                CUT,
                path,
                f"YAML cuts `{text}` at its comma, because it is not quoted.",
                f"""Write `"{text}"`, with quotes.""",
            )
        return text


def _open(value: Any) -> bool:
    """Whether a text ends inside a parenthesis."""
    return isinstance(value, str) and value.count("(") > value.count(")")


def scalar(text: str) -> Any:
    """What an unquoted scalar means by YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-.0123456789":
        if _INT.match(text) and len(text) < 4000:
            return int(text)
        if _FLOAT.match(text):
            return float(text)
        if _OCTAL.match(text) and len(text) < 4000:
            return int(text[2:], 8)
        if _HEX.match(text) and len(text) < 4000:
            return int(text[2:], 16)
    return text


def _events(text: str) -> Generator[Any, None, None]:
    """Libyaml's events, or those of PyYAML's own parser where it was installed without libyaml."""
    try:
        from yaml.cyaml import CParser
    except ImportError:
        import yaml

        yield from yaml.parse(text, Loader=yaml.SafeLoader)
        return
    parser = CParser(text)
    while (event := parser.get_event()) is not None:
        yield event
