"""A plan becomes a project: all of it, or nothing."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cookiecutter.generate import generate_files

from drivetrain import project
from drivetrain.errors import ProjectError, TargetError, run
from drivetrain.project import engine, origin, template

EXAMPLES = Path(project.__file__).parents[1] / "examples"
MAIL = EXAMPLES / "mail-sorting" / "drivetrain.yaml"
SHORT = """\
drivetrain: 1
project: {name: Bear warning}
objective: {statement: Warn hikers., value: "where(bear == 'none', 0, where(alarm == 'on', 0, -50))"}
levers: [{name: alarm, type: options, options: ["on", "off"], owner: hut keeper}]
data: [{name: photos, kind: images, location: data/photos,
        outcomes: {bear: {column: folder, values: [black, none], affected_by: []}}}]
models: [{name: spotter, task: image-classification, predicts: bear}]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan" / "drivetrain.yaml"
    path.parent.mkdir()
    path.write_text(SHORT, encoding="utf-8")
    return path


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_the_project_stands_in_a_folder_of_its_own_with_the_plan_byte_for_byte(tmp_path):
    made = project.new(MAIL, tmp_path)
    assert made.path == tmp_path / "mail-sorting"
    assert (made.path / "drivetrain.yaml").read_bytes() == MAIL.read_bytes()
    assert set(made.files) == {name for name, data in tree(made.path).items() if data is not None}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mail-sorting"]


def test_each_model_gets_the_learner_of_its_task_verbatim(tmp_path, plan):
    made = project.new(plan, tmp_path)
    copied = made.path / "bear_warning" / "learners" / "spotter.py"
    assert copied.read_bytes() == template.learner(template.load(), "image-classification")


def test_python_is_copied_verbatim(tmp_path, plan):
    made = project.new(plan, tmp_path)
    inside = template.folder() / "{{ cookiecutter.slug }}"
    for path in (inside / name for name in template.names(inside) if name.endswith(".py")):
        name = path.relative_to(inside).as_posix().replace("{{ cookiecutter.package }}", "bear_warning")
        if name in {
            f"bear_warning/{other}.py" for other in ("batch", "app", "device", "replicas")
        }:  # where a plan names them
            assert not (made.path / name).exists()
            continue
        assert (made.path / name).read_bytes() == path.read_bytes(), name


def test_two_runs_give_identical_bytes(tmp_path):
    one, two = project.new(MAIL, tmp_path / "one"), project.new(MAIL, tmp_path / "two")
    assert tree(one.path) == tree(two.path)


def test_an_existing_folder_that_is_not_empty_is_left_as_it_was(tmp_path, plan):
    target = tmp_path / "bear-warning"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(TargetError, match="not empty") as caught:
        project.new(plan, tmp_path)
    assert caught.value.exit_code == 2
    assert "-o" in caught.value.message
    assert tree(tmp_path) == before


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_anything_else_of_that_name_is_left_as_it_was(tmp_path, plan, kind):
    target = tmp_path / "bear-warning"
    elsewhere = tmp_path / "elsewhere"
    if kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to(elsewhere)
        if kind == "link":
            elsewhere.mkdir()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(TargetError):
        project.new(plan, tmp_path)
    assert sorted(os.listdir(tmp_path)) == before
    assert target.is_symlink() == (kind != "file")


def test_an_empty_folder_of_that_name_is_used(tmp_path, plan):
    (tmp_path / "bear-warning").mkdir()
    assert (project.new(plan, tmp_path).path / "README.md").is_file()


def test_a_dry_run_lists_the_files_and_writes_nothing(tmp_path, plan):
    before = tree(tmp_path)
    planned = project.new(plan, tmp_path, dry_run=True)
    assert tree(tmp_path) == before
    assert planned.files == project.new(plan, tmp_path).files


@pytest.mark.parametrize("name", ["{{ 7919*7907 }}", "{% if x %}", "{# #}", "a b's", "ünï", "-o"])
def test_the_name_of_the_folder_is_no_template_either(tmp_path, plan, name):
    made = project.new(plan, tmp_path / name)
    assert made.path == tmp_path / name / "bear-warning"
    assert [path.name for path in (tmp_path / name).iterdir()] == ["bear-warning"]
    assert tree(made.path) == tree(project.new(plan, tmp_path / "usual").path)


def test_folders_on_the_way_are_made_and_go_again_when_nothing_comes_of_it(tmp_path, plan):
    assert project.new(plan, tmp_path / "a" / "b").path.is_dir()
    with pytest.raises(ProjectError, match="no learner"):
        project.new(plan, tmp_path / "c" / "d", template=_without_learners(tmp_path))
    assert not (tmp_path / "c").exists()


