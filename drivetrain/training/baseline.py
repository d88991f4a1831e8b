"""The simplest thing that could work, trained on the same rows and judged on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.training.rows import input_kind

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

EDGE = 16
"""Images become EDGE by EDGE grey pixels for the linear baseline."""


def kind(model: Model) -> str:
    """Which baseline a model has: as the plan says, else `linear` for tables and text, `majority` for the rest."""
    if model.baseline:
        return model.baseline
    return "linear" if model.task.startswith(("table", "text")) else "majority"


def probabilities(
    plan: Spec, model: Model, train: pd.DataFrame, asked: pd.DataFrame, outcome: str, classes: list[str]
) -> NDArray[np.float64]:
    """What the baseline predicts, (n, k).

    Args:
        plan: The plan.
        model: The model that it is compared with.
        train: Rows to train on.
        asked: The n rows to predict.
        outcome: The outcome.
        classes: Its k classes.
    """
    labels = np.array([classes.index(label) for label in train[outcome]])
    shares = np.bincount(labels, minlength=len(classes)) / len(labels)
    which = kind(model)
    if which == "majority":
        return np.tile(shares, (len(asked), 1))
    inputs = plan.derived.model_inputs(model.name) if which == "linear" else [which]
    fitted = _linear(plan, model, inputs).fit(train[inputs], labels)
    found = np.zeros((len(asked), len(classes)))
    found[:, fitted.classes_] = fitted.predict_proba(asked[inputs])
    return found


def _linear(plan: Spec, model: Model, inputs: list[str]) -> Any:
    """Logistic regression on the inputs as they are: one-hot categories, standardised numbers, words, pixels."""
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    kinds = {name: input_kind(plan, model, name) for name in inputs}
    of = {wanted: [name for name in inputs if kinds[name] == wanted] for wanted in set(kinds.values())}
    numbers = of.get("number", []) + of.get("time", [])
    parts: list[tuple[str, Any, Any]] = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("categories", OneHotEncoder(handle_unknown="ignore"), of.get("category", [])),
        *((name, TfidfVectorizer(min_df=2), name) for name in of.get("text", [])),
    ]
    if images := of.get("image", []):
        parts.append(("images", FunctionTransformer(_pixels), images))
    return make_pipeline(ColumnTransformer([part for part in parts if part[2]]), LogisticRegression(max_iter=1000))


def _pixels(frame: pd.DataFrame) -> NDArray[np.float64]:
    from PIL import Image

    rows = []
    for path in frame.iloc[:, 0]:
        with Image.open(path) as image:
            rows.append(np.asarray(image.convert("L").resize((EDGE, EDGE)), dtype=np.float64).ravel() / 255)
    return np.stack(rows)
