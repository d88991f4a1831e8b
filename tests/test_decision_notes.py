"""What is said beside the figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drivetrain.decision.notes import outdone

SHARES = np.array([0.25, 0.25, 0.25, 0.25])
VALUES = {"today": np.zeros(4), "simple_rule": np.array([0, 0, 4, 8.0]), "optimized": np.array([0, 0, 4, 0.0])}
CALLED = {"today": np.zeros(4), "simple_rule": np.array([0, 0, 1, 1.0]), "optimized": np.array([0, 0, 1, 0.0])}


def limit(**other: Any) -> Any:
    return SimpleNamespace(**({"name": "calls", "upper": True, "bound": 0.25, "hard": True} | other))


def parts(name: str, _: Any) -> tuple[Any, Any]:
    return CALLED[name], np.ones(4)


def test_a_policy_that_looks_better_by_breaking_a_limit_is_named_with_its_figure():
    assert outdone([limit()], VALUES, SHARES, parts) == [
        "`simple_rule` looks better than the optimized policy and breaks a limit that this one keeps: calls would be "
        "0.5, at most 0.25."
    ]


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(limit(bound=0.5), id="both keep it"),
        pytest.param(limit(bound=0.1), id="both break it"),
        pytest.param(limit(hard=False), id="it may be broken"),
        pytest.param(limit(upper=False, bound=0.1), id="more is allowed"),
    ],
)
def test_otherwise_nothing_is_said(kept):
    assert outdone([kept], VALUES, SHARES, parts) == []


def test_a_policy_that_is_worth_less_needs_no_excuse():
    assert outdone([limit()], VALUES | {"optimized": np.full(4, 9.0)}, SHARES, parts) == []
