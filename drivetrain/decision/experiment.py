"""The experiment that would make a figure causal: how many cases, and the code that draws the settings.

Settings are drawn evenly among those that the limits allow to a case, so that the log can judge any policy. Two
policies a and b are then compared by the doubly robust scores of each case, which differ where the policies do; with K
settings to draw from, the difference has, a case, the variance

    E[ 1(a != b) K (var(v | x, a) + var(v | x, b)) ]  +  var_x( q(x, a) - q(x, b) )

and n cases find a difference of means δ when n = (z_level + z_power)² variance / δ². Of a range, K is what the kernel
of `logged.weights` leaves of the log. Rankings have too many orders to draw from: the lot decides between the two
policies instead, an ordinary comparison of two groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from statistics import NormalDist
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy
from drivetrain.decision.compare import Decided
from drivetrain.decision.evaluate import OPTIMIZED
from drivetrain.decision.logged import kernel_cost
from drivetrain.spec import Spec
from drivetrain.spec.formula import parse, substitute

Floats = NDArray[np.float64]

FEW = 12
"""Settings of a number up to which each is drawn often enough to be compared as it is (see `logged.weights`)."""
LOOKED_AT = 500
"""Cases that the spread comes from where every case takes many questions to the models."""

ARMS = Template(
    '''"""Draw the $what for each case, the same for the same case, and log its probability.

    python evidence/experiment.py < units.txt > drawn.csv
"""

import hashlib

ARMS = $arms
SEED = $seed


def draw(unit: str) -> tuple[str, float]:
    """What is drawn for one $unit, and with which probability; log both, before the outcome is known."""
    digest = hashlib.sha256(f"{SEED}:{unit}".encode()).digest()
    level = int.from_bytes(digest[:8], "big") / 2**64
    for setting, share in ARMS.items():
        if level < share:
            return setting, share
        level -= share
    return setting, share


if __name__ == "__main__":
    import csv
    import sys

    table = csv.writer(sys.stdout)
    table.writerow(["unit", $lever, "propensity"])
    for line in sys.stdin:
        table.writerow([line.strip(), *draw(line.strip())])
'''
)
LIMITED = Template(
    '''"""Draw $what among the settings that the plan allows to a case, the same for the same case.

    python evidence/experiment.py < cases.csv > drawn.csv

