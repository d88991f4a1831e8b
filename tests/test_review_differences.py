"""Differences in meaning: every planted change is named, and nothing else."""

from __future__ import annotations

import copy
import itertools
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from drivetrain import examples, review
from drivetrain.errors import SpecError
from drivetrain.review.deltas import IN_ORDER
from drivetrain.review.differences import GRADES, PARTS, against, compare
from drivetrain.spec import dump, load_spec, load_text
from drivetrain.spec.reading import read
from tests import fabricated

PLANS = {entry.name: Path(examples.path(entry.name)) for entry in examples.gallery()}


def text_of(path: Path) -> str:
    return (path / "drivetrain.yaml" if path.is_dir() else path).read_text(encoding="utf-8")


def said(old: str, new: str) -> list[str]:
    return [change.what for change in compare(load_text(old), load_text(new))]


def mail(*replacements: tuple[str, str]) -> str:
    text = fabricated.MAIL
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value of a tree with its place."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, list):
        for place, value in enumerate(tree):
            yield from leaves(value, (*path, place))
    else:
        yield path, tree


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(tree)
    here = changed
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return changed


def mutations(value: Any) -> list[Any]:
    """Other values of the same kind."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value / 2]
    return [f"{value} and more"] if isinstance(value, str) else []


class TestSentences:
    @pytest.mark.parametrize(
        ("old", "new", "what"),
        [
            ("target: 0.12", "target: 0.20", "target moved from 0.12 to 0.2"),
            (", target: 0.12", "", "target was dropped"),
            ("at_most: 0.01", "at_most: 0.03", "guardrail `misrouted share` was loosened: at most 0.01 became 0.03"),
            ("at_most: 0.01", "at_most: 0.001", "guardrail `misrouted share` was tightened: at most 0.01 became 0.001"),
            (", by: [depot]", "", "guardrail `misrouted share` no longer holds in each `depot`"),
            ("    groups: [depot]\n", "", "group `depot` is no longer audited (source `letters`)"),
            ("value: 4.00", "value: 5", "constant `wrong_bin` moved from 4 to 5"),
            ("line manager", "night shift", "lever `bin` is now owned by night shift; it was line manager"),
            ("reversible: true", "reversible: false", "lever `bin` cannot be taken back now"),
            ("mode: automate", "mode: assist", "decisions are now made by people with assistance; they were automated"),
            (", recourse: works council", "", "recourse of desk clerks is no longer named"),
            ("simple_rule: {confident", "simple_rule: {confident", ""),
            ("serve: [api]", "serve: [api, batch]", "it is now served as `batch`"),
            ("stage: model", "stage: limited", "the stage moved from model to limited"),
            ("personal: false", "personal: true", "data `letters` are said to hold people"),
            ("size: 64", "size: 128", "`models.digit_reader.image.size` changed from 64 to 128"),
        ],
    )  # fmt: skip
    def test_each_change_is_one_sentence(self, old, new, what):
        assert said(mail(), mail((old, new))) == ([what] if what else [])

    def test_a_lever_loses_and_gains_its_experiment(self):
        churn = text_of(PLANS["churn-retention"])
        start = churn.index("kind: randomised")
        without = churn[:start] + "kind: human" + churn[start + len("kind: randomised") :]
        [lost] = [s for s in said(churn, without) if "experiment" in s]
        assert "lost its experiment" in lost
        [gained] = [s for s in said(without, churn) if "experiment" in s]
        assert "gained an experiment" in gained

    def test_an_answer_that_is_lost_or_found(self):
        asked = mail(("target: 0.12", "target: {unknown: What would be useful?, owner: Ann, due: 2027-01-31}"))
        [lost] = compare(load_text(mail()), load_text(asked))
        assert lost.weakens
        assert "no longer known: What would be useful? (Ann)" in lost.what
        assert said(asked, mail()) == ["`objective.measure.target` is known now: 0.12"]

    def test_a_renamed_thing_is_renamed_and_not_removed(self):
        changed = mail(("name: digit_reader", "name: reader"))
        assert said(mail(), changed) == ["model `digit_reader` is now called `reader`"]

    def test_what_weakens_stands_first_and_grades_say_what_changes(self):
        new = mail(("name: Mail sorting", "name: Mail"), ("size: 64", "size: 32"), ("at_most: 0.01", "at_most: 0.5"),
                   ("who: sorting line", "who: night line"))  # fmt: skip
        found = compare(load_text(mail()), load_text(new))
        assert [change.weakens for change in found] == [True, False, False, False]
        assert [change.grade for change in found] == ["aim", "action", "learning", "words"]
        assert set(GRADES) == {"aim", "action", "learning", "words"}


class TestNothingElse:
    @pytest.mark.parametrize("name", PLANS)
    def test_the_same_plan_written_differently_has_not_changed(self, name):
        plan = load_text(text_of(PLANS[name]))
        assert compare(plan, load_text(dump(plan))) == []
        tree = read(dump(plan)).tree
        shuffled = {key: tree[key] for key in reversed(tree)}
        for part in ("levers", "data", "models"):
            if part in shuffled:
                shuffled[part] = list(reversed(shuffled[part]))
        assert compare(plan, load_text(yaml.safe_dump(shuffled, sort_keys=False, allow_unicode=True))) == []

    def test_spaces_in_a_formula_and_a_default_that_is_spelled_out_are_no_change(self):
        new = mail(("-cost(bin) - wrong_bin * misrouted", "-cost(bin)-wrong_bin*misrouted"),
                   ("predicts: digit", "predicts: [digit], calibration: temperature"))  # fmt: skip
        assert said(mail(), new) == []

    @pytest.mark.parametrize("name", PLANS)
    def test_every_planted_change_of_a_gallery_plan_is_named_alone(self, name):
        text = text_of(PLANS[name])
        old, tree = load_text(text), read(text).tree
        tried = 0
        for path, value in random.Random(1).sample(list(leaves(tree)), 40):
            for other in mutations(value)[:1]:
                try:
                    new = load_text(yaml.safe_dump(put(tree, path, other), sort_keys=False, allow_unicode=True))
                except SpecError:
                    continue  # not every change leaves a plan that can be read
                found = compare(old, new)
                same = _plain(old) == _plain(new)
                # An entry of a plain list is replaced by another: one is gone, one has come.
                expected = 0 if same else 2 if isinstance(path[-1], int) and path[-2] not in IN_ORDER else 1
                assert len(found) == expected or _is_name(path), (path, value, other, [c.what for c in found])
                tried += not same
        assert tried >= 8

    def test_every_pair_of_gallery_plans_is_told_apart_completely(self):
        plans = {name: load_text(text_of(path)) for name, path in PLANS.items()}
        for first, second in itertools.permutations(plans, 2):
            changes = compare(plans[first], plans[second])
            a, b = (dict(_named_leaves(_plain(plans[n]))) for n in (first, second))
            differing = {p for p in a.keys() | b.keys() if a.get(p) != b.get(p)}
            said_places = [change.path for change in changes]
            assert len(said_places) == len(set(said_places)), (first, second)
            for place in differing:
                assert any(f"{place}.".startswith(f"{one}.") for one in said_places), (first, second, place)
            for one in said_places:
                assert any(f"{place}.".startswith(f"{one}.") or one.startswith(place) for place in differing), one


def _plain(spec: Any) -> dict[str, Any]:
    return {part: spec.at(part) for part in PARTS if spec.at(part)}


def _is_name(path: tuple[Any, ...]) -> bool:
    """A changed name is a renaming, or a removal and an addition."""
    return path[-1] in ("name", "who", "failure", "kind", "data") or "options" in path or "on" in path


def _named_leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by names instead of places; plain lists as their sorted entries."""
    if isinstance(tree, dict) and "unknown" not in tree:
        for key, value in tree.items():
            yield from _named_leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list) and tree and all(isinstance(item, dict) for item in tree):
        for place, item in enumerate(tree):
            key = next(
                (item[k] for k in ("name", "who", "failure", "data", "kind") if isinstance(item.get(k), str)), place
            )
            yield from _named_leaves(item, f"{path}.{key}")
    elif isinstance(tree, list) and path.rsplit(".", 1)[-1] not in ("attention", "bins", "layers"):
        for item in tree:
            yield f"{path}.{item}", item
    else:
        yield path, str(tree)


