"""A classifier of images together with texts: the data block, a network that reads both, and the learner.

`cases` is a table of images with texts, one row each: `image` (the file), the text columns, the outcome, and `split`
(train or validation; the rows held out for the test are not in it). The values of `model` come from `drivetrain.yaml`.
"""

from drivetrain.spec import Model, Spec
from drivetrain.training import architecture, batch_size, class_weights, classes, inputs_of_kind
from drivetrain.training.copies import copies
from drivetrain.training.texts import Words
from fastai.text.all import *
from fastai.vision.all import *


def get_block(plan: Spec, model: Model, cases: pd.DataFrame) -> DataBlock:
    [outcome] = model.predicts or []
    words = Words(inputs_of_kind(plan, model, "text"))
    return DataBlock(
        blocks=(
            ImageBlock,
            TransformBlock([words, Numericalize(min_freq=1)], dls_kwargs={"before_batch": pad_texts}),
            CategoryBlock(vocab=classes(plan, outcome, cases), sort=False),
        ),
        n_inp=2,
        getters=[copies(plan, model, cases), noop, ColReader(outcome)],
        splitter=ColSplitter("split", on="validation"),
        item_tfms=resize(model),
        batch_tfms=augment(model),
    )


def get_dls(plan: Spec, model: Model, cases: pd.DataFrame) -> DataLoaders:
    block = get_block(plan, model, cases)
    return block.dataloaders(cases, bs=batch_size(model, cases), num_workers=0)


def pad_texts(samples: list) -> list:
    """Bring the texts of a batch, which stand behind the images, to one length."""
    return pad_input(samples, pad_fields=1)


class ImageAndText(nn.Module):
    """Looks at an image and reads a text, and decides on both."""

    def __init__(self, body: nn.Module, features: int, words: int, classes: int) -> None:
        super().__init__()
        self.image = nn.Sequential(body, AdaptiveConcatPool2d(), Flatten(), LinBnDrop(2 * features, 128, act=nn.ReLU()))
        self.embedding = nn.Embedding(words, 64, padding_idx=1)
        self.reader = nn.GRU(64, 128, batch_first=True)  # forwards only: what is padded behind a text changes nothing
        self.head = nn.Sequential(LinBnDrop(128 + 128, 64, p=0.25, act=nn.ReLU()), nn.Linear(64, classes))

    def forward(self, image: Tensor, tokens: Tensor) -> Tensor:
        there = (tokens != 1).unsqueeze(2)  # 1 is padding
        read, _ = self.reader(self.embedding(tokens))
        text = read.masked_fill(~there, float("-inf")).max(dim=1)[0]
        return self.head(torch.cat([self.image(image), text], dim=1))


def split(network: ImageAndText) -> list:
    """What is frozen first (the body that may be pretrained), and the rest."""
    return L(network.image[0], nn.ModuleList([network.image[3], *list(network.children())[1:]])).map(params)


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
    arch = architecture(model)
    body = create_body(arch(weights="DEFAULT" if model.training.pretrained else None), cut=model_meta[arch]["cut"])
    network = ImageAndText(body, num_features_model(body), len(dls.vocab[0]), len(dls.vocab[1]))
    return Learner(
        dls,
        network,
        splitter=split,
        loss_func=CrossEntropyLossFlat(weight=class_weights(model, dls)),
        metrics=[accuracy],
    )