The first line of `cases.csv` names its columns: unit$columns.
Log what is drawn with its propensity (of a range: the density), before the outcome is known.
"""

import csv
import sys
from pathlib import Path

from drivetrain import load_spec, run
from drivetrain.decision import drawn

SEED = $seed


def main() -> None:
    """Read cases, write what each of them gets."""
    spec = load_spec(Path(__file__).parents[1])
    cases = list(csv.DictReader(sys.stdin))
    settings, propensity = drawn(spec, cases, SEED)
    table = csv.writer(sys.stdout)
    table.writerow(["unit", *settings, "propensity"])
    for row, case in enumerate(cases):
        table.writerow([case["unit"], *(values[row] for values in settings.values()), propensity[row]])


if __name__ == "__main__":
    run(main)
'''
)


def _z(power: float, level: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf(0.5 + level / 2) + normal.inv_cdf(power)


def code(what: str, arms: Sequence[str], unit: str) -> str:
    """A program that draws evenly from a few arms: deterministic by unit, so that it can be repeated and checked."""
    shares = {arm: round(1 / len(arms), 6) for arm in arms}
    return ARMS.substitute(
        what=" ".join(what.split()),
        lever=repr(what),
        arms=repr(shares),
        seed=repr(f"{what}-1"),
        unit=" ".join(unit.split()),
    )


def drawn(spec: Spec, cases: Sequence[Mapping[str, str]], seed: str) -> tuple[dict[str, list[Any]], list[float]]:
    """A joint setting for each case, drawn evenly among those that the limits allow; the same for the same unit.

    Args:
        spec: The plan.
        cases: Column -> text, `unit` and what the limits read among them.
        seed: Of the lot.

    Returns:
        Lever -> setting of each case, and the probability of each (of a range: its density per unit of the lever).

    Raises:
        PolicyError: A column is missing or holds no number, or the limits allow nothing to a case.
    """
    from drivetrain.errors import PolicyError

    problem = policy.problem(spec)
    missing = sorted(({"unit"} | _read(problem)) - set(cases[0])) if cases else []
    if missing:
        raise PolicyError(
            f"the cases have no column {', '.join(missing)}.", "Name it in the first line.", where="cases"
        )
    columns = {name: _typed(spec, name, [case[name] for case in cases]) for name in sorted(_read(problem))}
    count, every = len(cases), len(problem.labels)
    may = (
        np.broadcast_to(policy.allowed(problem, columns, None), (count, every)) if cases else np.ones((0, every), bool)
    )
    if not may.any(axis=1).all():
        stuck = int(np.flatnonzero(~may.any(axis=1))[0])
        raise PolicyError(
            f"the limits allow no setting to unit `{cases[stuck]['unit']}`.", "Leave it out of the lot.", where="cases"
        )
    level = np.array([_level(seed, case["unit"]) for case in cases])
    open_ = may.sum(axis=1)
    place = np.minimum((level * open_).astype(int), open_ - 1)
    at = np.array([np.flatnonzero(row)[p] for row, p in zip(may, place, strict=True)], dtype=int)
    width = 1.0
    for lever in spec.levers:
        if lever.type == "range":
            values = np.unique(problem.settings[lever.name])
            width *= float(values[1] - values[0]) if len(values) > 1 else 1.0
    settings = {name: values[at].tolist() for name, values in problem.settings.items()}
    return settings, (1 / open_ / width).tolist()


def _read(problem: policy.Problem) -> set[str]:
    """Columns that the limits read."""
    # A limit on what is predicted is left aside: nothing has asked a model here.
    before = [limit for limit in problem.allowed if not limit.names & problem.classes.keys()]
    names = {name for limit in before for name in limit.names} - {"period"}
    return names - set(problem.levers) - set(problem.constants)


def _typed(spec: Spec, name: str, texts: Sequence[str]) -> NDArray[Any]:
    """A column of a text file as the plan declares it."""
    from drivetrain.errors import PolicyError

    kind = next((s.columns[name].type for s in spec.data if name in (s.columns or {})), "number")
    if kind == "boolean":
        return np.array([text.strip().lower() in ("true", "1", "yes") for text in texts])
    if kind not in ("number", "integer"):
        return np.array(texts, dtype=str)
    try:
        return np.array([float(text) for text in texts])
    except ValueError as error:
        raise PolicyError(f"`{name}` holds what is no number ({error}).", "Correct the case.", where="cases") from error


def _level(seed: str, unit: str) -> float:
    digest = hashlib.sha256(f"{seed}:{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def planned(spec: Spec, problem: policy.Problem, decided: Decided) -> tuple[dict[str, Any] | None, str]:
    """The experiment that makes the gain causal, where it is not; and the code that draws the settings.

    Returns:
        As plain data: `cases` find the gain that is expected, `cases_least` the least one that is useful (None where
        the plan names none); None and no code where the gain is causal already, or nothing is gained.
    """
    rows = {row["name"]: row for row in decided.result["policies"]}
    against = next((name for name in ("today", "do_nothing") if name in rows), None)
    moved = [lever for lever in problem.levers if any(lever in problem.affected[name] for name in problem.outcomes)]
    if not moved or against is None or rows[OPTIMIZED]["label"] == "causal":
        return None, ""
    world = decided.world
    gain = float(world.shares @ (decided.values[OPTIMIZED] - decided.values[against]))
    if gain <= 0:
        return None, ""
    fixed, drawn_part, settings = _variance(problem, decided, against)
    least = _least_useful(spec, rows[against]["value"] if against == "today" else None)
    found = {size: cases_needed(fixed, drawn_part, settings, size) for size in (gain, least) if size}
    ranks = problem.ranking is not None
    unit = (spec.decision.unit if spec.decision else None) or "case"
    what = "policy" if ranks else " and ".join(moved)
    plan = {
        "lever": moved[0] if len(moved) == 1 else what,
        "settings": [against, OPTIMIZED] if ranks else list(dict.fromkeys(problem.labels))[:20],
        "unit": unit,
        "against": against,
        "difference": gain,
        "least": least or None,
        "deviation": float(np.sqrt(_size_variance(fixed, drawn_part, settings, found[gain]))),
        "cases": found[gain],
        "cases_least": found.get(least),
        "power": 0.8,
        "batches": _batches(spec, found[gain]),
    }
    if ranks:
        return plan, code("policy", [against, OPTIMIZED], unit)
    if len(problem.levers) == 1 and not problem.allowed and problem.settings[moved[0]].dtype.kind == "U":
        return plan, code(moved[0], list(dict.fromkeys(problem.settings[moved[0]].tolist())), unit)
    columns = "".join(f", {name}" for name in sorted(_read(problem)))
    levers = " and ".join(f"`{lever}`" for lever in problem.levers)
    return plan, LIMITED.substitute(what=levers, columns=columns, seed=repr(f"{'-'.join(problem.levers)}-1"))


def said(plan: Mapping[str, Any]) -> str:
    """The experiment in a sentence."""
    draws = f"`{plan['lever']}`"
    if plan["settings"] == [plan["against"], OPTIMIZED]:
        draws = f"`{plan['against']}` or `{OPTIMIZED}` for each {plan['unit']}"
    text = (
        f"To make the gain causal: draw {draws} by lot for {plan['cases']:,} cases ({plan['batches']}), which find the "
        f"expected gain of {plan['difference']:.4g} over `{plan['against']}` four times in five"
    )
    if plan["cases_least"]:
        text += f"; the least useful gain of {plan['least']:.4g} would take {plan['cases_least']:,}"
    return f"{text}. evidence/experiment.py draws and logs it."


def _least_useful(spec: Spec, today: float | None) -> float:
    """What the plan calls the least improvement that is useful; 0 where it names none.

    Also where today's figure is not at all what the plan says it is: then the data speak of another world (sample data
    do), and a difference in the plan's says nothing in theirs.
    """
    measure = spec.objective.measure if spec.objective else None
    if measure is None or measure.formula or measure.minimum_useful is None or measure.current is None:
        return 0.0
    if today is not None and not 0.5 * abs(measure.current) <= abs(today) <= 2 * abs(measure.current):
        return 0.0
    return abs(measure.minimum_useful - measure.current)


def _batches(spec: Spec, cases: int) -> str:
    batch = spec.decision.batch if spec.decision else None
    if not (batch and batch.cases):
        return "as they come"
    count = ceil(cases / batch.cases)
    return f"{count:,} batch{'' if count == 1 else 'es'} of {batch.cases:,}, one every {batch.every}"


def cases_needed(fixed: float, drawn_part: float, settings: float, difference: float) -> int:
    """Cases of an experiment that find a difference four times in five, at a level of 95 % (Cohen 1988).

    Of a number the log tells the less about each policy the larger it is, so that the cases stand on both sides.

    Args:
        fixed: Variance that a case adds in any case.
        drawn_part: Variance that it adds times the settings that are drawn from.
        settings: Their number; 0 for a range, where it depends on the number of cases.
        difference: Of the means.
    """
    cases = 1_000.0
    for _ in range(30):
        cases = _z(0.8, 0.95) ** 2 * _size_variance(fixed, drawn_part, settings, cases) / difference**2
    return max(2, ceil(cases))


def _size_variance(fixed: float, drawn_part: float, settings: float, cases: float) -> float:
    return fixed + drawn_part * (settings or kernel_cost(cases))


def _variance(problem: policy.Problem, decided: Decided, against: str) -> tuple[float, float, float]:
    """What one case adds to the variance of the difference: fixed, times the number of settings, and that number.

    The number is 0 where it depends on how many cases there are: for a range.
    """
    world = decided.world
    ends = [decided.actions[name] for name in (OPTIMIZED, against)]
    rows = np.arange(len(world.case))
    if not problem.simple and len(rows) > LOOKED_AT:
        rows = np.sort(np.random.default_rng(problem.seed).permutation(len(rows))[:LOOKED_AT])
    (first, spread_first), (second, spread_second) = (_moments(problem, decided, action, rows) for action in ends)
    weights = world.weights[rows] / world.weights[rows].sum() * (1 if world.width == 1 else world.width)
    if problem.ranking is not None:
        # Two groups of equal size: each case is in one of them, so its whole spread counts twice over.
        sums = [
            float(weights @ spread) + _between(world.by_case(mean), world.shares)
            for mean, spread in ((first, spread_first), (second, spread_second))
        ]
        return 2 * sum(sums), 0.0, 1.0
    differ = np.zeros(len(rows), dtype=bool)
    for lever in problem.levers:
        differ |= np.asarray(ends[0][lever])[rows].astype(str) != np.asarray(ends[1][lever])[rows].astype(str)
    share = weights / weights.sum()
    spread = float(share @ (differ * (spread_first + spread_second)))
    numeric = [lever for lever in problem.levers if len(np.unique(problem.settings[lever])) > FEW]
    if any(problem.settings[lever].dtype.kind != "U" for lever in numeric):
        return _between(first - second, share), spread, 0.0
    columns = {name: values[rows] for name, values in world.columns.items()}
    bare = replace(problem, seen={})
    open_ = np.broadcast_to(policy.allowed(bare, columns, None), (len(rows), len(problem.labels))).sum(axis=1)
    spread = float(share @ (differ * open_ * (spread_first + spread_second)))
    return _between(first - second, share), spread, 1.0


def _between(values: Floats, shares: Floats) -> float:
    return float(shares @ (values - shares @ values) ** 2)


def _moments(
    problem: policy.Problem, decided: Decided, action: Mapping[str, Any], rows: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Mean and variance of the value of some cases under an action, as the models expect them; each (rows,)."""
    world = decided.world
    levers = {lever: np.asarray(s)[rows][:, None] for lever, s in action.items()}
    whole = len(rows) == len(world.case)
    cases = world.cases
    if not whole:
        cases = {
            name: values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]
            for name, values in cases.items()
        }
    plain = replace(problem, scenarios=(), tail=None)
    if problem.horizon is not None:
        drawn_values = policy.paths(plain, cases, world.ask, levers)[:, 0, :]
        return drawn_values.mean(axis=1), drawn_values.var(axis=1)
    square = replace(plain, value=substitute(parse("whole ** 2"), {"whole": problem.value}))
    shape = (len(rows),)
    first = np.broadcast_to(policy.worth(plain, cases, world.ask, levers)[:, 0], shape)
    second = np.broadcast_to(policy.worth(square, cases, world.ask, levers)[:, 0], shape)
    return first, np.maximum(second - first**2, 0)
