"""Every plan of the gallery becomes a project that is clean, typed and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain import load_spec, project
from drivetrain.examples import names, path

ROOT = Path(__file__).resolve().parents[1]


def run(*command: object, cwd: Path) -> None:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]


@pytest.mark.parametrize("name", names())
def test_an_example_becomes_a_project_with_a_learner_for_each_model_and_nothing_that_is_not_planned(tmp_path, name):
    spec = load_spec(path(name))
    made = project.new(path(name), tmp_path)
    assert made.path.name == name
    for model in spec.models:
        assert f"{spec.package}/learners/{model.name}.py" in made.files
    kinds = {entry.kind for entry in spec.deployment.serve or []} if spec.deployment else set()
    assert ("deploy/Dockerfile" in made.files) == ("api" in kinds)
    assert ("notebooks/app.ipynb" in made.files) == ("voila" in kinds)
    assert (f"{spec.package}/batch.py" in made.files) == ("batch" in kinds)
    run(sys.executable, "-m", "ruff", "check", ".", cwd=made.path)
    run(sys.executable, "-m", "ruff", "format", "--check", ".", cwd=made.path)
    run("make", "-n", f"PYTHON={sys.executable}", "check", "train", "decide", "audit", "review", cwd=made.path)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", names())
def test_an_example_is_typed_and_passes_its_own_tests(tmp_path, name):
    made = project.new(path(name), tmp_path)
    run(sys.executable, "-m", "mypy", "--cache-dir", ROOT / ".mypy_cache" / "projects", cwd=made.path)
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=made.path)


@pytest.mark.fuzz
def test_what_plain_cookiecutter_gives_passes_its_own_tests(tmp_path):
    command = [sys.executable, "-m", "cookiecutter", ROOT, "--directory", "template", "--no-input", "-o", tmp_path]
    environment = os.environ | {"HOME": str(tmp_path)}
    subprocess.run([*map(str, command)], cwd=tmp_path, env=environment, check=True)
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path / "mail-sorting")
