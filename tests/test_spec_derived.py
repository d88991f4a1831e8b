"""What follows from a plan: inputs, order, what reaches the objective and how, what a log can say."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.spec import Spec, load_spec, load_text
from drivetrain.spec.derived import Expectation, Uses

PLANS = sorted((Path(__file__).parent / "golden" / "plans").glob("*.yaml"))


def plan(number: str) -> Spec:
    return load_spec(next(path for path in PLANS if path.name.startswith(number)))


HEAD = "drivetrain: 1\nproject: {name: x}\nobjective: {statement: s, "


def test_classes_become_settings_behind_the_declared_ones() -> None:
    derived = plan("01").derived
    assert derived.settings("bin") == ["manual", *"0123456789"]
    assert derived.costs("bin")["manual"] == 0.30
    assert derived.costs("bin")["7"] == 0.02
    text = PLANS[1].read_text().replace("{manual: {cost: 0.30}}", "{manual: {}, '3': {cost: 9}}")
    costs = load_text(text).derived.costs("bin")
    assert (list(costs)[:3], costs["3"], costs["4"]) == (["manual", "3", "0"], 9, 0.02), (
        "a class that is declared stands once"
    )
    assert plan("02").derived.settings("price") == []


def test_the_default_source_of_a_models_rows() -> None:
    """The case table if the outcome's source is it or stands in its join, else that source."""
    insurance, books = plan("02").derived, plan("04").derived
    assert {name: insurance.model_data(name) for name in ("demand", "cost", "loyalty")} == dict.fromkeys(
        ("demand", "cost", "loyalty"), "quotes"
    )
    assert (books.model_data("taste_model"), books.model_data("sales")) == ("stars", "impressions")


TABLE = """
levers: [{name: price, type: range, minimum: 0, maximum: 9}, {name: offer, type: options, options: [a, b]}]
decision: {cases: t}
data:
  - name: t
    kind: table
    location: t.csv
    entity: who
    time: at
    weight: w
    columns:
      age: number
      band: category
      ok: boolean
      note: text
      file: path
      who: id
      at: time
      w: number
      key: number
      part: category
      label: number
      used: {type: category, role: logged}
      later: {type: number, known: after}
      kept: {type: number, use: audit}
    outcomes: {y: {column: label, type: binary, affected_by: [price, offer]}}
    join: [{data: u, on: key}]
    split: {by: part}
  - {name: u, kind: table, location: u.csv, columns: {size: number, key: number}}
models:
"""


def test_the_default_inputs_of_a_table_model_are_what_may_be_known() -> None:
    text = HEAD + "value: y}" + TABLE
    spec = load_text(text + "  - {name: m, task: table-classification, predicts: y}")
    assert spec.derived.model_inputs("m") == ["age", "band", "ok", "size", "price", "offer"]
    arms = load_text(text + "  - {name: m, task: table-classification, predicts: y, arms: offer}")
    assert arms.derived.model_inputs("m") == ["age", "band", "ok", "size", "price"]
    stated = load_text(text + "  - {name: m, task: table-classification, predicts: y, inputs: [ok]}")
    assert stated.derived.model_inputs("m") == ["ok"]


@pytest.mark.parametrize(
    ("number", "model", "inputs"),
    [
        ("00", "spotter", ["image"]),
        ("02", "cost", ["age", "region", "tenure"]),
        ("02", "demand", ["age", "age_band", "region", "tenure", "last_price", "tariff", "rival_price", "price"]),
        ("03", "leaving", ["tenure", "months_left", "margin_12m", "support_calls", "phone_consent"]),
        ("03", "annoyed", ["tenure", "months_left", "margin_12m", "support_calls", "phone_consent", "offer"]),
        ("04", "taste_model", ["user", "isbn"]),
        ("07", "router", ["subject", "body"]),
    ],
)
def test_inputs_of_the_plans(number: str, model: str, inputs: list[str]) -> None:
    assert plan(number).derived.model_inputs(model) == inputs


@pytest.mark.parametrize(
    ("kind", "task", "columns", "inputs"),
    [
        ("images", "image-classification", "", ["image"]),
        ("audio", "audio-classification", "", ["audio"]),
        ("text", "text-classification", "", ["text"]),
        (
            "text",
            "text-classification",
            "{title: text, body: text, late: {type: text, known: after}}",
            ["title", "body"],
        ),
        ("images+text", "image-text-classification", "{body: text}", ["image", "body"]),
        ("table", "image-classification", "{photo: image}", ["photo"]),
        ("series", "series-classification", "{x: number}", ["d"]),
    ],
)
def test_the_default_inputs_of_other_tasks(kind: str, task: str, columns: str, inputs: list[str]) -> None:
    about = f", columns: {columns}" if columns else ""
    source = (
        f"{{name: d, kind: {kind}, location: d{about}, outcomes: {{y: {{column: z, values: [a], affected_by: []}}}}}}"
    )
    models = f"[{{name: m, task: {task}, predicts: y}}]"
    spec = load_text(f"{HEAD}value: '1'}}\nlevers: []\ndata: [{source}]\nmodels: {models}")
    assert spec.derived.model_inputs("m") == inputs


