"""The shapes of what the service answers; FastAPI documents them from here."""

from __future__ import annotations

from typing_extensions import TypedDict


class Distribution(TypedDict):
    """What a model says of one outcome."""

    classes: list[str]
    probabilities: list[float]
    most_likely: str


class Quantity(TypedDict):
    """What a model says of an outcome that is a number: its mean, its median, and where nine cases in ten lie."""

    mean: float
    low: float
    median: float
    high: float


class Prediction(TypedDict):
    """What the models say of one case.

    Attributes:
        predictions: Outcome -> classes and probabilities, or mean and range of a number.
        in_domain: Whether the case is like those the models learned from.
        out_of_domain_scores: Model -> how strange the case is to it; higher is stranger.
        reasons: Why the case is not in domain, or why no setting was chosen.
        stage: Stage of the plan: plan, data, model, parallel, limited, wide.
        runs: Model -> the training run that it comes from.
        synthetic: Whether a model was trained on sample data, which says nothing about the world.
    """

    predictions: dict[str, Distribution | Quantity]
    in_domain: bool
    out_of_domain_scores: dict[str, float]
    reasons: list[str]
    stage: str
    runs: dict[str, str]
    synthetic: bool


class Verdict(TypedDict):
    """What is to be done with one case.

    Attributes:
        decision: Name of this decision; `/feedback` takes it back with the outcome.
        setting: The setting of the lever, or `defer`: a person decides.
        recommendation: The setting that the person is advised; null when the plan says nothing for such a case.
        status: `act`: carry the setting out. `waiting`: a person approves or changes it first (stage limited).
            `recorded`: the answer is what is done today, the recommendation is only logged. `defer`: a person decides.
            `trial`: the plan has not reached a stage in which anybody acts on answers.
        value: Expected value of the recommendation in the objective's unit, more is better; null when it is not known.
        values: Setting -> expected value; null for one that the plan's limits forbid. Where the plan counts the worst
            results (`risk`), `value` and `values` are weighed by these, and `reasons` says how.
    """

    decision: str
    setting: str
    recommendation: str | None
    status: str
    value: float | None
    values: dict[str, float | None]


class Decision(Verdict, Prediction):
    """What is to be done with one case, and what the models say of it."""


class Receipt(TypedDict):
    """An outcome was written to the log."""

    decision: str
    recorded: bool


class Predictions(TypedDict):
    """One prediction per case, in the order of the request."""

    results: list[Prediction]


class Decisions(TypedDict):
    """One decision per case, in the order of the request."""

    results: list[Decision]


class Receipts(TypedDict):
    """One receipt per case, in the order of the request."""

    results: list[Receipt]
