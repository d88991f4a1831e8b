"""Plans as YAML: written anew, or changed in place with comments, order and layout kept."""

import copy
import json
import math
import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from drivetrain.errors import SpecError
from drivetrain.spec.language import HEADER
from drivetrain.spec.part import Part, Says, Unknown
from drivetrain.spec.plain import put_back, question, questions_below, steps
from drivetrain.spec.reading import read, scalar

if TYPE_CHECKING:
    from drivetrain.spec.plan import Spec

_WIDTH = 110
"""Length up to which a part is written on one line."""


_PLAIN = re.compile(r"\w(?:[\w ./;()+%°€-]|[:,](?=\w))*(?<! )")
"""Text that every YAML parser reads alike without quotes; YAML knows more, but tools differ in what."""


class _FormulaText(str):
    """A formula, which is always quoted."""


def tree(part: Any) -> Any:
    """A part, or a value inside one, as plain JSON data, as it would be written in the file: short, no defaults."""
    if isinstance(part, Part):
        return _fields(part)
    if isinstance(part, Unknown):
        return question(part)
    if isinstance(part, Mapping):
        return {key: tree(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [tree(value) for value in part]
    if isinstance(part, float) and part.is_integer() and abs(part) < 1e15:
        return int(part)
    return part.isoformat() if isinstance(part, date) else part


def _fields(part: Part) -> Any:
    values: dict[str, Any] = {}
    formulas = _formulas(type(part))
    for name, field in part.fields().items():
        key = field.alias or name
        asked, value = questions_below(part, key), getattr(part, name)
        if key in asked:
            values[key] = question(asked[key])
        elif asked or (value is not None and name in part.model_fields_set):
            written = tree([] if value is None else value)
            if name in formulas:
                written = _quoted(written)
            if name in part.brief:
                written = _brief(written)
            values[key] = put_back(written, key, asked)
    if part.short and values.keys() == {part.short} and not isinstance(values[part.short], dict):
        return values[part.short]
    return values


@cache
def _formulas(cls: type[Part]) -> frozenset[str]:
    """Fields that hold formulas."""

    def holds(annotation: Any, metadata: Any = ()) -> bool:
        said = any(isinstance(item, Says) and "x-formula" in item.extra for item in metadata)
        inner = getattr(annotation, "__metadata__", ())
        return said or any(holds(item, inner) for item in get_args(annotation)) or bool(inner and holds(None, inner))

    return frozenset(name for name, field in cls.model_fields.items() if holds(field.annotation, field.metadata))


def _quoted(value: Any) -> Any:
    if isinstance(value, str):
        return _FormulaText(value)
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    return [_quoted(item) for item in value] if isinstance(value, list) else value


def _brief(value: Any) -> Any:
    """A mapping to nothing as a list of its keys; a list of one as its item."""
    if isinstance(value, dict) and value and all(item == {} for item in value.values()):
        return list(value)
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def dump(spec: "Spec", *, schema: str = "") -> str:
    """A plan as YAML text; `load_text(dump(spec)) == spec`.

    Args:
        spec: The plan.
        schema: Where the JSON Schema lies, for the first line that makes YAML editors use it; none when empty.
    """
    text = _to_text(_node(tree(spec), 0), 2, 2)
    return f"{HEADER.format(schema=schema)}\n{text}" if schema else text


def edit(text: str, changes: Mapping[str, Any]) -> str:
    """Change values of a plan in place: comments, order and layout of everything else stay.

    Args:
        text: The plan.
        changes: Path -> new value as plain data; None removes what stands there. Items of lists go by name or by
            number: `levers.bin.owner`, `models[0].training.epochs`.

    Returns:
        The changed text. It is not checked: `load_text` says what is wrong with it.

    Raises:
        SpecError: The text is no YAML, or a path leads nowhere.
    """
    new = copy.deepcopy(read(text).tree)
    for path, value in changes.items():
        _set(new, steps(path), value, path)
    return rewrite(text, new)


def rewrite(text: str, new: Any) -> str:
    """The text, changed so that it says `new` (plain data); comments, order and layout of the rest stay.

    Raises:
        SpecError: The text is no YAML.
    """
    from ruamel.yaml.error import YAMLError

    old = read(text).tree
    try:
        out = _to_text(_merge(_yaml().load(text), old, new, 0), *_indent(text))
        if read(out).tree == new:
            return out
    except (YAMLError, ValueError):  # such as a tab inside a word, which libyaml takes
        pass
    # Layout is worth less than meaning: what the round trip cannot carry is written anew.
    return _to_text(_node(new, 0), 2, 2)


def save(spec: "Spec", path: str | Path) -> None:
    """Write a plan to its file, whole or not at all; a plan that is there is changed in place.

    Raises:
        SpecError: What is there is no YAML.
    """
    from drivetrain.evidence import write_whole
    from drivetrain.spec.check import read_file

    file = Path(path)
    write_whole(file, rewrite(read_file(file), _plain(tree(spec))) if file.exists() else dump(spec))


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _set(tree_: Any, way: list[str], value: Any, path: str) -> None:
    here = tree_
    for place, step in enumerate(way):
        last = place == len(way) - 1
        if isinstance(here, list):
            named = [at for at, item in enumerate(here) if isinstance(item, dict) and item.get("name") == step]
            at = named[0] if named else int(step) if step.isdigit() else -1
            if not 0 <= at <= len(here) or (at == len(here) and not last):
                raise SpecError(
                    f"`{path}` leads nowhere: there is no `{step}`.", "Give an item's name or number.", path
                )
            if last and at == len(here):
                here.append(value)
            elif last and value is None:
                del here[at]
            elif last:
                here[at] = value
            else:
                here = here[at]
        elif isinstance(here, dict):
            if last and value is None:
                here.pop(step, None)
            elif last:
                here[step] = value
            else:
                here = here.setdefault(step, {})
        else:
            raise SpecError(f"`{path}` leads nowhere: `{step}` is no part of a plain value.", "", path)


def _merge(node: Any, old: Any, new: Any, depth: int) -> Any:
    """A node of the round trip that says `new`, with as little changed as can be."""
    if old == new and type(old) is type(new):
        return node
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [key for key in node if key not in new]:
            del node[key]
        for key, value in new.items():
            node[key] = _merge(node[key], old[key], value, depth + 1) if key in old else _node(value, depth + 1)
        return node
    if isinstance(old, list) and isinstance(new, list) and _names(old) == _names(new)[: len(old)]:
        for place, value in enumerate(new):
            if place < len(old):
                node[place] = _merge(node[place], old[place], value, depth + 1)
            else:
                node.append(_node(value, depth + 1))
        return node
    return _node(new, depth)


def _names(values: list[Any]) -> list[Any]:
    return [value.get("name") if isinstance(value, dict) else None for value in values]


def _node(value: Any, depth: int) -> Any:
    """Plain data with a layout: short parts on one line, long ones on several."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, dict):
        node = CommentedMap((_word(str(key)), _node(item, depth + 1)) for key, item in value.items())
        if depth > 0 and (not value or _length(value) <= _WIDTH - 2 * depth):
            node.fa.set_flow_style()
        return node
    if isinstance(value, list):
        items = CommentedSeq(_node(item, depth + 1) for item in value)
        short = _length(value) <= _WIDTH - 2 * depth
        if not value or (short and not any(isinstance(item, dict) for item in value)) or (short and depth > 1):
            items.fa.set_flow_style()
        return items
    if isinstance(value, str):
        return _word(value)
    return value


def _word(text: str) -> Any:
    """Text, quoted unless it reads alike everywhere; a date stays bare."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) and not isinstance(text, _FormulaText):
        try:
            return date.fromisoformat(text)
        except ValueError:
            return DoubleQuotedScalarString(text)
    # YAML 1.1, which other tools still speak, takes some words for truth values.
    words = ("on", "off", "yes", "no", "y", "n")
    whole = text.count("(") == text.count(")")  # else it looks like a formula that is cut at its comma
    bare = whole and _PLAIN.fullmatch(text) and scalar(text) == text and text.lower() not in words
    return text if bare and not isinstance(text, _FormulaText) else DoubleQuotedScalarString(text)


def _length(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


class _Float(float):
    """A number that keeps how it was written: ruamel.yaml writes `5.96e-08` anew, and not to the last digit."""

    text: str


def _yaml() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import RoundTripConstructor
    from ruamel.yaml.representer import RoundTripRepresenter

    tag = "tag:yaml.org,2002:float"

    class Constructor(RoundTripConstructor):
        def number(self, node: Any) -> Any:
            value = scalar(node.value)
            if node.anchor or not isinstance(value, float) or not math.isfinite(value):
                return self.construct_yaml_float(node)
            number = _Float(value)
            number.text = node.value
            return number

    class Representer(RoundTripRepresenter):
        def number(self, number: _Float) -> Any:
            return self.represent_scalar(tag, number.text)

    Constructor.add_constructor(tag, Constructor.number)
    Representer.add_representer(_Float, Representer.number)
    yaml = YAML()
    yaml.Constructor, yaml.Representer = Constructor, Representer
    yaml.preserve_quotes = True
    yaml.allow_duplicate_keys = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.width = 1_000_000
    return yaml


def _indent(text: str) -> tuple[int, int]:
    """Indentation of mappings, and of the `-` of lists, as the file has it."""
    mapping = re.search(r"^[a-z_]+:[ ]*(?:#.*)?\n(?:[ ]*(?:#.*)?\n)*([ ]+)[^\s#-]", text, re.M)
    sequence = re.search(r"^[a-z_]+:[ ]*(?:#.*)?\n(?:[ ]*(?:#.*)?\n)*([ ]*)- ", text, re.M)
    return len(mapping[1]) if mapping else 2, len(sequence[1]) if sequence else 2


def _to_text(document: Any, mapping: int, offset: int) -> str:
    from io import StringIO

    yaml = _yaml()
    yaml.indent(mapping=mapping, sequence=offset + 2, offset=offset)
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()
