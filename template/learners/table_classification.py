"""A classifier of the rows of a table: the data loaders, and the learner on them.

`cases` is a table, one row each: the model's inputs, the outcome, and `split` (train or validation; the rows held out
for the test are not in it). The values of `model` come from `drivetrain.yaml`.
"""

from drivetrain.spec import Model, Spec
from drivetrain.training import batch_size, class_weights, classes, table_inputs
from drivetrain.training.tables import FillComplete
from fastai.tabular.all import *


def get_dls(plan: Spec, model: Model, cases: pd.DataFrame) -> DataLoaders:
    [outcome] = model.predicts or []
    categories, numbers = table_inputs(plan, model)
    table = TabularPandas(
        cases,
        procs=[FillComplete, FillMissing, Categorify, Normalize],
        cat_names=categories,
        cont_names=numbers,
        y_names=outcome,
        y_block=CategoryBlock(vocab=classes(plan, outcome, cases), sort=False),
        splits=ColSplitter("split", on="validation")(cases),
        reduce_memory=False,  # it would turn text into pandas categories, which bring codes of their own
    )
    return table.dataloaders(bs=batch_size(model, cases))


def get_learner(dls: DataLoaders, model: Model) -> Learner:
    return tabular_learner(
        dls,
        layers=model.layers,
        n_out=len(dls.vocab),  # said, because fastai would take a column named `c` for it
        loss_func=CrossEntropyLossFlat(weight=class_weights(model, dls)),
        metrics=[accuracy],
    )
