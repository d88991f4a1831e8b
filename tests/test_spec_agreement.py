"""`validate`, `load_spec` and the JSON Schema agree on what a plan is, whatever is written, questions included."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from drivetrain.spec import Spec, check_text, dump, load_text, schema
from drivetrain.spec.check import check_document
from drivetrain.spec.document import build
from drivetrain.spec.reading import Document, read
from drivetrain.spec.structure import check_structure
from drivetrain.spec.view import view

PLANS = sorted((Path(__file__).parent / "golden" / "plans").glob("*.yaml"))
SCHEMA = schema()
PARTS = SCHEMA["$defs"]
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
QUESTION = {"unknown": "What?", "owner": "me", "due": "2027-01-01"}
ASKED_OF_NOTHING = ("name", "kind", "type", "task", "how", "drivetrain", "project")
ONLY_OURS = {"08", "09", "10"}
"""Empty fields, which Python's None stands for, and formulas, which are text to the others."""
WRONG: tuple[Any, ...] = (
    True, 0, -1, 3.5, "", "x", "1", [], {}, [QUESTION], QUESTION, {"unknown": "q"}, {**QUESTION, "owner": ""},
    {**QUESTION, "due": "2027-13-01"}, {**QUESTION, "due": 20270101}, {**QUESTION, "due": "2027-01-01T00:00:00"},
    {**QUESTION, "x": 1}, [[]], {"a": 1}, "A", [1], ["a"], [["a"]], {"": 1}, {"unknown": []}, {"unknown": 1},
)  # fmt: skip


def made(body: dict[str, Any], random_: random.Random, depth: int = 0) -> Any:
    """A value that fits a definition of the language; its meaning is left to chance."""
    body = PARTS[body["$ref"].rsplit("/", 1)[1]] if "$ref" in body else body
    if "anyOf" in body:
        return made(random_.choice(body["anyOf"]), random_, depth)
    if "oneOf" in body and "properties" not in body:
        return made(random_.choice(body["oneOf"]), random_, depth)
    if "const" in body or "enum" in body:
        return body["const"] if "const" in body else random_.choice(body["enum"])
    kind = random_.choice(body["type"]) if isinstance(body["type"], list) else body["type"]
    if kind == "object":
        return made_fields(body, random_, depth)
    if kind == "array":
        count = max(random_.choice([0, 1, 1, 2, 3]), body.get("minItems", 0))
        items = [made(body["items"], random_, depth + 1) for _ in range(count)]
        return [item for at, item in enumerate(items) if not body.get("uniqueItems") or item not in items[:at]]
    if kind == "boolean":
        return random_.random() < 0.5
    if kind in ("integer", "number"):
        above = body.get("minimum", body.get("exclusiveMinimum", -5))
        below = body.get("maximum", body.get("exclusiveMaximum", above + 9))
        within = above + (below - above) * random_.uniform(0.01, 0.99)
        return within if kind == "number" else round(within + 0.49)
    return made_text(body, random_)


def made_fields(body: dict[str, Any], random_: random.Random, depth: int) -> dict[str, Any]:
    fields = body.get("properties", {})
    either = [rule["required"][0] for rule in body.get("oneOf", ())]
    asked = {*body.get("required", ()), *random_.sample(either, 1 if either else 0)}
    found = {
        key: made(field, random_, depth + 1)
        for key, field in fields.items()
        if key in asked or (key not in either and random_.random() < (0.45 if depth else 0.8))
    }
    if isinstance(body.get("additionalProperties"), dict):
        for _ in range(random_.choice([0, 1, 1, 2])):
            key = made_text(body.get("propertyNames", {}), random_)
            found[key] = made(body["additionalProperties"], random_, depth + 1)
    return found


def made_text(body: dict[str, Any], random_: random.Random) -> str:
    pattern = body.get("pattern", "")
    if body.get("format") == "date":
        return "2026-02-03"
    if "minute" in pattern:
        return random_.choice(["30 days", "1.5 hours"])
    if "-[a-z0-9]" in pattern:
        return "a-b"
    if pattern.startswith("^[a-z]"):
        return random_.choice("abcdefghij") + random_.choice(["", "_x", "2"])
    return random_.choice(["x", "some text", "0", "on", "a: b", "3", "x,y"])


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key, (*path, key)
        yield from places(value, (*path, key))


