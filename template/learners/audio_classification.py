"""A classifier of sounds, seen as pictures of their frequencies: the data block, and the learner on it.

`cases` is a table of sounds, one row each: `audio` (the file), the outcome, and `split` (train or validation; the rows
held out for the test are not in it). The values of `model` come from `drivetrain.yaml`.
"""

from drivetrain.spec import Model, Spec
from drivetrain.training import architecture, batch_size, class_weights, classes, medium
from drivetrain.training.signals import picture
from fastai.vision.all import *


def get_block(plan: Spec, model: Model, cases: pd.DataFrame) -> DataBlock:
    [outcome] = model.predicts or []
    return DataBlock(
        blocks=(
            TransformBlock(type_tfms=[picture(plan, model, cases)]),  # frequencies by time, or as `encode` says
            CategoryBlock(vocab=classes(plan, outcome, cases), sort=False),
        ),
        get_x=ColReader(medium(plan, model)),
        get_y=ColReader(outcome),
        splitter=ColSplitter("split", on="validation"),
    )


def get_dls(plan: Spec, model: Model, cases: pd.DataFrame) -> DataLoaders:
    block = get_block(plan, model, cases)
    return block.dataloaders(cases, bs=batch_size(model, cases), num_workers=0)


def get_learner(dls: DataLoaders, model: Model) -> Learner:
    images, _ = dls.one_batch()
    return vision_learner(
        dls,
        architecture(model),
        n_in=images.shape[1],
        normalize=False,  # the pictures are no photographs
        pretrained=model.training.pretrained,
        loss_func=CrossEntropyLossFlat(weight=class_weights(model, dls)),
        metrics=[accuracy],
    )
