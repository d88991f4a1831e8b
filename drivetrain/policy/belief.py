"""What is believed of one outcome, and how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of one outcome, for n cases under k settings.

    Attributes:
        classes: Names of the classes, or of "false" and "true" for a binary outcome; None for a number.
        probabilities: Shape (n, 1 or k, classes), rows summing to 1; for a number None.
        quantiles: For a number: shape (n, 1 or k, q), at the levels (j + 1/2) / q, ascending; else None.
        binary: Whether formulas see a boolean instead of a category.
        joint: Outcome of which this is a part, whose parts come together: the j-th quantiles of all of them, which are
            equally likely and in no order; empty where it stands by itself.
    """

    classes: tuple[str, ...] | None
    probabilities: Array | None
    quantiles: Array | None = None
    binary: bool = False
    joint: str = ""

    @property
    def states(self) -> Array:
        """What the outcome can be, as formulas see it: strings, or booleans for a binary outcome."""
        assert self.classes is not None
        return _states(self.classes, self.binary)

    @property
    def cases(self) -> int:
        """How many cases it speaks of."""
        array = self.probabilities if self.probabilities is not None else self.quantiles
        assert array is not None
        return int(array.shape[0])

    def rows(self, start: int, stop: int) -> Belief:
        """The belief about some of the cases."""
        return Belief(
            self.classes,
            None if self.probabilities is None else self.probabilities[start:stop],
            None if self.quantiles is None else self.quantiles[start:stop],
            self.binary,
            self.joint,
        )

    def under(self, setting: int) -> Belief:
        """The belief under one of the settings; shape (n, 1, …)."""
        part = slice(setting, setting + 1)

        def one(array: Array | None) -> Array | None:
            return array if array is None or array.shape[1] == 1 else array[:, part]

        return Belief(self.classes, one(self.probabilities), one(self.quantiles), self.binary, self.joint)

    def mean(self) -> Array:
        """The predicted mean of a number or a binary outcome; shape (n, 1 or k, 1)."""
        if self.quantiles is not None:
            return np.asarray(self.quantiles.mean(axis=2, keepdims=True))
        assert self.probabilities is not None
        if not self.binary:
            raise PolicyError("A category has no mean.", "Compare it with one of its values instead.")
        states = self.states.astype(float)
        return np.asarray((self.probabilities * states).sum(axis=2, keepdims=True))

    def likeliest(self) -> Array:
        """The likeliest class, or the mean of a number; shape (n, 1 or k, 1)."""
        if self.probabilities is None:
            return self.mean()
        return np.asarray(self.states[self.probabilities.argmax(axis=2)][:, :, None])


@lru_cache
def _states(classes: tuple[str, ...], binary: bool) -> Array:
    found = np.array([name == "true" for name in classes]) if binary else np.array(classes, dtype=str)
    found.flags.writeable = False  # it is handed to everybody who asks
    return found


def common_numbers(beliefs: Mapping[str, Belief], draws: int, seed: int) -> dict[str, Array]:
    """Stratified uniform numbers in (0, 1), the same for all cases and settings; outcome -> shape (draws,).

    Each outcome has a stream of its own, which the parts of one share. Stratification (one number in each of `draws`
    equal intervals, Latin hypercube sampling, McKay 1979) costs nothing and takes most of the noise out of a mean. They
    do not depend on a case's position, so that the service, which sees one case at a time, chooses what the simulation
    chose.
    """
    homes = {name: belief.joint or name for name, belief in beliefs.items()}
    numbers = {}
    for position, home in enumerate(sorted(set(homes.values()))):
        stream = np.random.default_rng([seed, position])
        numbers[home] = (stream.permutation(draws) + stream.random(draws)) / draws
    return {name: numbers[home] for name, home in homes.items()}


def drawn(belief: Belief, uniforms: Array) -> Array:
    """Outcomes by inversion of the distribution function; shape (n, 1 or k, draws)."""
    if belief.quantiles is not None:
        levels = belief.quantiles.shape[2]
        if belief.joint:
            return np.asarray(belief.quantiles[:, :, (uniforms * levels).astype(int)])
        position = np.clip(uniforms * levels - 0.5, 0, levels - 1)
        below = np.floor(position).astype(int)
        above = np.minimum(below + 1, levels - 1)
        share = position - below
        low, high = belief.quantiles[:, :, below], belief.quantiles[:, :, above]
        return np.asarray(low + share * (high - low))
    assert belief.probabilities is not None
    edges = belief.probabilities.cumsum(axis=2)[:, :, :-1, None]
    return np.asarray(belief.states[(uniforms > edges).sum(axis=2)])
