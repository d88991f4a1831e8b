"""Make probabilities mean frequencies: one temperature, folded into the network's last layer.

Folding it in before export means that the learner, the exported network and the service give the same probabilities.
"""

from __future__ import annotations

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
    from scipy.optimize import minimize_scalar

    if len(labels) < MINIMUM_CASES:
        return 1.0
    low, high = np.log(_BOUNDS)
    found = minimize_scalar(lambda log: log_loss(logits / np.exp(log), labels), bounds=(low, high), method="bounded")
    best = float(np.exp(found.x))
    return best if log_loss(logits / best, labels) < log_loss(logits, labels) else 1.0


def log_loss(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """Mean negative log probability of the true classes, in nats."""
    logits = np.asarray(logits, dtype=np.float64)
    top = logits.max(axis=1, keepdims=True)
    log_probabilities = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def isotonic(said: NDArray[Any], happened: NDArray[Any]) -> dict[str, list[float]]:
    """A monotone table from what was said to what was seen, for one class.

    Source: Zadrozny and Elkan, 2002.
    """
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(said, happened.astype(float))
    return {"said": fitted.X_thresholds_.tolist(), "seen": fitted.y_thresholds_.tolist()}


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


def last_layer(model: Any) -> Any:
    """The last `Linear` layer of a network, or its last convolution where each pixel has outputs.

    Raises:
        TrainingError: It has none.
    """
    import torch

    layers = [layer for layer in model.modules() if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))]
    if not layers:
        advice = "End it with a Linear layer, or set `calibration: none` for this model."
        raise TrainingError("the network has no linear layer that a temperature could be folded into.", advice)
    return layers[-1]
