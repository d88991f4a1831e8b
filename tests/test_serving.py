"""The service answers with a decision, refuses with a reason, and never loads what was changed."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import io
import json
import math
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import served
from fastapi import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from drivetrain import evidence, load_spec
from drivetrain.artifact import Distribution
from drivetrain.errors import ArtifactError, EvidenceError, MissingPartError, PolicyError, ServiceError
from drivetrain.serving import Cases, Engine, Limits, Service, case_of_file, case_of_row, fields
from drivetrain.serving.cases import decode
from drivetrain.serving.guard import judge
from drivetrain.serving.log import read
from drivetrain.serving.service import read_cases


@pytest.fixture
def lamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    with served.client(served.lamp(tmp_path / "lamp"), monkeypatch) as client:
        yield client


@pytest.fixture
def lender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    with served.client(served.lender(tmp_path / "lender"), monkeypatch) as client:
        yield client


def image(level: int) -> dict[str, str]:
    return {"image": base64.b64encode(served.png(level)).decode()}


def loan(**changes: Any) -> dict[str, Any]:
    return {"amount": 1000.0, "income": 3000.0, "home": "own"} | changes


def test_the_best_setting_is_chosen_and_its_value_is_the_expectation(lender: TestClient) -> None:
    [answer] = lender.post("/decide", json={"cases": [loan()]}).json()["results"]
    repaid = 1 / (1 + math.exp(-5))  # logit: 3000 / 1000 + 2 for an own home
    assert answer["setting"] == answer["recommendation"] == "yes"
    assert answer["value"] == pytest.approx(repaid * 100 - (1 - repaid) * 1000, abs=1e-3)
    assert answer["values"]["no"] == 0
    assert answer["predictions"]["repaid"]["classes"] == ["false", "true"]
    assert answer["predictions"]["repaid"]["probabilities"][1] == pytest.approx(repaid, abs=1e-6)
    assert answer["stage"] == "model"
    assert answer["runs"] == {"payer": "20261123T120000-cd34"}


def test_answers_come_in_the_order_of_the_cases(lender: TestClient) -> None:
    incomes = [-3000.0, 3000.0, 0.0, 5000.0, -1.0]
    answers = lender.post("/predict", json={"cases": [loan(income=income) for income in incomes]}).json()["results"]
    expected = [1 / (1 + math.exp(-(income / 1000 + 2))) for income in incomes]
    assert [answer["predictions"]["repaid"]["probabilities"][1] for answer in answers] == pytest.approx(expected, 1e-5)


def test_a_browser_at_the_bare_address_is_told_what_there_is_to_ask(lender: TestClient) -> None:
    answer = lender.get("/")
    assert answer.status_code == 404
    said = answer.json()["detail"]
    assert said.startswith("nothing stands at this path. There are: POST /predict, POST /decide, ")
    assert said.endswith("; /openapi.json describes them.")
    assert "approvals.js" not in said


def test_an_image_may_come_as_base64_or_as_a_file(lamp: TestClient) -> None:
    [sent] = lamp.post("/decide", json={"cases": [image(10)]}).json()["results"]
    [uploaded] = lamp.post("/decide", files={"file": ("x.png", served.png(10), "image/png")}).json()["results"]
    [address] = lamp.post("/decide", json={"cases": [{"image": "data:image/png;base64," + image(10)["image"]}]}).json()[
        "results"
    ]
    assert sent["setting"] == "on"
    assert sent["predictions"] == uploaded["predictions"] == address["predictions"]


def test_a_setting_that_the_limits_forbid_is_never_chosen(lamp: TestClient) -> None:
    answers = lamp.post("/decide", json={"cases": [image(0), image(255)]}).json()["results"]
    assert [answer["setting"] for answer in answers] == ["on", "off"]
    assert all(answer["values"]["ask"] is None for answer in answers)


def test_a_case_unlike_the_training_data_goes_to_a_person_with_the_fallback(lamp: TestClient) -> None:
    strange, known = lamp.post("/decide", json={"cases": [image(128), image(0)]}).json()["results"]
    assert (strange["setting"], strange["recommendation"], strange["value"]) == ("defer", "on", None)
    assert strange["in_domain"] is False
    assert "unlike" in strange["reasons"][0]
    assert known["setting"] == "on"
    assert known["in_domain"] is True


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": 1e6}, "amount is 1e+06, above 5000"),
        ({"amount": 1.0}, "amount is 1, below 100"),
        ({"home": "castle"}, "home is none of rent, own"),
    ],
)
def test_a_value_outside_its_range_goes_to_a_person(lender: TestClient, changes: dict[str, Any], reason: str) -> None:
    strange, known = lender.post("/decide", json={"cases": [loan(**changes), loan()]}).json()["results"]
    assert (strange["setting"], strange["recommendation"]) == ("defer", "no")
    assert strange["reasons"] == [reason]
    assert known["setting"] == "yes"


def test_a_number_that_a_network_cannot_hold_is_no_case_and_no_number_comes_out(
    lender: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = lender.post("/decide", json={"cases": [loan(income=1e31)]})
    assert (refused.status_code, "too large" in refused.json()["detail"]) == (422, True)
    engine = lender.app.state.service.engine  # type: ignore[attr-defined]
    monkeypatch.setitem(engine.predictors["payer"].manifest["preprocessing"]["continuous"]["income"], "std", 1e-30)
    strange, known = lender.post("/decide", json={"cases": [loan(income=1e29), loan(income=0.0)]}).json()["results"]
    assert (strange["setting"], strange["recommendation"], strange["in_domain"]) == ("defer", "no", False)
    assert strange["predictions"] == strange["out_of_domain_scores"] == {}
    assert "no number comes out for repaid" in strange["reasons"]
    assert known["setting"] == "no"


def test_a_missing_value_is_filled_for_the_model_but_never_for_the_money(lender: TestClient) -> None:
    answers = lender.post("/decide", json={"cases": [loan(income=None), loan(amount=None), loan()]}).json()["results"]
    assert [answer["setting"] for answer in answers] == [
        "yes" if 1 / (1 + math.exp(-2)) > 10 / 11 else "no",
        "defer",
        "yes",
    ]
    assert answers[1]["in_domain"] is True
    assert "amount is not known" in answers[1]["reasons"][0]


@pytest.mark.parametrize("name", ["income", "home"])
def test_a_gap_where_training_had_none_goes_to_a_person(lender: TestClient, name: str) -> None:
    service: Service = lender.app.state.service  # type: ignore[attr-defined]
    service.engine.predictors["payer"].manifest["preprocessing"]["complete"] = ["income", "home"]
    gap, whole = lender.post("/decide", json={"cases": [loan(**{name: None}), loan()]}).json()["results"]
    assert (gap["setting"], gap["recommendation"], gap["in_domain"]) == ("defer", "no", False)
    assert gap["reasons"] == [f"{name} is not known, and in training it always was"]
    assert whole["setting"] == "yes"


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b'{"cases": [{"amount": NaN}]}', 400, "expected value at line 1 column 23"),
        (b"\xff\xfe{", 400, "not JSON"),
        (b'{"cases": [{"\\ud800": 1}]}', 400, "not JSON"),
        (b"[" * 100_000, 400, "recursion limit exceeded"),
        (b"[]", 422, "cases"),
        (b'{"cases": {}}', 422, "cases"),
        (b'{"cases": []}', 422, "no case"),
        (b'{"cases": [1]}', 422, "cases[0]: is a number, not an object"),
        (b'{"cases": [{}], "more": 1}', 422, "nothing else"),
        (b'{"cases": [{"amount": 1000, "income": 1, "home": "own", "secret": 1}]}', 422, "secret: is not a field"),
        (b'{"cases": [{"amount": 1000, "income": 1}]}', 422, "`home` is missing"),
        (b'{"cases": [{"amount": "1000", "income": 1, "home": "own"}]}', 422, "amount: is a text, not a number"),
        (b'{"cases": [{"amount": true, "income": 1, "home": "own"}]}', 422, "not a number"),
        (b'{"cases": [{"amount": 1e999, "income": 1, "home": "own"}]}', 422, "too large"),
        (b'{"cases": [{"amount": ' + b"9" * 400 + b', "income": 1, "home": "own"}]}', 422, "too large"),
        (b'{"cases": [{"amount": ' + b"9" * 5000 + b', "income": 1, "home": "own"}]}', 400, "not JSON"),
        (b'{"cases": [{"amount": 1000, "income": 1, "home": ["own"]}]}', 422, "home: is a list, not a text"),
        (b'{"cases": [{"amount": 1000, "income": 1, "home": "own", "note": "x"}]}', 422, "note: is not a field"),
        (b'{"cases": [{"amount": 1000, "income": 1, "home": "own", "asked": "now"}]}', 422, "not a time"),
        (b'{"cases": [' + b"{}," * 1000 + b"{}]}", 413, "at most 1000"),
    ],
)
def test_a_malformed_body_is_refused_with_a_reason(
    lender: TestClient, content: bytes, status: int, reason: str
) -> None:
    answer = lender.post("/decide", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, reason in answer.json()["detail"]) == (status, True), answer.text


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims an enormous picture."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    packed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        ("/etc/passwd", 422, "base64"),
        ("../../drivetrain.yaml", 422, "base64"),
        ("data/photos/dark/1.png", 422, "not"),
        (5, 422, "not a file in base64"),
        (None, 422, "null"),
        ("é", 422, "base64"),
        (base64.b64encode(b"hello").decode(), 422, "not an image"),
        (base64.b64encode(served.png(10)[:-30]).decode(), 422, "image"),
        (base64.b64encode(bomb(60_000, 60_000)).decode(), 413, "pixels"),
        (base64.b64encode(bomb(8_000, 8_000)).decode(), 413, "pixels"),
        (base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode(), 422, "not an image"),
    ],
)
def test_what_is_not_a_picture_of_bearable_size_is_refused(
    lamp: TestClient, value: Any, status: int, reason: str
) -> None:
    answer = lamp.post("/decide", json={"cases": [{"image": value}]})
    assert (answer.status_code, reason in answer.json()["detail"]) == (status, True), answer.text


def test_many_pictures_share_one_allowance_of_pixels(tmp_path: Path) -> None:
    engine = Engine.open(load_spec(served.lamp(tmp_path / "p")), Limits(pixels=200))
    assert len(engine.decide([image(0)] * 3)) == 3
    with pytest.raises(ServiceError, match=r"cases\[3\].image.*8 x 8 pixels; a request may bring 8 more"):
        engine.decide([image(0)] * 4)


def test_a_body_that_is_too_large_is_refused_announced_or_not(lamp: TestClient) -> None:
    def stream() -> Iterator[bytes]:
        for _ in range(17):
            yield b" " * 2**20

    for content in (b" " * (16 * 2**20 + 1), stream()):
        answer = lamp.post("/decide", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert "16,777,216" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", ""])
def test_another_content_type_is_refused(lamp: TestClient, kind: str) -> None:
    answer = lamp.post("/decide", content=served.body(image(0)), headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert "multipart/form-data" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"nonsense", "multipart/form-data"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\nBad\r\n\r\n1\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    ],
)
def test_a_broken_form_is_refused(lamp: TestClient, content: bytes, kind: str) -> None:
    answer = lamp.post("/decide", content=content, headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500
    assert answer.json()["detail"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
CASES = st.lists(
    st.dictionaries(st.sampled_from(["amount", "income", "home", "asked", "image", "x"]), JSON, max_size=5), max_size=3
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode) | CASES.map(lambda c: served.body(*c)))
def test_nothing_that_is_sent_ends_in_an_error_of_the_service(lender: TestClient, content: bytes) -> None:
    for path in ("/decide", "/predict", "/feedback"):
        answer = lender.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 200 or (400 <= answer.status_code < 500 and answer.json()["detail"])


def test_every_decision_and_outcome_is_in_the_log(lender: TestClient) -> None:
    decisions = lender.post("/decide", json={"cases": [loan(), loan(amount=1e6)]}).json()["results"]
    receipts = lender.post(
        "/feedback", json={"cases": [{"decision": decisions[0]["decision"], "repaid": True}]}
    ).json()["results"]
    assert receipts == [{"decision": decisions[0]["decision"], "recorded": True}]
    records = list(read(Path("log")))
    assert [record["kind"] for record in records] == ["decision", "decision", "feedback"]
    assert [record["decision"] for record in records[:2]] == [answer["decision"] for answer in decisions]
    assert [record["setting"] for record in records[:2]] == ["yes", "defer"]
    assert records[2]["outcomes"] == {"repaid": True}


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"repaid": True}, "decision: is not the name of a decision"),
        ({"decision": "../../x", "repaid": True}, "decision"),
        ({"decision": "0" * 24}, "names no outcome. Outcomes: repaid"),
        ({"decision": "0" * 24, "repaid": "yes"}, "repaid: is not true or false"),
        ({"decision": "0" * 24, "other": 1}, "other: is no outcome"),
    ],
)
def test_feedback_that_does_not_fit_is_refused_and_not_logged(
    lender: TestClient, case: dict[str, Any], reason: str
) -> None:
    answer = lender.post("/feedback", json={"cases": [case]})
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]
    assert list(read(Path("log"))) == []


def test_health_readiness_and_figures(lender: TestClient) -> None:
    lender.post("/decide", json={"cases": [loan(), loan(amount=1e6)]})
    lender.get("/no/such/" + "x" * 50)
    assert lender.get("/healthz").json() == {"status": "alive"}
    assert lender.get("/readyz").json()["runs"] == {"payer": "20261123T120000-cd34"}
    figures = lender.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'drivetrain_decisions_total{setting="yes",status="trial"} 1.0' in figures.text
    assert 'drivetrain_decisions_total{setting="defer",status="defer"} 1.0' in figures.text
    assert "drivetrain_out_of_domain_total 1.0" in figures.text
    assert 'drivetrain_requests_total{endpoint="/decide",status="200"} 1.0' in figures.text
    assert 'drivetrain_requests_total{endpoint="unknown",status="404"} 1.0' in figures.text


def test_the_description_shows_the_fields_of_the_plan_and_its_example_works(lender: TestClient) -> None:
    described = lender.get("/openapi.json").json()
    case = described["components"]["schemas"]["Case"]
    assert set(case["properties"]) == {"amount", "income", "home", "asked"}
    assert case["required"] == ["amount", "income", "home"]
    assert lender.post("/decide", json={"cases": [case["example"]]}).status_code == 200
    assert "requestBody" in described["paths"]["/feedback"]["post"]


def test_the_example_picture_of_the_description_works(lamp: TestClient) -> None:
    example = lamp.get("/openapi.json").json()["components"]["schemas"]["Case"]["example"]
    assert lamp.post("/decide", json={"cases": [example]}).status_code == 200


def test_before_it_has_started_the_service_is_alive_and_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = served.client(served.lamp(tmp_path / "p"), monkeypatch)
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def tampered(project: Path, name: str) -> None:
    path = project / name
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("artifacts/eye/model.onnx", ArtifactError, "model.onnx: the file is not the one"),
        ("artifacts/eye/manifest.json", ArtifactError, "artifacts/eye: is not the model that `train` recorded"),
        ("artifacts/policy.json", PolicyError, "was changed after it was made"),
    ],
)
def test_what_was_changed_never_loads(tmp_path: Path, name: str, error: type[Exception], message: str) -> None:
    project = served.lamp(tmp_path / "p")
    tampered(project, name)
    with pytest.raises(error, match=message):
        Engine.open(load_spec(project))


@pytest.mark.parametrize(
    ("name", "error", "advice"),
    [
        ("artifacts/eye/model.onnx", ArtifactError, "make train"),
        ("artifacts/eye/manifest.json", ArtifactError, "make train"),
        ("artifacts/policy.json", PolicyError, "make decide"),
        ("evidence/train.json", EvidenceError, "make train"),
        ("evidence/decide.json", PolicyError, "make decide"),
    ],
)
def test_what_is_missing_is_named_with_the_step_that_makes_it(
    tmp_path: Path, name: str, error: type[Exception], advice: str
) -> None:
    project = served.lamp(tmp_path / "p")
    (project / name).unlink()
    with pytest.raises(error, match=advice):
        Engine.open(load_spec(project))


def test_a_policy_made_with_another_model_or_for_another_objective_does_not_load(tmp_path: Path) -> None:
    project = served.lamp(tmp_path / "p")
    manifest = project / "artifacts/eye/manifest.json"
    manifest.write_text(manifest.read_text().replace("ab12", "ff99"))
    digest = evidence.file_digest(manifest)
    evidence.record(project, "train", {}, reads={}, data={}, artifacts={"eye": digest})
    with pytest.raises(PolicyError, match="other models"):
        Engine.open(load_spec(project))
    project = served.lamp(tmp_path / "q", served.LIGHT_PLAN)
    plan = project / "drivetrain.yaml"
    plan.write_text(plan.read_text().replace("'on', 1, -4", "'on', 2, -4"))
    with pytest.raises(PolicyError, match=r"objective\.value.*make decide"):
        Engine.open(load_spec(project))


def test_a_draft_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "drivetrain.yaml").write_text(
        "drivetrain: 1\nproject: {name: Early}\nobjective: {statement: Something good.}\n"
    )
    with pytest.raises(MissingPartError):
        Service(tmp_path).start()


def test_a_port_in_use_is_named_and_nothing_is_loaded(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=rf"127.0.0.1:{port}: port {port} is in use. Stop what listens there"):
            Service(tmp_path / "nowhere").main(["--port", str(port)])
    with pytest.raises(ServiceError, match="no port"):
        Service(tmp_path).main(["--port", "70000"])
    with pytest.raises(ServiceError, match="cannot listen there"):
        Service(tmp_path).main(["--host", "192.0.2.1", "--port", "0"])


def test_a_row_and_a_file_become_cases(tmp_path: Path) -> None:
    spec = load_spec(served.lamp(tmp_path / "p"))
    (tmp_path / "p" / "a.png").write_bytes(served.png(3))
    case = case_of_row(fields(spec), {"image": "a.png", "sky": "dark", "split": "test"}, spec.root)
    assert case == case_of_file(spec, tmp_path / "p" / "a.png") == image(3)


def test_a_full_disk_means_no_answer(lender: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("drivetrain.serving.log.os.write", full)
        answer = lender.post("/decide", json={"cases": [loan()]})
        assert (answer.status_code, "No space left" in answer.json()["detail"]) == (503, True)
    assert lender.post("/decide", json={"cases": [loan()]}).status_code == 200
    assert len(list(read(Path("log")))) == 1


def test_serving_loads_no_training_code(tmp_path: Path) -> None:
    import subprocess

    project = served.lender(tmp_path / "p")
    code = """
