"""Drift is found when it is there and not cried when it is not."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import served
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain import evidence, load_spec
from drivetrain.errors import DataError, ServiceError
from drivetrain.serving import drift
from drivetrain.serving.compare import compare, stability
from drivetrain.serving.desk import Desk
from drivetrain.serving.limits import Limits
from drivetrain.serving.metrics import Metrics
from drivetrain.serving.watch import watch

HOSTILE = "<script>alert(1)</script>"


def world(rng: np.random.Generator, count: int, shift: float = 0.0) -> dict[str, list[Any]]:
    """Thirty series of every kind; `shift` moves the first number and the first category."""
    found: dict[str, list[Any]] = {f"x{i}": rng.normal(shift * (i == 0), 1, count).tolist() for i in range(14)}
    found |= {f"z{i}": np.where(rng.random(count) < 0.6, 0, rng.exponential(1, count)).tolist() for i in range(6)}
    moved = 0.2 * bool(shift)
    first = [0.3 + moved, 0.3 - moved, 0.2, 0.15, 0.04, 0.01]
    for i in range(9):
        shares = first if i == 0 else [0.3, 0.3, 0.2, 0.15, 0.04, 0.01]
        found[f"c{i}"] = rng.choice(list("abcdef"), count, p=shares).tolist()
    found["gaps"] = [None if gone else 1.5 for gone in rng.random(count) < 0.1]
    return found


def test_a_stable_window_does_not_alarm_and_planted_drift_is_found() -> None:
    rng = np.random.default_rng(11)
    stable = sum(any(change.alarm for change in compare(world(rng, 500), world(rng, 400))) for _ in range(60))
    assert stable <= 3
    for _ in range(5):
        alarmed = {c.series for c in compare(world(rng, 500), world(rng, 400, shift=0.8)) if c.alarm}
        assert alarmed == {"x0", "c0"}


@pytest.mark.fuzz
def test_the_rate_of_false_alarms_over_many_stable_windows(record_property: Any) -> None:
    rng = np.random.default_rng(12)
    rates = {}
    for before, now in ((359, 200), (1000, 1000), (1000, 50), (300, 5000)):
        found = [any(c.alarm for c in compare(world(rng, before), world(rng, now))) for _ in range(500)]
        rates[before, now] = sum(found) / len(found)
    # At most 1 % by construction; three Monte-Carlo standard errors of 500 windows are 1.3 %.
    record_property("figure", f"{1 - max(rates.values()):.1%}")
    assert all(rate <= 0.05 for rate in rates.values()), rates


def test_values_that_vanish_are_a_change_of_their_own() -> None:
    rng = np.random.default_rng(3)
    now = world(rng, 400) | {"gaps": [None if gone else 1.5 for gone in rng.random(400) < 0.5]}
    assert [c.series for c in compare(world(rng, 500), now) if c.alarm] == ["gaps: missing"]


def test_a_tiny_difference_is_no_alarm_however_certain() -> None:
    rng = np.random.default_rng(4)
    [change] = compare({"x": rng.normal(0, 1, 50_000).tolist()}, {"x": rng.normal(0.1, 1, 50_000).tolist()})
    assert change.p < 1e-20
    assert not change.alarm


def test_the_stability_index_is_the_symmetric_sum_that_scorecards_use() -> None:
    before, now = np.array([500, 300, 200]), np.array([300, 300, 400])
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.3, 0.4])
    assert stability(before, now) == pytest.approx(float(sum((q - p) * np.log(q / p))), rel=5e-3)
    assert stability(before, now) == pytest.approx(stability(now, before))
    assert stability(before, before) == 0


@given(
    st.lists(st.none() | st.floats(-1e9, 1e9) | st.booleans() | st.text(max_size=3), max_size=80),
    st.lists(st.none() | st.floats(-1e9, 1e9) | st.booleans() | st.text(max_size=3), max_size=80),
)
@settings(max_examples=100, deadline=None)
def test_anything_can_be_compared(before: list[Any], now: list[Any]) -> None:
    for change in compare({"x": before}, {"x": now}):
        assert 0 <= change.p <= 1
        assert change.psi >= 0


def lender_with_data(folder: Path, plan: str = served.LOAN_PLAN) -> Path:
    project = served.lender(folder, plan)
    rng = np.random.default_rng(6)
    (project / "data").mkdir()
    with (project / "data/loans.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["amount", "income", "home", "asked", "note", "back"])
        for case in loans(rng, 600):
            writer.writerow([*case.values(), "2026-01-01T00:00:00", "", rng.random() < 0.8])
    return project


def loans(rng: np.random.Generator, count: int, income: float = 2500.0) -> list[dict[str, Any]]:
    return [
        {
            "amount": round(float(rng.uniform(200, 4000)), 2),
            "income": round(float(rng.normal(income, 800)), 2),
            "home": str(rng.choice(["rent", "own"])),
        }
        for _ in range(count)
    ]


def serve(project: Path, weeks: list[list[dict[str, Any]]]) -> None:
    """A log of several weeks: asked now, and then dated back."""
    forget(project)
    desk = Desk(project, Limits(), Metrics())
    answers = [desk.decide(week) for week in weeks]
    desk.feedback([{"decision": answers[0][0]["decision"], "repaid": True}])
    desk.log.close()
    begin = datetime(2026, 3, 2, tzinfo=UTC)
    week_of = {answer["decision"]: week for week, given in enumerate(answers) for answer in given}
    for path in (project / "log").glob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for place, line in enumerate(lines):
            moment = begin + timedelta(days=7 * week_of[line["decision"]], seconds=place)
            line["time"] = moment.isoformat(timespec="microseconds")
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_page_shows_each_window_and_alarms_on_the_one_that_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = lender_with_data(tmp_path / "p")
    rng = np.random.default_rng(7)
    serve(project, [loans(rng, 200), loans(rng, 200)])
    assert drift(load_spec(project), []) == 0
    assert "Nothing has changed beyond chance" in capsys.readouterr().out
    serve(project, [loans(rng, 200), loans(rng, 200), loans(rng, 200, income=500.0)])
    assert drift(load_spec(project), []) == 1
    said = capsys.readouterr().out
    assert "ALARM  income: mean 2" in said
    assert "ALARM  no is chosen more often than expected" in said
    page = (project / "drift.html").read_text()
    assert "The newest window has changed" in page
    assert page.count('<time datetime="2026-03-') == 3
    watched = watch(load_spec(project))
    assert [window.alarm for window in watched.windows] == [False, False, True]
    assert watched.labels.came_back == 1
    found = evidence.read(project, "drift")
    assert found is not None
    assert len(found.result["windows"]) == 3


def test_where_there_are_no_data_the_reference_that_was_left_is_enough(tmp_path: Path) -> None:
    project = lender_with_data(tmp_path / "p")
    with pytest.raises(ServiceError, match="make serve"):
        drift(load_spec(project), [])
    serve(project, [loans(np.random.default_rng(8), 60)])
    (project / "data/loans.csv").rename(project / "away.csv")
    with pytest.raises(DataError, match=r"reference\.json"):
        drift(load_spec(project), [])
    (project / "away.csv").rename(project / "data/loans.csv")
    assert drift(load_spec(project), []) == 0
    (project / "data/loans.csv").unlink()
    assert drift(load_spec(project), []) == 0


def test_what_a_stranger_sent_is_shown_and_not_run(tmp_path: Path) -> None:
    plan = served.LOAN_PLAN.replace("{type: category, values: [rent, own]}", "category")
    project = lender_with_data(tmp_path / "p", plan)
    case = {"amount": 500.0, "income": 1.0, "home": HOSTILE}
    serve(project, [[case] * 60])
    drift(load_spec(project), [])
    page = (project / "drift.html").read_text()
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_change_of_light_is_seen_in_the_pictures(tmp_path: Path) -> None:
    project = served.lamp(tmp_path / "p")
    rng = np.random.default_rng(9)
    levels = rng.integers(5, 45, 200)
    for place, level in enumerate(levels.tolist()):
        path = project / "data/photos/dark" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(served.png(level))
    serve_pictures(project, rng.integers(5, 45, 100).tolist())
    assert drift(load_spec(project), []) == 0
    serve_pictures(project, rng.integers(30, 70, 100).tolist())
    [window] = watch(load_spec(project)).windows
    assert "image: brightness" in {change.series for change in window.changes if change.alarm}


def forget(project: Path) -> None:
    for path in (project / "log").glob("*.jsonl"):
        path.unlink()


def serve_pictures(project: Path, levels: list[int]) -> None:
    forget(project)
    desk = Desk(project, Limits(), Metrics())
    desk.decide([{"image": served.png(level)} for level in levels])
    desk.log.close()
