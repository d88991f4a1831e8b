"""The simplest thing that could work: which it is for a model, and what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.training.schema import input_kind

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

EDGE = 16
"""Images become EDGE by EDGE grey pixels for the linear baseline."""


def kind(model: Model) -> str:
    """Which baseline a model has: as the plan says, else `linear` for tables and text, `item mean` for ratings.

    For the rest it is `majority`: the shares of the classes, or the mean of a number, for every case.
    """
    if model.baseline:
        return model.baseline
    if model.task == "ratings":
        return "item mean"
    return "linear" if model.task.startswith(("table", "text")) else "majority"


def linear(plan: Spec, model: Model, estimator: Any, train: pd.DataFrame) -> tuple[Any, list[str]]:
    """A linear estimator behind the inputs as they are, not fitted yet, and the columns that it takes.

    Categories become one column each, numbers are standardised (gaps: the median), texts are words, images pixels.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    named = kind(model)
    inputs = plan.derived.model_inputs(model.name) if named == "linear" else [named]
    kinds = {name: input_kind(plan, model, name) for name in inputs}
    of = {wanted: [name for name in inputs if kinds[name] == wanted] for wanted in set(kinds.values())}
    numbers = of.get("number", []) + of.get("time", [])
    parts: list[tuple[str, Any, Any]] = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("categories", OneHotEncoder(handle_unknown="ignore"), of.get("category", [])),
        *((name, _words(train[name]), name) for name in of.get("text", []) if train[name].str.strip().any()),
    ]
    if images := of.get("image", []):
        parts.append(("images", FunctionTransformer(_pixels), images))
    return make_pipeline(ColumnTransformer([part for part in parts if part[2]]), estimator), inputs


def item_mean(plan: Spec, model: Model, train: pd.DataFrame, asked: pd.DataFrame, outcome: str) -> NDArray[np.float64]:
    """The mean rating of each item; of all where an item has none."""
    item = _item(plan, model)
    means = train.groupby(item)[outcome].mean()
    return np.asarray(asked[item].map(means).fillna(train[outcome].mean()), dtype=np.float64)


def item_shares(
    plan: Spec, model: Model, train: pd.DataFrame, asked: pd.DataFrame, outcome: str, names: Sequence[str]
) -> NDArray[np.float64]:
    """How often each class (n, k) was given to the item, with the share among all as one more rating of it."""
    import pandas as pd

    item = _item(plan, model)
    given = train[outcome].to_numpy()[:, None] == np.array(names, dtype=object)
    counts = pd.DataFrame(given, index=train[item]).groupby(level=0).sum()
    shares = counts.reindex(asked[item]).fillna(0).to_numpy(dtype=np.float64) + given.mean(axis=0)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _item(plan: Spec, model: Model) -> str:
    source = plan.source(plan.derived.model_data(model.name))
    return source.ratings.item if source.ratings and source.ratings.item else plan.derived.model_inputs(model.name)[-1]


def _words(texts: pd.Series) -> Any:
    """Weights of the words that recur; where none does, of all that stands between spaces."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    usual = TfidfVectorizer(min_df=2)
    try:
        usual.fit(texts)
    except ValueError:
        return TfidfVectorizer(token_pattern=r"\S+")
    return usual


def _pixels(frame: pd.DataFrame) -> NDArray[np.float64]:
    from PIL import Image

    rows = []
    for path in frame.iloc[:, 0]:
        with Image.open(path) as image:
            rows.append(np.asarray(image.convert("L").resize((EDGE, EDGE)), dtype=np.float64).ravel() / 255)
    return np.stack(rows)