def test_models_come_after_those_they_wait_for() -> None:
    assert plan("04").derived.model_order() == ["taste_model", "sales"]
    text = (
        PLANS[4]
        .read_text()
        .replace("  - {name: taste_model", "  - {name: last")
        .replace("task: ratings", "task: ratings")
    )
    assert load_text(text).derived.model_order() == ["last", "sales"]
    chain = """
levers: []
data: [{name: t, kind: table, location: t, columns: {x: number}, outcomes: {OUTCOMES}}]
models:
  - {name: third, task: table-regression, predicts: c, inputs: [b, a]}
  - {name: second, task: table-regression, predicts: b, inputs: [doubled]}
  - {name: first, task: table-regression, predicts: a, inputs: [x]}
""".replace("OUTCOMES", ", ".join(f"{y}: {{column: {y}{y}, type: number, affected_by: []}}" for y in "abc"))
    spec = load_text(HEAD + "terms: {doubled: a * 2}, value: c}" + chain)
    assert spec.derived.feeders("third") == ["second", "first"]
    assert spec.derived.model_order()[-1] == "third"


def test_what_a_formula_uses_terms_followed() -> None:
    derived = plan("02").derived
    assert derived.uses("value") == Uses(("expenses",), ("price",), (), ("accept", "claims", "renew"))
    assert plan("01").derived.uses("value") == Uses(("wrong_bin",), ("bin",), (), ("digit",))
    assert str(derived.expand("value")) == "where(period == 0, accept, renew) * (price - claims - expenses)"
    assert str(derived.expand("-mean(value)")).startswith("-mean(where(")


def test_a_lever_reaches_the_objective_through_the_value_or_an_outcome_of_it() -> None:
    insurance = plan("02").derived.reach("price")
    assert insurance.in_value
    assert insurance.through == ("accept", "renew")
    assert plan("01").derived.reach("bin").in_value
    text = PLANS[3].read_text().replace("value: (1 - churned) * margin_12m - cost(offer)", "value: 2 * margin_12m")
    assert not load_text(text).derived.reach("offer")
    through = PLANS[3].read_text().replace("* margin_12m - cost(offer)", "* margin_12m")
    reached = load_text(through).derived.reach("offer")
    assert (reached.in_value, reached.through, bool(reached)) == (False, ("churned",), True)


def test_what_a_model_is_for() -> None:
    insurance = plan("02").derived
    assert insurance.informs("demand")[:2] == ["objective.value", "objective.over_time.continues"]
    assert "objective.guardrails.market share" in insurance.informs("demand")
    assert insurance.informed_levers("cost") == ["price"]
    assert plan("04").derived.informs("taste_model") == ["models.sales"]
    assert plan("04").derived.informed_levers("taste_model") == ["shelf"]
    assert plan("03").derived.informs("annoyed") == ["objective.guardrails.complaints"]


def test_levers_upstream_of_an_outcome() -> None:
    assert plan("02").derived.upstream("accept") == ("price",)
    assert plan("02").derived.upstream("claims") == ()
    assert plan("03").derived.upstream("churned") == ("offer",)
    assert plan("04").derived.upstream("buy") == ("shelf",)
    assert plan("01").derived.upstream("digit") == ()


def test_how_each_expectation_is_taken() -> None:
    assert plan("01").derived.expectation() == Expectation("enumerate", 10, "10 combinations of classes")
    assert plan("03").derived.expectation().combinations == 2
    assert plan("02").derived.expectation().how == "means", "of degree one in accept, renew and claims"
    assert plan("04").derived.expectation("margin * buy").how == "enumerate"
    draws = load_text(PLANS[2].read_text().replace("margin: price - claims", "margin: price - max(claims, 100)"))
    assert draws.derived.expectation().how == "draws"
    many = ", ".join(f"y{i}: {{column: c{i}, values: [a, b, c, d], affected_by: []}}" for i in range(7))
    source = f"\nlevers: []\ndata: [{{name: t, kind: table, location: t, outcomes: {{{many}}}}}]"
    value = " + ".join(f"(y{i} == 'a')" for i in range(7))
    spec = load_text(f'{HEAD}value: "{value}"}}{source}')
    assert (spec.derived.expectation().how, spec.derived.expectation().combinations) == ("draws", 4**7)
    assert spec.derived.expectation("(y0 == 'a') * 2").combinations == 4


def test_an_outcome_that_feeds_another_model_rules_means_out() -> None:
    text = PLANS[4].read_text().replace("value: margin * buy", "value: margin * buy * taste")
    expectation = load_text(text).derived.expectation()
    assert expectation.how == "draws"


def test_sources_that_follow_the_split_of_the_cases() -> None:
    assert plan("04").derived.tied() == ["visits", "books", "impressions"]
    assert plan("02").derived.tied() == ["quotes", "policies"]
    assert plan("00").derived.tied() == ["photos"]


def test_what_is_derived_is_of_this_plan_and_not_of_the_one_it_was_copied_from() -> None:
    spec = plan("01")
    assert spec.derived.costs("bin")["manual"] == 0.30
    assert spec.at("levers.bin.options.manual.cost") == 0.30
    copy = spec.model_copy(update={"levers": spec.changed({"levers.bin.options.manual.cost": 0.5}).levers})
    assert copy.derived.costs("bin")["manual"] == 0.5
    assert copy.at("levers.bin.options.manual.cost") == 0.5
