"""A plan is read whole: parts, defaults, short forms, open questions, and what can be asked of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from drivetrain.errors import MissingPartError, SpecError
from drivetrain.spec import OpenQuestion, Spec, dump, load_spec, load_text, seconds
from drivetrain.spec.levers import Confident, FormulaPolicy, IntegerLever, OptionsLever, RangeLever, RankingLever
from drivetrain.spec.lookup import slug

PLANS = Path(__file__).parent / "golden" / "plans"
ALL = sorted(PLANS.glob("*.yaml"))
DRAFT = """
drivetrain: 1
project: {name: Draft}
objective: {statement: Fewer letters go astray.}
"""


def plan(name: str) -> Spec:
    return load_spec(next(path for path in ALL if name in path.name))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_plan_loads_and_survives_being_written(path: Path) -> None:
    spec = load_spec(path)
    assert spec.findings() == []
    assert load_text(dump(spec)) == spec


def test_the_shortest_plan_is_a_dozen_lines_and_all_else_has_its_default() -> None:
    path = PLANS / "00-shortest.yaml"
    assert len(path.read_text().splitlines()) <= 12
    spec = load_spec(path)
    assert spec.stage == "plan"
    (lever,) = spec.levers
    assert isinstance(lever, OptionsLever)
    assert list(lever.options) == ["on", "off"], "on and off are text in YAML 1.2"
    model = spec.model("spotter")
    assert (model.architecture, model.image.size, model.image.resize) == ("resnet18", 224, "crop")
    assert (model.training.epochs, model.training.freeze_epochs, model.training.learning_rate) == (4, 1, "auto")
    assert (model.training.schedule, model.training.pretrained, model.training.batch_size) == ("fine_tune", True, 64)
    assert model.augment != "none"
    assert (model.augment.flip, model.augment.rotate, model.augment.p) == (True, 10, 0.75)
    assert (model.calibration, model.distribution, model.predicts) == ("temperature", "empirical", ["bear"])
    source = spec.source("photos")
    assert (source.split.validation, source.split.test, source.split.seed) == (0.2, 0.2, 42)
    assert source.outcomes["bear"].delay == "0 days"
    assert spec.deployment is None
    assert spec.decision is None


def test_defaults_of_parts_that_the_plan_names_without_values() -> None:
    spec = load_text(
        DRAFT
        + """