class TestAgainst:
    def git(self, root: Path, *arguments: str) -> None:
        subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)

    @pytest.fixture
    def committed(self, tmp_path):
        fabricated.project(tmp_path)
        self.git(tmp_path, "init", "-q")
        self.git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "add", "drivetrain.yaml")
        self.git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "plan")
        (tmp_path / "drivetrain.yaml").write_text(mail(("target: 0.12", "target: 0.20")).lstrip(), encoding="utf-8")
        return load_spec(tmp_path)

    def test_a_file_a_revision_and_the_last_review(self, committed, tmp_path):
        other = tmp_path / "other.yaml"
        other.write_text(mail(("target: 0.12", "target: 0.15")), encoding="utf-8")
        assert [c.what for c in against(committed, str(other))[1]] == ["target moved from 0.15 to 0.2"]
        assert [c.what for c in against(committed, "HEAD")[1]] == ["target moved from 0.12 to 0.2"]
        review.keep(committed, review.build(committed))
        assert against(committed, "last") == ("the last review", [])

    @pytest.mark.parametrize(
        "reference", ["nowhere.yaml", "no-such-branch", "--output=/tmp/x", "HEAD:drivetrain.yaml", ""]
    )
    def test_what_is_neither_is_refused_in_one_line(self, committed, reference):
        with pytest.raises(SpecError, match="neither a file nor a git revision") as error:
            against(committed, reference)
        assert "\n" not in error.value.message

    def test_without_an_earlier_review_there_is_no_last(self, tmp_path):
        with pytest.raises(SpecError, match="no earlier review"):
            against(fabricated.project(tmp_path), "last")

    def test_the_review_shows_what_changed_in_every_format(self, committed):
        held = review.build(committed, against="HEAD")
        for form in ("html", "markdown", "json"):
            assert "target moved from 0" in review.render(held, form)

    def test_what_weakens_is_a_result_in_sarif(self, committed, tmp_path):
        (tmp_path / "drivetrain.yaml").write_text(mail(("at_most: 0.01", "at_most: 0.5")).lstrip(), encoding="utf-8")
        held = review.build(load_spec(tmp_path), against="HEAD")
        assert '"ruleId": "DG301"' in review.render(held, "sarif")
