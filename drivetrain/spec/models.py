"""The fourth part: what is predicted from what, how it is trained, and how predictions become a decision."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drivetrain.spec.facts import architecture
from drivetrain.spec.objective import Constraint
from drivetrain.spec.part import Expr, Name, OneOrMore, Part, Says, Text, doc

Task = Literal[
    "image-classification", "image-multilabel", "image-regression", "image-segmentation", "text-classification",
    "table-classification", "table-regression", "ratings", "image-text-classification", "audio-classification",
    "series-classification",
]  # fmt: skip
Positive = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=8, le=4096)]
Share = Annotated[float, Field(ge=0, le=1)]


class Image(Part):
    """How images are brought to one size."""

    size: Size = doc("Edge of the square, `Resize(size)`.", 224, unit="pixels", default=224)
    resize: Literal["crop", "pad", "squish", "random_resized_crop"] = doc(
        "`ResizeMethod`, or `RandomResizedCrop`.", "squish", default="crop"
    )


class Augment(Part):
    """What may be varied in training, fastai's `aug_transforms`."""

    flip: bool = doc("`do_flip`: mirror left and right.", False, default=True)
    vertical_flip: bool = doc("`flip_vert`: mirror upside down.", True, default=False)
    rotate: Annotated[float, Field(ge=0, le=180)] = doc(
        "`max_rotate`: rotate by at most so much.", 8, unit="degrees", default=10.0
    )
    zoom: Annotated[float, Field(ge=1)] = doc(
        "`max_zoom`: enlarge by at most so much.", 1.1, unit="factor", default=1.1
    )
    lighting: Share = doc("`max_lighting`: change light and contrast by at most so much.", 0.2, default=0.2)
    warp: Share = doc("`max_warp`: change the perspective by at most so much.", 0.2, default=0.2)
    p: Share = doc("`p_affine` and `p_lighting`: how often.", 0.75, unit="probability", default=0.75)


class Encode(Part):
    """How a series or a sound becomes an image."""

    method: Literal["spectrogram", "gramian", "recurrence", "line_plot"] | None = doc(
        "Which picture is drawn of a sound or a series.", "spectrogram", default=None
    )
    channels: list[Name] | None = doc("Columns of the series, one image channel each.", ["x", "y"], default=None)
    fft: Positive | None = doc("Length of the Fourier window.", 1024, unit="samples", default=None)
    hop: Positive | None = doc("Distance of the windows.", 256, unit="samples", default=None)
    mels: Positive | None = doc("Mel bands.", 64, default=None)
    sample_rate: Positive | None = doc("Samples per second that sounds are brought to.", 16000, unit="Hz", default=None)


class Training(Part):
    """How the learner is trained."""

    epochs: Annotated[int, Field(ge=0)] = doc("Epochs with all layers.", 4, unit="epochs", default=4)
    freeze_epochs: Annotated[int, Field(ge=0)] = doc("Epochs with the body frozen.", 1, unit="epochs", default=1)
    schedule: Literal["fine_tune", "one_cycle", "flat_cos"] = doc(
        "fastai's `fine_tune`, `fit_one_cycle` or `fit_flat_cos`.", "one_cycle", default="fine_tune"
    )
    learning_rate: Literal["auto"] | Annotated[float, Field(gt=0)] = doc(
        "Learning rate, or `auto` for `lr_find`.", 0.003, default="auto"
    )
    batch_size: Positive = doc("Rows per step.", 64, unit="rows", default=64)
    pretrained: bool = doc("Start from weights that are downloaded.", False, default=True)
    early_stopping: Positive | None = doc("Stop after so many epochs without progress.", 3, unit="epochs", default=None)
    mixed_precision: Literal["auto"] | bool = doc("Half precision; `auto`: on a GPU.", "auto", default="auto")
    class_weights: Literal["none", "balanced"] = doc("Weigh rare classes up.", "balanced", default="none")
    seed: int = doc("Seed of the training.", 42, default=42)


