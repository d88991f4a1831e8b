"""A plan that is only looked at says of every field what the typed plan says, and is judged alike."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mutations import of_text

from drivetrain import examples, rules
from drivetrain.errors import SpecError
from drivetrain.spec import Part, check_text, load_spec, load_text
from drivetrain.spec.asked import Asked
from drivetrain.spec.check import check_file
from drivetrain.spec.view import look, view

BENCH = Path(__file__).parent / "bench/three-hundred-lines.yaml"
PLANS = [BENCH, *(examples.path(name) for name in examples.names()), *examples.bad().values()]

OPEN = "{unknown: Which?, owner: me, due: 2027-01-01}"
EVERYTHING = f"""\
drivetrain: 1
stage: {OPEN}
project: {{name: All of it}}
objective:
  statement: More trees.
  measure: {{name: trees, unit: tree/case, direction: maximize, current: {OPEN}, target: 3}}
  constants: {{a: 1, b: {OPEN}, c: {{value: 2, low: {OPEN}}}}}
  terms: {{t: {OPEN}, u: 3}}
  value: grown - cost(act) - a
  over_time: {{periods: 3, every: {OPEN}, next: {{seen: {OPEN}, size: size + 1}}}}
  guardrails:
    - {{name: some, measure: mean(grown), at_least: {OPEN}, by: [{OPEN}, place]}}
    - {OPEN}
  affected: {OPEN}
decision: {{unit: tree, cases: trees, batch: {{every: 1 day, cases: {OPEN}}}}}
levers:
  - {OPEN}
  - name: act
    type: options
    options: [dig, {OPEN}, wait]
    limits: [{OPEN}, "act != 'dig'", {OPEN}]
    policies:
      today: {{column: {OPEN}}}
      simple_rule: {{confident: grown, at_least: 1, else: dig}}
      do_nothing: wait
      fallback: {OPEN}
    history: {{kind: human, propensity: 1}}
  - {{name: water, type: range, minimum: 0, maximum: {OPEN}, step: 2, cost: 1, policies: {{today: 3}}}}
  - {{name: queue, type: ranking, of: cases, slots: {OPEN}, attention: [1, 0.5]}}
uncontrollable: [{{name: rain, column: {OPEN}}}]
data:
  - name: trees
    kind: table
    location: {OPEN}
    columns: {{size: number, place: {{type: category, values: [north, {OPEN}]}}, seen: {OPEN}}}
    outcomes:
      grown: {{column: grown, type: binary, affected_by: [act, {OPEN}]}}
      lost: {OPEN}
    split: {{hold_out: {{place: [north, 3, true]}}, test: 0}}
    collected: {{how: by hand, from: 2025-01-01, to: {OPEN}}}
    needs: {{rows: {OPEN}}}
  - name: photos
    kind: images
    collect: {{how: image-search, queries: {{oak: [oak, {OPEN}], elm: {OPEN}}}, per_query: 3, licences: {OPEN}}}
models:
  - {{name: growth, task: table-classification, predicts: grown, inputs: [size, {OPEN}], layers: [{OPEN}, 50]}}
  - name: eye
    task: image-classification
    predicts: {OPEN}
    data: photos
    augment: none
    training: {{learning_rate: 1, epochs: {OPEN}}}
simulator: {{scenarios: [{{name: dry, set: {{size: {OPEN}, place: "'north'"}}, weight: 1}}]}}
optimizer: {{risk: {{cvar: 1}}, catastrophe: {OPEN}}}
deployment: {{serve: [api, {{kind: device, max_mb: 3}}, {OPEN}], guards: {{out_of_domain: {OPEN}}}}}
maintenance: {OPEN}
"""


def same(seen: Any, typed: Any, path: str = "plan") -> None:
    """Every field, question and default below."""
    if isinstance(typed, Part):
        assert isinstance(seen, Asked), path
        assert list(seen.fields()) == list(typed.fields()), path
        assert seen.model_fields_set == typed.model_fields_set, path
        asked = [(key, open_.unknown, open_.owner, open_.due) for key, open_ in seen.unknown.items()]
        assert sorted(asked) == sorted((k, o.unknown, o.owner, o.due) for k, o in typed.unknown.items()), path
        for field in typed.fields():
            same(getattr(seen, field), getattr(typed, field), f"{path}.{field}")
    elif isinstance(typed, Mapping):
        assert list(seen) == list(typed), path
        for key, item in typed.items():
            same(seen[key], item, f"{path}.{key}")
    elif isinstance(typed, list):
        assert len(seen) == len(typed), path
        for place, item in enumerate(typed):
            same(seen[place], item, f"{path}[{place}]")
    else:
        assert (seen, type(seen)) == (typed, type(typed)), path


def judged_alike(text: str) -> bool:
    """Whether the structure of a plan holds; if so, both forms of it must be alike."""
    try:
        document = check_text(text)
    except SpecError:
        return False
    if any(finding.level == "fail" for finding in document.findings):
        return False
    seen, typed = view(document), load_text(text)
    same(seen, typed)
    assert rules.judge(seen, "wide") == rules.judge(typed, "wide")
    assert rules.questions(seen, 20) == rules.questions(typed, 20)
    assert seen.unknowns == typed.unknowns
    return True


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem if path.stem != "drivetrain" else path.parent.name)
def test_a_plan_is_judged_alike_with_its_lines(path):
    text = path.read_text(encoding="utf-8")
    assert judged_alike(text)
    assert rules.judge(view(check_file(path), path)) == rules.judge(load_spec(path))


def test_whatever_is_unknown_is_unknown_to_both():
    assert not [str(finding) for finding in check_text(EVERYTHING).findings if finding.level == "fail"]
    assert judged_alike(EVERYTHING)


def questioned(text: str) -> Iterator[str]:
    """The plan with one value after the other unknown, wherever it is written on a line of its own."""
    lines = text.splitlines()
    for place, line in enumerate(lines):
        key, colon, value = line.partition(": ")
        if colon and value and not value.startswith(("|", ">", "&")) and "#" not in value:
            yield "\n".join([*lines[:place], f"{key}: {OPEN}", *lines[place + 1 :]])


def test_a_value_that_becomes_unknown_does_so_in_both():
    texts = [text for path in PLANS for text in questioned(path.read_text(encoding="utf-8"))]
    assert sum(map(judged_alike, random.Random(1).sample(texts, 300))) > 100


def test_what_the_structure_lets_pass_can_be_loaded_and_is_judged_alike():
    random_ = random.Random(2)
    texts = [of_text(random_.choice(PLANS).read_text(encoding="utf-8"), random_) for _ in range(600)]
    assert sum(map(judged_alike, texts)) > 30


def test_a_field_that_a_part_does_not_have_is_no_attribute():
    seen = view(check_text(EVERYTHING))
    assert not hasattr(seen.levers[1], "of")
    assert not hasattr(seen.levers[2], "options")


@pytest.mark.parametrize("path", PLANS[1:4], ids=lambda path: path.parent.name)
def test_what_stands_at_a_path_is_the_same(path: Path) -> None:
    """Evidence and reviews hash the plan: they must not care how it was read."""
    whole, seen = load_spec(path), look(path)
    assert seen.at("") == whole.at("")
    assert seen.digest("objective") == whole.digest("objective")
    assert (seen.path, seen.root) == (whole.path, whole.root)


def test_a_plan_with_questions_everywhere_reads_alike_at_a_path() -> None:
    assert view(check_text(EVERYTHING)).at("") == load_text(EVERYTHING).at("")
