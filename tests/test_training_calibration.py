"""Probabilities mean frequencies, and figures are what their names say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.training import calibration, metrics

pytestmark = pytest.mark.train


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_of_a_known_world_is_found(true: float) -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (20_000, 4))
    labels = (softmax(logits / true).cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    assert calibration.temperature(logits, labels) == pytest.approx(true, rel=0.05)


def test_few_cases_leave_the_network_as_it_is() -> None:
    assert calibration.temperature(np.array([[9.0, 0.0]] * 10), np.ones(10, dtype=int)) == 1.0


def test_folding_divides_every_output() -> None:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3, bias=False))
    inputs = torch.randn(20, 5)
    before = network(inputs).detach().numpy()
    offsets = np.array([0.3, -0.1, 2.0])
    calibration.fold(network, 1.7, offsets)
    np.testing.assert_allclose(network(inputs).detach().numpy(), (before + offsets) / 1.7, atol=1e-6)


def test_a_network_that_is_always_right_is_not_made_certain() -> None:
    logits = np.array([[4.0, 0.0], [0.0, 4.0]] * 30)
    labels = np.array([0, 1] * 30)
    sure = softmax(logits / calibration.temperature(logits, labels)).max(axis=1)
    # One case in 61 could be either class: half an error in 61.
    np.testing.assert_allclose(sure, 1 - 0.5 / 61, atol=1e-3)


def test_log_probabilities_do_not_overflow() -> None:
    from scipy.special import log_softmax

    logits = np.array([[1e4, 0.0, -1e4], [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(calibration.log_softmax(logits), log_softmax(logits, axis=1))


def test_an_isotonic_table_is_monotone_and_says_what_was_seen() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(5000)
    happened = rng.random(5000) < said**2
    table = calibration.isotonic(said, happened)
    assert np.all(np.diff(table["seen"]) >= 0)
    np.testing.assert_allclose(np.interp([0.3, 0.6, 0.9], table["said"], table["seen"]), [0.09, 0.36, 0.81], atol=0.06)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(2, 5), st.integers(20, 200))
def test_figures_agree_with_scikit_learn(seed: int, k: int, n: int) -> None:
    from sklearn import metrics as oracle

    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(k), n)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    found = metrics.classification(labels, probabilities, [str(i) for i in range(k)])
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(labels, probabilities.argmax(axis=1)))
    assert found["log_loss"] == pytest.approx(oracle.log_loss(labels, probabilities, labels=range(k)), rel=1e-6)
    multi = oracle.roc_auc_score(labels, probabilities[:, 1] if k == 2 else probabilities, multi_class="ovr")
    assert found["auroc"] == pytest.approx(multi)
    recall = oracle.recall_score(labels, probabilities.argmax(axis=1), average=None, labels=range(k))
    np.testing.assert_allclose(list(found["recall"].values()), recall)


def test_a_figure_that_the_cases_cannot_give_is_none() -> None:
    found = metrics.classification(np.array([1, 1]), np.array([[0.2, 0.8], [0.4, 0.6]]), ["no", "yes"])
    assert found["auroc"] is None
    assert found["recall"] == {"no": None, "yes": 1.0}
    assert metrics.classification(np.array([], dtype=int), np.zeros((0, 2)), ["no", "yes"]) == {"cases": 0}


def test_the_interval_of_a_share_is_wilsons() -> None:
    # Source: Newcombe, 1998, table I: 15 of 148 gives 0.0624 to 0.1605.
    assert metrics.wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)


def test_calibration_error_of_a_known_case() -> None:
    # Two bins of two: said 0.95 and right once in two; said 0.65 and right twice: (0.45 + 0.35) / 2
    right = np.array([True, False, True, True])
    said = np.array([0.95, 0.95, 0.65, 0.65])
    assert metrics.calibration_error(right, said) == pytest.approx(0.4)


@pytest.mark.parametrize(("cases", "alarms"), [(30, 0.05), (50, 0.05), (100, 0.05), (200, 0.01), (500, 0.01)])
def test_no_more_ordinary_cases_are_called_strange_than_was_stated(cases: int, alarms: float) -> None:
    rng = np.random.default_rng(cases)
    scores = rng.normal(size=(4000, cases))
    # The share of new cases beyond each threshold is known exactly: it is that of the normal law.
    from scipy.stats import norm

    ours = np.mean([norm.sf(calibration.threshold(one, alarms)) for one in scores])
    plain = np.mean([norm.sf(np.quantile(one, 1 - alarms)) for one in scores])
    assert ours <= alarms * 1.02
    assert ours >= alarms / 2
    assert plain > ours


def test_with_too_few_cases_the_strangest_of_them_is_the_threshold() -> None:
    assert calibration.threshold(np.array([3.0, 1.0, 2.0]), 0.01) == 3.0


def test_energy_is_joined_by_the_distance_each_in_units_of_its_spread() -> None:
    import torch
    from scipy.special import logsumexp

    from drivetrain.training import network

    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 600)
    features = rng.normal(size=(600, 4)) + 5 * np.eye(4)[labels]
    outputs = features[:, :3] * 2.0
    distance = network.whitening(torch.tensor(features), torch.tensor(labels))
    joined = network.Joined(distance, torch.tensor(features), torch.tensor(outputs))

    centres = np.stack([features[labels == label].mean(axis=0) for label in range(3)])
    rest = features - centres[labels]
    covariance = rest.T @ rest / 599
    covariance += np.eye(4) * (0.01 * covariance.diagonal().mean() + 1e-8)

    def parts(x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gaps = x[:, None] - centres
        squares = np.einsum("ncd,de,nce->nc", gaps, np.linalg.inv(covariance), gaps)
        return -logsumexp(z, axis=1), np.sqrt(squares.min(axis=1))

    energy, apart = parts(features, outputs)
    x, z = rng.normal(size=(50, 4)) * 4, rng.normal(size=(50, 3))
    found = joined(torch.tensor(x, dtype=torch.float32), torch.tensor(z, dtype=torch.float32))[:, 0].numpy()
    here = parts(x, z)
    assert found == pytest.approx(here[0] / energy.std(ddof=1) + here[1] / apart.std(ddof=1), rel=1e-4)


def test_a_class_that_validation_never_saw_keeps_its_probability() -> None:
    said = np.array([0.1, 0.4, 0.9])
    for happened in (np.zeros(3, dtype=bool), np.ones(3, dtype=bool)):
        table = calibration.isotonic(said, happened)
        np.testing.assert_allclose(np.interp(said, table["said"], table["seen"]), said)


def test_censored_numbers_are_drawn_as_kaplan_and_meier_count_them() -> None:
    from matplotlib.figure import Figure

    from drivetrain.training.pictures import _under_way

    axes = Figure().subplots()
    quantiles = np.array([[0.5, 1.5], [2.5, 3.5]])
    _under_way(axes, np.array([1.0, 2, 2, 3]), np.array([True, True, False, True]), quantiles)
    seen, said = (line.get_ydata() for line in axes.lines)
    np.testing.assert_allclose(seen, [3 / 4, 3 / 4 * 2 / 3, 0])  # at two, three are watched and one ends
    np.testing.assert_allclose(said, [3 / 4, 2 / 4, 1 / 4])


def test_every_kind_of_outcome_has_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    from drivetrain.artifact.distribution import Distribution
    from drivetrain.training.pictures import draw

    rng = np.random.default_rng(0)
    shares = rng.dirichlet([1, 1, 1], 50)
    classes = Distribution(("a", "b", "c"), shares)
    numbers = Distribution((), np.zeros((50, 0)), np.sort(rng.random((50, 20)), axis=1))
    bins = np.column_stack([shares, rng.random(50), rng.random(50) < 0.5])
    truths = {
        "classes": (rng.integers(0, 3, 50), classes),
        "labels": (rng.integers(0, 2, (50, 3)), classes),
        "areas": (rng.dirichlet([1, 1, 1], 50), classes),
        "numbers": (rng.random(50), numbers),
        "censored": (bins, numbers),
    }
    for name, (truth, found) in truths.items():
        assert draw(truth, found, tmp_path / f"{name}.png", name)
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert len(set(np.asarray(picture.convert("RGB")).reshape(-1, 3).sum(axis=1).tolist())) > 20
    assert not draw(np.zeros(0), Distribution(("a",), np.zeros((0, 1))), tmp_path / "none.png", "none")
