"""Out-of-fold predictions: no case is predicted by a model that saw it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from projects import make
from test_training_tables import PLAN

from drivetrain.training import cross_fit
from drivetrain.training.folds import assign

pytestmark = pytest.mark.train


class Remembers:
    """A stand-in for a learner: gives a case whom it saw itself in training a tell-tale logit."""

    def __init__(self, cases: pd.DataFrame) -> None:
        self.seen = set(cases["case"])
        self.valid = cases[cases["split"] == "validation"]
        self.dls = self

    def test_dl(self, cases: pd.DataFrame) -> pd.DataFrame:
        return cases

    def get_preds(self, dl: pd.DataFrame, act: Any) -> tuple[Any, Any]:
        import torch

        known = torch.tensor([[8.0, 0.0] if case in self.seen else [0.0, 0.0] for case in dl["case"]])
        return act(known), torch.zeros(len(dl), dtype=torch.long)

    def no_bar(self) -> Any:
        from contextlib import nullcontext

        return nullcontext()

    no_logging = no_bar


def test_no_case_is_predicted_by_a_model_that_saw_it(tmp_path: Path) -> None:
    spec = make(tmp_path, PLAN)
    cases = pd.DataFrame({"case": range(53), "paid": ["true", "false"] * 26 + ["true"], "split": "train"})
    trained: list[pd.DataFrame] = []

    def train(plan: Any, model: Any, rows: pd.DataFrame) -> Any:
        trained.append(rows)
        return Remembers(rows)

    found = cross_fit(spec, spec.model("payer"), cases, train, folds=5)
    np.testing.assert_allclose(found, 0.5)
    assert len(trained) == 5
    for rows in trained:
        assert set(rows["split"]) == {"train", "validation"}
        assert len(rows) in (42, 43)
    times_left_out = sum((~cases["case"].isin(rows["case"])).to_numpy().astype(int) for rows in trained)
    np.testing.assert_array_equal(times_left_out, 1)


def test_rows_of_one_entity_stay_together(tmp_path: Path) -> None:
    spec = make(tmp_path, PLAN.replace("    columns:", "    entity: person\n    columns:", 1))
    cases = pd.DataFrame({"person": np.repeat(np.arange(40), 5), "paid": "true", "split": "train"})
    fold = assign(spec, spec.model("payer"), cases, 5)
    assert all(len(set(fold[cases["person"] == person])) == 1 for person in range(40))
    assert set(np.bincount(fold)) == {40}
