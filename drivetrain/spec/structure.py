"""Every field of a plan against the language: what is missing, misspelt, or of the wrong kind.

The checker walks plain data along the JSON Schema of the language and says everything at once, in a person's words.
What it leaves behind is *clean*: short forms written out, formulas as text, and neither questions nor faults in it, so
that the checks of meaning that follow need not ask again. An item of a list that was left out leaves a None.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from drivetrain.errors import FormulaError
from drivetrain.spec.formula.tree import parse
from drivetrain.spec.kinds import (
    CHOICE,
    COMMENT,
    EMPTY,
    EXTRA,
    FORMULA,
    LIMIT,
    MISSING,
    ONE_OF,
    QUESTION,
    WRONG_KIND,
)
from drivetrain.spec.language import definitions
from drivetrain.spec.names import as_name
from drivetrain.spec.reading import Document, Path, is_question, one_line, spell

_HOLE: Any = object()

_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "`true` or `false`",
    "array": "a list `[…]`",
    "object": "fields `{…}`",
}


def check_structure(document: Document) -> None:
    """Fill in `document.clean`, `parts`, `questions` and, with what is wrong, `document.findings`."""
    root = definitions()
    if not isinstance(document.tree, dict):
        document.add(WRONG_KIND, (), f"is {_said(document.tree)}, and a plan is fields.", "Begin with `drivetrain: 1`.")
        return
    document.clean = _Walker(document, root["$defs"]).fields(document.tree, root, ())


class _Walker:
    def __init__(self, document: Document, defs: dict[str, Any]) -> None:
        self.document, self.defs = document, defs

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref")
        return schema if name is None else self.defs[name.rsplit("/", 1)[1]]

    def choices(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """The alternatives of a schema, those inside it included; questions apart."""
        schema = self.resolve(schema)
        if "anyOf" not in schema:
            return [schema]
        return [
            choice for item in schema["anyOf"] if item.get("$ref") != "#/$defs/Unknown" for choice in self.choices(item)
        ]

    def value(self, value: Any, schema: dict[str, Any], path: Path) -> Any:
        """The clean value, or `_HOLE` when it is a question or wrong."""
        if value is None:
            self.document.add(
                EMPTY, path, "is empty.", "Give a value, or `[]` or `{}` for none on purpose, or leave the field out."
            )
            return _HOLE
        if is_question(value):
            return self.question(value, schema, path)
        choices = self.choices(schema)
        fitting = [choice for choice in choices if _fits(value, choice)]
        if not fitting:
            self.wrong_kind(value, choices, path)
            return _HOLE
        if len(fitting) > 1:
            fitting = [self.nearest(value, fitting)]
        clean = self.one(value, fitting[0], path)
        short = fitting[0].get("x-short")
        if not short or clean is _HOLE:
            return clean
        self.document.parts[path] = next(choice for choice in choices if "properties" in choice)
        return {short: clean}

    def question(self, value: Any, schema: dict[str, Any], path: Path) -> Any:
        if {"$ref": "#/$defs/Unknown"} not in schema.get("anyOf", ()):
            what = "cannot be unknown: the rest cannot be read without it."
            self.document.add(QUESTION, path, what, "Give it a value, or leave its part out.")
            return _HOLE
        before = len(self.document.findings)
        clean = self.fields(value, self.defs["Unknown"], path)
        del self.document.parts[path]
        if len(self.document.findings) == before:
            self.document.questions[path] = (clean["unknown"], clean["owner"], clean["due"])
        return _HOLE

    def nearest(self, value: Any, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """The alternative that was meant: one that holds, or the one with most of the fields."""
        if isinstance(value, dict):
            return max(choices, key=lambda choice: _likeness(value, choice.get("properties", {})))
        quiet = _Walker(Document(self.document.filename), self.defs)
        for choice in choices:
            if quiet.one(value, choice, ()) is not _HOLE:
                return choice
        return choices[-1]

    def one(self, value: Any, schema: dict[str, Any], path: Path) -> Any:
        """A value whose kind fits against one schema."""
        if "oneOf" in schema and "properties" not in schema:
            return self.tagged(value, schema["oneOf"], path)
        if "const" in schema or "enum" in schema:
            return self.choice(value, schema.get("enum") or [schema["const"]], path)
        if "x-formula" in schema:
            return self.formula(value, path)
        if isinstance(value, dict):
            return self.fields(value, schema, path)
        if isinstance(value, list):
            return self.items(value, schema, path)
        if isinstance(value, str):
            return self.text(value, schema, path)
        return self.number(value, schema, path)

    def tagged(self, value: dict[str, Any], choices: list[dict[str, Any]], path: Path) -> Any:
        """A part that is read by its `type` or `how`."""
        parts = [self.resolve(choice) for choice in choices]
        tag = next(key for key, prop in parts[0]["properties"].items() if "const" in prop)
        kinds = {part["properties"][tag]["const"]: part for part in parts}
        said = value.get(tag)
        if tag not in value:
            self.document.add(MISSING, path, f"`{tag}` is missing.", f"Write one of {_listed(kinds)}.")
        elif is_question(said):
            self.question(said, {}, (*path, tag))
        elif said is None or not isinstance(said, str):
            self.value(said, {"type": "string"}, (*path, tag))
        elif said in kinds:
            others: dict[str, str] = {}
            for kind, part in kinds.items():
                for key in part["properties"]:
                    others[key] = f"{others[key]}` and `{kind}" if key in others else kind
            return self.fields(value, kinds[said], path, others)
        else:
            self.choice(said, list(kinds), (*path, tag))
        return _HOLE

    def choice(self, value: Any, choices: list[Any], path: Path) -> Any:
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value
        near = _near(str(value), map(str, choices), 0.5)
        advice = f"Did you mean `{near[0]}`? " if near else ""
        self.document.add(
            CHOICE, path, f"`{one_line(value)}` is none of {_listed(choices)}.", advice + "Write one of them."
        )
        return _HOLE

    def fields(
        self, value: dict[str, Any], schema: dict[str, Any], path: Path, elsewhere: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The fields of a part, in the order of the language, then the entries of a mapping."""
        known = schema.get("properties", {})
        if known:
            self.document.parts[path] = schema
        clean: dict[str, Any] = {}
        for key, prop in known.items():
            if key in value:
                found = self.value(value[key], prop, (*path, key))
                if found is not _HOLE:
                    clean[key] = found
            elif key in schema.get("required", ()):
                self.missing(key, prop, path)
        one_of = [rule["required"][0] for rule in schema.get("oneOf", ()) if "required" in rule]
        if one_of and sum(key in value for key in one_of) != 1:
            both = " and ".join(f"`{key}`" for key in one_of)
            says = "stand here together" if all(key in value for key in one_of) else "are both missing"
            self.document.add(ONE_OF, path, f"{both} {says}.", "Write exactly one of them.")
        extra = schema.get("additionalProperties", True)
        for key, item in value.items():
            if key in known or extra is True:
                continue
            if extra is False:
                self.extra(key, item, known, path, elsewhere or {})
            elif self.key(key, schema.get("propertyNames", {}), path):
                found = self.value(item, extra, (*path, key))
                if found is not _HOLE:
                    clean[key] = found
        return clean

    def missing(self, key: str, prop: dict[str, Any], path: Path) -> None:
        example = prop.get("examples") or [None]
        shown = f", such as `{key}: {_yaml(example[0])}`" if example[0] is not None else ""
        about = prop.get("description", "").rstrip(".")
        advice = f"Write it{shown}."
        if {"$ref": "#/$defs/Unknown"} in prop.get("anyOf", ()):
            advice = f"Write it{shown}, or `{key}: {{unknown: …, owner: …, due: …}}`."
        self.document.add(MISSING, path, f"`{key}` is missing ({about[:1].lower()}{about[1:]}).", advice)

    def extra(self, key: str, item: Any, known: dict[str, Any], path: Path, elsewhere: Mapping[str, str]) -> None:
        near = _near(key, known, 0.6)
        if key in elsewhere:
            advice = f"`{key}` belongs to `{elsewhere[key]}`."
        elif near:
            advice = f"Did you mean `{near[0]}`?"
        elif item is None and re.search(r"[()\s]", key):
            advice = "Text with a comma must be quoted."
        else:
            advice = f"There are: {_listed(known)}."
        self.document.add(EXTRA, (*path, key), f"there is no field `{one_line(key)}` here.", advice)

    def key(self, key: str, schema: dict[str, Any], path: Path) -> bool:
        if ("pattern" in schema and not _matches(schema["pattern"], key)) or len(key) > schema.get(
            "maxLength", len(key)
        ):
            advice = ""
            if schema["pattern"].startswith("^[a-z]") and (plain := as_name(key)):
                advice = f"Call it `{plain}`."
            self.document.add(
                LIMIT, (*path, key), f"`{one_line(key)}` is not {schema.get('x-says', 'a name')}.", advice
            )
            return False
        return True

    def items(self, value: list[Any], schema: dict[str, Any], path: Path) -> Any:
        if len(value) < schema.get("minItems", 0):
            self.document.add(LIMIT, path, "is an empty list.", "Write at least one item.")
            return _HOLE
        clean = [self.value(item, schema.get("items", {}), (*path, place)) for place, item in enumerate(value)]
        if schema.get("uniqueItems"):
            for place, item in enumerate(clean):
                if item is not _HOLE and item in clean[:place]:
                    self.document.add(
                        LIMIT, (*path, place), f"`{one_line(item)}` stands in the list twice.", "Keep one."
                    )
        return [None if item is _HOLE else item for item in clean]

    def text(self, value: str, schema: dict[str, Any], path: Path) -> Any:
        if schema.get("format") == "date" and not _is_date(value):
            self.document.add(LIMIT, path, f"`{one_line(value)}` is no date.", "Write it as `2027-02-28`.")
            return _HOLE
        if len(value) > schema.get("maxLength", len(value)) or not _matches(schema.get("pattern", ""), value):
            words = schema.get("x-says", "text that fits")
            plain = as_name(value) if schema.get("pattern", "").startswith("^[a-z]") and "name" in words else ""
            advice = f"Call it `{plain}`." if plain else ""
            if "duration" in words:
                advice = "Units are second, minute, hour, day, week, month and year."
            self.document.add(LIMIT, path, f"`{one_line(value)}` is not {words}.", advice)
            return _HOLE
        return value

    def number(self, value: Any, schema: dict[str, Any], path: Path) -> Any:
        if isinstance(value, bool):
            return value
        if not _finite(value):
            self.document.add(LIMIT, path, "is not a finite number.", "Write a number.")
            return _HOLE
        tests: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
            ("minimum", "at least", lambda limit: value >= limit),
            ("maximum", "at most", lambda limit: value <= limit),
            ("exclusiveMinimum", "more than", lambda limit: value > limit),
            ("exclusiveMaximum", "less than", lambda limit: value < limit),
        )
        for key, words, holds in tests:
            if key in schema and not holds(schema[key]):
                self.document.add(LIMIT, path, f"is {value}, and must be {words} {schema[key]:g}.", "")
                return _HOLE
        return value

    def formula(self, value: Any, path: Path) -> Any:
        text = value if isinstance(value, str) else repr(value)
        if isinstance(value, float) and not math.isfinite(value):
            self.document.add(LIMIT, path, "is not a finite number.", "Write a number.")
            return _HOLE
        tail = self.tail(path)
        try:
            parse(text)
        except FormulaError as error:
            advice = error.advice
            if tail:
                advice = f"What follows `#` is a comment in YAML (`{one_line(tail)}`): quote the whole formula."
            self.document.add(FORMULA, path, error.what, advice)
            return _HOLE
        if tail and _looks_like_formula(tail):
            what = f"YAML takes `# {one_line(tail)}` for a comment, so that the formula is only `{one_line(text)}`."
            self.document.add(COMMENT, path, what, "Quote the whole formula, or word the comment otherwise.", "warn")
        return text

    def tail(self, path: Path) -> str:
        """The comment that follows an unquoted formula on its line."""
        place = self.document.places.get(path)
        if not place or place.style or not self.document.text:
            return ""
        rest = re.match(r"[ \t]+#[ \t]*(.*)", self.document.text[place.end :])
        return rest[1].strip() if rest else ""

    def wrong_kind(self, value: Any, choices: list[dict[str, Any]], path: Path) -> None:
        words = " or ".join(dict.fromkeys(_wanted(choice) for choice in choices))
        self.document.add(WRONG_KIND, path, f"is {_said(value)}, and must be {words}.", _help(value, choices))


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether the kind of a value is one that the schema takes."""
    if "oneOf" in schema and "properties" not in schema:
        return isinstance(value, dict)
    kinds = schema.get("type")
    if kinds is None:
        kinds = [
            "string" if isinstance(item, str) else "number" for item in schema.get("enum") or [schema.get("const")]
        ]
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, int):
        return "integer" in kinds or "number" in kinds
    if isinstance(value, float):
        return "number" in kinds
    kind = "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
    return kind in kinds


def _near(word: str, known: Iterable[str], alike: float) -> list[str]:
    """The known word most like one, where one is."""
    from difflib import get_close_matches  # a plan without a slip does without it

    return get_close_matches(word, known, 1, alike)


def _likeness(value: dict[str, Any], fields: dict[str, Any]) -> float:
    """How many of the keys are fields, or nearly."""
    return sum(1.0 if key in fields else 0.5 * bool(_near(key, fields, 0.6)) for key in value)


def _wanted(schema: dict[str, Any]) -> str:
    """What a schema takes, in words."""
    if "x-says" in schema:
        return str(schema["x-says"])
    if "enum" in schema or "const" in schema:
        return f"one of {_listed(schema.get('enum') or [schema['const']])}"
    if schema.get("properties"):
        return f"fields {{{', '.join([*schema.get('required', ()), '…'])}}}"
    return _WORDS.get(str(schema.get("type", "object")), "something else")


def _said(value: Any) -> str:
    """What a value is, in words."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"the truth value `{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number `{value}`"
    if isinstance(value, str):
        return f"the text `{one_line(value)}`"
    return "a list" if isinstance(value, list) else "fields" if isinstance(value, dict) else "no plain value"


def _help(value: Any, choices: list[dict[str, Any]]) -> str:
    """Advice for a value of the wrong kind."""
    kinds = {kind for choice in choices for kind in _kinds(choice)}
    if isinstance(value, bool | int | float) and "string" in kinds:
        said = str(value).lower() if isinstance(value, bool) else str(value)
        return f'Quote it, `"{said}"`: the {"truth value" if isinstance(value, bool) else "number"} is not the text.'
    if isinstance(value, str):
        if "boolean" in kinds and value.lower() in ("yes", "no", "on", "off", "y", "n", "true", "false"):
            return "Write `true` or `false`, unquoted: YAML 1.2 has no other truth values."
        if kinds & {"number", "integer"}:
            return _as_number(value)
        if "array" in kinds:
            return f"Write `[{one_line(value)}]`."
    if isinstance(value, float) and "integer" in kinds:
        return "Write it without a decimal point."
    if isinstance(value, list) and kinds == {"object"}:
        return "Write `name: …` lines without `-`."
    if isinstance(value, dict) and kinds == {"array"}:
        return "Write a `-` before each item."
    return ""


def _kinds(schema: dict[str, Any]) -> list[str]:
    kinds = schema.get("type", "object" if "oneOf" in schema else "string")
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _as_number(value: str) -> str:
    text = value.strip()
    if match := re.fullmatch(r"([-+]?\d+(?:\.\d+)?)\s*%", text):
        return f"Write `{float(match[1]) / 100:g}`."
    plain = re.sub(r"(?<=\d)[_,' ](?=\d{3}\b)", "", text)
    if re.fullmatch(r"[-+]?\d+(\.\d+)?", plain):
        return f"Write `{plain}`, unquoted."
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        return f"Write `{text.replace(',', '.')}`."
    return "Write digits, unquoted and without a unit."


def _matches(pattern: str, text: str) -> bool:
    # Python's `$` also matches before a last line break; a name has none.
    return re.search(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern, text) is not None


def _is_date(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) and date.fromisoformat(text))
    except ValueError:
        return False


def _finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _looks_like_formula(text: str) -> bool:
    """Whether a comment is rather the rest of a formula: a number, or something with an operator or a call."""
    try:
        formula = parse(text)
    except FormulaError:
        return False
    return not formula.names or bool(re.search(r"[-+*/<>=&|(]", text))


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _yaml(value: Any) -> str:
    """An example as one would write it on a line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str) and (not value or re.search(r"[,:#{}\[\]&*!|>'\"%@`]|^[-?]|^\d+$", value)):
        return '"' + value.replace('"', "'") + '"'
    return str(value)


__all__ = ["check_structure", "spell"]
