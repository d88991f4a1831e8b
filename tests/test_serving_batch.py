"""A batch is decided as a whole: what all cases share is kept to exactly."""

from __future__ import annotations

import csv
import io
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import served

from drivetrain import decision, evidence, load_spec, policy
from drivetrain.errors import DataError, PolicyError, ServiceError
from drivetrain.serving import batch
from drivetrain.serving.batching import decide
from drivetrain.serving.engine import Engine
from drivetrain.serving.limits import Limits
from drivetrain.serving.log import read
from drivetrain.serving.rollout import State
from drivetrain.serving.steering import steer

CAPACITY = "optimizer: {constraints: [{name: budget, measure: \"sum(grant == 'yes')\", at_most: 30}]}\n"
PLAN = served.LOAN_PLAN.replace(
    "levers:\n", "decision: {unit: loan, batch: {every: 1 week, cases: 1000}}\nlevers:\n"
).replace("deployment:", CAPACITY + "deployment:")


def loans(count: int, seed: int = 1) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "amount": round(float(rng.uniform(200, 4000)), 2),
            "income": round(float(rng.normal(3500, 600)), 2),
            "home": str(rng.choice(["rent", "own"])),
        }
        for _ in range(count)
    ]


def gain(case: dict[str, Any]) -> float:
    """What lending is worth, by hand."""
    repaid = 1 / (1 + math.exp(-(case["income"] / 1000 + 2 * (case["home"] == "own"))))
    return float(repaid * 0.1 * case["amount"] - (1 - repaid) * case["amount"])


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(project: Path, given: Path, output: Path) -> list[dict[str, Any]]:
    batch(load_spec(project), decision.optimize, [str(given), "-o", str(output)])
    if output.suffix == ".parquet":
        return list(pq.read_table(output).to_pylist())
    with output.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_capacity_goes_to_those_who_are_worth_it_most(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = served.lender(tmp_path / "p", PLAN)
    cases = loans(400)
    rows = run(project, write_csv(tmp_path / "new.csv", cases), tmp_path / "out.csv")
    best = sorted(range(400), key=lambda row: -gain(cases[row]))[:30]
    assert sum(gain(case) > 0 for case in cases) > 100
    assert {row for row, found in enumerate(rows) if found["setting"] == "yes"} == set(best)
    assert "400 decisions: no 370, yes 30." in capsys.readouterr().out
    assert [float(found["amount"]) for found in rows] == [case["amount"] for case in cases]
    moved = [found for row, found in enumerate(rows) if gain(cases[row]) > 0 and row not in best]
    assert moved
    assert all("would use too much of what all cases share" in found["reasons"] for found in moved)
    records = list(read(project / "log"))
    assert [record["decision"] for record in records] == [found["decision"] for found in rows]


def test_without_a_constraint_a_batch_answers_as_the_service_does(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p")
    cases = loans(300, seed=2)
    path = tmp_path / "new.parquet"
    pq.write_table(pa.Table.from_pylist(cases), path)
    rows = run(project, path, tmp_path / "out.parquet")
    answers = Engine.open(load_spec(project)).decide(cases)
    assert [row["setting"] for row in rows] == [answer["setting"] for answer in answers]
    assert [row["value"] for row in rows] == pytest.approx([answer["value"] for answer in answers])


def test_an_export_with_names_of_its_own_and_semicolons_is_a_batch_as_it_is_a_source(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p")
    cases = loans(20, seed=3)
    odd = [{"Amount": c["amount"], "Income": c["income"], "HOME ": c["home"], "Remark": "a\nb"} for c in cases]
    lines = io.StringIO()
    writer = csv.DictWriter(lines, odd[0].keys(), delimiter=";")
    writer.writeheader()
    writer.writerows(odd)
    (tmp_path / "odd.csv").write_text(lines.getvalue(), encoding="utf-8-sig")
    pq.write_table(pa.Table.from_pylist(odd), tmp_path / "odd.parquet")
    answers = [answer["setting"] for answer in Engine.open(load_spec(project)).decide(cases)]
    assert len(set(answers)) > 1
    for name in ("odd.csv", "odd.parquet"):
        rows = run(project, tmp_path / name, tmp_path / "out.csv")
        assert [row["setting"] for row in rows] == answers
        assert [row["HOME "] for row in rows] == [case["home"] for case in cases]


def test_rows_that_are_no_cases_are_left_to_people_and_the_rest_is_decided(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p", PLAN)
    cases: list[dict[str, Any]] = [
        *loans(50),
        {"amount": "much", "income": "1", "home": "own"},
        {"amount": "", "income": "5000", "home": "own"},
        {"amount": "1e9", "income": "5000", "home": "own"},
        {"amount": "500", "income": "5000", "home": "castle"},
        {"amount": "500", "income": "", "home": "own"},
    ]
    rows = run(project, write_csv(tmp_path / "new.csv", cases), tmp_path / "out.csv")
    assert [row["setting"] for row in rows[50:54]] == ["defer"] * 4
    assert "amount: is a text, not a number" in rows[50]["reasons"]
    assert "amount is not known" in rows[51]["reasons"]
    assert "above 5000" in rows[52]["reasons"]
    assert "none of rent, own" in rows[53]["reasons"]
    assert rows[54]["setting"] in ("yes", "no")
    assert sum(row["setting"] == "yes" for row in rows) == 30


def test_what_is_drawn_by_lot_counts_against_the_capacity(tmp_path: Path) -> None:
    plan = served.staged(PLAN, "wide", scope="100 % of loans", exploration="{share: 0.1}")
    engine = Engine.open(load_spec(served.lender(tmp_path / "p", plan)), Limits())
    found = decide(engine, State(1.0), loans(300), decision.optimize, random.Random(3))
    records = [one.record for one in found if one.record is not None]
    explored = [record for record in records if record["explored"]]
    assert 15 <= len(explored) <= 50
    assert any(record["setting"] == "yes" and record["explored"] for record in records)
    assert sum(record["setting"] == "yes" for record in records) == 30
    assert all(record["propensity"] in (pytest.approx(0.95), pytest.approx(0.05)) for record in records)


def test_the_propensity_is_that_of_what_the_batch_would_have_chosen(tmp_path: Path) -> None:
    """A loan that is worth granting alone and not among thirty better ones has a small chance to be granted."""
    plan = served.staged(PLAN, "wide", scope="100 % of loans", exploration="{share: 0.1}")
    engine = Engine.open(load_spec(served.lender(tmp_path / "p", plan)), Limits())
    cases = loans(300)
    best = set(sorted(range(300), key=lambda row: -gain(cases[row]))[:30])
    near = set(sorted(range(300), key=lambda row: -gain(cases[row]))[5:60])
    seen = set()
    for seed in range(4):
        found = decide(engine, State(1.0), cases, decision.optimize, random.Random(seed))
        for row, one in enumerate(found):
            assert one.record is not None
            if row in near and not one.record["explored"]:
                continue  # moved by what the lot took or left free
            likely = one.record["setting"] == ("yes" if row in best else "no")
            assert one.record["propensity"] == pytest.approx(0.95 if likely else 0.05)
            assert not one.record["explored"] or one.record["chosen"] == ("yes" if row in best else "no")
            seen.add((gain(cases[row]) > 0, one.record["setting"], one.record["explored"]))
        assert sum(one.record["setting"] == "yes" for one in found if one.record) == 30
    assert (True, "yes", True) in seen


def test_nothing_is_drawn_by_lot_where_nobody_acts_on_it(tmp_path: Path) -> None:
    for stage in ("model", "parallel"):
        plan = served.staged(PLAN, stage, exploration="{share: 1.0}")
        engine = Engine.open(load_spec(served.lender(tmp_path / stage, plan)), Limits())
        cases = loans(200)
        best = sorted(range(200), key=lambda row: -gain(cases[row]))[:30]
        found = decide(engine, State(1.0), cases, decision.optimize, random.Random(1))
        assert {row for row, one in enumerate(found) if one.answer["recommendation"] == "yes"} == set(best)
        assert all(one.record is not None and not one.record["explored"] for one in found)
        assert {one.record["propensity"] for one in found if one.record} == {1.0}


def test_the_lot_keeps_to_the_settings_that_the_log_has_shown(tmp_path: Path) -> None:
    options = 'options: ["no", half, "yes"]'
    plan = served.LOAN_PLAN.replace('options: ["no", "yes"]', options)
    project = served.lender(tmp_path / "p", served.staged(plan, "wide", exploration="{share: 1.0}"))
    for shown in (["no", "half", "yes"], ["no", "yes"]):
        spec = load_spec(project)
        before = policy.read(project / "artifacts/policy.json")
        made = policy.written(before.settings, {}, before.plan, before.artifacts, seen={"grant": tuple(shown)})
        path = policy.write(project, made)
        digests = {**before.artifacts, "policy.json": evidence.file_digest(path)}
        evidence.record(project, "decide", {}, reads={}, data={}, artifacts=digests)
        found = decide(Engine.open(spec), State(1.0), loans(300), decision.optimize, random.Random(2))
        assert {one.answer["setting"] for one in found} == set(shown)
        assert all(one.record and one.record["propensity"] == pytest.approx(1 / len(shown)) for one in found)


def test_a_batch_whose_actions_are_not_what_was_judged_is_not_acted_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = served.lender(tmp_path / "p", served.staged(served.LOAN_PLAN, "wide", scope="100 % of loans"))
    found = evidence.read(project, "decide")
    assert found is not None
    result = {"cases": 2000, "policies": [{"name": "optimized", "shares": {"yes": 0.1, "no": 0.9}}]}
    evidence.record(project, "decide", result, reads={}, data={}, artifacts=found.artifacts)
    given = write_csv(tmp_path / "new.csv", loans(300))
    rows = run(project, given, tmp_path / "out.csv")
    assert sum(gain(case) > 0 for case in loans(300)) > 100
    assert {row["status"] for row in rows} == {"recorded"}
    assert {row["setting"] for row in rows} == {"no"}
    assert rows[0]["reasons"].startswith("paused: alarm: no is chosen less often than expected")
    assert "alarm: yes is chosen more often" in capsys.readouterr().err
    assert {record["setting"] for record in read(project / "log") if record["kind"] == "alarm"} == {"yes", "no"}
    steer(load_spec(project), ["resume"])
    few = run(project, write_csv(tmp_path / "few.csv", loans(50)), tmp_path / "out.csv")
    assert {row["status"] for row in few} == {"act"}, "fifty cases say nothing about rates"


def test_a_batch_obeys_the_stage(tmp_path: Path) -> None:
    for stage, status in (("parallel", "recorded"), ("limited", "waiting")):
        project = served.lender(tmp_path / stage, served.staged(PLAN, stage))
        rows = run(project, write_csv(tmp_path / "new.csv", loans(5)), tmp_path / "out.csv")
        assert {row["status"] for row in rows} == {status}
        assert {row["setting"] for row in rows} == {"no" if stage == "parallel" else "defer"}


def test_a_folder_of_pictures_is_a_batch(tmp_path: Path) -> None:
    project = served.lamp(tmp_path / "p")
    folder = tmp_path / "new"
    (folder / "a").mkdir(parents=True)
    for name, content in (("a/1.png", served.png(0)), ("b.png", served.png(255)), ("c.png", b"no picture")):
        (folder / name).write_bytes(content)
    rows = run(project, folder, tmp_path / "out.csv")
    assert [row["setting"] for row in rows] == ["on", "off", "defer"]
    assert [row["file"] for row in rows] == ["a/1.png", "b.png", "c.png"]
    assert "not an image" in rows[2]["reasons"]


def test_pictures_of_a_batch_are_kept_for_those_who_approve_and_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = served.lamp(tmp_path / "p", served.staged(served.LIGHT_PLAN, "limited"))
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "a.png").write_bytes(served.png(0))
    [row] = run(project, folder, tmp_path / "out.csv")
    assert (row["status"], row["recommendation"]) == ("waiting", "on")
    with served.client(project, monkeypatch) as client:
        [waiting] = client.get("/approvals/waiting").json()["results"]
        assert waiting["decision"] == row["decision"]
        assert client.get(f"/approvals/{row['decision']}/image").content == served.png(0)


def test_decisions_that_cannot_be_written_are_not_logged(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p")
    given = write_csv(tmp_path / "new.csv", loans(5))
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="cannot be written"):
        run(project, given, tmp_path / "file" / "out.csv")
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(ServiceError, match="cannot be written"):
        run(project, given, tmp_path / "out.csv")
    assert list((project / "log").glob("*")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "new.csv", "out.csv", "p"]


def test_a_table_may_name_pictures_beside_it(tmp_path: Path) -> None:
    project = served.lamp(tmp_path / "p")
    (tmp_path / "dark.png").write_bytes(served.png(0))
    given = write_csv(tmp_path / "new.csv", [{"image": "dark.png", "note": "kept out of the case"}])
    [row] = run(project, given, tmp_path / "out.csv")
    assert (row["image"], row["note"], row["setting"]) == ("dark.png", "kept out of the case", "on")
    lost = write_csv(tmp_path / "new.csv", [{"image": "dark.png"}, {"image": "lost.png"}])
    rows = run(project, lost, tmp_path / "out.csv")
    assert [(row["image"], row["setting"]) for row in rows] == [("dark.png", "on"), ("lost.png", "defer")]
    pq.write_table(pa.table({"number": [7], "image": [served.png(255)], "tags": [["a"]]}), tmp_path / "new.parquet")
    [row] = run(project, tmp_path / "new.parquet", tmp_path / "out.parquet")
    assert (row["number"], row["setting"], "image" in row, "tags" in row) == (7, "off", False, False)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("nowhere.csv", DataError, "is missing"),
        ("empty.csv", DataError, "empty"),
        ("new.txt", DataError, "neither .csv nor .parquet"),
        ("bytes.csv", DataError, "cannot be read"),
        ("bytes.parquet", DataError, "cannot be read"),
        (".", DataError, "no files"),
    ],
)
def test_an_input_that_cannot_be_read_is_named_and_nothing_is_written(
    tmp_path: Path, given: str, error: type[Exception], message: str
) -> None:
    project = served.lender(tmp_path / "p")
    (tmp_path / "empty.csv").write_text("amount,income,home\n")
    (tmp_path / "new.txt").write_text("x")
    (tmp_path / "bytes.csv").write_bytes(b"amount\n\xff\xfe\x00\n")
    (tmp_path / "bytes.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(error, match=message if message != "empty" else "holds no case"):
        run(project, tmp_path / given, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    assert not (project / "log").exists()
    with pytest.raises(ServiceError, match=r"\.csv or \.parquet"):
        run(project, tmp_path / given, tmp_path / "out.xlsx")


def test_constraints_that_nothing_can_keep_to_write_nothing(tmp_path: Path) -> None:
    plan = PLAN.replace("at_most: 30", "at_least: 5000")
    project = served.lender(tmp_path / "p", plan)
    with pytest.raises(PolicyError, match="budget"):
        run(project, write_csv(tmp_path / "new.csv", loans(20)), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