def _without_learners(tmp_path: Path) -> Path:
    forked = tmp_path / "forked"
    package = forked / "{{ cookiecutter.slug }}" / "{{ cookiecutter.package }}"
    (forked / "learners").mkdir(parents=True)
    (forked / "cookiecutter.json").write_text("{}")
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    return forked


def test_a_task_without_a_learner_is_named_with_those_that_have_one(tmp_path, plan):
    forked = _without_learners(tmp_path)
    (forked / "learners" / "ratings.py").write_text("")
    with pytest.raises(ProjectError, match=r"image-classification.*Tasks: ratings"):
        project.new(plan, tmp_path, template=forked)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("broken.py", "def f(:\n"),
        ("broken.md", "{{ cookiecutter.no_such_thing }}"),
        ("broken.md", "{% if %}"),
        ("broken.toml", "x = "),
        ("broken.json", "{"),
        ("broken.yaml", "a: [1"),
        ("broken.ipynb", '{"nbformat": 3}'),
        ("left.txt", "{% raw %}{{ cookiecutter.slug }}{% endraw %}"),
        ("left.py", "x = '{{ cookiecutter.slug }}'\n"),
    ],
)
def test_a_broken_template_leaves_nothing_behind(tmp_path, plan, name, text):
    forked = _without_learners(tmp_path)
    (forked / "cookiecutter.json").write_text('{"_copy_without_render": ["*.py"]}')
    (forked / "learners" / "image_classification.py").write_text("")
    (forked / "{{ cookiecutter.slug }}" / name).write_text(text)
    (tmp_path / "out").mkdir()
    with pytest.raises(ProjectError) as caught:
        project.new(plan, tmp_path / "out", template=forked)
    assert name in caught.value.message
    assert tree(tmp_path / "out") == {}


