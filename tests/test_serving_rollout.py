"""Parallel drives nothing, limited waits for a person, wide goes step by step and back by itself."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import served
from starlette.testclient import TestClient

from drivetrain import evidence, load_spec
from drivetrain.errors import ServiceError
from drivetrain.serving import Engine, Service, history, rollout, steer
from drivetrain.serving.log import read
from drivetrain.serving.monitor import Monitor, alarms


def loan(**changes: Any) -> dict[str, Any]:
    return {"amount": 1000.0, "income": 3000.0, "home": "own"} | changes


def log() -> list[dict[str, Any]]:
    return list(read(Path("log")))


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`at(stage, scope=…)`: a client of the lender at a stage."""
    opened: list[TestClient] = []

    def start(stage: str, plan: str = served.LOAN_PLAN, **deployment: str) -> TestClient:
        project = served.lender(tmp_path / f"p{len(opened)}", served.staged(plan, stage, **deployment))
        opened.append(served.client(project, monkeypatch))
        return opened[-1].__enter__()

    yield start
    for client in opened:
        client.__exit__(None, None, None)


def decide(client: TestClient, *cases: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post("/decide", json={"cases": list(cases)})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def test_parallel_answers_with_todays_way_and_writes_the_recommendation_down(at: Any) -> None:
    [answer] = decide(at("parallel"), loan())
    assert (answer["status"], answer["setting"], answer["recommendation"]) == ("recorded", "no", "yes")
    assert "today's way goes on" in answer["reasons"][0]
    [record] = log()
    assert (record["setting"], record["chosen"], record["explored"]) == ("no", "yes", False)


def test_parallel_defers_where_todays_way_is_only_known_afterwards(at: Any) -> None:
    plan = served.LOAN_PLAN.replace('today: "no"', "today: {column: granted}").replace(
        "      asked: time", "      asked: time\n      granted: {type: category, role: logged}"
    )
    [answer] = decide(at("parallel", plan), loan())
    assert (answer["status"], answer["setting"], answer["recommendation"]) == ("recorded", "defer", "yes")


def test_parallel_defers_where_a_case_does_not_tell_todays_way_and_the_others_keep_theirs(at: Any) -> None:
    plan = served.LOAN_PLAN.replace('today: "no"', "today: {formula: \"where(home == 'own', 'yes', 'no')\"}")
    assert plan != served.LOAN_PLAN
    gap, own, rent = decide(at("parallel", plan), loan(home=None), loan(), loan(home="rent"))
    assert (gap["status"], gap["setting"]) == ("recorded", "defer")
    assert (own["setting"], rent["setting"]) == ("yes", "no")


def test_limited_waits_until_a_person_approves(at: Any) -> None:
    client = at("limited", scope="loans of one branch")
    [answer] = decide(client, loan())
    assert (answer["status"], answer["setting"], answer["recommendation"]) == ("waiting", "defer", "yes")
    name = answer["decision"]
    assert client.get(f"/decisions/{name}").json() == {
        "decision": name, "status": "waiting", "setting": None, "by": None
    }  # fmt: skip
    shown = client.get("/approvals/waiting").json()
    assert (shown["total"], shown["scope"]) == (1, "loans of one branch")
    [waiting] = shown["results"]
    assert waiting["columns"]["amount"] == 1000
    assert waiting["settings"] == ["no", "yes"]
    done = client.post("/approvals", json={"cases": [{"decision": name, "setting": "no", "by": "Ada"}]})
    assert done.json() == {"results": [{"decision": name, "recorded": True}]}
    assert client.get(f"/decisions/{name}").json() == {
        "decision": name, "status": "act", "setting": "no", "by": "Ada"
    }  # fmt: skip
    assert client.get("/approvals/waiting").json()["total"] == 0
    again = client.post("/approvals", json={"cases": [{"decision": name, "setting": "yes", "by": "Ada"}]})
    assert (again.status_code, "decided already" in again.json()["detail"]) == (409, True)
    assert [record["kind"] for record in log()] == ["decision", "approval"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"setting": "maybe"}, "setting: is none of no, yes"),
        ({"by": " "}, "says who approves"),
        ({"by": "x" * 201}, "says who approves"),
        ({"decision": "0" * 24}, "does not wait"),
        ({"decision": ["x"]}, "does not wait"),
        ({"more": 1}, "is not known here"),
    ],
)
def test_an_approval_that_does_not_fit_is_refused(at: Any, changes: dict[str, Any], reason: str) -> None:
    client = at("limited")
    [answer] = decide(client, loan())
    case = {"decision": answer["decision"], "setting": "yes", "by": "Ada"} | changes
    refused = client.post("/approvals", json={"cases": [case]})
    assert (refused.status_code, reason in refused.json()["detail"]) == (422, True), refused.text
    assert client.get("/approvals/waiting").json()["total"] == 1


