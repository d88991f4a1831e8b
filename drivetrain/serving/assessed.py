"""What is known of one case before anybody asks what may be done with it, and what the written policy says of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.policy import Choice
    from drivetrain.serving.answers import Decision, Prediction

DEFER = "defer"
"""The answer that leaves a case to a person."""

MOST_LISTED = 100
"""Settings whose values an answer lists: all of them, or the best so many of a price's thousands."""


@dataclass(frozen=True, slots=True)
class Assessed:
    """What is known of one case before anybody asks what may be done with it.

    Attributes:
        prediction: What the models say.
        choice: What the policy chooses; None when nothing can be said of the case.
        settled: Whether the policy chose a setting that the limits allow; else a person decides.
        recommendation: What the policy chooses, else what the plan says for cases that the models know nothing about;
            None when it says nothing.
        today: What is done today with such a case; None when that cannot be computed.
        allowed: What the limits allow, one truth value per label of the problem.
        columns: What was sent, without the media.
        files: Media column -> bytes.
        looks: Image column -> brightness, contrast and size.
    """

    prediction: Prediction
    choice: Choice | None
    settled: bool
    recommendation: str | None
    today: str | None
    allowed: NDArray[np.bool_]
    columns: Mapping[str, Any]
    files: Mapping[str, bytes]
    looks: Mapping[str, Mapping[str, float]]


def verdict(assessed: Assessed) -> Decision:
    """What the written policy says of a case, whatever the stage of the plan."""
    choice = assessed.choice
    return {
        "decision": secrets.token_hex(12),
        "setting": choice.setting if choice is not None and assessed.settled else DEFER,
        "recommendation": assessed.recommendation,
        "status": "trial",
        "value": choice.value if choice is not None and assessed.settled else None,
        "values": _listed(choice),
        **assessed.prediction,
        "reasons": [*assessed.prediction["reasons"], *(choice.reasons if choice is not None else ())],
    }


def _listed(choice: Choice | None) -> dict[str, float | None]:
    """The values of the settings; of very many only the best."""
    if choice is None or len(choice.values) <= MOST_LISTED:
        return dict(choice.values) if choice is not None else {}
    allowed = [(label, value) for label, value in choice.values.items() if value is not None]
    return dict(sorted(allowed, key=lambda entry: -entry[1])[:MOST_LISTED])
