"""Doctor says what is wrong with an environment, and what to do."""

from __future__ import annotations

import pytest

from drivetrain import doctor
from drivetrain.findings import passes


def by_id(found: list[doctor.Finding]) -> dict[str, doctor.Finding]:
    return {finding.id: finding for finding in found}


@pytest.mark.train
def test_the_environment_of_these_tests_is_fit_to_train_and_serve() -> None:
    found = doctor.examine()
    assert passes(found), [str(finding) for finding in found]
    installed = {finding.where for finding in found if finding.id == "DE103"}
    assert {"extra data", "extra train", "extra serve"} <= installed
    assert {"DE202", "DE203"} & set(by_id(found))  # torchvision imports, by itself or with the remedy


def test_a_missing_extra_is_a_warning_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    finding = doctor._extra("serve")
    assert (finding.id, finding.level) == ("DE101", "warn")
    assert 'pip install "drivetrain[serve]"' in finding.advice
    assert "onnxruntime" in finding.affected


def test_a_package_that_is_too_old_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda name: "0.0.1")
    finding = doctor._extra("train")
    assert (finding.id, finding.level) == ("DE102", "fail")
    assert any("fastai 0.0.1" in text for text in finding.affected)


def test_packages_that_do_not_fit_each_other_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: "99.0" if name == "torch" else real(name))
    found = [finding for finding in doctor._conflicts() if finding.where == "fastai"]
    assert found, "fastai names an upper bound for torch"
    assert "torch" in found[0].what
    assert "99.0" in found[0].what
    assert found[0].level == "fail"


@pytest.mark.parametrize(
    ("error", "word"),
    [
        ("ValueError: numpy.dtype size changed, may indicate binary incompatibility (pandas)", "reinstall pandas"),
        ("RuntimeError: operator torchvision::nms does not exist", "same index"),
        ("ImportError: libGL.so.1: cannot open shared object file", "system library"),
        ("ImportError: something else", "fresh environment"),
    ],
)
def test_an_import_that_fails_is_explained(error: str, word: str) -> None:
    [finding] = doctor._broken("train", {"pandas": error})
    assert finding.level == "fail"
    assert word in finding.advice.lower() or word in finding.advice


def test_a_module_that_cannot_be_imported_is_found() -> None:
    found = doctor._imports(("json", "no_such_module_here"))
    assert found["json"] is None
    assert "ModuleNotFoundError" in str(found["no_such_module_here"])


def test_torchvision_beside_another_build_of_torch_is_a_note_not_a_fault() -> None:
    result = {"torchvision": "RuntimeError: operator torchvision::nms does not exist", "fastai.vision.all": None}
    assert not list(doctor._broken("train", result))
    finding = doctor._torchvision(result)
    assert (finding.id, finding.level) == ("DE203", "note")
    assert "before fastai" in finding.advice
    broken = doctor._torchvision(result | {"fastai.vision.all": "ImportError: x"})
    assert broken.level == "fail"
