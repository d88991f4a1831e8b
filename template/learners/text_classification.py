"""A classifier of texts: the data block, and the learner on it.

`cases` is a table of texts, one row each: the text columns, the outcome, and `split` (train or validation; the rows
held out for the test are not in it). The values of `model` come from `drivetrain.yaml`.
"""

from drivetrain.spec import Model, Spec
from drivetrain.training import batch_size, class_weights, classes, inputs_of_kind
from drivetrain.training.texts import Words
from fastai.text.all import *


def get_block(plan: Spec, model: Model, cases: pd.DataFrame) -> DataBlock:
    [outcome] = model.predicts or []
    return DataBlock(
        blocks=(
            TextBlock(Words(inputs_of_kind(plan, model, "text")), min_freq=2),
            CategoryBlock(vocab=classes(plan, outcome, cases), sort=False),
        ),
        get_y=ColReader(outcome),
        splitter=ColSplitter("split", on="validation"),
    )


def get_dls(plan: Spec, model: Model, cases: pd.DataFrame) -> DataLoaders:
    block = get_block(plan, model, cases)
    return block.dataloaders(cases, bs=batch_size(model, cases), num_workers=0)


def get_learner(dls: DataLoaders, model: Model) -> Learner:
    # Without the language model that fastai has trained, a smaller network learns from fewer texts.
    small = {"emb_sz": 100, "n_hid": 200, "n_layers": 2}
    return text_classifier_learner(
        dls,
        AWD_LSTM,
        config=None if model.training.pretrained else awd_lstm_clas_config | small,
        pretrained=model.training.pretrained,
        drop_mult=0.5,
        loss_func=CrossEntropyLossFlat(weight=class_weights(model, dls)),
        metrics=[accuracy],
    )