class Model(Part):
    """One model: it must inform a decision."""

    brief = frozenset({"predicts"})

    name: Name = doc("Name of the model; its learner is the file of this name.", "digit_reader")
    task: Task = doc("What kind of learning it is.", "image-classification")
    predicts: (
        Annotated[
            list[Name], Field(min_length=1), OneOrMore, Says("an outcome, or a list of outcomes", **{"x-single": True})
        ]
        | None
    ) = doc("The outcome, or a list of outcomes.", "digit", min_length=1)
    data: Name | None = doc(
        "Source of its rows; when absent the case table, or the outcome's source if that is not joined.",
        "letters",
        default=None,
    )
    inputs: list[Name] | None = doc(
        "What it sees: columns, levers, terms, outcomes, media; by task when absent.", ["age", "price"], default=None
    )
    rows: Expr = doc("Rows it is trained on.", "test_cell", default="True")
    arms: Name | None = doc("Lever: one model for each of its settings.", "offer", default=None)
    distribution: Literal["empirical", "normal", "lognormal", "poisson", "gamma"] = doc(
        "How a number spreads around its mean.", "gamma", default="empirical"
    )
    calibration: Literal["temperature", "isotonic", "none"] = doc(
        "How probabilities are made honest.", "temperature", default="temperature"
    )
    monotone: dict[Name, Literal["increasing", "decreasing"]] = doc(
        "Inputs that move the outcome one way only.", {"price": "decreasing"}, default={}
    )
    baseline: Text | None = doc(
        "`majority`, `linear`, `item mean` or a column; by task when absent.", "linear", default=None
    )
    informs: list[Name] = doc(
        "Lever, model or `simulator` it is for; needed only while `value` is open.", ["bin"], default=[]
    )
    architecture: Text | None = doc(
        "`resnet18` for images, audio and series, `AWD_LSTM` for text when absent.", "resnet34", default=None
    )
    layers: list[Positive] = doc("Hidden layers of a table model.", [200, 100], default=[200, 100])
    factors: Positive = doc("`n_factors` of a ratings model.", 50, default=50)
    image: Image = doc("How images are brought to one size.", {"size": 64, "resize": "squish"}, default=Image)
    augment: Literal["none"] | Augment = doc("What may be varied in training.", {"flip": False}, default=Augment)
    encode: Encode | None = doc("How a series or a sound becomes an image.", {"method": "spectrogram"}, default=None)
    training: Training = doc("How the learner is trained.", {"epochs": 4}, default=Training)

    @model_validator(mode="after")
    def _architecture(self) -> "Model":
        if self.architecture is None:
            self.__dict__["architecture"] = architecture(self.task)
        return self


class Scenario(Part):
    """A world in which the policies are tried as well."""

    name: Text = doc("What happens in it.", "rivals cut 10 %")
    set: dict[Name, Expr] | None = doc(
        "Columns, constants or outcomes that change.", {"rival_price": "rival_price * 0.9"}
    )
    weight: Share | None = doc(
        "Its share in the weighted objective; without it only reported.", 0.2, unit="share", default=None
    )


class Simulator(Part):
    """How expectations are taken."""

    scenarios: list[Scenario] = doc("Worlds in which the policies are tried as well.", default=[])
    draws: Annotated[int, Field(ge=1, le=100_000)] = doc(
        "Draws where an expectation cannot be computed exactly.", 256, unit="draws", default=256
    )
    seed: int = doc("Seed of the draws.", 42, default=42)


class Cvar(Part):
    """Mean of the worst cases."""

    cvar: Annotated[float, Field(gt=0, le=1)] | None = doc("Share of the worst cases.", 0.1, unit="share")


class Optimizer(Part):
    """How the best setting is chosen."""

    constraints: list[Constraint] = doc("Limits on means: budget, capacity.", default=[])
    risk: Literal["expected"] | Cvar = doc(
        "`expected`, or the mean of the worst share.", {"cvar": 0.1}, default="expected"
    )
    extrapolate: bool = doc("Whether settings outside what the data show may be chosen.", False, default=False)
    catastrophe: Expr | None = doc("Truth value per case that must never come about.", "value < -5000", default=None)
