"""What goes onto a phone: under the plan's limits, with a contract that says what the service does; or why not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import phones
import pytest
import served
import yaml

from drivetrain import DrivetrainError, artifact, device, evidence, load_spec, policy, project
from drivetrain.device.assemble import Network
from drivetrain.device.contract import tall_first

TEMPLATE = served.SERVE.parent.parent


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return phones.phone(tmp_path_factory.mktemp("phone") / "p")


@pytest.fixture
def phone(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "p"))


def planned(folder: Path, serve: str, **changes: str) -> Path:
    """The project with another deployment; what was decided stays as it was."""
    plan = phones.PLAN.replace("serve: [api, voila]", f"serve: [{serve}]")
    for before, after in changes.values():
        assert before in plan
        plan = plan.replace(before, after)
    (folder / "drivetrain.yaml").write_text(plan, encoding="utf-8")
    return folder


def contract(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "artifacts/device/contract.json").read_text(encoding="utf-8"))
    return found


def test_the_contract_is_what_the_service_obeys(phone: Path) -> None:
    assert phones.built(planned(phone, "{kind: device, max_mb: 1, offline: false, sync: 1 day}"))["met"]
    made, manifest = contract(phone), artifact.read_manifest(phone / "artifacts/eye")
    [entry] = made["models"]
    for key in ("preprocessing", "outcomes", "temperature", "out_of_domain", "run", "predicts"):
        assert entry[key] == manifest[key]
    assert (
        entry["sha256"]
        == manifest["files"]["model.onnx"]["sha256"]
        == evidence.file_digest(phone / "artifacts/device" / entry["file"])
    )
    assert (made["offline"], made["sync_seconds"], made["tall_first"]) == (False, 86400, tall_first())


def test_the_table_decides_as_the_written_policy_does(phone: Path) -> None:
    phones.built(phone)
    table, spec = contract(phone)["decide"], load_spec(phone)
    problem, written = policy.problem(spec), policy.read(phone / "artifacts/policy.json")
    shares = np.random.default_rng(3).dirichlet([1, 1], 50)
    values = shares @ np.array(table["values"]).T
    choices = policy.decide(
        problem, written, {"": [0] * 50}, {"sky": artifact.Distribution(("bright", "dark"), shares)}
    )
    for row, choice in zip(values, choices, strict=True):
        allowed = np.where(table["allowed"], row, -np.inf)
        assert table["settings"][int(allowed.argmax())] == choice.setting
        assert allowed.max() == pytest.approx(choice.value)
    assert table["fallback"] == "on"


def test_a_network_over_the_limit_is_quantised_where_that_costs_next_to_nothing(phone: Path) -> None:
    result = phones.built(planned(phone, "{kind: device, max_mb: 0.06}"))
    [row] = result["models"]
    assert result["met"], row
    assert row["quantised"]
    assert row["megabytes"] < 0.06
    assert row["eight_bits"]["high"] <= row["eight_bits"]["allowed"]
    assert row["eight_bits"]["cases"] > 20
    assert "8 bits cost" in row["why"]
    own = artifact.load(phone / "artifacts/eye", root=phone)
    small = artifact.load(phone / "artifacts/eye", root=phone, network=phone / "artifacts/device/eye.onnx")
    files = [str(file.relative_to(phone)) for file in sorted((phone / "data/photos").rglob("*.*"))[:40]]
    gaps = own.predict({"image": files})["sky"].probabilities - small.predict({"image": files})["sky"].probabilities
    assert 0 < np.abs(gaps).max() < 0.2
    assert contract(phone)["models"][0]["quantised"]


def test_where_8_bits_cost_too_much_the_network_stays_and_that_is_said(
    phone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoiled(network: Path, images: Any, target: Path) -> None:
        """A network that calls the day night."""
        import onnx

        model = onnx.load(network)
        weights = next(one for one in model.graph.initializer if tuple(one.dims) == (2, 64))
        swapped = onnx.numpy_helper.to_array(weights)[::-1].astype(np.float16).astype(np.float32)
        weights.CopyFrom(onnx.numpy_helper.from_array(swapped.copy(), weights.name))
        onnx.save(model, target)

    monkeypatch.setattr("drivetrain.device.assemble.quantise", spoiled)
    monkeypatch.setattr(Network, "over", lambda self, mb, _: ["too large"] if "8bit" not in self.path.name else [])
    result = phones.built(planned(phone, "{kind: device, max_mb: 0.06}"))
    [row] = result["models"]
    assert not result["met"]
    assert not row["quantised"]
    assert row["eight_bits"]["loss"] > row["eight_bits"]["allowed"]
    assert "too much: it stays as it was trained" in row["why"]
    assert "FAIL" in device.text(result)
    assert contract(phone)["models"][0]["sha256"] == evidence.file_digest(phone / "artifacts/eye/model.onnx")
    recorded = evidence.read(phone, "device")
    assert recorded is not None
    assert not recorded.result["met"]


def test_a_limit_that_8_bits_do_not_reach_is_told(phone: Path) -> None:
    [row] = phones.built(planned(phone, "{kind: device, max_mb: 0.001, max_ms: 0.0001}"))["models"]
    assert len(row["over"]) == 2
    assert re.search(r"0\.\d+ MB, and the plan allows 0\.001", row["why"])
    assert "it stays as it was trained" in row["why"]


def test_a_value_that_depends_on_more_than_the_picture_is_left_to_the_service(phone: Path) -> None:
    planned(
        phone, "{kind: device}",
        value=("where(lamp == 'on', 1, -4)", "where(lamp == 'on', 1, -4) * visitors"),
        column=("    location: data/photos", "    location: data/photos\n    columns: {visitors: number}"),
    )  # fmt: skip
    from drivetrain.device.payoffs import payoffs

    spec = load_spec(phone)
    written = policy.read(phone / "artifacts/policy.json")
    assert payoffs(spec, policy.problem(spec), written) == "it depends on `visitors`, which no picture shows"


def test_what_cannot_run_on_a_phone_is_refused_and_nothing_is_lost(phone: Path, tmp_path: Path) -> None:
    phones.built(phone)
    before = contract(phone)
    lender = served.lender(tmp_path / "loans", served.LOAN_PLAN.replace("serve: [api]", "serve: [device]"))
    only = "models.payer: cannot run on the device: the page prepares pictures only, and it reads table"
    with pytest.raises(DrivetrainError, match=re.escape(only)):
        phones.built(lender)
    for serve, says in (("{kind: device, runtime: tflite}", "`tflite` is not one"), ("api", "names no `device`")):
        with pytest.raises(DrivetrainError, match=says):
            phones.built(planned(phone, serve))
    planned(phone, "{kind: device}")
    shutil.rmtree(phone / "deploy/device/node_modules")
    with pytest.raises(DrivetrainError, match="npm install --prefix deploy/device"):
        phones.built(phone)
    assert contract(phone) == before


def test_a_policy_of_another_plan_or_model_is_not_put_onto_phones(phone: Path) -> None:
    planned(phone, "{kind: device}", value=("'on', 1, -4", "'on', 2, -4"))
    with pytest.raises(DrivetrainError, match="make decide"):
        phones.built(phone)


def test_a_plan_with_a_device_gets_the_page_the_service_and_the_step(tmp_path: Path) -> None:
    plan = tmp_path / "drivetrain.yaml"
    plan.write_text(phones.PLAN.replace("serve: [api, voila]", "serve: [device]"))
    made = project.new(load_spec(plan), tmp_path / "out").path
    there = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    wanted = {"web/index.html", "web/device.js", "web/worker.js", "deploy/device/package.json", "docs/device.md"}
    assert wanted | {"night_lamp/device.py", "night_lamp/serve.py"} <= there
    assert "deploy/Dockerfile" not in there
    assert "\ndevice: " in (made / "Makefile").read_text(encoding="utf-8")
    plan.write_text(phones.PLAN.replace("serve: [api, voila]", "serve: [web]"))
    made = project.new(load_spec(plan), tmp_path / "web").path
    there = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    assert not {name for name in there if "device" in name or name in ("web/worker.js", "web/pixels.js")}


def test_tests_and_projects_use_the_same_runtime() -> None:
    """What was tried in the browser is what a project fetches."""
    pins = [
        yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]["onnxruntime-web"]
        for path in (Path(__file__).parent / "browser/package.json", TEMPLATE / "deploy/device/package.json")
    ]
    assert pins[0] == pins[1]