decision: {}
levers: [{name: a, type: integer, minimum: 0, maximum: 9}]
data: [{name: d, kind: table, location: d.csv, outcomes: {y: {column: y, type: binary, affected_by: []}}}]
models: [{name: m, task: text-classification, predicts: y, data: d}, {name: t, task: table-classification, predicts: y}]
simulator: {}
optimizer: {}
deployment: {serve: [api]}
maintenance: {owner: me, retrain_when: []}
""".replace("kind: table", "kind: text")
    )
    assert spec.decision is not None
    assert spec.decision.mode == "assist"
    assert spec.model("m").architecture == "AWD_LSTM"
    assert (spec.model("t").architecture, spec.model("t").layers) == (None, [200, 100])
    assert spec.simulator is not None
    assert (spec.simulator.draws, spec.simulator.seed, spec.simulator.scenarios) == (256, 42, [])
    assert spec.optimizer is not None
    assert (spec.optimizer.risk, spec.optimizer.extrapolate, spec.optimizer.constraints) == ("expected", False, [])
    assert spec.deployment is not None
    assert spec.deployment.guards.out_of_domain.false_alarms == 0.01
    assert spec.deployment.guards.out_of_domain.score == "energy"
    assert spec.deployment.monitoring.action_rate_change == 2.0
    lever = spec.lever("a")
    assert isinstance(lever, IntegerLever)
    assert (lever.step, lever.cost) == (1, "0")


def test_levers_and_policies_of_every_type() -> None:
    bin_ = plan("01").lever("bin")
    assert isinstance(bin_, OptionsLever)
    assert bin_.options["manual"].cost == 0.30
    assert bin_.policies.simple_rule == Confident.model_validate(
        {"confident": "digit", "at_least": 0.5, "else": "manual"}
    )
    price = plan("02").lever("price")
    assert isinstance(price, RangeLever)
    assert isinstance(price.policies.simple_rule, FormulaPolicy)
    shelf = plan("04").lever("shelf")
    assert isinstance(shelf, RankingLever)
    assert (shelf.of, shelf.slots, shelf.policies.do_nothing) == ("books", 5, "0")


def test_short_forms_mean_the_long_ones() -> None:
    spec = plan("04")
    assert spec.source("visits").columns["device"].type == "category"
    assert spec.source("impressions").join[0].on == "visit_id"
    assert plan("08").require("objective.constants.needless").value == 1.0
    assert plan("02").require("deployment.serve")[0].kind == "api"


def test_an_unknown_is_lifted_out_so_that_the_field_is_plain() -> None:
    spec = plan("08")
    measure = spec.require("objective.measure")
    assert measure.current is None
    assert measure.unknown["current"].unknown == "How long do people wait today?"
    assert spec.unknowns[0] == OpenQuestion(
        "objective.measure.current", "How long do people wait today?", "clinic partner", date(2027, 1, 31)
    )
    assert "missed" not in spec.require("objective").constants
    assert "constants.missed" in spec.require("objective").unknown
    assert len(spec.unknowns) == 6


def test_an_unknown_with_a_default_counts_as_its_default_and_stays_a_question() -> None:
    question = "{unknown: How long?, owner: me, due: 2027-01-01}"
    text = (PLANS / "01-mail-sorting.yaml").read_text()
    text = text.replace("image: {size: 64, resize: squish}", f"training: {{epochs: {question}}}")
    spec = load_text(text)
    assert spec.model("digit_reader").training.epochs == 4
    assert [q.path for q in spec.unknowns] == ["models.digit_reader.training.epochs"]


def test_a_whole_item_of_a_list_may_be_unknown() -> None:
    text = DRAFT + "levers: [{name: a, type: options, options: [x, {unknown: Else?, owner: me, due: 2027-01-01}, z]}]"
    spec = load_text(text)
    assert list(spec.lever("a").options) == ["x", "z"]
    assert [q.path for q in spec.unknowns] == ["levers.a.options[1]"]
    assert load_text(dump(spec)) == spec


def test_absent_unknown_and_none_on_purpose_are_three_things() -> None:
    absent = load_text(DRAFT)
    none = load_text(DRAFT.replace("astray.}", "astray., proxies: [], guardrails: []}"))
    asked = load_text(DRAFT.replace("astray.}", "astray., guardrails: {unknown: Which?, owner: me, due: 2027-01-01}}"))
    objectives = [spec.require("objective") for spec in (absent, none, asked)]
    assert [objective.guardrails for objective in objectives] == [[], [], []]
    assert ["guardrails" in objective.model_fields_set for objective in objectives] == [False, True, False]
    assert ["guardrails" in objective.unknown for objective in objectives] == [False, False, True]
    assert "guardrails: []" in dump(none)
    assert "guardrails" not in dump(absent)


def test_require_gives_the_part_or_names_the_first_that_is_missing() -> None:
    spec = plan("08")
    objective, levers = spec.require("objective", "levers")
    assert objective.statement.startswith("People")
    assert levers[0].name == "advice"
    with pytest.raises(MissingPartError, match="models"):
        spec.require("objective", "models", "deployment")
    with pytest.raises(MissingPartError, match=r"objective\.measure\.current.*How long do people wait today\?"):
        spec.require("objective.measure.current")
    with pytest.raises(MissingPartError, match=r"decision\.batch"):
        spec.require("decision.batch")
    assert plan("01").require("decision.batch.cases") == 40000


def test_parts_are_found_by_name_and_a_misspelt_one_gets_the_nearest() -> None:
    spec = plan("02")
    assert spec.outcome("accept").type == "binary"
    assert spec.outcome_source("claims").name == "policies"
    assert spec.case_source.name == "quotes"
    for ask, near in ((spec.lever, "price"), (spec.source, "quotes"), (spec.model, "loyalty"), (spec.outcome, "renew")):
        with pytest.raises(SpecError, match=f"`{near}`"):
            ask(near[:-1] + "x")
    with pytest.raises(SpecError, match="There are"):
        spec.model("zzz")


def test_the_only_source_is_the_case_table_and_of_several_one_must_be_named() -> None:
    assert plan("00").case_source.name == "photos"
    text = DRAFT + "levers: []\ndata: [{name: a, kind: table, location: a}, {name: b, kind: table, location: b}]"
    with pytest.raises(MissingPartError, match=r"decision\.cases"):
        _ = load_text(text).case_source


def test_what_stands_at_a_path_is_plain_data_with_defaults() -> None:
    spec = plan("01")
    assert spec.at("models.digit_reader.training")["epochs"] == 4
    assert spec.at("models[0].image.size") == 64
    assert spec.at("objective.constants.wrong_bin.value") == 4.0
    assert spec.at("data.letters.collected.from") == "2025-01-01"
    assert spec.at("levers.bin.policies.simple_rule.else") == "manual"
    assert spec.at("nothing.here") is None
    assert plan("08").at("objective.constants.missed")["owner"] == "dermatologist"


def test_a_digest_changes_with_the_value_and_with_nothing_else() -> None:
    text = (PLANS / "01-mail-sorting.yaml").read_text()
    before = load_text(text)
    typo = load_text(text.replace("late mail", "later mail").replace("  # harmless", "  # quite harmless"))
    cost = load_text(text.replace("value: 4.00", "value: 5.00"))
    default = load_text(text.replace("split: {by: random, validation: 0.2, test: 0.2}", "split: {by: random}"))
    for path in ("objective.value", "data.letters.split", "models.digit_reader"):
        assert before.digest(path) == typo.digest(path) == default.digest(path)
    assert before.digest("objective.affected") != typo.digest("objective.affected")
    assert before.digest("objective.constants") != cost.digest("objective.constants")
    assert before.digest("models") == cost.digest("models")


def test_the_file_is_found_here_above_or_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drivetrain.yaml").write_text(DRAFT)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    for spec in (load_spec(), load_spec(tmp_path), load_spec(tmp_path / "drivetrain.yaml")):
        assert spec.root == tmp_path.resolve()
        assert (spec.slug, spec.package) == ("draft", "draft")
    with pytest.raises(SpecError, match="no such file"):
        load_spec(tmp_path / "other.yaml")


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Mail sorting", "mail-sorting"),
        ("Über-Mail (2)", "uber-mail-2"),
        ("2 fast", "project-2-fast"),
        ("日本語", "project"),
        ("Test", "test-project"),
        ("CON", "con-project"),
        ("json", "json-project"),
        ("class", "class-project"),
        ("../../etc/passwd", "etc-passwd"),
        ("a" * 99, "a" * 50),
    ],
)
def test_a_slug_is_a_name_that_folders_and_packages_can_have(name: str, made: str) -> None:
    assert slug(name) == made
    assert made.replace("-", "_").isidentifier()


def test_durations_are_seconds() -> None:
    assert seconds("1 day") == 86400
    assert seconds("2 weeks") == 14 * 86400
    assert seconds("1 year") == 12 * seconds("1 month")
    assert seconds("1.5 hours") == 5400
    with pytest.raises(ValueError, match="30 days"):
        seconds("thirty days")


def test_a_plan_is_built_and_changed_in_python() -> None:
    from drivetrain.spec.objective import Measure, Objective, Project
    from drivetrain.spec.part import Unknown

    asked = Unknown(unknown="How many?", owner="me", due="2027-01-01")
    spec = Spec(
        drivetrain=1,
        project=Project(name="By hand"),
        objective=Objective(statement="Less waste.", measure=Measure(name="waste", unit=asked, direction="minimize")),
    )
    assert spec.unknowns[0].path == "objective.measure.unit"
    assert load_text(dump(spec)) == spec
    changed = plan("01").changed({"objective.constants.wrong_bin.value": 5.0, "models.digit_reader.training.epochs": 2})
    assert changed.require("objective.constants.wrong_bin").value == 5.0
    assert changed.model("digit_reader").training.epochs == 2
    with pytest.raises(SpecError, match=r"manul.*Did you mean `manual`"):
        plan("01").changed({"levers.bin.policies.do_nothing": "manul"})
    with pytest.raises(SpecError, match="leads nowhere"):
        plan("01").changed({"levers.bim.owner": "x"})
