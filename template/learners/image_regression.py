"""A number for each image: the data block, and the learner on it.

`cases` is a table of images, one row each: `image` (the file), the outcome, and `split` (train or validation; the rows
held out for the test are not in it). The values of `model` come from `drivetrain.yaml`.
"""

from drivetrain.spec import Model, Spec
from drivetrain.training import architecture, batch_size, targets
from drivetrain.training.copies import copies
from drivetrain.training.numbers import number_loss, number_metrics, outputs, unit
from fastai.vision.all import *


def get_block(plan: Spec, model: Model, cases: pd.DataFrame) -> DataBlock:
    learned = targets(plan, model)  # the number, or the weights of its bins
    return DataBlock(
        blocks=(ImageBlock, RegressionBlock(n_out=len(learned))),
        get_x=copies(plan, model, cases),  # of large images: upright, made once; the files stay as they are
        get_y=ColReader(learned),
        splitter=ColSplitter("split", on="validation"),
        item_tfms=resize(model),
        batch_tfms=augment(model),
    )


def get_dls(plan: Spec, model: Model, cases: pd.DataFrame) -> DataLoaders:
    block = get_block(plan, model, cases)
    return block.dataloaders(cases, bs=batch_size(model, cases), num_workers=0)


def resize(model: Model) -> Transform:
    """Bring every image to one size."""
    if model.image.resize == "random_resized_crop":
        return RandomResizedCrop(model.image.size, min_scale=0.35)
    return Resize(model.image.size, method=model.image.resize, pad_mode="zeros")  # crop, pad or squish


def augment(model: Model) -> list[Transform]:
    """Vary the training images; the validation images stay as they are."""
    if model.augment == "none":
        return []
    vary = model.augment
    return aug_transforms(
        do_flip=vary.flip,
        flip_vert=vary.vertical_flip,
        max_rotate=vary.rotate,
        max_zoom=vary.zoom,
        max_lighting=vary.lighting,
        max_warp=vary.warp,
        p_affine=vary.p,
        p_lighting=vary.p,
    )


def get_learner(dls: DataLoaders, model: Model) -> Learner:
    learn = vision_learner(
        dls,
        architecture(model),
        n_out=outputs(dls, model),
        pretrained=model.training.pretrained,
        loss_func=number_loss(dls, model),
        metrics=number_metrics(dls, model),
    )
    learn.model.extend(unit(dls, model))  # from around zero to the number's own unit
    return learn
