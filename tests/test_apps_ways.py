"""`deployment.serve`: each way brings its own files alone, and every command that a text tells to type is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import served

from drivetrain import load_spec, project
from drivetrain.spec.deployment import Serve

ROOT = Path(__file__).parents[1]
WAYS: tuple[str, ...] = get_args(Serve.model_fields["kind"].annotation)
STEERED = {"drift.py", "harvest.py", "rollout.py"}
SERVICE = {"docs/service.md", "tests/test_service.py", "client.py", "serve.py", *STEERED}
IMAGE = {".dockerignore", "deploy/Dockerfile"}
PAGE = {"web/app.js", "web/index.html", "web/style.css"}
CLUSTER = {
    f"deploy/kubernetes/{name}.yaml" for name in ("autoscaler", "deployment", "service", "kserve/inferenceservice")
}
BROWSER = {f"web/{name}.js" for name in ("device", "pixels", "queue", "worker")}
OWN = {
    "api": SERVICE | IMAGE | {"deploy/compose.yaml"},
    "voila": {".binder/requirements.txt", ".binder/runtime.txt", "notebooks/app.ipynb", "voila.json"},
    "gradio": {"deploy/space/README.md", "deploy/space/requirements.txt", "app.py"},
    "web": SERVICE | PAGE,
    "batch": {"batch.py", *STEERED},
    "device": SERVICE | PAGE | BROWSER | {"deploy/device/package.json", "docs/device.md", "device.py"},
    "ray": SERVICE | {"replicas.py"},
    "kubernetes": SERVICE | IMAGE | CLUSTER,
}
TOLD = re.compile(r"`make ((?:[a-z-]+ ?)+)")
"""Commands in a text: "`make train decide`"."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Path]:
    """A project for each way alone, and one for all of them."""
    base, found = tmp_path_factory.mktemp("ways"), {}
    for ways in (*((way,) for way in WAYS), WAYS):
        plan = base / "drivetrain.yaml"
        plan.write_text(served.LIGHT_PLAN.replace("serve: [api, voila]", f"serve: [{', '.join(ways)}]"))
        found[ways] = project.new(load_spec(plan), base / "-".join(ways)).path
    return found


def files(made: Path) -> set[str]:
    names = (path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    return {name.removeprefix("night_lamp/") for name in names}


def test_each_way_alone_brings_its_own_files_and_together_they_bring_all_of_them(
    made: dict[tuple[str, ...], Path],
) -> None:
    common = set.intersection(*(files(made[way,]) for way in WAYS))
    assert {way: files(made[way,]) - common for way in WAYS} == OWN
    assert files(made[WAYS]) == common.union(*OWN.values())


def test_every_make_that_a_projects_texts_tell_to_type_is_a_target_of_its_makefile(
    made: dict[tuple[str, ...], Path],
) -> None:
    for ways, folder in made.items():
        targets = set(re.findall(r"^([a-z-]+):", (folder / "Makefile").read_text(), re.MULTILINE))
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".md", ".py", ".ipynb", ".yaml") or path.name in ("Dockerfile", "Makefile"):
                told = {word for found in TOLD.findall(path.read_text()) for word in found.split()}
                # serve.py is the same whatever is served, and says which way its lines are for.
                told -= {"device"} if path.name == "serve.py" else set()
                assert told <= targets, f"{path.relative_to(folder)} of {', '.join(ways)}"


def test_every_make_in_the_documentation_is_a_target_of_ours_or_of_a_project(made: dict[tuple[str, ...], Path]) -> None:
    makefiles = (ROOT / "Makefile", made[WAYS] / "Makefile")
    targets = {name for path in makefiles for name in re.findall(r"^([a-z-]+):", path.read_text(), re.MULTILINE)}
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))):
        told = {word for found in TOLD.findall(page.read_text(encoding="utf-8")) for word in found.split()}
        assert told <= targets, page.name
