"""The template: what it becomes, that its code is sound where it lies, and that others can use it too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import project_golden as golden
import pytest
from ruamel.yaml import YAML

from drivetrain import project
from drivetrain.project import template
from drivetrain.project.render import ANSWERS, CHECKLIST

ROOT = Path(__file__).resolve().parents[1]
INSIDE = ROOT / "template" / "{{ cookiecutter.slug }}"
AGAIN = "If that is meant: python tests/project_golden.py, and read the diff."


def tree(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in template.names(folder)}


def run(*command: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("name", golden.PLANS)
def test_a_project_is_what_it_was_when_somebody_last_looked(tmp_path, name):
    made = project.new(golden.PLANS[name], tmp_path)
    expected = tree(golden.GOLDEN / name)
    files = expected.pop("tree.txt").decode().splitlines()
    assert list(made.files) == files, AGAIN
    assert golden.rendered(made.path).keys() == expected.keys(), AGAIN
    for file, data in golden.rendered(made.path).items():
        assert data == expected[file], f"{file}: {AGAIN}"


def test_cookiecutter_json_holds_the_default_example():
    assert (ROOT / "template" / "cookiecutter.json").read_text(encoding="utf-8") == golden.cookiecutter_json(), AGAIN


def test_plain_cookiecutter_gives_the_default_example(tmp_path):
    """The same bytes as `drivetrain new --example`, but for the record that an update needs."""
    clone, out = tmp_path / "clone", tmp_path / "out"
    shutil.copytree(ROOT / "template", clone / "template", ignore=shutil.ignore_patterns("*cache*"))
    shutil.copytree(golden.EXAMPLES, clone / "drivetrain" / "examples")
    command = [sys.executable, "-m", "cookiecutter", "./clone", "--directory", "template", "--no-input", "-o", out]
    run(*command, HOME=str(tmp_path), cwd=tmp_path)
    made = project.new(golden.PLANS[golden.DEFAULT], tmp_path)
    plain, ours = tree(out / golden.DEFAULT), tree(made.path)
    ours.pop(".drivetrain/record.json")
    assert plain.keys() == ours.keys(), AGAIN
    for name, data in ours.items():
        assert plain[name] == data, f"{name}: {AGAIN}"
    assert (made.path / ANSWERS).is_file()
    assert (made.path / CHECKLIST).is_file()
    run(sys.executable, "-m", "drivetrain", "validate", cwd=out / golden.DEFAULT)


def test_the_templates_python_passes_ruff_where_it_lies():
    run(sys.executable, "-m", "ruff", "check", ROOT / "template", cwd=ROOT)
    run(sys.executable, "-m", "ruff", "format", "--check", ROOT / "template", cwd=ROOT)


def test_the_templates_python_passes_strict_mypy(tmp_path):
    """Every file of the template at once, each learner included; only the folder has a name that Python can import."""
    made = project.new(golden.PLANS[golden.DEFAULT], tmp_path)
    for learner in (ROOT / "template" / "learners").glob("*.py"):
        shutil.copyfile(learner, made.path / "mail_sorting" / "learners" / learner.name)
    for path in (INSIDE / "{{ cookiecutter.package }}").glob("*.py"):
        shutil.copyfile(path, made.path / "mail_sorting" / path.name)
    run(sys.executable, "-m", "mypy", "--cache-dir", ROOT / ".mypy_cache" / "projects", cwd=made.path)


def test_a_wheel_generates_the_same_bytes_as_the_checkout(tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path / "dist", ROOT)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "-t", tmp_path / "installed", wheel)
    packaged = tree(tmp_path / "installed" / "drivetrain" / "_template")
    assert packaged == tree(ROOT / "template")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'installed')!r});"
        "from drivetrain import project; from drivetrain.examples import path;"
        "print(project.new(path('mail-sorting'), sys.argv[1]).path, project.__file__)"
    )
    said = run(sys.executable, "-I", "-c", code, tmp_path / "from-wheel").stdout
    assert str(tmp_path / "installed") in said
    ours = project.new(golden.PLANS["mail-sorting"], tmp_path / "from-checkout")
    assert tree(tmp_path / "from-wheel" / "mail-sorting") == tree(ours.path)


def test_no_file_of_the_template_is_empty_talk():
    """A pointer in a document names a file that is there, or a step that makes it."""
    made_by_steps = {"evidence/", "artifacts/"}
    for name in ("README.md", "docs/onboarding.md", "docs/rollout.md", "docs/model_card.md"):
        folder = golden.GOLDEN / golden.DEFAULT / Path(name).parent
        text = (golden.GOLDEN / golden.DEFAULT / name).read_text(encoding="utf-8")
        links = [part.split(")")[0] for part in text.split("](")[1:]]
        files = set((golden.GOLDEN / golden.DEFAULT / "tree.txt").read_text().splitlines())
        for link in links:
            target = os.path.relpath((folder / link), golden.GOLDEN / golden.DEFAULT)
            assert target in files or any(target.startswith(step) for step in made_by_steps), f"{name}: {link}"


def test_a_forked_template_is_generated_by_the_fixture_for_forks(tmp_path):
    forked = Path(shutil.copytree(ROOT / "template", tmp_path / "template", ignore=shutil.ignore_patterns("*cache*")))
    (forked / "{{ cookiecutter.slug }}" / "HOUSE.md").write_text("rules of {{ cookiecutter.slug }}\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["drivetrain.project.testing"]\n')
    (tmp_path / "test_fork.py").write_text(
        "def test_ours(generated_project):\n"
        "    made = generated_project(example='mail-sorting', template='template')\n"
        "    assert (made.path / 'HOUSE.md').read_text() == 'rules of mail-sorting\\n'\n"
        "    assert generated_project().path != made.path\n"
    )
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_fork.py", cwd=tmp_path)


def test_the_hooks_for_pre_commit_name_commands_that_there_are():
    [hook] = YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")
    assert hook["entry"] == "drivetrain validate"
    run(sys.executable, "-m", *hook["entry"].split(), golden.PLANS[golden.DEFAULT])
