"""What was served becomes the data that the next model learns from."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import served

from drivetrain import load_spec, source
from drivetrain.errors import ServiceError
from drivetrain.serving import harvest, steer
from drivetrain.serving.desk import Desk
from drivetrain.serving.limits import Limits, Refused
from drivetrain.serving.metrics import Metrics

LOGGED = """    time: asked_at
    columns:
      granted: {type: category, role: logged}
      p_granted: {type: number, role: logged}
      in_test: {type: boolean, role: logged}
"""
HISTORY = "history: {kind: randomised, data: loans, column: granted, propensity: p_granted, rows: in_test}"
PLAN = (
    served.LOAN_PLAN.replace("    columns:\n", LOGGED)
    .replace("location: data/loans.csv", "location: data/served.parquet")
    .replace('fallback: "no"}}', f'fallback: "no"}}, {HISTORY}}}')
)


def loan(**changes: Any) -> dict[str, Any]:
    return {"amount": 1000.0, "income": 3000.0, "home": "own"} | changes


def desk_at(folder: Path, stage: str, plan: str = PLAN, **deployment: str) -> Desk:
    return Desk(served.lender(folder, served.staged(plan, stage, **deployment)), Limits(), Metrics())


def test_explored_decisions_become_rows_that_the_plan_reads_with_true_propensities(tmp_path: Path) -> None:
    desk = desk_at(tmp_path / "p", "wide", scope="100 % of loans", exploration="{share: 0.4}")
    rng = np.random.default_rng(1)
    answers = [desk.decide([loan(amount=float(a))])[0] for a in rng.uniform(200, 4000, 120)]
    desk.feedback([{"decision": a["decision"], "repaid": bool(rng.random() < 0.7)} for a in answers[:100]])
    project = tmp_path / "p"
    harvest(load_spec(project), [])
    spec = load_spec(project)
    rows = source.cases(spec)
    assert rows.num_rows == 100
    assert set(rows["granted"].to_pylist()) == {"yes", "no"}
    wanted = {"yes": 0.8, "no": 0.2}
    assert rows["p_granted"].to_pylist() == pytest.approx([wanted[s] for s in rows["granted"].to_pylist()])
    assert rows["granted"].to_pylist() == [answer["setting"] for answer in answers[:100]]
    assert all(rows["in_test"].to_pylist())
    assert rows["repaid"].null_count == 0
    harvest(load_spec(project), ["--all"])
    assert source.cases(load_spec(project)).num_rows == 120


def test_what_people_did_has_no_propensity(tmp_path: Path) -> None:
    desk = desk_at(tmp_path / "p", "limited", exploration="{share: 0.4}")
    approved, changed, ignored = desk.decide([loan(), loan(), loan()])
    other = "no" if changed["recommendation"] == "yes" else "yes"
    desk.approve(
        [
            {"decision": approved["decision"], "setting": approved["recommendation"], "by": "Ada"},
            {"decision": changed["decision"], "setting": other, "by": "Ada"},
        ]
    )
    desk.feedback([{"decision": a["decision"], "repaid": True} for a in (approved, changed, ignored)])
    harvest(load_spec(tmp_path / "p"), [])
    rows = pq.read_table(tmp_path / "p/data/served.parquet").to_pylist()
    assert [row["granted"] for row in rows] == [approved["recommendation"], other, None]
    assert [row["p_granted"] for row in rows] == [None, None, None]
    assert [row["in_test"] for row in rows] == [False, False, False]


def test_what_was_really_done_counts_and_outcomes_may_come_one_by_one(tmp_path: Path) -> None:
    desk = desk_at(tmp_path / "p", "wide", scope="100 % of loans", exploration="{share: 0.4}")
    [answer] = desk.decide([loan()])
    other = "no" if answer["setting"] == "yes" else "yes"
    desk.feedback([{"decision": answer["decision"], "repaid": False}])
    desk.feedback([{"decision": answer["decision"], "repaid": True, "grant": other}])
    harvest(load_spec(tmp_path / "p"), [])
    [row] = pq.read_table(tmp_path / "p/data/served.parquet").to_pylist()
    assert (row["granted"], row["back"], row["p_granted"], row["in_test"]) == (other, True, None, False)


def test_in_parallel_todays_way_is_what_was_done(tmp_path: Path) -> None:
    desk = desk_at(tmp_path / "p", "parallel")
    [answer] = desk.decide([loan()])
    desk.feedback([{"decision": answer["decision"], "repaid": True}])
    harvest(load_spec(tmp_path / "p"), [])
    [row] = pq.read_table(tmp_path / "p/data/served.parquet").to_pylist()
    assert (row["granted"], row["p_granted"]) == ("no", None)


def test_a_paused_service_drew_nothing(tmp_path: Path) -> None:
    desk = desk_at(tmp_path / "p", "wide", scope="100 % of loans", exploration="{share: 1.0}")
    steer(load_spec(tmp_path / "p"), ["pause"])
    desk._looked = float("-inf")
    [answer] = desk.decide([loan()])
    desk.feedback([{"decision": answer["decision"], "repaid": True}])
    harvest(load_spec(tmp_path / "p"), [])
    [row] = pq.read_table(tmp_path / "p/data/served.parquet").to_pylist()
    assert (row["granted"], row["in_test"]) == ("no", False)


def test_pictures_lie_in_the_folder_of_their_label(tmp_path: Path) -> None:
    project = served.lamp(tmp_path / "p", served.staged(served.LIGHT_PLAN, "parallel"))
    desk = Desk(project, Limits(), Metrics())
    dark, bright = desk.decide([{"image": served.png(0)}, {"image": served.png(255)}])
    with pytest.raises(ServiceError, match="--all"):
        harvest(load_spec(project), [])
    desk.feedback([{"decision": dark["decision"], "sky": "dark"}, {"decision": bright["decision"], "sky": "bright"}])
    harvest(load_spec(project), ["-o", str(project / "data/photos")])
    assert (project / f"data/photos/dark/{dark['decision']}.png").read_bytes() == served.png(0)
    rows = source.cases(load_spec(project))
    assert sorted(rows["sky"].to_pylist()) == ["bright", "dark"]


def test_a_mask_comes_back_as_a_picture_and_lies_beside_the_table(tmp_path: Path) -> None:
    """Its pixels are the numbers of their classes; anything else is refused, and what was recorded is its hash."""
    plan = served.LIGHT_PLAN.replace(
        "outcomes: {sky: {column: folder, values: [bright, dark, strange], affected_by: []}}",
        "outcomes: {sky: {column: folder, values: [bright, dark, strange], affected_by: []}, "
        "view: {column: outline, type: mask, values: [ground, hole], affected_by: []}}",
    )
    project = served.lamp(tmp_path / "p", plan)
    desk = Desk(project, Limits(), Metrics())
    [decision] = desk.decide([{"image": base64.b64encode(served.png(0)).decode()}])
    case = {"decision": decision["decision"], "view": base64.b64encode(served.png(1)).decode()}
    assert desk.feedback([case]) == [{"decision": decision["decision"], "recorded": True}]
    for wrong, reason in ((served.png(7), "value 7; classes are numbered 0 to 1"), (b"hole", "not an image")):
        with pytest.raises(Refused, match=reason):
            desk.feedback([case | {"view": base64.b64encode(wrong).decode()}])
    desk.log.close()
    harvest(load_spec(project), [])
    [row] = pq.read_table(project / "data/served/served.parquet").to_pylist()
    assert (project / row["outline"]).read_bytes() == served.png(1)
    assert row["outline"] == f"data/served/{decision['decision']}-view.png"