def plan(seed: int) -> dict[str, Any]:
    """A plan that fits the language; with an odd seed one that somebody got wrong in a place or two."""
    random_ = random.Random(seed)
    tree = copy.deepcopy(made(SCHEMA, random_)) | {"drivetrain": 1}
    for _ in range(random_.choice([1, 1, 2]) if seed % 2 else 0):
        holder, key, _ = random_.choice([place for place in places(tree) if place[1] != "drivetrain"])
        if random_.random() < 0.25:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(random_.choice(WRONG))
    return tree


def agree(seed: int) -> bool:
    """Whether the plan of a seed fits; all three judges say so, or none."""
    tree = plan(seed)
    document = Document("drivetrain.yaml", tree=copy.deepcopy(tree))
    check_structure(document)
    checker = [str(finding) for finding in document.findings if finding.id[3:] not in ONLY_OURS]
    try:
        Spec.model_validate(copy.deepcopy(tree))
        typed = []
    except ValidationError as error:
        typed = [f"{entry['loc']}: {entry['msg']}" for entry in error.errors()]
    typed = [line for line in typed if "leave nothing to train on" not in line]  # a matter of meaning to the checker
    schema_ = [error.message for error in VALIDATOR.iter_errors(tree)]
    # A mapping under `unknown` is how Python hands a part its questions; in a file it is a field that there is not.
    if not (checker and all("there is no field `unknown`" in line for line in checker)):
        assert bool(checker) == bool(typed), (seed, checker, typed)
    # A field called `unknown` among names (`terms: {unknown: …}`) is a question to us, and JSON Schema cannot know.
    if not any(re.search(r"[`.](due|owner)[`:]", line) for line in checker):
        assert bool(checker) == bool(schema_), (seed, checker, schema_)
    return not checker


def test_the_checker_the_typed_parts_and_the_schema_are_of_one_mind() -> None:
    fit = sum(agree(seed) for seed in range(300))
    assert 120 < fit < 270, "about half of the plans fit, most of the others do not"


@pytest.mark.fuzz
def test_they_are_of_one_mind_at_length() -> None:
    for seed in range(10_000, 30_000):
        agree(seed)


@pytest.mark.parametrize("path", [PLANS[1], PLANS[4]], ids=lambda path: path.stem)
def test_a_question_stands_wherever_the_language_says(path: Path) -> None:
    """Every value and every whole item of a plan in turn: what may be unknown loads, and comes back from the file."""
    tree = read(path.read_text()).tree
    for _, key, way in list(places(tree)):
        asked = copy.deepcopy(tree)
        holder = asked
        for step in way[:-1]:
            holder = holder[step]
        holder[key] = dict(QUESTION)
        document = check_document(Document("drivetrain.yaml", tree=asked))
        faults = [finding for finding in document.findings if finding.level == "fail"]
        refused = [finding for finding in faults if "cannot be unknown" in finding.what]
        if key in ASKED_OF_NOTHING:
            assert refused, way
        else:
            assert not refused, (way, refused)
        if not faults:
            spec = build(document)
            assert [item.question for item in spec.unknowns] == ["What?"], way
            assert load_text(dump(spec)) == spec, way


def test_a_list_of_nothing_but_questions_is_open() -> None:
    """The list itself is there, and no model predicts anything yet."""
    base = PLANS[1].read_text()
    question = "{unknown: Which?, owner: me, due: 2027-01-01}"
    text = base.replace("predicts: digit", f"predicts: [{question}]", 1)
    assert text != base
    document = check_text(text)
    assert [finding for finding in document.findings if finding.level == "fail"] == []
    spec = load_text(text)
    assert spec.models[0].predicts is None
    assert view(document).models[0].predicts is None
    assert [item.path for item in spec.unknowns] == ["models.digit_reader.predicts[0]"]
    assert load_text(dump(spec)) == spec
    assert "Which?" in dump(spec)
