"""The language from one source: fields, JSON Schema, reference; and what the checker says about each field."""

from __future__ import annotations

import copy
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema
import mutations
import pytest
import yaml

from drivetrain.errors import SpecError
from drivetrain.spec import check_text, load_spec, load_text, reference, schema
from drivetrain.spec.kinds import MEANINGS
from drivetrain.spec.language import FILE, build
from drivetrain.spec.reading import Document, read
from drivetrain.spec.structure import check_structure

ROOT = Path(__file__).parents[1]
PLANS = sorted((ROOT / "tests" / "golden" / "plans").glob("*.yaml")) + sorted(
    ROOT.glob("drivetrain/examples/*/drivetrain.yaml")
)
SCHEMA = schema()
BEYOND = {"09", "10"}
"""Findings that JSON Schema cannot make: formulas that do not parse, comments that ate their end."""
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

GOLDEN = ROOT / "tests" / "golden" / "meaning"
FIELDS = {name: words.split() for name, words in yaml.safe_load((GOLDEN / "fields.yaml").read_text()).items()}
MESSAGES = yaml.safe_load((GOLDEN / "messages.yaml").read_text())


def part(name: str) -> dict[str, Any]:
    body = SCHEMA if name == "plan" else SCHEMA["$defs"][name]
    return next((choice for choice in body.get("anyOf", ()) if "properties" in choice), body)


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_there_and_no_other(name: str) -> None:
    assert set(part(name)["properties"]) == {field.rstrip("*") for field in FIELDS[name]}
    assert set(part(name).get("required", ())) == {field[:-1] for field in FIELDS[name] if field.endswith("*")}
    assert part(name)["additionalProperties"] is False


def test_no_part_is_left_out() -> None:
    assert set(SCHEMA["$defs"]) == set(FIELDS) - {"plan"}


def fields() -> list[tuple[str, str, dict[str, Any]]]:
    return [(name, field, prop) for name in FIELDS for field, prop in part(name)["properties"].items()]


@pytest.mark.parametrize(("name", "field", "prop"), fields(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_field_has_its_meaning_and_an_example_that_holds(name: str, field: str, prop: dict[str, Any]) -> None:
    assert len(prop["description"]) > 7
    assert prop["description"].endswith(".")
    holder = {"$defs": SCHEMA["$defs"], **prop}
    for example in prop.get("examples", ()):
        jsonschema.Draft202012Validator(holder).validate(example)
    if "default" in prop:
        jsonschema.Draft202012Validator(holder).validate(prop["default"])
    of_parts = "$defs/" in json.dumps(prop).replace("$defs/Unknown", "")
    assert "examples" in prop or of_parts, f"{name}.{field} has no example"


def test_the_stored_schema_is_that_of_the_parts() -> None:
    assert json.loads(FILE.read_text()) == build(), "run `python -m drivetrain.spec.reference`"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_plan_validates_against_the_schema(path: Path) -> None:
    VALIDATOR.validate(read(path.read_text()).tree)


def test_the_checker_agrees_with_jsonschema() -> None:
    """The oracle for the structure is a library that knows nothing of ours."""
    trees = [read(path.read_text()).tree for path in PLANS]
    refused = 0
    for seed in range(400):
        random_ = random.Random(seed)
        tree = mutations.of_tree(random_.choice(trees), random_)
        document = Document("drivetrain.yaml", tree=copy.deepcopy(tree))
        check_structure(document)
        mine = [str(finding) for finding in document.findings if finding.id[3:] not in BEYOND]
        mine = [line for line in mine if "is not a finite number" not in line]  # JSON has no such numbers
        theirs = [error.message for error in VALIDATOR.iter_errors(tree)]
        assert bool(mine) == bool(theirs), (seed, mine, theirs)
        refused += bool(theirs)
    assert refused > 100


HEAD = "drivetrain: 1\nproject: {name: x}\nobjective:\n  statement: s\n"


def says(text: str) -> list[str]:
    try:
        findings = check_text(HEAD + text).findings
    except SpecError as error:
        findings = list(error.findings)
    return [f"{f.id} {f.where.removeprefix('drivetrain.yaml:')}: {f.what} {f.advice}" for f in findings]


@pytest.mark.parametrize(
    "message",
    MESSAGES,
    ids=lambda message: message["text"].strip()[:50],
)
def test_what_is_wrong_is_said_in_a_persons_words(message: dict[str, str]) -> None:
    found = says(message["text"])
    assert any(message["says"] in finding for finding in found), found


def test_the_reference_page_is_made_from_the_fields() -> None:
    page = reference.PAGE.read_text()
    assert reference.filled(page) == page, "run `python -m drivetrain.spec.reference`"
    for name in FIELDS:
        for field in FIELDS[name]:
            assert f"`{field.rstrip('*')}`" in page
    for kind in MEANINGS:
        assert f"| `…{kind:02}` |" in page


def test_what_the_reference_page_shows_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"\n\n((?:    .*\n|\n(?=    ))+)", reference.PAGE.read_text())
    plan = next(block for block in blocks if block.lstrip().startswith("drivetrain: 1"))
    assert load_text(dedent(plan)).slug == "bear-warning"
    code = next(block for block in blocks if "from drivetrain.spec import" in block)
    (tmp_path / "drivetrain.yaml").write_text((ROOT / "tests/golden/plans/01-mail-sorting.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    exec(dedent(code), {})
    assert load_spec(tmp_path).model("digit_reader").training.epochs == 8
    assert "# harmless" in (tmp_path / "drivetrain.yaml").read_text()


def test_the_command_line_prints_the_schema_and_findings_as_json(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from drivetrain.cli import main

    printed = CliRunner().invoke(main, ["schema"])
    assert json.loads(printed.stdout) == SCHEMA
    (tmp_path / "drivetrain.yaml").write_text(HEAD + "  horizont: 1 day\n")
    refused = CliRunner().invoke(main, ["validate", str(tmp_path), "--format", "json"])
    assert refused.exit_code == 2
    (finding,) = json.loads(refused.stdout)["findings"]
    assert (finding["id"], finding["facts"]["line"], finding["advice"]) == ("DS202", 5, "Did you mean `horizon`?")
    text = CliRunner().invoke(main, ["validate", str(tmp_path)])
    assert text.exit_code == 2
    assert text.output.splitlines() == [
        "drivetrain.yaml:5: objective.horizont: there is no field `horizont` here. Did you mean `horizon`?"
    ]
    (tmp_path / "drivetrain.yaml").write_text(HEAD)
    fine = CliRunner().invoke(main, ["validate", str(tmp_path)])
    assert fine.exit_code == 0


def test_validate_loads_neither_pydantic_nor_numpy(tmp_path: Path) -> None:
    (tmp_path / "drivetrain.yaml").write_text(PLANS[0].read_text())
    code = (
        "import sys; from drivetrain.spec import check_file; check_file(sys.argv[1]); "
        "print([name for name in ('pydantic', 'numpy', 'ruamel.yaml', 'rich', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
