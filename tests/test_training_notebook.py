"""The explore notebook runs from top to bottom in a project that was trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import PACKAGE, make, python, train
from test_training_tables import PLAN, loans

pytestmark = [pytest.mark.train, pytest.mark.full]
NOTEBOOK = PACKAGE.parent / "notebooks" / "explore.ipynb"


def script() -> str:
    """The cells of the notebook as one script."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return "\n".join("".join(cell["source"]) for cell in cells)


def test_it_runs_on_a_table(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    loans().to_parquet(tmp_path / "data" / "loans.parquet")
    spec = make(tmp_path, PLAN)
    assert train(spec).returncode == 0
    (tmp_path / "notebooks").mkdir()
    path = tmp_path / "notebooks" / "explore.py"
    path.write_text("import matplotlib; matplotlib.use('Agg')\n" + script())
    done = python(path.parent, path.name)
    assert done.returncode == 0, done.stderr
