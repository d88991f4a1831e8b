"""An update brings what is new and loses nothing that the team wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from drivetrain import evidence, project
from drivetrain.cli import main
from drivetrain.errors import GateError, ProjectError, SpecError
from drivetrain.project import record, template, transaction
from drivetrain.project.render import DERIVED

PLAN = """\
# the team's own remark
drivetrain: 1
project: {name: Bear warning, summary: Tell hikers}
objective: {statement: Warn hikers., value: "where(bear == 'none', 0, where(alarm == 'on', 0, -50))"}
levers: [{name: alarm, type: options, options: ["on", "off"], owner: hut keeper}]
data:
  - {name: photos, kind: images, location: data/photos,
     outcomes: {bear: {column: folder, values: [black, none], affected_by: []}}}
models:
  - {name: spotter, task: image-classification, predicts: bear}
"""
LEARNER = "bear_warning/learners/spotter.py"


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    (folder / "drivetrain.yaml").write_text(PLAN, encoding="utf-8")
    return project.new(folder, folder).path


@pytest.fixture
def root(tmp_path: Path, fresh: Path) -> Path:
    return Path(shutil.copytree(fresh, tmp_path / fresh.name))


def tree(folder: Path) -> dict[str, bytes]:
    names = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}


def without_undo(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if not name.startswith(".drivetrain/undo/")}


def change_plan(root: Path, old: str, new: str) -> None:
    path = root / "drivetrain.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def to_table(root: Path) -> None:
    for old, new in TABLE.items():
        change_plan(root, old, new)


def edit(path: Path, line: str, at: int = 1) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:at], f"{line}\n", *lines[at:]]), encoding="utf-8")


def test_nothing_changes_when_nothing_changed(root):
    before = tree(root)
    done = project.update(root)
    assert (done.written, done.deleted, dict(done.conflicts), dict(done.kept)) == ((), (), {}, {})
    assert tree(root) == before


def test_a_change_of_the_plan_reaches_the_files_and_the_plan_itself_is_not_touched(root):
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    plan = (root / "drivetrain.yaml").read_bytes()
    done = project.update(root)
    assert "README.md" in done.written
    assert "the ranger" in (root / "README.md").read_text(encoding="utf-8")
    assert (root / "drivetrain.yaml").read_bytes() == plan
    assert not done.conflicts


def test_the_result_is_what_a_new_project_would_be(root, tmp_path):
    change_plan(
        root, "  - {name: spotter", "  - {name: second, task: image-classification, predicts: bear}\n  - {name: spotter"
    )
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    project.update(root)
    assert without_undo(tree(root)) == tree(project.new(root / "drivetrain.yaml", tmp_path / "new").path)


def test_edits_survive_beside_what_is_new(root):
    edit(root / "Makefile", "# mine")
    edit(root / LEARNER, "# my learner")
    edit(root / "README.md", "my remark", at=8)
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    done = project.update(root)
    assert not done.conflicts
    assert "# mine\n" in (root / "Makefile").read_text()
    assert "# my learner\n" in (root / LEARNER).read_text()
    readme = (root / "README.md").read_text()
    assert "my remark\n" in readme
    assert "the ranger" in readme


def test_a_conflict_gets_marks_is_listed_and_bars_the_next_update_until_it_is_solved(root):
    path = root / "README.md"
    path.write_text(path.read_text().replace("hut keeper", "me myself"))
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    done = project.update(root)
    assert list(done.conflicts) == ["README.md"]
    text = path.read_text()
    assert "<<<<<<< yours\n" in text
    assert "me myself" in text
    assert "the ranger" in text
    before = tree(root)
    with pytest.raises(GateError, match=r"README\.md") as caught:
        project.update(root)
    assert caught.value.exit_code == 1
    assert tree(root) == before
    path.write_text("solved\n")
    assert not project.update(root).written


def test_a_deleted_file_stays_deleted(root):
    (root / "docs" / "rollout.md").unlink()
    (root / "README.md").unlink()
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    done = project.update(root)
    assert not (root / "README.md").exists()
    assert not (root / "docs" / "rollout.md").exists()
    assert "README.md" in done.kept
    change_plan(root, "the ranger", "the warden")
    project.update(root)
    assert not (root / "README.md").exists()


def test_a_changed_task_swaps_the_learner(root):
    to_table(root)
    done = project.update(root)
    expected = template.learner(template.load(), "table-classification")
    assert (root / LEARNER).read_bytes() == expected
    assert not done.conflicts


def test_an_edited_learner_is_never_dropped(root):
    edit(root / LEARNER, "# my learner")
    mine = (root / LEARNER).read_bytes()
    to_table(root)
    done = project.update(root)
    kept = "bear_warning/learners/spotter_image_classification.py"
    assert (root / kept).read_bytes() == mine
    assert kept in done.conflicts[LEARNER]
    assert (root / LEARNER).read_bytes() != mine


def test_the_learner_of_a_model_that_went_goes_unless_it_was_edited(root):
    change_plan(root, "name: spotter", "name: watcher")
    done = project.update(root)
    assert LEARNER in done.deleted
    edit(root / "bear_warning" / "learners" / "watcher.py", "# mine")
    change_plan(root, "name: watcher", "name: spotter")
    done = project.update(root)
    assert "bear_warning/learners/watcher.py" in done.kept
    assert "# mine" in (root / "bear_warning" / "learners" / "watcher.py").read_text()
    assert LEARNER in done.written


def test_a_file_that_the_team_made_under_a_name_that_is_new_is_merged(root):
    path = root / "deploy" / "Dockerfile"
    path.parent.mkdir()
    path.write_text("FROM mine\n")
    change_plan(root, "models:", "deployment: {serve: [api]}\nmodels:")
    done = project.update(root)
    assert "deploy/Dockerfile" in done.conflicts
    assert "FROM mine\n" in path.read_text()
    assert "FROM python" in path.read_text()


def test_files_of_a_deployment_come_and_go_with_the_plan(root):
    change_plan(root, "models:", "deployment: {serve: [api]}\nmodels:")
    assert "deploy/Dockerfile" in project.update(root).written
    change_plan(root, "deployment: {serve: [api]}\n", "")
    assert "deploy/Dockerfile" in project.update(root).deleted
    assert not (root / "deploy").exists()


def test_derived_documents_are_rewritten_and_what_was_edited_in_them_is_kept_beside_them(root):
    edit(root / "docs" / "onboarding.md", "my remark", at=3)
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    done = project.update(root)
    assert "my remark" not in (root / "docs" / "onboarding.md").read_text()
    assert "the ranger" in (root / "docs" / "onboarding.md").read_text()
    assert "my remark" in (root / "docs" / "onboarding_yours.md").read_text()
    assert "docs/onboarding_yours.md" in done.kept
    assert not done.conflicts


def _reviewed(root: Path) -> str:
    return CliRunner().invoke(main, ["review", str(root)], catch_exceptions=False).stdout


def test_documents_that_a_review_wrote_anew_are_no_edits_and_an_edit_survives_a_review(root):
    _reviewed(root)
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    said = _reviewed(root)
    assert "Written anew" in said
    change_plan(root, "owner: the ranger", "owner: the guide")
    project.update(root)
    assert not [*root.glob("docs/*_yours.md")]
    edit(root / "docs" / "onboarding.md", "my remark", at=3)
    said = _reviewed(root)
    assert "the guide" in (root / "docs" / "onboarding.md").read_text()
    assert "my remark" not in (root / "docs" / "onboarding.md").read_text()
    assert "my remark" in (root / "docs" / "onboarding_yours.md").read_text()
    assert "onboarding_yours.md holds what was edited" in said


def test_the_model_card_tells_what_was_measured(root):
    result = {"run": "20261123T120000-ab12", "models": {"spotter": {"metrics": {"held_out": {"accuracy": 0.91234}}}}}
    data = {"photos": {"sha256": "0" * 64, "synthetic": True}}
    evidence.record(root, "train", result, reads={}, data=data)
    done = project.update(root)
    assert done.written == ("docs/model_card.md", "docs/onboarding.md")
    assert "Measured so far: train." in (root / "docs" / "onboarding.md").read_text()
    card = (root / "docs" / "model_card.md").read_text()
    assert "| accuracy | 0.9123 |" in card
    assert "made from sample data" in card
    evidence.record(root, "train", result, reads={}, data={})
    project.update(root)
    assert "sample data" not in (root / "docs" / "model_card.md").read_text()


def test_folder_and_package_keep_their_names(root):
    change_plan(root, "name: Bear warning", "name: Wolf warning")
    done = project.update(root)
    assert (root / "bear_warning" / "train.py").is_file()
    assert not (root / "wolf_warning").exists()
    assert "Wolf warning" in (root / "README.md").read_text()
    assert not done.deleted


def test_a_dry_run_prints_the_diff_and_touches_nothing(root):
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    before = tree(root)
    planned = project.update(root, dry_run=True)
    assert tree(root) == before
    assert "--- a/README.md" in planned.diff
    assert "+- `alarm`: `on`, `off`. Owner: the ranger." in planned.diff
    assert planned.written == project.update(root).written


def test_the_dry_run_is_a_patch_that_git_applies(root, tmp_path):
    edit(root / LEARNER, "# mine")
    change_plan(root, "models:", "deployment: {serve: [api]}\nmodels:")
    patch = project.update(root, dry_run=True).diff
    copy = shutil.copytree(root, tmp_path / "patched")
    subprocess.run(["git", "apply", "-p1", "-"], cwd=copy, input=patch, text=True, check=True)
    project.update(root)
    left = {name: data for name, data in tree(copy).items() if not name.startswith(".drivetrain/")}
    right = {name: data for name, data in tree(root).items() if not name.startswith(".drivetrain/")}
    assert left == right


def test_undo_takes_an_update_back_exactly(root):
    edit(root / "README.md", "my remark", at=8)
    os.chmod(root / "Makefile", 0o755)
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    change_plan(root, "models:", "deployment: {serve: [api, voila]}\nmodels:")
    before = {
        name: (data, (root / name).stat().st_mode, (root / name).stat().st_mtime_ns)
        for name, data in tree(root).items()
    }
    folders = {path for path in root.rglob("*") if path.is_dir()}
    project.update(root)
    assert tree(root) != {name: entry[0] for name, entry in before.items()}
    undone = project.undo(root)
    assert "README.md" in undone.files
    after = {
        name: (data, (root / name).stat().st_mode, (root / name).stat().st_mtime_ns)
        for name, data in tree(root).items()
    }
    assert after == before
    assert {path for path in root.rglob("*") if path.is_dir()} == folders
    with pytest.raises(ProjectError, match="no update"):
        project.undo(root)


def test_undo_refuses_where_it_would_lose_a_later_edit(root):
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    project.update(root)
    edit(root / "README.md", "later")
    before = tree(root)
    with pytest.raises(ProjectError, match=r"README\.md"):
        project.undo(root)
    assert tree(root) == before


def test_a_file_behind_a_link_is_not_written_through_it(root, tmp_path):
    shared = tmp_path / "shared"
    shutil.move(root / "docs", shared)
    (root / "docs").symlink_to(shared)
    before = tree(shared)
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    done = project.update(root)
    assert tree(shared) == before
    assert "docs/onboarding.md" in done.conflicts


def test_line_ends_that_a_checkout_turned_are_no_edit_and_stay(root):
    for path in root.rglob("*"):
        if path.is_file() and path.name != "record.json":
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert not project.update(root).written
    edit_crlf = (root / LEARNER).read_bytes() + b"# mine\r\n"
    (root / LEARNER).write_bytes(edit_crlf)
    change_plan(root, "owner: hut keeper", "owner: the ranger")
    change_plan(root, "models:", "deployment: {serve: [batch]}\nmodels:")
    done = project.update(root)
    assert not done.conflicts
    assert not done.kept
    assert "bear_warning/serve.py" in done.deleted
    assert (root / LEARNER).read_bytes() == edit_crlf
    readme = (root / "README.md").read_bytes()
    assert b"the ranger" in readme
    assert b"\n" not in readme.replace(b"\r\n", b"")


def test_a_new_template_reaches_the_project(root, tmp_path):
    forked = Path(shutil.copytree(template.folder(), tmp_path / "forked", ignore=shutil.ignore_patterns("*cache*")))
    inside = forked / "{{ cookiecutter.slug }}"
    edit(inside / "Makefile", "# from the fork")
    (inside / "docs" / "new.md").write_text("new in {{ cookiecutter.slug }}\n")
    (inside / "docs" / "rollout.md").unlink()
    edit(root / "Makefile", "# mine", at=20)
    done = project.update(root, template=forked)
    assert (root / "docs" / "new.md").read_text() == "new in bear-warning\n"
    assert done.deleted == ("docs/rollout.md",)
    assert {"# mine", "# from the fork"} <= set((root / "Makefile").read_text().splitlines())


@pytest.mark.parametrize("broken", ["plan", "record", "no record", "future"])
def test_what_cannot_be_read_changes_nothing(root, broken):
    path = root / record.FILE
    if broken == "plan":
        (root / "drivetrain.yaml").write_text("drivetrain: [")
    elif broken == "record":
        path.write_text('{"format": 1}')
    elif broken == "future":
        path.write_text(json.dumps({"format": 99, "drivetrain": "9.9"}))
    else:
        path.unlink()
    before = tree(root)
    with pytest.raises((SpecError, ProjectError)) as caught:
        project.update(root)
    assert caught.value.exit_code == 2
    assert str(root) in caught.value.message or "drivetrain.yaml" in caught.value.message
    assert tree(root) == before


SECOND = "  - {name: second, task: image-classification, predicts: bear}\n"
REPLACEMENTS = st.fixed_dictionaries(
    {
        "name: spotter": st.sampled_from(["name: spotter", "name: watcher"]),
        "owner: hut keeper": st.sampled_from(
            ["owner: hut keeper", "owner: the ranger", "owner: the warden on Mondays"]
        ),
        "models:\n": st.tuples(
            st.sampled_from(["", *(f"deployment: {{serve: [{kinds}]}}\n" for kinds in ("api", "batch", "api, voila"))]),
            st.sampled_from(["models:\n", f"models:\n{SECOND}"]),
        ).map("".join),
        "name: Bear warning": st.sampled_from(["name: Bear warning", "name: Wolf warning"]),
        "summary: Tell hikers": st.sampled_from(["summary: Tell hikers", "summary: Tell everybody"]),
        "statement: Warn hikers.": st.sampled_from(["statement: Warn hikers.", "statement: Warn them all."]),
    }
)
TABLE = {
    "kind: images, location: data/photos": "kind: table, location: data/photos.csv",
    "column: folder": "column: kind",
    "task: image-classification": "task: table-classification",
}
PLANS = st.tuples(REPLACEMENTS, st.sampled_from([{}, TABLE])).map(lambda both: both[0] | both[1])
WRITTEN = st.text(st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
EDITS = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from(["insert", "replace", "delete", "remove file"]),
        st.integers(0, 10**6),
        WRITTEN,
    ),
    max_size=12,
)


# An example takes a second: what fails is told as it was found, and not made smaller for minutes.
UNSHRUNK = [Phase.explicit, Phase.reuse, Phase.generate]


def check_that_nothing_is_lost(fresh, tmp_path_factory, first, edits, second):
    root = Path(shutil.copytree(fresh, tmp_path_factory.mktemp("edited") / fresh.name))
    for number, replacements in enumerate((first, second)):
        written = _edit(root, edits, tag=number)
        generated = record.read(root).digests
        deleted = {name for name, lines in written.items() if lines is None and name in generated}
        plan = PLAN
        for old, new in replacements.items():
            plan = plan.replace(old, new)
        (root / "drivetrain.yaml").write_text(plan, encoding="utf-8")
        before = tree(root)
        try:
            done = project.update(root)
        except GateError:
            assert tree(root) == before
            break
        after = tree(root)
        everything = [line for name, data in after.items() if _same_folder(name) for line in data.split(b"\n")]
        for name, lines in written.items():
            for line in lines or ():
                assert line in everything, (name, line)
                if name not in done.conflicts and name in after and name not in DERIVED:
                    assert line in after[name].split(b"\n")
        assert not deleted & after.keys()
        for name, data in after.items():
            if _same_folder(name) and b"<<<<<<< yours" in data.split(b"\n"):
                assert name in done.conflicts
        if done.written or done.deleted:
            project.undo(root)
            assert without_undo(tree(root)) == without_undo(before)
            project.update(root)
        assert transaction.last(root) is None or not transaction.interrupted(root)
    shutil.rmtree(root.parent)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=UNSHRUNK)
@given(PLANS, EDITS, PLANS)
def test_every_line_that_a_user_wrote_is_in_the_result_or_in_a_marked_conflict(
    fresh, tmp_path_factory, first, edits, second
):
    check_that_nothing_is_lost(fresh, tmp_path_factory, first, edits, second)


@pytest.mark.fuzz
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=UNSHRUNK)
@given(PLANS, EDITS, PLANS)
def test_a_thousand_updates_lose_no_line(fresh, tmp_path_factory, first, edits, second):
    check_that_nothing_is_lost(fresh, tmp_path_factory, first, edits, second)


def _same_folder(name: str) -> bool:
    return not name.startswith(".drivetrain/")


def _edit(root: Path, edits: list[tuple[int, str, int, str]], tag: int) -> dict[str, list[bytes] | None]:
    """Edit random generated files; gives the lines that were written into each, None for a deleted file."""
    names = sorted(name for name in tree(root) if not name.startswith(".drivetrain/") and name != "drivetrain.yaml")
    names = [name for name in names if name != "checklist.yaml"]  # which must stay a checklist that can be read
    written: dict[str, list[bytes] | None] = {}
    for number, (which, how, place, text) in enumerate(edits):
        name = names[which % len(names)]
        path = root / name
        if not path.exists():
            continue
        if how == "remove file":
            path.unlink()
            written[name] = None
            continue
        lines = path.read_bytes().split(b"\n")
        place %= len(lines)
        mine = f"{text} written {tag}.{number}".encode()
        if how == "delete":
            gone = lines.pop(place)
            if gone in (written.get(name) or []):
                written[name].remove(gone)  # type: ignore[union-attr]
        elif how == "insert":
            lines.insert(place, mine)
            written.setdefault(name, []).append(mine)  # type: ignore[union-attr]
        else:
            gone, lines[place] = lines[place], mine
            if gone in (written.get(name) or []):
                written[name].remove(gone)  # type: ignore[union-attr]
            written.setdefault(name, []).append(mine)  # type: ignore[union-attr]
        path.write_bytes(b"\n".join(lines))
    return written
