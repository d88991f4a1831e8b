"""Ratings of items by users, as a number or as liked or not: the data loaders, and the learner on them.

`cases` is a table of ratings, one row each: user and item, the outcome, and `split` (train or validation; the rows
held out for the test are not in it). The values of `model` come from `drivetrain.yaml`.
"""

from drivetrain.spec import Model, Spec
from drivetrain.training import batch_size, classes
from drivetrain.training.numbers import learned
from fastai.collab import *
from fastai.tabular.all import *


def get_dls(plan: Spec, model: Model, cases: pd.DataFrame) -> DataLoaders:
    [outcome] = model.predicts or []
    liked = plan.outcome(outcome).type == "binary"
    table = TabularCollab(
        cases,
        procs=[Categorify],
        cat_names=plan.derived.model_inputs(model.name),  # user and item
        y_names=outcome,
        y_block=CategoryBlock(vocab=classes(plan, outcome, cases), sort=False) if liked else TransformBlock(),
        splits=ColSplitter("split", on="validation")(cases),
        reduce_memory=False,
    )
    return table.dataloaders(bs=batch_size(model, cases))


def get_learner(dls: DataLoaders, model: Model) -> Learner:
    if hasattr(dls, "vocab"):
        learn = collab_learner(
            dls, n_factors=model.factors, loss_func=CrossEntropyLossFlat(), wd=0.1, metrics=[accuracy]
        )
        learn.model = nn.Sequential(learn.model, View(-1, 1), nn.Linear(1, 2))  # how well they fit -> no, yes
        return learn
    given = learned(dls, model)
    low, high = float(given.min().iloc[0]), float(given.max().iloc[0])
    room = (high - low) / 8  # a sigmoid reaches its ends only in the infinite
    return collab_learner(dls, n_factors=model.factors, y_range=(low - room, high + room), wd=0.1, metrics=[mae])
