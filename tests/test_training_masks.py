"""How far areas may be off: weighed as they were missed, by a world in which the truth is known."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from drivetrain import policy
from drivetrain.artifact import Distribution, areas
from drivetrain.artifact.outcomes import LEVELS
from drivetrain.spec import load_text
from drivetrain.training.heads import masks

ROAD = """
drivetrain: 1
project: {name: Road}
objective:
  statement: Holes are mended.
  value: "where(crew == 'patch', -25, where(area(view, 'hole') > 0.12, -200, 0))"
levers: [{name: crew, type: options, options: [stay, patch], policies: {do_nothing: stay}}]
data:
  - name: photos
    kind: table
    location: p.csv
    columns: {picture: image}
    outcomes: {view: {column: view, type: mask, values: [road, crack, hole], affected_by: []}}
models: [{name: tracer, task: image-segmentation, predicts: view}]
"""


def photos(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Said and true areas (n, 3) of photos with a disc that is a crack or a hole; many are clear, some are in doubt.

    The network knows how large the disc is, and how likely it is a hole; said is what pixels are on average.
    """
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.05, 0.4, count)
    hole = rng.choice([0.0, 0.2, 0.5, 0.8, 1.0], count, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    is_hole = rng.random(count) < hole
    said = np.column_stack([1 - size, size * (1 - hole), size * hole])
    noise = rng.normal(0, 0.01, count) * size
    disc = np.clip(size + noise, 0, 1)
    seen = np.column_stack([1 - disc, disc * ~is_hole, disc * is_hole])
    return said, seen


def test_what_is_missed_is_foretold_where_it_is_missed() -> None:
    """A photo of which no hole is said has none, though in others half of what is said is wrong."""
    spread = masks.spread(*photos(400, 0))
    assert spread["near"] < 128, "rows of every kind must not speak of all others"
    assert len(spread["said"]) == 256
    said, seen = photos(4000, 1)
    found = areas.likely(spread, said, LEVELS)
    assert found.shape == (4000, 3, LEVELS)
    chance = (found[:, 2] > 0.12).mean(axis=1)
    over = seen[:, 2] > 0.12
    clear = said[:, 2] < 0.001
    assert not over[clear].any()
    assert chance[clear].mean() < 0.01
    # Calibrated: of photos with such a chance about as many have a hole.
    for low, high in ((0.05, 0.35), (0.35, 0.65), (0.65, 0.95)):
        rows = (chance >= low) & (chance < high)
        assert rows.sum() > 60
        assert over[rows].mean() == pytest.approx(chance[rows].mean(), abs=0.12)
    # Beyond what nobody can know (Brier score), little is lost.
    size = 1 - said[:, 0]
    known = np.where(size > 0.12, said[:, 2] / size, 0)
    lost, before = (
        np.mean((told - over) ** 2) - np.mean((known - over) ** 2) for told in (chance, pooled(spread, said))
    )
    assert lost < 0.4 * before


def pooled(spread: dict[str, object], said: np.ndarray) -> np.ndarray:
    """The chance of a hole if all that was ever missed could be missed everywhere."""
    missed = np.array(spread["seen"])[:, 2] - np.array(spread["said"])[:, 2]
    return (np.clip(said[:, 2:] + missed, 0, 1) > 0.12).mean(axis=1)


def test_areas_of_a_picture_come_together() -> None:
    """What is no crack is a hole: together they are the disc, whichever it is."""
    found = areas.likely(masks.spread(*photos(400, 0)), photos(500, 2)[0], LEVELS)
    disc = found[:, 1] + found[:, 2]
    assert np.quantile(disc.std(axis=1), 0.9) < 0.06
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=0.25)
    size = 1 - photos(500, 2)[0][:, 0]
    assert np.abs(disc.mean(axis=1) - size).mean() < 0.03


def test_the_optimized_policy_beats_acting_on_the_likeliest_areas_and_the_formula_sees_joint_areas() -> None:
    """Against the truth of 4,000 photos that had no part in it."""
    problem = policy.problem(load_text(dedent(ROAD)))
    said, seen = photos(4000, 1)
    found = areas.likely(masks.spread(*photos(400, 0)), said, LEVELS)
    beliefs = policy.believed(problem, "view", Distribution(("road", "crack", "hole"), said, found))
    written = policy.written(problem.labels, {}, {}, {})
    distributions = {"view": Distribution(("road", "crack", "hole"), said, found)}
    chosen = np.array([choice.setting for choice in policy.decide(problem, written, {}, distributions)])
    accurate = policy.reference(problem, "accuracy_first", {}, beliefs)["crew"]

    def worth(crew: np.ndarray) -> float:
        return float(np.where(crew == "patch", -25, np.where(seen[:, 2] > 0.12, -200, 0)).mean())

    # The best that can be done with what the network says, in this world: patch from one chance in eight.
    size = 1 - said[:, 0]
    best = np.where((size > 0.12) & (said[:, 2] / size > 0.125), "patch", "stay")
    alike = np.where(pooled(masks.spread(*photos(400, 0)), said) > 0.125, "patch", "stay")
    assert worth(accurate) < worth(chosen) - 1
    assert worth(alike) < worth(chosen) - 0.5
    assert worth(chosen) > worth(best) - 1
    assert set(accurate) == {"stay", "patch"}


def test_the_sum_of_two_areas_is_not_that_of_strangers() -> None:
    formula = "where(area(view, 'crack') + area(view, 'hole') > 0.3, 1, 0) * where(crew == 'patch', 1, 0)"
    plan = dedent(ROAD).replace(dedent(ROAD).partition('value: "')[2].partition('"')[0], formula)
    problem = policy.problem(load_text(plan))
    # Half a disc of 0.35 in doubt: it is there for certain, whatever it is.
    draws = np.tile([0.35, 0.0], LEVELS // 2)
    either = np.stack([np.full(LEVELS, 0.65), draws, 0.35 - draws])[None]
    said = Distribution(("road", "crack", "hole"), either.mean(axis=2), either)
    beliefs = policy.believed(problem, "view", said)
    assert policy.expectation(problem, problem.value, {}, beliefs)[0].tolist() == [0, 1]


def test_few_rows_speak_of_all_and_none_of_nothing() -> None:
    said, seen = photos(10, 0)
    assert masks.spread(said, seen)["near"] == 10
    one = masks.spread(said[:1], seen[:1])
    assert areas.likely(one, said, LEVELS).shape == (10, 3, LEVELS)
    assert areas.likely(one, said[:0], LEVELS).shape == (0, 3, LEVELS)