def test_a_full_disk_leaves_nothing_behind(tmp_path, plan, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("drivetrain.project.generate.write", full)
    with pytest.raises(ProjectError, match="No space left"):
        project.new(plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_nothing_behind(tmp_path, plan, monkeypatch):
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("drivetrain.project.generate.verify", stopped)
    with pytest.raises(KeyboardInterrupt):
        project.new(plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("slug", ["torch", "data", "con", "test-data", "class", "x" * 64])
def test_a_package_never_hides_another_one(tmp_path, plan, slug):
    plan.write_text(SHORT.replace("{name: Bear warning}", f"{{name: Bear warning, slug: {slug}}}"), encoding="utf-8")
    if slug in {"test-data", "x" * 64}:
        assert project.new(plan, tmp_path).path.name == slug
    else:
        with pytest.raises(ProjectError, match=r"project\.slug"):
            project.new(plan, tmp_path)


def test_only_what_the_plan_serves_is_generated(tmp_path, plan):
    bare = set(project.new(plan, tmp_path / "bare").files)
    assert not {"deploy/Dockerfile", "notebooks/app.ipynb"} & bare
    plan.write_text(SHORT + "deployment: {serve: [batch]}\n", encoding="utf-8")
    batch = set(project.new(plan, tmp_path / "batch").files)
    assert not {"bear_warning/serve.py", "bear_warning/client.py", "deploy/Dockerfile", "notebooks/app.ipynb"} & batch
    plan.write_text(SHORT + "deployment: {serve: [api]}\n", encoding="utf-8")
    assert "deploy/Dockerfile" in project.new(plan, tmp_path / "api").files


def test_an_optimizer_is_installed_where_what_is_served_decides_several_cases_together(tmp_path, plan):
    def serving(text, name):
        plan.write_text(text, encoding="utf-8")
        made = tomllib.loads((project.new(plan, tmp_path / name).path / "pyproject.toml").read_text(encoding="utf-8"))
        return made["project"]["optional-dependencies"]["serve"]

    alarm = '{name: alarm, type: options, options: ["on", "off"], owner: hut keeper}'
    queue = "{name: place, type: ranking, of: cases}"
    joint, alone = (
        SHORT.replace(alarm, f"{alarm}, {queue}"),
        SHORT.replace(alarm, queue).replace("alarm == 'on'", "place > 2"),
    )
    assert serving(SHORT + "deployment: {serve: [api]}\n", "api") == ["drivetrain[serve]"]
    assert serving(SHORT + "deployment: {serve: [api, batch]}\n", "batch") == ["drivetrain[serve,optimize]"]
    assert serving(joint + "deployment: {serve: [api]}\n", "joint") == ["drivetrain[serve,optimize]"]
    assert serving(alone + "deployment: {serve: [api]}\n", "alone") == ["drivetrain[serve]"]


def test_a_step_says_what_it_needs_where_a_container_lacks_it(capsys):
    def drift():
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy.stats")

    with pytest.raises(SystemExit) as ended:
        run(drift)
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "this step needs `scipy`, which is not installed here. Run it in the project's own environment "
        "(`make install`), or install it: pip install scipy.\n"
    )


def test_nobody_is_told_to_install_what_a_slip_in_an_import_names():
    def slip():
        raise ModuleNotFoundError("No module named 'pandass'", name="pandass")

    with pytest.raises(ModuleNotFoundError):
        run(slip)


def test_no_path_of_this_machine_is_written(tmp_path):
    made = project.new(MAIL, tmp_path)
    for name, data in tree(made.path).items():
        for path in {str(tmp_path), str(template.folder()), str(Path.home()) + "/", sys.prefix}:
            assert path.encode() not in (data or b""), name


@pytest.mark.parametrize(
    ("recorded", "requirement"),
    [
        (
            '{"url": "https://example.org/dt.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
            "drivetrain @ git+https://example.org/dt.git@abc",
        ),
        (
            '{"url": "https://me:secret@example.org/dt.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
            "drivetrain @ git+https://example.org/dt.git@abc",
        ),
        (
            '{"url": "ssh://git@example.org/dt.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
            "drivetrain @ git+ssh://git@example.org/dt.git@abc",
        ),
        ('{"url": "file:///home/me/dt", "vcs_info": {"vcs": "git", "commit_id": "abc"}}', "drivetrain==1.2"),
        ('{"url": "file:///home/me/dt", "dir_info": {"editable": true}}', "drivetrain==1.2"),
        ("not json", "drivetrain==1.2"),
        (None, "drivetrain==1.2"),
    ],
)
def test_the_project_requires_drivetrain_by_its_recorded_origin(monkeypatch, recorded, requirement):
    class Installed:
        version = "1.2"

        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return recorded

    monkeypatch.setattr(origin, "installed", Installed)
    assert origin.origin().requirement() == requirement


def test_a_vendored_wheel_installs_and_brings_the_template(tmp_path, plan):
    made = project.new(plan, tmp_path, vendor=True)
    [wheel] = (made.path / "vendor").glob("*.whl")
    target = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run([*map(str, command)], check=True)
    packaged = target / "drivetrain" / "_template"
    assert tree(packaged).keys() >= {"cookiecutter.json", "learners/image_classification.py"}
    code = "from drivetrain.project import template; print(template.folder())"
    found = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(packaged)
    assert f"pip install vendor/{wheel.name} -e" in (made.path / "Makefile").read_text()


def test_what_tools_leave_in_a_template_is_no_part_of_it(tmp_path, plan):
    forked = tmp_path / "forked"
    shutil.copytree(template.folder(), forked)
    clean = project.new(plan, tmp_path / "clean", template=forked)
    inside = forked / "{{ cookiecutter.slug }}"
    for folder in (inside / ".ruff_cache", inside / "tests" / "__pycache__", forked / "learners" / "__pycache__"):
        folder.mkdir(exist_ok=True)
        (folder / "x.pyc").write_bytes(b"\x89\x00\xff")
        (folder / "x").write_bytes(b"\x89PNG {{ cookiecutter.nothing }}\xff")
    assert tree(project.new(plan, tmp_path / "used", template=forked).path) == tree(clean.path)


# What a fork may make of cookiecutter's format: its settings, and the files of its project.
FORMS: dict[str, tuple[dict[str, object], dict[str, bytes]]] = {
    "text": ({}, {"a.md": b"# {{ cookiecutter.slug }}\n", "b.txt": b"plain\n", "c": b"", "d": b"no end {{ 1 + 1 }}"}),
    "line ends": ({}, {"w.txt": b"{{ 1 }}\r\n{{ 2 }}\r\n", "u.txt": b"{{ 1 }}\n{{ 2 }}\n"}),
    "other line ends": ({"_new_lines": "\r\n"}, {"a.txt": b"{{ 1 }}\n{{ 2 }}\n"}),
    "a picture": ({}, {"logo.png": b"\x89PNG\r\n\x1a\n\x00{{ cookiecutter.slug }}\x00\xff\xfe" * 40}),
    "copied": (
        {"_copy_without_render": ["*.py", "kept/*", "as_is", "{{ cookiecutter.package }}/x.txt"]},
        {
            "deep/er/x.py": b"{{ 1 }}\n",
            "kept/x.txt": b"{{ 1 }}\n",
            "as_is/{{ 1 }}.txt": b"{{ 1 }}\n",
            "{{ cookiecutter.package }}/x.txt": b"{{ 1 }}\n",
            "{{ cookiecutter.package }}/y.txt": b"{{ 1 }}\n",
        },
    ),
    "names that come to nothing": (
        {},
        {
            "{% if false %}no.txt{% endif %}": b"x",
            "{% if true %}yes.txt{% endif %}": b"y",
        },
    ),
    "settings of Jinja": (
        {"_jinja2_env_vars": {"trim_blocks": True, "variable_start_string": "{{", "comment_start_string": "<#"}},
        {"a.txt": b"{% if true %}\nyes\n{% endif %}\n<# gone #}{# stays #}\n"},
    ),
    "cookiecutter's extensions": (
        {},
        {"a.txt": b"{{ 'A b' | slugify }} {{ {'a': 1} | jsonify }}\n{% now 'utc', '%Y' %}\n"},
    ),
    "extensions of Jinja": (
        {"_extensions": ["jinja2.ext.do"]},
        {"a.txt": b"{% set l = [] %}{% do l.append(1) %}{{ l }}"},
    ),
    "blocks to include": ({}, {"a.txt": b"{% include 'block.txt' %}|{% include 'b/c.txt' %}", "b/c.txt": b"{{ 3 }}"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_template_becomes_what_cookiecutter_makes_of_it(tmp_path, form):
    settings, files = FORMS[form]
    forked = tmp_path / "forked"
    for name, data in {"templates/block.txt": b"{{ cookiecutter.slug }}", "cookiecutter.json": b"{}"}.items():
        (forked / name).parent.mkdir(parents=True, exist_ok=True)
        (forked / name).write_bytes(data)
    for name, data in files.items():
        path = forked / "{{ cookiecutter.slug }}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    variables = {"slug": "bear-warning", "package": "bear_warning", **settings}
    theirs = generate_files(forked, {"cookiecutter": variables}, tmp_path, accept_hooks=False)
    expected = {name: data for name, data in tree(Path(theirs)).items() if data is not None}
    assert engine.fill(template.load(forked), variables, lambda name: True) == expected


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{{ cookiecutter.up }}", "leads out of the project"),
        ("{{ cookiecutter.root }}", "leads out of the project"),
        ("a.txt", "so does another file"),
        ("b.md", r"b\.md:3"),
    ],
)
def test_a_fault_of_a_template_is_told_with_its_place(tmp_path, name, said):
    files = {
        "{{ cookiecutter.slug }}/" + name: b"one\ntwo\n{{ 1 / cookiecutter.zero }}\n" if name == "b.md" else b"",
        "{{ cookiecutter.slug }}/{{ 'a' }}.txt": b"",
    }
    with pytest.raises(ProjectError, match=said):
        engine.fill(files, {"zero": 0, "up": "../../x", "root": "/x"}, lambda name: True)


def test_another_way_to_read_the_same_template_is_no_reason_to_take_an_old_one_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    files = {"{{ cookiecutter.slug }}/a.txt": b"{% if true %}\nyes\n{% endif %}\n"}
    trimmed, plain = (
        engine.fill(files, {"slug": "x", "_jinja2_env_vars": {"trim_blocks": trim}}, lambda name: True)
        for trim in (True, False)
    )
    assert (trimmed, plain) == ({"a.txt": b"yes\n"}, {"a.txt": b"\nyes\n\n"})


def test_python_that_compiled_before_says_nothing_of_python_that_did_not(tmp_path, plan, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forked = _without_learners(tmp_path)
    (forked / "cookiecutter.json").write_text('{"_copy_without_render": ["*.py"]}')
    (forked / "learners" / "image_classification.py").write_text("x = 1\n")
    module = forked / "{{ cookiecutter.slug }}" / "module.py"
    for number, text in enumerate(["x = 1\n", "x = 1\n", "def f(:\n", "def f(:\n", "x = 2\n"]):
        module.write_text(text)
        if text.startswith("x"):
            project.new(plan, tmp_path / str(number), template=forked)
        else:
            with pytest.raises(ProjectError, match=r"module\.py"):
                project.new(plan, tmp_path / str(number), template=forked)
    assert len(list(tmp_path.glob("cache/**/*.compiles"))) == 2


def test_a_folder_that_is_no_template_is_not_read(tmp_path, plan):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "socket").symlink_to("/dev/zero")
    with pytest.raises(ProjectError, match=r"no cookiecutter\.json: this is no template"):
        project.new(plan, tmp_path, template=tmp_path / "home")


def test_a_picture_of_a_fork_comes_into_the_project(tmp_path, plan):
    forked = Path(shutil.copytree(template.folder(), tmp_path / "forked"))
    logo = b"\x89PNG\r\n\x1a\n\x00\xff"
    (forked / "{{ cookiecutter.slug }}" / "logo.png").write_bytes(logo)
    assert (project.new(plan, tmp_path, template=forked).path / "logo.png").read_bytes() == logo


def test_evidence_beside_the_plan_is_none_of_the_new_project(tmp_path, plan):
    usual = tree(project.new(plan, tmp_path / "usual").path)
    (plan.parent / "evidence").mkdir()
    (plan.parent / "evidence" / "train.json").write_text("{broken")
    (plan.parent / "checklist.yaml").write_text("{broken")
    assert tree(project.new(plan, tmp_path / "beside").path) == usual
