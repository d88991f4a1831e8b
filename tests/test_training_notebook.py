"""The explore notebook runs from top to bottom in a project that was trained, and its cleaner is obeyed afterwards."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from projects import DIGITS, PACKAGE, make, train, write_digits
from test_training_tables import PLAN, loans
from trainable import MEDIA, ROWS, plan, sounds, write

from drivetrain.spec import Spec

pytestmark = pytest.mark.train
ROOT = Path(__file__).parents[1]
NOTEBOOK = PACKAGE.parent / "notebooks" / "explore.ipynb"


def run(spec: Spec, change: dict[str, str]) -> str:
    """Run the notebook as its user does, with some text of its cells replaced; what it printed."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError

    text = NOTEBOOK.read_text(encoding="utf-8")
    for old, new in change.items():
        assert json.dumps(old)[1:-1] in text
        text = text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    folder = spec.root / "notebooks"
    folder.mkdir()
    for last in (False, True):
        notebook = nbformat.reads(text, as_version=4)
        client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}})
        try:
            client.execute()
            break
        except CellTimeoutError:
            # ipykernel 7 now and then loses a request and waits for ever (ipython/ipykernel#1529): ask a fresh one.
            if last:
                raise
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(output.get("text", "") or str(output.get("data", "")) for output in outputs)


def test_its_versions_are_those_that_are_tested() -> None:
    pinned = set((ROOT / "constraints.txt").read_text().splitlines())
    named = re.findall(r"[a-z]+==[0-9.]+", NOTEBOOK.read_text(encoding="utf-8"))
    assert {"fastai", "torch", "numpy", "pandas"} <= {name.split("==")[0] for name in named}
    assert set(named) <= pinned


@pytest.mark.full
def test_it_runs_on_a_table(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    loans().to_parquet(tmp_path / "data" / "loans.parquet")
    spec = make(tmp_path, PLAN)
    assert train(spec).returncode == 0
    said = run(spec, {"delete, change = [], []": "delete, change = [0, 2], []"})
    assert "precision" in said  # the classification report
    assert len((tmp_path / "cleaning.csv").read_text().splitlines()) == 3
    again = train(spec)
    assert "cleaning.csv: 2 rows left out, 0 labels changed" in again.stderr


@pytest.mark.full
def test_what_the_cleaner_decides_is_applied_on_the_next_run(tmp_path: Path) -> None:
    write_digits(tmp_path / "data" / "letters", per_class=12)
    wrong = tmp_path / "data/letters/3/wrong.png"
    (tmp_path / "data/letters/8/0008.png").rename(wrong)
    spec = make(tmp_path, DIGITS)
    assert train(spec).returncode == 0
    # The user's hand in the browser: the first picture goes, the second gets another label.
    by_hand = """    for place, choice in enumerate(["<Delete>", "8"]):
        cleaner.widget.children[place].children[1].value = choice
    display(cleaner)"""
    said = run(spec, {"    display(cleaner)": by_hand})
    assert "Setting-up type transforms pipelines" in said  # DataBlock.summary
    lines = (tmp_path / "cleaning.csv").read_text().splitlines()
    assert [line.split(",")[3] for line in lines[1:]].count("delete") == 1
    again = train(spec)
    assert "cleaning.csv: 1 rows left out" in again.stderr
    assert wrong.exists()


@pytest.mark.full
def test_it_runs_on_sounds(tmp_path: Path) -> None:
    sounds(tmp_path / "data" / "sounds")
    text = plan({"ear": MEDIA["ear"].replace("epochs: 8", "epochs: 1")}).replace("name: Shapes", "name: Sounds alone")
    spec = make(tmp_path, text)
    assert train(spec).returncode == 0
    assert "precision" in run(spec, {})


@pytest.mark.fuzz
@pytest.mark.parametrize("name", [*ROWS, *MEDIA])
def test_it_runs_for_every_task(name: str, tmp_path: Path) -> None:
    write(tmp_path)
    text = plan({name: re.sub(r"epochs: \d+", "epochs: 1", {**ROWS, **MEDIA}[name])})
    spec = make(tmp_path, text.replace("name: Shapes", f"name: {name} alone"))
    assert train(spec).returncode == 0
    said = run(spec, {})
    assert ("precision" in said) == spec.models[0].task.endswith("classification")