import sys
from drivetrain.serving import Service
Service().start().decide([{"amount": 500, "income": 1, "home": "own"}])
print([name for name in ("torch", "fastai", "pandas", "scipy", "duckdb", "pyarrow") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_client_shows_a_number_with_its_range(capsys: pytest.CaptureFixture[str]) -> None:
    found = importlib.util.spec_from_file_location("generated_client", served.SERVE.with_name("client.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    spent = {"mean": 42.0, "low": 10.0, "median": 40.0, "high": 99.5}
    answer = {"setting": "defer", "recommendation": "go", "value": None, "predictions": {"spent": spent}, "reasons": []}
    module.show("0", answer | {"stage": "model", "decision": "0" * 24, "runs": {"purse": "run-1"}}, "EUR/case")
    said = capsys.readouterr().out
    assert "recommended     go" in said
    assert "42, nine times in ten between 10 and 99.5" in said


def test_a_series_a_text_and_a_rating_are_cases_too(tmp_path: Path) -> None:
    for kind, columns, expected in (
        ("series", "columns: {amount: number}", {"loans": "series", "amount": "number"}),
        ("text", "columns: {amount: number}", {"text": "text", "amount": "number"}),
        ("ratings", "columns: {amount: number}\n    ratings: {user: who, item: what}", {"who": "id", "what": "id"}),
    ):
        task = {"series": "series-classification", "text": "text-classification", "ratings": "ratings"}[kind]
        head = served.LOAN_PLAN[: served.LOAN_PLAN.index("    columns:")]
        if kind == "series":
            head = head.replace("data/loans.csv", "data/loans")
        text = head.replace("kind: table", f"kind: {kind}") + f"    {columns}\n"
        text += "    outcomes: {repaid: {column: back, type: binary, affected_by: []}}\n"
        text += f"models: [{{name: payer, task: {task}, predicts: repaid}}]\n"
        (tmp_path / "drivetrain.yaml").write_text(text)
        known = fields(load_spec(tmp_path))
        assert {name: known[name].type for name in expected} == expected, kind
        assert all(known[name].required for name in expected)


def test_a_grey_picture_with_alpha_is_taken(lamp: TestClient) -> None:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("LA", (20, 30), (0, 200)).save(buffer, "PNG")
    answer = lamp.post("/decide", json={"cases": [{"image": base64.b64encode(buffer.getvalue()).decode()}]})
    assert answer.status_code == 200


def test_a_picture_of_sixteen_bits_is_not_guessed_at(lamp: TestClient) -> None:
    """Of its values the network sees those up to 255, the rest as white: a dark one would be called bright."""
    from PIL import Image

    for level, inside in ((700, False), (3, True)):
        buffer = io.BytesIO()
        Image.fromarray(np.full((20, 30), level, dtype=np.uint16)).save(buffer, "PNG")
        case = {"image": base64.b64encode(buffer.getvalue()).decode()}
        [result] = lamp.post("/decide", json={"cases": [case]}).json()["results"]
        assert (result["in_domain"], result["recommendation"]) == (inside, "on")
        assert inside or (result["setting"] == "defer" and "beyond 255" in result["reasons"][0])


def test_a_sender_who_leaves_or_dawdles_is_no_error(lamp: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised, so nothing fills the log of errors; who dawdles is told."""
    from drivetrain.serving import reading

    def asked(*events: dict[str, Any]) -> list[Any]:
        waiting, said = list(events), []

        async def receive() -> dict[str, Any]:
            if not waiting:
                await asyncio.sleep(10)
            return waiting.pop(0)

        async def send(message: Any) -> None:
            said.append(message)

        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http"}
        scope |= {"path": "/decide", "raw_path": b"/decide", "query_string": b"", "root_path": "", "state": {}}
        scope |= {"headers": [(b"content-type", b"application/json")], "client": ("a", 1), "server": ("b", 2)}
        asyncio.run(lamp.app(scope, receive, send))  # type: ignore[arg-type]
        return said

    part = {"type": "http.request", "body": b"{", "more_body": True}
    assert asked(part, {"type": "http.disconnect"}) == []
    monkeypatch.setattr(reading, "SECONDS", 0.05)
    assert asked(part)[0]["status"] == 408
    assert 'status="gone"' in lamp.get("/metrics").text


def test_an_endpoint_of_the_team_may_ask_for_more_than_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served.client(served.lender(tmp_path / "loans"), monkeypatch) as client:
        app = client.app

        @app.post("/loud")
        async def loud(cases: Cases, voice: str = "quiet") -> dict[str, object]:
            return {"voice": voice, "cases": len(cases)}

        @app.post("/many")
        async def many(cases: Cases) -> Response:
            return Response(f"{len(cases)}")

        asked = {"cases": [{"amount": 1000, "income": 1, "home": "own"}]}
        assert client.post("/loud?voice=high", json=asked).json() == {"voice": "high", "cases": 1}
        assert client.post("/loud", json={"cases": []}).status_code == 422
        assert client.post("/many", json=asked).text == "1"
        # FastAPI's own way to put something else in the place of a dependency, for the team's tests.
        app.dependency_overrides[read_cases] = lambda: [{}, {}]
        assert client.post("/many", json=asked).text == "2"


def test_a_case_is_strange_only_when_it_is_strange_whatever_is_done_with_it(tmp_path: Path) -> None:
    # The log never shows the first setting: what a model says there must not send every case to a person.
    engine = Engine.open(load_spec(served.lender(tmp_path / "loans")))
    settings = engine.problem.settings["grant"].tolist()

    class Reads:
        """A model that knows cases only at the last setting, and those with an income only."""

        inputs = ("income", "grant")
        manifest: ClassVar[dict[str, Any]] = {"out_of_domain": {"threshold": 1.0}, "preprocessing": {}}

        def logits(self, cases: dict[str, Any]) -> np.ndarray:
            known = zip(cases["income"], cases["grant"], strict=True)
            return np.array([[0.0 if grant == settings[-1] and income else 5.0] for income, grant in known])

        def score_logits(self, logits: np.ndarray) -> np.ndarray:
            return logits[:, 0]

        def distributions(self, logits: np.ndarray) -> dict[str, Distribution]:
            return {"repaid": Distribution(("false", "true"), np.full((len(logits), 2), 0.5))}

        def predict(self, cases: dict[str, Any]) -> dict[str, Distribution]:
            return self.distributions(self.logits(cases))

    cases = [{"amount": 1000, "income": income, "home": "own"} for income in (0, 900)]
    judged = judge(engine.problem, {"payer": Reads()}, decode(engine.fields, cases, engine.limits))  # type: ignore[dict-item]
    assert len(settings) > 1
    assert [bool(reasons) for reasons in judged.outside] == [True, False]
    assert judged.beliefs["repaid"].probabilities.shape[1] == 1
