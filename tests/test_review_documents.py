"""Documents rendered from the plan and its evidence: onboarding, checklist, model card, datasheet."""

from __future__ import annotations

import json
import re

import yaml
from huggingface_hub import ModelCard

from drivetrain import audit, evidence, review
from drivetrain.review.derived import CARD, CHECKLIST, ONBOARDING, SHEET
from drivetrain.spec import load_spec
from tests import fabricated

HOSTILE = "<script>alert(1)</script> [x](javascript:y) | `a` @all {{7*7}}"


def measured(root, **options):
    """The mail project with figures of its model."""
    spec, _ = fabricated.mail(root, **options)
    figures = {"held_out": {"cases": 60, "accuracy": 0.91, "auroc": 0.97, "recall": {"0": 0.9}}}
    evidence.record(
        root, "train", {"run": fabricated.RUN, "models": {"digit_reader": {"metrics": figures}}}, reads={},
        data=fabricated.fingerprints(spec), artifacts={"digit_reader": "1" * 64},
    )  # fmt: skip
    audit.run(spec)
    return load_spec(root)


def front_matter(card: str) -> dict:
    head = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert head
    return yaml.safe_load(head[1])


class TestModelCard:
    def test_its_front_matter_is_what_the_hub_reads(self, tmp_path):
        body = front_matter(review.model_card(measured(tmp_path)))
        assert body["library_name"] == "fastai"
        assert body["pipeline_tag"] == "image-classification"
        assert "drivetrain" in body["tags"]
        [entry] = body["model-index"]
        [result] = entry["results"]
        assert entry["name"] == "digit_reader"
        assert {m["type"]: m["value"] for m in result["metrics"]} == {"accuracy": 0.91, "roc_auc": 0.97}
        assert set(result["dataset"]) >= {"name", "type"}

    def test_a_plan_without_measurements_has_no_results(self, tmp_path):
        card = review.model_card(fabricated.project(tmp_path))
        assert "model-index" not in front_matter(card)
        assert "not measured yet" in card

    def test_it_shows_groups_gaps_and_what_decisions_are_worth(self, tmp_path):
        spec = measured(tmp_path)
        (tmp_path / "checklist.yaml").write_text(
            "items:\n  team: {status: no, owner: a, note: nobody from the depots was asked}\n", encoding="utf-8"
        )
        card = review.model_card(spec)
        for fact in ("north", "Known gap", "nobody from the depots", "EUR/letter", "works council", "0.91"):
            assert fact in card, fact

    def test_sample_data_and_stale_evidence_are_said_first(self, tmp_path):
        spec = measured(tmp_path)
        path = tmp_path / "evidence" / "train.json"
        body = json.loads(path.read_text(encoding="utf-8")) | {"synthetic": True, "reads": {"data": "0"}}
        path.write_text(json.dumps(body), encoding="utf-8")
        card = review.model_card(spec)
        assert "made from sample data" in card
        assert "Stale" in card
        assert "(sample data)" in front_matter(card)["model-index"][0]["results"][0]["dataset"]["name"]

    def test_hostile_names_stay_text_in_front_matter_and_body(self, tmp_path):
        text = fabricated.MAIL.replace("name: Mail sorting", f"name: {json.dumps(HOSTILE)}")
        text = text.replace("who: recipients", f"who: {json.dumps(HOSTILE)}")
        card = review.model_card(measured(tmp_path, text=text))
        assert HOSTILE in front_matter(card)["model-index"][0]["results"][0]["dataset"]["name"]
        assert not re.search(r"<script|(?<!\\)\]\(javascript", card.split("---\n", 2)[2])

    def test_hugging_face_reads_it(self, tmp_path):
        card = ModelCard(review.model_card(measured(tmp_path)))
        assert card.data.library_name == "fastai"
        assert [r.metric_value for r in card.data.eval_results] == [0.91, 0.97]


class TestDatasheet:
    def test_it_answers_in_the_order_of_a_datasheet(self, tmp_path):
        sheet = review.datasheet(measured(tmp_path))
        heads = re.findall(r"^### (.*)$", sheet, flags=re.MULTILINE)
        assert heads == ["Motivation", "Composition", "Collection", "Splits", "Uses", "Distribution", "Maintenance"]
        assert "scanner at depot 3" in sheet
        assert "*not said yet*" in sheet

    def test_open_questions_are_shown_with_their_owner(self, tmp_path):
        text = fabricated.MAIL.replace(
            "licence: CC BY 4.0", "licence: {unknown: Whose are they?, owner: Ann, due: 2027-01-31}"
        )
        assert "Whose are they? (Ann finds out by 2027" in review.datasheet(fabricated.project(tmp_path, text))

    def test_a_password_in_a_plan_is_not_passed_on(self, tmp_path):
        text = fabricated.MAIL.replace("location: data/letters", "location: s3://me:hunter22@bucket/letters")
        spec = fabricated.project(tmp_path, text)
        for shown in [
            *review.documents(spec).values(),
            *(review.render(review.build(spec), f) for f in review.FORMATS),
        ]:
            assert "hunter22" not in shown


class TestFreshness:
    def write(self, spec):
        (spec.root / "docs").mkdir()
        for name, text in review.documents(spec).items():
            (spec.root / name).write_text(text, encoding="utf-8", newline="\n")

    def test_rendered_twice_they_are_the_same(self, tmp_path):
        spec = measured(tmp_path)
        assert review.documents(spec) == review.documents(load_spec(tmp_path))

    def test_a_changed_plan_makes_them_stale(self, tmp_path):
        self.write(measured(tmp_path))
        text = (tmp_path / "drivetrain.yaml").read_text(encoding="utf-8")
        (tmp_path / "drivetrain.yaml").write_text(text.replace("line manager", "night manager"), encoding="utf-8")
        spec = load_spec(tmp_path)
        assert review.stale_documents(spec) == [ONBOARDING]

    def test_an_answer_makes_the_checklist_and_the_card_stale(self, tmp_path):
        spec = measured(tmp_path)
        self.write(spec)
        (tmp_path / "checklist.yaml").write_text("items:\n  team: {status: no, owner: a, note: n}\n", encoding="utf-8")
        assert set(review.stale_documents(spec)) >= {CHECKLIST, CARD}
        assert SHEET not in review.stale_documents(spec)

    def test_a_plan_without_a_project_gets_no_documents(self, tmp_path):
        spec = fabricated.project(tmp_path)
        assert review.stale_documents(spec) == []
