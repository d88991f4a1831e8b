"""A number for each row of a table: the data loaders, and the learner on them.

`cases` is a table, one row each: the model's inputs, the outcome, and `split` (train or validation; the rows
held out for the test are not in it). The values of `model` come from `drivetrain.yaml`.
"""

from drivetrain.spec import Model, Spec
from drivetrain.training import batch_size, table_inputs, targets
from drivetrain.training.numbers import number_loss, number_metrics, outputs, unit
from drivetrain.training.tables import FillComplete
from fastai.tabular.all import *


def get_dls(plan: Spec, model: Model, cases: pd.DataFrame) -> DataLoaders:
    learned = targets(plan, model)  # the number, or the weights of its bins
    categories, numbers = table_inputs(plan, model)
    table = TabularPandas(
        cases,
        procs=[FillComplete, FillMissing, Categorify, Normalize],
        cat_names=categories,
        cont_names=numbers,
        y_names=learned,
        y_block=RegressionBlock(n_out=len(learned)),
        splits=ColSplitter("split", on="validation")(cases),
        reduce_memory=False,  # it would turn text into pandas categories, which bring codes of their own
    )
    return table.dataloaders(bs=batch_size(model, cases))


def get_learner(dls: DataLoaders, model: Model) -> Learner:
    learn = tabular_learner(
        dls,
        layers=model.layers,
        n_out=outputs(dls, model),
        loss_func=number_loss(dls, model),
        metrics=number_metrics(dls, model),
    )
    learn.model.layers.extend(unit(dls, model))  # from around zero to the number's own unit
    return learn
