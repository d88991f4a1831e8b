"""An artifact is what was trained, or it does not load."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain import artifact
from drivetrain.errors import ArtifactError, DataError

WEIGHTS = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -2.0]], dtype=np.float32)


def network(path: Path) -> None:
    """logits = numbers @ WEIGHTS, written by hand so that every answer is known."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    numbers = helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["cases", 2])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["cases", 3])
    product = helper.make_node("MatMul", ["numbers", "weights"], ["logits"])
    graph = helper.make_graph([product], "net", [numbers], [logits], [numpy_helper.from_array(WEIGHTS, "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save(model, path)


def manifest(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": "triage",
        "task": "table-classification",
        "predicts": ["need"],
        "outcomes": {"need": {"type": "category", "classes": ["none", "soon", "now"]}},
        "inputs": [{"name": "age", "type": "number"}, {"name": "pulse", "type": "number"}],
        "preprocessing": {
            "kind": "table",
            "categories": {},
            "continuous": {
                "age": {"mean": 50.0, "std": 10.0, "fill": 50.0},
                "pulse": {"mean": 80.0, "std": 20.0, "fill": 70.0},
            },
            "missing": {},
        },
        "temperature": 2.0,
        "out_of_domain": {"score": "energy", "threshold": 0.0, "false_alarms": 0.01},
    }
    return body | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    staged = tmp_path / "staged"
    staged.mkdir()
    network(staged / "model.onnx")
    (staged / "learner.pkl").write_bytes(b"not read")
    return artifact.write(staged, tmp_path / "artifacts" / "triage", manifest())


def test_probabilities_are_the_softmax_of_the_network_on_standardised_inputs(folder: Path) -> None:
    found = artifact.load(folder).predict({"age": [60, 50.0], "pulse": [80, 120]})["need"]
    logits = np.array([[1.0, 0.0], [0.0, 2.0]]) @ WEIGHTS
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found.classes == ("none", "soon", "now")
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert found.likeliest == [found.classes[index] for index in expected.argmax(axis=1)]


def test_a_missing_number_is_filled_as_in_training(folder: Path) -> None:
    predictor = artifact.load(folder)
    gap = predictor.predict({"age": [60, 60], "pulse": [None, float("nan")]})["need"].probabilities
    filled = predictor.predict({"age": [60, 60], "pulse": [70, 70]})["need"].probabilities
    np.testing.assert_array_equal(gap, filled)


def test_the_out_of_domain_score_is_the_energy_at_the_training_temperature(folder: Path) -> None:
    scores = artifact.load(folder).scores({"age": [60, 50], "pulse": [80, 120]})
    logits = (np.array([[1.0, 0.0], [0.0, 2.0]]) @ WEIGHTS).astype(np.float64)
    np.testing.assert_allclose(scores, -2.0 * np.log(np.exp(logits).sum(axis=1)), atol=1e-6)


def test_no_case_gives_no_prediction(folder: Path) -> None:
    assert artifact.load(folder).predict({"age": [], "pulse": []})["need"].probabilities.shape == (0, 3)


@pytest.mark.parametrize("name", ["model.onnx", "learner.pkl"])
@pytest.mark.parametrize("how", ["one bit", "cut short", "longer", "gone"])
def test_an_artifact_that_was_changed_never_loads(folder: Path, name: str, how: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= how == "one bit"
        path.write_bytes(content[:-1] if how == "cut short" else content + b"x" * (how == "longer"))
    with pytest.raises(ArtifactError, match=rf"triage/{name}.*(SHA-256|missing)"):
        artifact.load(folder)


@pytest.mark.parametrize("name", ["../../secret", "/etc/hostname", "a/b", "..", ""])
def test_a_manifest_cannot_name_a_file_elsewhere(folder: Path, name: str) -> None:
    path = folder / "manifest.json"
    body = json.loads(path.read_text())
    body["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    path.write_text(json.dumps(body))
    with pytest.raises(ArtifactError, match="not a plain file"):
        artifact.load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1, "model": 3}'])
def test_a_manifest_that_cannot_be_read_is_explained(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"triage/manifest\.json"):
        artifact.load(folder)


def test_a_model_that_was_not_trained_says_how_to_train_it(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="make train"):
        artifact.load(tmp_path / "artifacts" / "triage")


def test_serving_never_unpickles(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "exploded",))

    staged = tmp_path / "staged"
    staged.mkdir()
    network(staged / "model.onnx")
    (staged / "learner.pkl").write_bytes(pickle.dumps(Bomb()))
    folder = artifact.write(staged, tmp_path / "artifacts" / "triage", manifest())
    artifact.load(folder).predict({"age": [1], "pulse": [1]})
    assert not (tmp_path / "exploded").exists()
    pickle.loads((folder / "learner.pkl").read_bytes())
    assert (tmp_path / "exploded").exists()  # the bomb works, it was only never lit


def test_a_new_artifact_replaces_the_old_one_whole(folder: Path, tmp_path: Path) -> None:
    staged = tmp_path / "second"
    staged.mkdir()
    network(staged / "model.onnx")
    artifact.write(staged, folder, manifest(temperature=1.0))
    assert artifact.read_manifest(folder)["temperature"] == 1.0
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.onnx"]
    assert [path.name for path in folder.parent.iterdir()] == ["triage"]


def test_the_old_artifact_stays_when_the_new_one_cannot_be_put_in_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = tmp_path / "second"
    staged.mkdir()
    network(staged / "model.onnx")
    import os

    real = os.replace

    def fails(source: Any, target: Any) -> None:
        if Path(source) == staged:
            raise OSError("disk full")
        real(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        artifact.write(staged, folder, manifest(temperature=1.0))
    assert artifact.load(folder).manifest["temperature"] == 2.0


def test_text_is_no_path_unless_the_caller_says_so(tmp_path: Path) -> None:
    from drivetrain.artifact import images

    with pytest.raises(DataError, match="not as text"):
        images.read("../../etc/passwd", None, "case 0")


def test_importing_the_room_is_light() -> None:
    code = "import sys, drivetrain.artifact; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "fastai", "onnxruntime", "PIL", "pandas", "pyarrow", "duckdb", "scipy", "matplotlib"}
    assert not heavy & set(done.stdout.split())
