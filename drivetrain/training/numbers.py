"""What learners of numbers share: the last layer that speaks in the number's own unit, and the losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from fastai.losses import MSELossFlat
from fastai.metrics import mae, rmse
from torch import nn

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Model


class Unit(nn.Module):
    """The last layer of a network that predicts a number: from around zero to the number's own unit.

    Args:
        mean: Mean of the training rows.
        deviation: Their standard deviation.
        positive: Whether the number cannot be negative; the output is then above zero.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, mean: float, deviation: float, positive: bool) -> None:
        super().__init__()
        self.positive = positive
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("deviation", torch.tensor(float(deviation) or 1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (n, 1) in the number's unit."""
        y = x * self.deviation + self.mean
        return nn.functional.softplus(y / self.deviation) * self.deviation if self.positive else y


class BinLoss(nn.Module):
    """Minus the logarithm of the probability of what was observed, of a number in bins.

    The target has a weight for each bin: one for the bin of an observed number; for a censored number the share of each
    bin that lies above it.
    """

    reduction = "mean"  # fastai writes "none" here where it asks for the loss of each case

    def forward(self, outputs: torch.Tensor, *targets: torch.Tensor) -> torch.Tensor:
        """The loss of outputs (n, k) and weights (n, k)."""
        weights = torch.cat([one.reshape(len(outputs), -1) for one in targets], dim=1).to(outputs.dtype)
        logs = torch.log_softmax(outputs, dim=1)
        losses = -torch.logsumexp(logs + torch.log(weights.clamp(min=1e-12)), dim=1)
        return losses.mean() if self.reduction == "mean" else losses

    def activation(self, outputs: torch.Tensor) -> torch.Tensor:
        """Probabilities of the bins."""
        return torch.softmax(outputs, dim=1)

    def decodes(self, outputs: torch.Tensor) -> torch.Tensor:
        """The likeliest bin."""
        return outputs.argmax(dim=1)


class DevianceLoss(nn.Module):
    """Half the deviance of a Poisson, gamma or lognormal number around its mean.

    It is never below zero: fastai's search for a learning rate would take any loss below zero for one that explodes.
    Source: McCullagh and Nelder, Generalized Linear Models, 1989, section 2.3.
    """

    reduction = "mean"  # fastai writes "none" here where it asks for the loss of each case

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of means (n, 1) and numbers (n,)."""
        mean, y = outputs.reshape(-1).clamp(min=1e-6), target.reshape(-1).to(outputs.dtype)
        if self.form == "poisson":
            losses = mean - y * torch.log(mean) + torch.xlogy(y, y) - y
        elif self.form == "gamma":
            losses = y / mean + torch.log(mean) - 1 - torch.log(y.clamp(min=1e-6))
        else:
            losses = (torch.log(y.clamp(min=1e-6)) - torch.log(mean)) ** 2
        return losses.mean() if self.reduction == "mean" else losses


def learned(dls: Any, model: Model) -> pd.DataFrame:
    """What a learner of numbers is trained to give: the outcome, or the weights of its bins; the training rows."""
    [outcome] = model.predicts or [""]
    items: pd.DataFrame = dls.train_ds.items
    bins = [name for name in items.columns if name.startswith(f"{outcome} bin ")]
    return items[bins or [outcome]]


def outputs(dls: Any, model: Model) -> int:
    """How many outputs a network of numbers has: one, or one for each bin."""
    return int(learned(dls, model).shape[1])


def number_loss(dls: Any, model: Model) -> Any:
    """The loss that fits what is known of the number: bins, the form of its distribution, or nothing."""
    if learned(dls, model).shape[1] > 1:
        return BinLoss()
    return (
        DevianceLoss(model.distribution) if model.distribution in ("poisson", "gamma", "lognormal") else MSELossFlat()
    )


def number_metrics(dls: Any, model: Model) -> list[Any]:
    """Errors in the number's unit; bins have none while they train."""
    return [] if learned(dls, model).shape[1] > 1 else [mae, rmse]


def unit(dls: Any, model: Model) -> list[nn.Module]:
    """The last layer of a network that predicts a number, as a list; none where it predicts bins."""
    train = learned(dls, model)
    if train.shape[1] > 1:
        return []
    values = train.iloc[:, 0].astype(float)
    positive = bool(values.min() >= 0) or model.distribution in ("poisson", "gamma", "lognormal")
    return [Unit(values.mean(), values.std(ddof=0), positive)]
