"""A learner's network in the form in which it is served: plain tensors in, one table of outputs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

OPSET = 17


class Served(nn.Module):
    """Outputs (n, width), and behind them the out-of-domain distance of each case where one was fitted.

    Args:
        network: Takes the served inputs.
        distance: How strange the inputs of the last layer are; None where the outputs themselves tell.
        last: The last layer, whose inputs are looked at.
    """

    def __init__(self, network: nn.Module, distance: nn.Module | None = None, last: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.distance = network, distance
        self._seen: list[torch.Tensor] = []
        if distance is not None and last is not None:
            last.register_forward_pre_hook(self._look)

    def _look(self, _: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._seen[:] = [inputs[0]]

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The outputs of n cases."""
        outputs = self.network(*inputs)
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        outputs = outputs.unsqueeze(1) if outputs.dim() == 1 else outputs
        if self.distance is None:
            return torch.as_tensor(outputs)
        seen = self._seen.pop() if self._seen else inputs[0]
        strange = self.distance(seen, outputs) if isinstance(self.distance, Joined) else self.distance(seen)
        return torch.cat([outputs, strange], dim=1)


class Mahalanobis(nn.Module):
    """Distance from the nearest centre of the training rows, in units of their spread.

    Source: Lee and others, A Simple Unified Framework for Detecting Out-of-Distribution Samples, 2018.
    """

    whitened: torch.Tensor
    whitening: torch.Tensor

    def __init__(self, centres: torch.Tensor, whitening: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("whitened", centres @ whitening)
        self.register_buffer("whitening", whitening)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Distances (n, 1)."""
        gaps = (features @ self.whitening).unsqueeze(1) - self.whitened.unsqueeze(0)
        return gaps.pow(2).sum(dim=2).min(dim=1, keepdim=True)[0].sqrt()


class Joined(nn.Module):
    """Energy of the outputs and distance of what the last layer sees, each in units of its spread over training rows.

    Outputs alone do not tell a letter from the digit that it resembles; distance alone does not see that no class
    wants the case.

    Source: Liu and others, Energy-based Out-of-distribution Detection, 2020, for the energy.
    """

    def __init__(self, distance: Mahalanobis, features: torch.Tensor, outputs: torch.Tensor) -> None:
        super().__init__()
        self.distance = distance
        with torch.no_grad():
            spreads = (energy(outputs.float()).std(), distance(features.float()).std())
        self.spreads = [max(float(spread), 1e-6) for spread in spreads]

    def forward(self, features: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Scores (n, 1) of features (n, d) and class outputs (n, k)."""
        return torch.add(energy(outputs) / self.spreads[0], self.distance(features) / self.spreads[1])


def energy(outputs: torch.Tensor) -> torch.Tensor:
    """Energy (n, 1) of class outputs (n, k): the higher, the less any class wants the case."""
    return -torch.logsumexp(outputs, dim=1, keepdim=True)


class Unknown(nn.Module):
    """How many of a case's codes are unknown: a user or an item without ratings."""

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Counts (n, 1)."""
        return (codes == 0).sum(dim=1, keepdim=True).to(torch.float32)


class TextNetwork(nn.Module):
    """fastai's text classifier without its state between batches, so that any number of texts can be served.

    fastai feeds a text in pieces and remembers the hidden state; from the start of a text to its end that is the same
    as feeding it whole.
    """

    def __init__(self, model: Any, pad: int) -> None:
        super().__init__()
        encoder = model[0].module
        self.embedding, self.layers, self.pad = encoder.encoder, model[1].layers, pad
        self.rnns = nn.ModuleList(map(_plain_lstm, encoder.rnns))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Outputs of token numbers (n, longest), padded at the end."""
        there = (tokens != self.pad).unsqueeze(2)
        x = self.embedding(tokens)
        for rnn in self.rnns:
            x, _ = rnn(x)
        count = there.sum(dim=1)
        last = x.gather(1, (count - 1).unsqueeze(2).expand(-1, 1, x.shape[2])).squeeze(1)
        highest = x.masked_fill(~there, float("-inf")).max(dim=1)[0]
        mean = x.masked_fill(~there, 0.0).sum(dim=1) / count
        return torch.as_tensor(self.layers(torch.cat([last, highest, mean], dim=1)))


def _plain_lstm(rnn: Any) -> nn.LSTM:
    """A layer of AWD-LSTM with the weights as trained, without the dropout that training puts over them."""
    own = rnn.module
    plain = nn.LSTM(own.input_size, own.hidden_size, 1, batch_first=True, bidirectional=own.bidirectional)
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            weight.copy_(getattr(rnn, f"{name}_raw") if hasattr(rnn, f"{name}_raw") else getattr(own, name))
    return plain.eval()


def whitening(features: torch.Tensor, labels: torch.Tensor) -> Mahalanobis:
    """The distance that the features (n, d) of training rows span; a centre for each label."""
    features = features.double()
    known, place = np.unique(labels.numpy(), return_inverse=True)
    centres = torch.stack([features[torch.from_numpy(place == index)].mean(dim=0) for index in range(len(known))])
    rest = features - centres[place]
    covariance = rest.T @ rest / max(1, len(rest) - 1)
    # A little of the mean variance in every direction: the rows may span fewer directions than there are features.
    covariance += torch.eye(len(covariance)) * (0.01 * covariance.diagonal().mean() + 1e-8)
    values, vectors = torch.linalg.eigh(covariance)
    return Mahalanobis(centres.float(), (vectors / values.sqrt()).float())


def export(network: nn.Module, example: Sequence[torch.Tensor], names: Sequence[str], path: Path) -> None:
    """Write a network as ONNX that takes any number of cases, and texts of any length.

    Args:
        network: What is served.
        example: One batch of its inputs.
        names: Their names.
        path: The file.
    """
    import warnings

    axes: dict[str, dict[int, str]] = {name: {0: "cases"} for name in (*names, "logits")}
    if "tokens" in axes:
        axes["tokens"][1] = "length"
    plain = tuple(one.detach().cpu().as_subclass(torch.Tensor) for one in example)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # The newer, dynamo-based exporter gives the same network and takes ten times as long.
        torch.onnx.export(
            network.cpu().eval(),
            plain,
            str(path),
            input_names=list(names),
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
