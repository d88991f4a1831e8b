"""Small projects that can be served: real plans, with networks written by hand so that every answer is known."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from drivetrain import artifact, evidence, load_spec, policy, source
from drivetrain.decision.columns import read

SERVE = Path(__file__).parent.parent / "template/{{ cookiecutter.slug }}/{{ cookiecutter.package }}/serve.py"

LIGHT_PLAN = """\
drivetrain: 1
stage: model
project: {name: Night lamp}
objective:
  statement: The lamp is on when it is dark.
  measure: {name: comfort, unit: points/photo, direction: maximize}
  value: "where(sky == 'dark', where(lamp == 'on', 1, -4), where(lamp == 'on', -1, 0))"
levers:
  - name: lamp
    type: options
    options: ["off", "on", ask]
    limits: ["lamp != 'ask'"]
    policies: {do_nothing: "off", today: "off", fallback: "on"}
data:
  - name: photos
    kind: images
    location: data/photos
    outcomes: {sky: {column: folder, values: [bright, dark, strange], affected_by: []}}
models:
  - {name: eye, task: image-classification, predicts: sky, image: {size: 8, resize: squish}}
deployment: {serve: [api, voila]}
"""

LOAN_PLAN = """\
drivetrain: 1
stage: model
project: {name: Small loans}
objective:
  statement: Lend where the money comes back.
  measure: {name: gain, unit: EUR/loan, direction: maximize}
  value: "where(grant == 'yes', where(repaid, 0.1 * amount, -amount), 0)"
levers:
  - {name: grant, type: options, options: ["no", "yes"], policies: {do_nothing: "no", today: "no", fallback: "no"}}
data:
  - name: loans
    kind: table
    location: data/loans.csv
    columns:
      amount: {type: number, minimum: 100, maximum: 5000, unit: EUR}
      income: number
      home: {type: category, values: [rent, own]}
      asked: time
      note: {type: category, known: after}
    outcomes: {repaid: {column: back, type: binary, affected_by: []}}
models:
  - {name: payer, task: table-classification, predicts: repaid, inputs: [income, home]}
deployment: {serve: [api]}
"""


def png(level: int, size: tuple[int, int] = (8, 8)) -> bytes:
    """A grey picture."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", size, level).save(buffer, "PNG")
    return buffer.getvalue()


def lamp(folder: Path, plan: str = LIGHT_PLAN) -> Path:
    """A project whose model looks at brightness: logits are bright 8m, dark 8(1-m), strange 0 at mean grey m."""
    weights = np.zeros((3 * 64, 3), dtype=np.float32)
    weights[:, 0] = 8 / weights.shape[0]
    weights[:, 1] = -8 / weights.shape[0]
    network = _linear([("image", "FLOAT", ["n", 3, 8, 8])], weights, np.array([0, 8, 0], dtype=np.float32))
    manifest = {
        "model": "eye",
        "task": "image-classification",
        "predicts": ["sky"],
        "run": "20261123T120000-ab12",
        "outcomes": {"sky": {"type": "category", "classes": ["bright", "dark", "strange"]}},
        "inputs": [{"name": "image", "type": "image"}],
        "preprocessing": {
            "kind": "image",
            "column": "image",
            "size": [8, 8],
            "resize": "squish",
            "channels": 3,
            "mean": None,
            "std": None,
        },
        "temperature": 1.0,
        # A mean grey is like nothing the model was trained on: both logits are low there.
        "out_of_domain": {"score": "energy", "threshold": -5.0, "false_alarms": 0.01},
        "synthetic": True,
    }
    return _project(folder, plan, {"eye": (network, manifest)})


