"""Make probabilities mean frequencies: one temperature, folded into the network's last layer.

Folding it in before export means that the learner, the exported network and the service give the same probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import TrainingError

MINIMUM_CASES = 20
"""Fewer validation cases say too little about a temperature; it then stays at one."""
_BOUNDS = (0.05, 20.0)


def temperature(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """The temperature that minimises the log loss of softmax(logits / temperature).

    Args:
        logits: (n, k), of cases that training did not see.
        labels: (n,) class numbers.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017.
    """
    truth = np.eye(logits.shape[1])[labels]
    return best_temperature(logits, lambda log_probabilities: -float((truth * log_probabilities).sum(axis=1).mean()))


def best_temperature(logits: NDArray[Any], loss: Callable[[NDArray[np.float64]], float]) -> float:
    """The temperature that minimises a loss of the log probabilities (n, k), each case counting once.

    One more case is added that could be any class. Without it the temperature of a network that is right about every
    validation case would be zero, and its next error infinitely surprising.
    """
    from scipy.optimize import minimize_scalar

    count = len(logits)
    if count < MINIMUM_CASES:
        return 1.0

    def smoothed(log: float) -> float:
        found = log_softmax(logits / np.exp(log))
        return (count * loss(found) - float(found.mean())) / (count + 1)

    low, high = np.log(_BOUNDS)
    found = minimize_scalar(smoothed, bounds=(low, high), method="bounded")
    return float(np.exp(found.x)) if smoothed(float(found.x)) < smoothed(0.0) else 1.0


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Log probabilities (n, k)."""
    logits = np.asarray(logits, dtype=np.float64)
    top = logits.max(axis=1, keepdims=True)
    return np.asarray(logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True)))


def isotonic(said: NDArray[Any], happened: NDArray[Any]) -> dict[str, list[float]]:
    """A monotone table from what was said to what was seen, for one class.

    A class that every row has, or none, says nothing: it stays as it is.

    Source: Zadrozny and Elkan, 2002.
    """
    if happened.all() or not happened.any():
        return {"said": [0.0, 1.0], "seen": [0.0, 1.0]}
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(said, happened.astype(float))
    return {"said": fitted.X_thresholds_.tolist(), "seen": fitted.y_thresholds_.tolist()}


def threshold(scores: NDArray[np.float64], alarms: float) -> float:
    """The score that a new ordinary case exceeds with a probability of at most `alarms`, if there are scores enough.

    It is the k-th smallest of n, k = ceil((n + 1) (1 - alarms)): a new case is as likely to fall between any two of
    them. The plain quantile of a few dozen scores promises too much. With fewer than 1 / alarms - 1 scores it is the
    largest, which one new case in n + 1 exceeds.

    Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005 (inductive conformal prediction).

    Args:
        scores: Of the validation cases, (n,), the higher, the stranger.
        alarms: Share of ordinary cases that may be called strange.
    """
    place = min(len(scores), math.ceil((len(scores) + 1) * (1 - alarms) - 1e-9))
    return float(np.sort(scores)[place - 1])


def fold(model: Any, temperature: float, offsets: NDArray[Any] | None = None) -> None:
    """Divide a network's outputs by `temperature` by changing the weights of its last linear layer.

    Args:
        model: A torch module whose outputs are those of its last `Linear` layer.
        temperature: What the outputs are divided by.
        offsets: (k,), added to the outputs before the division: the logarithm of class weights, taken back.
    """
    import torch

    last = last_layer(model)
    with torch.no_grad():
        if last.bias is None and offsets is not None:
            last.bias = torch.nn.Parameter(torch.zeros(len(last.weight), device=last.weight.device))
        if offsets is not None:
            last.bias.add_(torch.as_tensor(offsets, dtype=last.bias.dtype, device=last.bias.device))
        last.weight.div_(temperature)
        if last.bias is not None:
            last.bias.div_(temperature)


def linear_layers(model: Any) -> list[Any]:
    """The layers of a network that are linear in what they see, in its order."""
    import torch

    return [layer for layer in model.modules() if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))]


def last_layer(model: Any) -> Any:
    """The last `Linear` layer of a network, or its last convolution where each pixel has outputs.

    Raises:
        TrainingError: It has none.
    """
    layers = linear_layers(model)
    if not layers:
        advice = "End it with a Linear layer, or set `calibration: none` for this model."
        raise TrainingError("the network has no linear layer that a temperature could be folded into.", advice)
    return layers[-1]
