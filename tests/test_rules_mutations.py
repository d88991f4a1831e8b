"""A plan that breaks a rule is told so: random changes to the gallery, each of which breaks one named rule."""

from __future__ import annotations

import copy
import random
from functools import cache
from io import StringIO

import pytest
from broken_plans import MUTATIONS, Plan
from ruamel.yaml import YAML

from drivetrain import examples
from drivetrain.errors import SpecError
from drivetrain.rules import RULES, judge, questions, verdict
from drivetrain.spec import load_text

SHARE = 0.95


@cache
def plans() -> tuple[Plan, ...]:
    yaml = YAML(typ="safe", pure=True)
    return tuple(yaml.load(examples.path(name).read_text(encoding="utf-8")) for name in examples.names())


def text(plan: Plan) -> str:
    stream = StringIO()
    YAML(typ="safe", pure=True).dump(plan, stream)
    return stream.getvalue()


def found(plan: Plan) -> set[str]:
    return {finding.id for finding in judge(load_text(text(plan)), "wide")}


def hits(rule: str, times: int) -> tuple[int, list[str]]:
    """How many mutations were made, and those that the rule did not see."""
    r = random.Random(rule)
    made, missed = 0, []
    for _ in range(30 * times):
        if made == times:
            break
        plan = copy.deepcopy(r.choice(plans()))
        mutation = r.choice(MUTATIONS[rule])
        if mutation(r, plan):
            made += 1
            if rule not in found(plan):
                missed.append(f"{mutation.__name__} on {plan['project']['name']}")
    return made, missed


def test_every_rule_has_a_mutation_that_breaks_it():
    assert {rule.id for rule in RULES} == MUTATIONS.keys()


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_a_plan_that_breaks_a_rule_gets_its_finding(rule):
    made, missed = hits(rule, 8)
    assert made == 8, "too few plans of the gallery can be broken this way"
    assert not missed


@pytest.mark.fuzz
@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_nearly_all_of_many_mutations_are_seen(rule, record_property):
    made, missed = hits(rule, 200)
    if missed:
        record_property("figure", f"{rule}: {len(missed)} of {made} missed")
    assert made == 200
    assert len(missed) <= (1 - SHARE) * made, missed


def test_the_gallery_itself_gets_no_finding_that_a_mutation_would_bring():
    for plan in plans():
        grave = [
            finding for finding in judge(load_text(text(plan)), "wide") if finding.level in ("warn", "unknown", "fail")
        ]
        assert not grave


def places(value, path=()):
    """Every place in plain data."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def damage(r: random.Random, plan: Plan) -> None:
    """Drop a value somewhere, ask a question instead, or empty it."""
    *way, last = r.choice(list(places(plan)))
    here = plan
    for step in way:
        here = here[step]
    what = r.choice(["drop", "unknown", "empty"])
    if what == "drop":
        del here[last]
    elif what == "unknown":
        here[last] = {"unknown": "What is it?", "owner": "me", "due": "2027-01-01"}
    else:
        here[last] = type(here[last])() if isinstance(here[last], dict | list) else here[last]


def judged_without_a_fault(seed: int) -> bool:
    """Whether a damaged plan could still be read; then it was judged as well."""
    r = random.Random(seed)
    plan = copy.deepcopy(r.choice(plans()))
    for _ in range(r.randint(1, 4)):
        damage(r, plan)
    try:
        spec = load_text(text(plan))
    except SpecError:
        return False
    for finding in judge(spec, "wide"):
        assert finding.what
        assert finding.advice
    questions(spec)
    verdict(spec)
    return True


def test_a_damaged_plan_is_refused_or_judged_never_a_fault_of_ours():
    assert sum(judged_without_a_fault(seed) for seed in range(60)) > 10


@pytest.mark.fuzz
def test_thousands_of_damaged_plans():
    assert sum(judged_without_a_fault(seed) for seed in range(4000)) > 500
