"""Every test runs on sample data, in a copy of the project: your data, models and evidence are never touched."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from drivetrain import load_spec
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
PLAN = load_spec(ROOT)
PACKAGE = next(ROOT.glob("*/learners")).parent.name
OWN = {"drivetrain.yaml", "checklist.yaml", PACKAGE}

STEPS = ["check_data", "train", "decide", "audit"]
Step = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with sample data, and with a training short enough for a test."""
    copy = tmp_path_factory.mktemp("copy") / ROOT.name
    copy.mkdir()
    for path in ROOT.iterdir():
        if path.name in OWN:
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, copy / path.name)
    shorten(copy / "drivetrain.yaml")
    done = run_in(copy, "drivetrain", "sample")
    assert done.returncode == 0, done.stderr
    return copy


@pytest.fixture(scope="session")
def until(project: Path) -> Step:
    """`until("decide")` runs the steps up to this one, each once, and gives what the last of them said."""
    done: dict[str, subprocess.CompletedProcess[str]] = {}

    def run_until(name: str) -> subprocess.CompletedProcess[str]:
        for step in STEPS[: STEPS.index(name) + 1]:
            if step not in done:
                done[step] = run_in(project, f"{PACKAGE}.{step}")
        return done[name]

    return run_until


def run_in(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def shorten(path: Path) -> None:
    """One epoch of small pictures, nothing to look for or to download: the tests ask whether the steps work."""
    yaml = YAML()
    plan = yaml.load(path)
    for model in plan.get("models", []):
        if "name" in model:
            model["training"] = {"epochs": 1, "freeze_epochs": 0, "learning_rate": 0.003, "pretrained": False}
        if str(model.get("task")).startswith("image"):
            model["image"] = {"resize": "squish", "size": min(64, (model.get("image") or {}).get("size", 64))}
    yaml.dump(plan, path)