def lender(folder: Path, plan: str = LOAN_PLAN) -> Path:
    """A project whose model says `repaid` with logit income / 1000, two more for those who own their home."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["categories"], ["codes"], to=TensorProto.FLOAT),
        helper.make_node("Equal", ["codes", "own"], ["owns"]),
        helper.make_node("Cast", ["owns"], ["home"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["home", "two"], ["bonus"]),
        helper.make_node("Add", ["numbers", "bonus"], ["score"]),
        helper.make_node("Mul", ["score", "zero"], ["none"]),
        helper.make_node("Concat", ["none", "score"], ["logits"], axis=1),
    ]
    constants = {"own": 2.0, "two": 2.0, "zero": 0.0}
    graph = helper.make_graph(
        nodes,
        "payer",
        [
            helper.make_tensor_value_info("categories", TensorProto.INT64, ["n", 1]),
            helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["n", 1]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor(name, TensorProto.FLOAT, [1], [value]) for name, value in constants.items()],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    manifest = {
        "model": "payer",
        "task": "table-classification",
        "predicts": ["repaid"],
        "run": "20261123T120000-cd34",
        "outcomes": {"repaid": {"type": "binary", "classes": ["false", "true"]}},
        "inputs": [{"name": "income", "type": "number"}, {"name": "home", "type": "category"}],
        "preprocessing": {
            "kind": "table",
            "categories": {"home": ["#na#", "rent", "own"]},
            "continuous": {"income": {"mean": 0.0, "std": 1000.0, "fill": 0.0}},
        },
        "temperature": 1.0,
        "out_of_domain": {"score": "energy", "threshold": 1e9, "false_alarms": 0.01},
        "synthetic": False,
    }
    return _project(folder, plan, {"payer": (network.SerializeToString(), manifest)})


def _linear(inputs: list[tuple[str, str, list[Any]]], weights: np.ndarray, bias: np.ndarray) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    [(name, kind, shape)] = inputs
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", [name], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        ],
        "linear",
        [helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def _project(folder: Path, plan: str, models: dict[str, tuple[bytes, dict[str, Any]]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "drivetrain.yaml").write_text(plan, encoding="utf-8")
    spec = load_spec(folder)
    for name, (network, manifest) in models.items():
        staged = folder / "artifacts" / f".{name}"
        staged.mkdir(parents=True)
        (staged / "model.onnx").write_bytes(network)
        artifact.write(staged, folder / "artifacts" / name, manifest)
    write_policy(folder)
    digests = {name: artifact.digest(folder / "artifacts" / name) for name in models}
    evidence.record(folder, "train", {}, reads={}, data={}, artifacts=digests)
    assert spec.models
    return folder


def write_policy(folder: Path) -> None:
    """Write `policy.json` for the plan and the models as they lie there, and the evidence that names it."""
    spec = load_spec(folder)
    digests = {model.name: artifact.digest(folder / "artifacts" / model.name) for model in spec.models}
    made = policy.written(policy.problem(spec).labels, {}, {"objective.value": spec.digest("objective.value")}, digests)
    path = policy.write(folder, made)
    evidence.record(
        folder, "decide", {}, reads={}, data={}, artifacts={**digests, "policy.json": evidence.file_digest(path)}
    )


def offline(project: Path) -> list[policy.Choice]:
    """What the written policy does with every row of the case table, read from disk as `decide` reads it."""
    spec = load_spec(project)
    problem, table = policy.problem(spec), source.cases(spec)
    models = [artifact.load(project / "artifacts" / name, root=project) for name in spec.derived.model_order()]
    needed = problem.columns | {name for model in models for name in model.inputs}
    # A lever that a model reads is tried at every setting, not taken from the log.
    columns = read(spec, table, needed - set(problem.levers))
    written = policy.read(project / "artifacts" / "policy.json")
    return policy.decide(problem, written, columns, policy.beliefs(problem, models, columns), models)


def staged(plan: str, stage: str, **deployment: str) -> str:
    """A plan at another stage, with more said about its deployment."""
    more = "".join(f", {name}: {text}" for name, text in deployment.items())
    return plan.replace("stage: model", f"stage: {stage}").replace(
        "deployment: {", "deployment: {" + more.removeprefix(", ") + (", " if more else "")
    )


def client(project: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A client of the `serve.py` that every project gets, run from the project's folder."""
    monkeypatch.chdir(project)
    found = importlib.util.spec_from_file_location("generated_serve", SERVE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "generated_serve", module)
    found.loader.exec_module(module)
    return TestClient(module.app)


@contextmanager
def running(
    project: Path, package: str, port: str = "0", **environment: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The project's own service as a process of its own: its address, and the process.

    Args:
        project: A folder that `lamp` or `lender` made.
        package: Name of the package, `night_lamp` or `small_loans`.
        port: Where it listens; 0 takes a free one.
        environment: Further environment variables.
    """
    with_package(project, package)
    command = [sys.executable, "-m", f"{package}.serve", "--port", port]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=project, env={**os.environ, **environment}, **pipes)
    try:
        assert process.stdout
        assert process.stderr
        said = process.stdout.readline()
        assert "http://" in said, said + process.stderr.read()
        yield said.partition(" at ")[2].partition(". ")[0], process
    finally:
        process.kill()
        process.communicate()


def with_package(project: Path, package: str) -> None:
    """Give a project the modules that every project gets."""
    (project / package).mkdir(exist_ok=True)
    for module in ("serve", "client", "rollout", "drift", "harvest", "batch"):
        shutil.copyfile(SERVE.with_name(f"{module}.py"), project / package / f"{module}.py")
    (project / package / "__init__.py").touch()


def body(*cases: dict[str, Any]) -> bytes:
    """A request's JSON."""
    return json.dumps({"cases": list(cases)}).encode()