def test_what_waits_is_still_there_after_a_restart(at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = at("limited")
    first, second = decide(client, loan(), loan(amount=500.0))
    client.post("/approvals", json={"cases": [{"decision": first["decision"], "setting": "yes", "by": "Ada"}]})
    with served.client(Path.cwd(), monkeypatch) as restarted:
        assert [w["decision"] for w in restarted.get("/approvals/waiting").json()["results"]] == [second["decision"]]
        assert restarted.get(f"/decisions/{first['decision']}").json()["setting"] == "yes"
        assert restarted.get("/decisions/" + "0" * 24).status_code == 404


def test_the_picture_of_a_waiting_decision_can_be_looked_at_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = served.lamp(tmp_path / "p", served.staged(served.LIGHT_PLAN, "limited"))
    with served.client(project, monkeypatch) as client:
        [answer] = decide(client, {"image": base64.b64encode(served.png(0)).decode()})
        picture = client.get(f"/approvals/{answer['decision']}/image")
        assert picture.content == served.png(0)
        assert picture.headers["content-type"] == "application/octet-stream"
        assert picture.headers["x-content-type-options"] == "nosniff"
        for path in (f"{answer['decision']}/other", "0" * 24 + "/image", "..%2f..%2fx/image"):
            assert client.get(f"/approvals/{path}").status_code == 404
        assert "approvals.js" in client.get("/approvals").text
        assert "default-src 'self'" in client.get("/approvals").headers["content-security-policy"]
        assert "textContent" in client.get("/approvals.js").text


def test_a_scope_written_as_a_formula_is_kept_to(at: Any) -> None:
    client = at("limited", scope="\"home == 'own'\"")
    inside, outside, unknown = decide(client, loan(), loan(home="rent", income=9000.0), loan(home=None, income=9000.0))
    assert inside["status"] == "waiting"
    assert (outside["status"], outside["setting"]) == ("recorded", "no")
    assert outside["reasons"][0] == "outside the scope: home == 'own'"
    assert unknown["status"] == "recorded"


@pytest.mark.parametrize(
    ("scope", "share"),
    [("5 % of web quotes", 0.05), ("12.5% of all", 0.125), ("German tickets", None), ("", None), ("900 %", 1.0)],
)
def test_a_share_in_the_scope_is_read(scope: str, share: float | None) -> None:
    assert rollout.share_in(scope) == share


def test_wide_acts_on_its_share_and_a_customer_stays_in_when_it_grows(at: Any) -> None:
    plan = served.LOAN_PLAN.replace("    columns:\n", "    entity: customer\n    columns:\n      customer: id\n")
    client = at("wide", plan, scope="20 % of loans")
    cases = [loan(customer=f"c{number}") for number in range(500)]

    def acted() -> set[int]:
        answers = decide(client, *cases)
        assert all(answer["setting"] == ("yes" if answer["status"] == "act" else "no") for answer in answers)
        return {number for number, answer in enumerate(answers) if answer["status"] == "act"}

    first = acted()
    assert 60 <= len(first) <= 140  # 500 at 20 %: mean 100, five standard deviations 45
    assert acted() == first
    set_now(client, "share", "0.6")
    second = acted()
    assert first < second
    assert 245 <= len(second) <= 355
    set_now(client, "share", "1")
    assert len(acted()) == 500


def set_now(client: TestClient, *command: str) -> None:
    """Steer the project, and let the service look at once instead of within a second."""
    steer(load_spec(), list(command))
    client.app.state.service.desk._looked = float("-inf")  # type: ignore[attr-defined]


def test_a_pause_stops_every_action_and_resume_goes_on(at: Any, capsys: pytest.CaptureFixture[str]) -> None:
    client = at("wide", scope="100 % of loans")
    assert decide(client, loan())[0]["status"] == "act"
    set_now(client, "pause", "the bank is closed")
    [paused] = decide(client, loan())
    assert (paused["status"], paused["setting"]) == ("recorded", "no")
    assert paused["reasons"][0] == "paused: the bank is closed"
    assert "paused   the bank is closed" in capsys.readouterr().out
    assert client.get("/readyz").json()["paused"] == "the bank is closed"
    set_now(client, "resume")
    assert decide(client, loan())[0]["status"] == "act"
    with pytest.raises(ServiceError, match="no share"):
        steer(load_spec(), ["share", "1.5"])


def test_a_rollout_file_that_cannot_be_read_stops_the_start_and_not_a_running_service(at: Any) -> None:
    client = at("wide", scope="100 % of loans")
    Path("rollout.json").write_text("{")
    client.app.state.service.desk._looked = float("-inf")
    assert decide(client, loan())[0]["status"] == "act"
    assert [record["kind"] for record in log()] == ["fault", "decision"]
    with pytest.raises(ServiceError, match=r"rollout\.json"):
        Service().start()


def test_exploration_draws_its_share_and_logs_the_true_propensities(at: Any) -> None:
    client = at("wide", scope="100 % of loans", exploration="{share: 0.3}")
    for _ in range(4):
        decide(client, *[loan()] * 1000)
    records = log()
    assert len(records) == 4000
    drawn = Counter((record["setting"], record["explored"]) for record in records)
    # Share 0.3 among two settings: 0.7 + 0.15 for the choice, 0.15 for the other. Five standard deviations: 0.028.
    assert drawn["no", True] / 4000 == pytest.approx(0.15, abs=0.028)
    assert drawn["yes", True] / 4000 == pytest.approx(0.15, abs=0.028)
    assert drawn["no", False] == 0
    assert {record["setting"]: record["propensity"] for record in records} == pytest.approx({"yes": 0.85, "no": 0.15})
    # What the propensities are for: the value of both settings, estimated without bias from the log alone.
    weights = {s: sum(1 / r["propensity"] for r in records if r["setting"] == s) / 4000 for s in ("yes", "no")}
    assert weights == pytest.approx({"yes": 1.0, "no": 1.0}, abs=0.2)


def test_the_lot_never_takes_what_the_limits_forbid_and_keeps_levers_it_may_not_draw(tmp_path: Path) -> None:
    plan = served.LOAN_PLAN.replace(
        "data:\n",
        "  - {name: letter, type: options, options: [short, long, none], limits: [\"letter != 'none'\"], "
        "policies: {do_nothing: short, today: short, fallback: short}}\ndata:\n",
    )
    for levers, expected in ((None, {"yes, short", "yes, long", "no, short", "no, long"}), ("[letter]", {"yes"})):
        exploration = "{share: 1.0}" if levers is None else f"{{share: 1.0, levers: {levers}}}"
        project = served.lender(
            tmp_path / f"p{levers}",
            served.staged(plan, "wide", scope="100 % of loans", exploration=exploration),
        )
        spec = load_spec(project)
        engine = Engine.open(spec)
        [case] = engine.assess([loan()])
        lot = random.Random(1)
        draws = [rollout.draw(spec, engine.problem, case, lot) for _ in range(400)]
        settings = {draw.setting for draw in draws}
        assert not any("none" in setting for setting in settings)
        assert len(settings) == (4 if levers is None else 2)
        assert all(("yes" in setting) for setting in settings) == (levers is not None), expected
        assert all(draw.propensity == pytest.approx(1 / len(settings)) for draw in draws)


def test_a_range_is_drawn_with_a_density() -> None:
    class Choice:
        setting, levers = "20", {"price": 20.0}

    class Problem:
        ranking, levers, labels = None, ("price",), ("10", "15", "20", "25")
        settings = {"price": np.array([10.0, 15.0, 20.0, 25.0])}  # noqa: RUF012

    spec = load_spec_of_a_price()
    case: Any = type("Case", (), {"choice": Choice, "allowed": np.array([True, False, True, True])})
    problem: Any = Problem
    draws = [rollout.draw(spec, problem, case, random.Random(seed)) for seed in range(300)]
    # Share 0.5 among three allowed settings, each five units wide.
    for draw in draws:
        assert draw.propensity == pytest.approx(((0.5 if draw.setting == "20" else 0) + 0.5 / 3) / 5)
    assert {draw.setting for draw in draws} == {"10", "20", "25"}


def load_spec_of_a_price() -> Any:
    from drivetrain.spec import load_text

    plan = served.staged(served.LOAN_PLAN, "wide", exploration="{share: 0.5}")
    head = plan[: plan.index("  value:")]
    price = "levers:\n  - {name: price, type: range, minimum: 10, maximum: 25, step: 5}\n"
    return load_text(head + "  value: price * repaid\n" + price + plan[plan.index("data:") :])


def test_an_alarm_stops_the_actions_of_a_wide_service_until_people_resume(at: Any) -> None:
    client = at("wide", scope="100 % of loans")
    result = {"cases": 2000, "policies": [{"name": "optimized", "shares": {"yes": 0.3, "no": 0.7}}]}
    record_decide(result)
    set_now(client, "share", "1")
    statuses = [answer["status"] for answer in decide(client, *[loan()] * 150)]
    assert set(statuses) == {"act"}
    [after] = decide(client, loan())
    assert after["status"] == "recorded"
    assert after["reasons"][0].startswith("paused: alarm: ")
    assert "yes is chosen more often than expected: 100.0% instead of 30.0%" in after["reasons"][0]
    assert {record["setting"] for record in log() if record["kind"] == "alarm"} == {"yes", "no"}
    assert "drivetrain_alarms_total 2.0" in client.get("/metrics").text
    set_now(client, "resume")
    assert decide(client, loan())[0]["status"] == "act"


def record_decide(result: dict[str, Any]) -> None:
    found = evidence.read(Path.cwd(), "decide")
    assert found is not None
    evidence.record(Path.cwd(), "decide", result, reads={}, data={}, artifacts=found.artifacts)


def test_stable_rates_do_not_alarm_and_a_changed_one_does() -> None:
    rng = np.random.default_rng(5)
    shares = np.array([0.05, 0.15, 0.3, 0.5])
    names = ["a", "b", "c", "d"]

    def window(now: np.ndarray) -> bool:
        before = rng.multinomial(2000, shares)
        counts = dict(zip(names, rng.multinomial(2000, now).tolist(), strict=True))
        return bool(alarms(counts, dict(zip(names, (before / 2000).tolist(), strict=True)), 2000, 2.0))

    assert sum(window(shares) for _ in range(1000)) <= 10
    doubled = np.array([0.05, 0.3, 0.25, 0.4])
    halved = np.array([0.05, 0.075, 0.3, 0.575])
    assert sum(window(doubled) for _ in range(200)) >= 190
    assert sum(window(halved) for _ in range(200)) >= 185
    # Half as often again is a change, but not the one that the plan asks about.
    assert sum(window(np.array([0.05, 0.225, 0.3, 0.425])) for _ in range(200)) <= 10


def test_a_monitor_without_an_evaluation_says_nothing() -> None:
    monitor = Monitor({}, 0, 2.0)
    assert not any(monitor.count("a") for _ in range(5000))


def test_one_command_goes_back_to_what_was_served_before_and_forward_again(
    at: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    client = at("wide", scope="100 % of loans")
    assert decide(client, loan())[0]["setting"] == "yes"
    with pytest.raises(ServiceError, match="nothing was served before"):
        steer(load_spec(), ["rollback"])
    # Another plan, for which lending never pays, with a policy of its own.
    plan = Path("drivetrain.yaml")
    plan.write_text(plan.read_text().replace("0.1 * amount", "-0.1 * amount"))
    served.write_policy(Path.cwd())
    set_now(client, "newest")
    assert decide(client, loan())[0]["setting"] == "no"
    assert len(history.releases(Path.cwd())) == 2
    set_now(client, "rollback")
    assert decide(client, loan())[0]["setting"] == "yes"
    assert client.get("/readyz").json()["release"] == history.releases(Path.cwd())[0]
    assert "-0.1 * amount" in plan.read_text()
    with pytest.raises(ServiceError, match="nothing was served before"):
        steer(load_spec(), ["rollback"])
    set_now(client, "newest")
    assert decide(client, loan())[0]["setting"] == "no"
    assert capsys.readouterr().out.count("release  ") >= 4


def test_a_release_that_was_tampered_with_does_not_load_and_the_service_goes_on(at: Any) -> None:
    client = at("wide", scope="100 % of loans")
    decide(client, loan())
    plan = Path("drivetrain.yaml")
    plan.write_text(plan.read_text().replace("0.1 * amount", "-0.1 * amount"))
    served.write_policy(Path.cwd())
    set_now(client, "newest")
    assert decide(client, loan())[0]["setting"] == "no"
    release = Path("artifacts/served") / history.releases(Path.cwd())[0]
    policy = release / "artifacts/policy.json"
    content = policy.read_bytes()
    policy.unlink()
    policy.write_bytes(content + b" ")
    set_now(client, "rollback")
    assert decide(client, loan())[0]["setting"] == "no"
    [fault] = [record for record in log() if record["kind"] == "fault"]
    assert "policy.json" in fault["what"]


def test_only_the_last_releases_are_kept(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p")
    folder = project / "artifacts/served"
    for number in range(8):
        (folder / f"20260101T00000{number}-{number:012d}").mkdir(parents=True)
    kept = history.keep(project, ["payer"])
    assert history.releases(project)[-1] == kept
    assert len(history.releases(project)) == history.KEPT
    assert history.keep(project, ["payer"]) == kept


def test_with_a_token_only_those_who_show_it_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIVETRAIN_TOKEN", "s3cret-token")
    project = served.lender(tmp_path / "p")
    with served.client(project, monkeypatch) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret-token"}):
            refused = client.post("/decide", json={"cases": [loan()]}, headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert client.get("/metrics", headers=headers).status_code == 401
        right = {"Authorization": "Bearer s3cret-token"}
        assert client.post("/decide", json={"cases": [loan()]}, headers=right).status_code == 200
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        assert client.get("/approvals").status_code == 200
        assert client.get("/approvals/waiting").status_code == 401
        figures = client.get("/metrics", headers=right).text
    written = "".join(path.read_text() for path in (project / "log").glob("*.jsonl"))
    said = capsys.readouterr()
    assert "s3cret" not in figures + written + said.out + said.err + json.dumps(client.app.openapi())  # type: ignore[attr-defined]


def test_what_people_did_instead_comes_back_with_the_outcome(at: Any) -> None:
    client = at("parallel")
    [answer] = decide(client, loan())
    case = {"decision": answer["decision"], "grant": "yes", "repaid": True}
    assert client.post("/feedback", json={"cases": [case]}).status_code == 200
    assert log()[-1]["done"] == {"grant": "yes"}
    refused = client.post("/feedback", json={"cases": [case | {"grant": "perhaps"}]})
    assert (refused.status_code, "grant: is none of no, yes" in refused.json()["detail"]) == (422, True)


def test_who_a_case_is_about_may_be_said_though_no_model_reads_it(tmp_path: Path) -> None:
    plan = served.LOAN_PLAN.replace("    kind: table\n", "    kind: table\n    entity: borrower\n", 1)
    assert "entity: borrower" in plan
    engine = Engine.open(load_spec(served.lender(tmp_path / "loans", plan)))
    case = {"amount": 1000, "income": 1000, "home": "own"}
    [with_name, without] = engine.assess([{**case, "borrower": "b-7"}, case])
    assert with_name.columns["borrower"] == "b-7"
    assert with_name.recommendation == without.recommendation


def test_many_cases_in_one_request_ring_each_alarm_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = served.lender(tmp_path / "loans", served.staged(served.LOAN_PLAN, "wide"))
    shares = {"policies": [{"name": "optimized", "shares": {"yes": 0.25, "no": 0.75}}], "cases": 2000}
    decided = evidence.read(folder, "decide")
    assert decided is not None
    evidence.record(folder, "decide", shares, reads={}, data={}, artifacts=decided.artifacts)
    with served.client(folder, monkeypatch) as client:
        case = {"amount": 1000, "income": 3000, "home": "own"}
        client.post("/decide", json={"cases": [case] * 300})
        client.post("/decide", json={"cases": [case]})
    said = [record["setting"] for record in read(folder / "log") if record["kind"] == "alarm"]
    assert sorted(said) == sorted(set(said)) != []
