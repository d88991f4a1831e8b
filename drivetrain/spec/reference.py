"""Brings up to date what is made from the fields: `language.json` and the reference page.

Run `python -m drivetrain.spec.reference` in a checkout after a field has changed.
"""

import json
from pathlib import Path
from typing import Any

from drivetrain.spec.kinds import MEANINGS
from drivetrain.spec.language import FILE, build

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "plan-language.md"
BEGIN, END = "<!-- made from the fields: {} -->", "<!-- end: {} -->"

_ORDER = {
    "Objective": ("Measure", "Constant", "OverTime", "Constraint", "Proxy", "Affected"),
    "Decision": ("Batch",),
    "OptionsLever": ("Option", "OptionsFrom"),
    "IntegerLever": (),
    "RangeLever": (),
    "RankingLever": (),
    "Policies": ("FormulaPolicy", "ColumnPolicy", "MostLikely", "Confident"),
    "History": (),
    "Uncontrollable": (),
    "Source": ("Column", "Outcome", "Ratings", "Join", "Split", "Rights", "Collected", "Needs"),
    "ImageSearch": ("Annotate",),
    "Labelling": (),
    "UrlList": (),
    "Experiment": (),
    "Model": ("Image", "Augment", "Encode", "Training"),
    "Simulator": ("Scenario",),
    "Optimizer": ("Cvar",),
    "Deployment": ("Serve", "Exploration", "Guards", "OutOfDomain", "Monitoring", "FailureMode"),
    "Maintenance": (),
}
_TITLES = {
    "OptionsLever": "Levers: `type: options`",
    "IntegerLever": "Levers: `type: integer`",
    "RangeLever": "Levers: `type: range`",
    "RankingLever": "Levers: `type: ranking`",
    "Policies": "Levers: policies",
    "History": "Levers: history",
    "Source": "Data",
    "ImageSearch": "Data: `collect: {how: image-search}`",
    "Labelling": "Data: `collect: {how: labelling}`",
    "UrlList": "Data: `collect: {how: url-list}`",
    "Experiment": "Data: `collect: {how: experiment}`",
    "Model": "Models",
}
_PARTS = {
    1: "the file and the project",
    2: "objective and decision",
    3: "levers",
    4: "data",
    5: "models",
    6: "deployment",
}


def fields(schema: dict[str, Any]) -> str:
    """Tables of all fields, in the order of the approach."""
    blocks = ["### The plan", _table(schema, schema), *_section(schema, "Project", 3), *_section(schema, "Unknown", 3)]
    for name, inner in _ORDER.items():
        blocks += _section(schema, name, 3)
        for part in inner:
            blocks += _section(schema, part, 4)
    return "\n\n".join(blocks)


def findings() -> str:
    """Table of the kinds of findings."""
    parts = ", ".join(f"`DS{room}` {words}" for room, words in _PARTS.items())
    rows = [f"| `…{kind:02}` | {meaning} |" for kind, meaning in MEANINGS.items()]
    return "\n".join([f"The first digit says where: {parts}.", "", "| id | meaning |", "| --- | --- |", *rows])


def _section(schema: dict[str, Any], name: str, level: int) -> list[str]:
    body = schema["$defs"][name]
    part = next((choice for choice in body.get("anyOf", ()) if "properties" in choice), body)
    title = _TITLES.get(name, _words(name))
    said = body.get("description") or part.get("description", "")
    return [f"{'#' * level} {title}", said, _table(part, schema)]


def _words(name: str) -> str:
    text = "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
    return text[0].upper() + text[1:]


def _table(part: dict[str, Any], schema: dict[str, Any]) -> str:
    rows = ["| field | takes | default | meaning |", "| --- | --- | --- | --- |"]
    for name, prop in part["properties"].items():
        star = "*" if name in part.get("required", ()) else ""
        unit = f" ({prop['unit']})" if "unit" in prop else ""
        default = f"`{_value(prop['default'])}`" if "default" in prop else ""
        shown = prop["examples"][0] if "examples" in prop else None
        example = "" if shown is None else f" E.g. `{_value(shown)}`."
        cells = [f"`{name}`{star}", _takes(prop, schema) + unit, default, prop["description"] + example]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _takes(prop: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a field takes, in words."""
    if "$ref" in prop:
        name = prop["$ref"].rsplit("/", 1)[1]
        body = schema["$defs"][name]
        short = next((choice for choice in body.get("anyOf", ()) if "x-short" in choice), None)
        return (f"{_takes(short, schema)} or " if short else "") + f"[{_words(name).lower()}](#{_anchor(name)})"
    if choices := prop.get("anyOf") or prop.get("oneOf"):
        known = [choice for choice in choices if choice.get("$ref") != "#/$defs/Unknown"]
        return " or ".join(dict.fromkeys(_takes(choice, schema) for choice in known))
    if "const" in prop or "enum" in prop:
        return " or ".join(f"`{_value(value)}`" for value in prop.get("enum") or [prop["const"]])
    if "x-formula" in prop:
        return "Expr" if prop["x-formula"] == "case" else "Agg"
    kind = prop.get("type")
    if kind == "array":
        return f"list of {_takes(prop['items'], schema)}"
    if kind == "object":
        return f"name: {_takes(prop['additionalProperties'], schema)}"
    if "duration" in str(prop.get("x-says")):
        return "Dur"
    if str(prop.get("pattern", "")).startswith("^[a-z][a-z0-9_]"):
        return "Name"
    words = {"string": "text", "number": "num", "integer": "int", "boolean": "bool"}
    return "date" if prop.get("format") == "date" else words[str(kind)]


def _anchor(name: str) -> str:
    title = _TITLES.get(name, _words(name)).lower()
    return "".join(char for char in title.replace(" ", "-") if char.isalnum() or char in "-_")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def filled(page: str) -> str:
    """The page with what is made from the fields."""
    for name, text in (("fields", fields(build())), ("findings", findings())):
        begin, end = BEGIN.format(name), END.format(name)
        head, rest = page.split(begin)
        page = f"{head}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}"
    return page


def main() -> None:
    """Write both."""
    FILE.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
