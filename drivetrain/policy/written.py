"""`policy.json`: the policy that the service carries out, and the one function that carries it out anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain import evidence
from drivetrain.artifact import Distribution
from drivetrain.errors import PolicyError
from drivetrain.policy.choice import best
from drivetrain.policy.modeler import belief
from drivetrain.policy.problem import Array, Problem
from drivetrain.policy.reference import reference
from drivetrain.policy.simulate import allowed, expectation, limits, uses
from drivetrain.policy.value import Belief
from drivetrain.spec import Spec

FORMAT = 1
NAME = "policy.json"
TIES = "less use of the priced constraints, then the order of the plan"


@dataclass(frozen=True, slots=True)
class Price:
    """The shadow price of one constraint, in value per unit of its use; 0 when it does not bind."""

    constraint: str
    price: float


@dataclass(frozen=True, slots=True)
class Written:
    """A policy on disk.

    Attributes:
        settings: Labels of the joint settings, in the order of the plan.
        prices: Of the constraints, overall and by group.
        plan: Path -> hash of the fields that it was made from.
        artifacts: Model -> SHA-256 of the manifest that it was made with.
        ties: How ties are broken.
        created: UTC time, ISO 8601.
    """

    settings: tuple[str, ...]
    prices: tuple[Price, ...]
    plan: Mapping[str, str]
    artifacts: Mapping[str, str]
    ties: str
    created: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do with one case.

    Attributes:
        setting: Label of the setting.
        levers: Lever -> its value.
        value: Expected value of the setting, in the objective's unit; more is better.
        values: Label -> expected value; None for a setting that the limits forbid.
        reasons: Why this one, in words.
    """

    setting: str
    levers: Mapping[str, Any]
    value: float
    values: Mapping[str, float | None]
    reasons: tuple[str, ...]


def write(root: Path, written: Written) -> Path:
    """Write `artifacts/policy.json` below `root`, whole or not at all."""
    path = root / "artifacts" / NAME
    evidence.write_whole(path, json.dumps({"format": FORMAT} | asdict(written), indent=2, ensure_ascii=False) + "\n")
    return path


def written(
    settings: Sequence[str], prices: Mapping[str, float], plan: Mapping[str, str], artifacts: Mapping[str, str]
) -> Written:
    """A policy that was just made."""
    return Written(
        tuple(settings),
        tuple(Price(name, float(price)) for name, price in prices.items()),
        dict(plan),
        dict(artifacts),
        TIES,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def read(path: Path) -> Written:
    """The policy at `artifacts/policy.json`, if it is the one that the recorded evidence names.

    Raises:
        PolicyError: It is missing, was changed after `decide`, or is of another format.
    """
    where = f"artifacts/{NAME}"
    if not path.exists():
        raise PolicyError("is missing.", "Run `make decide`.", where=where)
    decided = evidence.read(path.parent.parent, "decide")
    if decided is None:
        raise PolicyError("no evidence says where it comes from.", "Run `make decide`.", where=where)
    if decided.artifacts.get(NAME) != evidence.file_digest(path):
        raise PolicyError(
            "was changed after it was made: its hash is not the recorded one.", "Run `make decide` again.", where=where
        )
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["format"] != FORMAT:
            raise PolicyError(f"is of format {body['format']}, this version reads {FORMAT}.", where=where)
        return Written(
            settings=tuple(body["settings"]),
            prices=tuple(Price(str(entry["constraint"]), float(entry["price"])) for entry in body["prices"]),
            plan=dict(body["plan"]),
            artifacts=dict(body["artifacts"]),
            ties=str(body["ties"]),
            created=str(body["created"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PolicyError(f"cannot be read ({error}).", "Run `make decide` again.", where=where) from error


def fits(written: Written, spec: Spec) -> list[str]:
    """Paths of the plan that changed since the policy was made; empty when it still fits."""
    return [path for path, seen in written.plan.items() if spec.digest(path) != seen]


def act(
    problem: Problem, prices: Mapping[str, float], columns: Mapping[str, Array], beliefs: Mapping[str, Belief]
) -> tuple[Array, Array, Array]:
    """The policy, for n cases: values (n, k), what is allowed (n, k), and the index of the choice (n,)."""
    values = expectation(problem, problem.value, columns, beliefs)
    feasible = allowed(problem, columns)
    feasible = np.broadcast_to(feasible, values.shape)
    priced = [limit for limit in limits(problem, columns) if prices.get(limit.name, 0.0) > 0]
    chosen = best(
        values,
        uses(problem, priced, columns, beliefs),
        feasible,
        np.array([prices[limit.name] for limit in priced]),
    )
    return values, feasible, np.where(feasible.any(axis=1), chosen, -1)


def decide(
    problem: Problem,
    policy: Written,
    columns: Mapping[str, Sequence[Any]],
    distributions: Mapping[str, Distribution | Belief],
) -> list[Choice]:
    """What the written policy does with each case: the same function offline and in service.

    Args:
        problem: The decision, from the plan.
        policy: What `read` returned.
        columns: Column -> n values that the formulas use.
        distributions: Outcome -> what the models say; a plain distribution where no lever moves the outcome.

    Raises:
        PolicyError: The settings are not those of the policy, or a prediction is no distribution.
    """
    if policy.settings != problem.labels:
        raise PolicyError("the plan's settings are not those of the policy.", "Run `make decide` again.", where=NAME)
    beliefs = {
        name: given if isinstance(given, Belief) else belief(problem, name, given)
        for name, given in distributions.items()
        if name in problem.outcomes
    }
    arrays = {name: np.asarray(values) for name, values in columns.items() if name in problem.columns}
    prices = {entry.constraint: entry.price for entry in policy.prices}
    values, feasible, chosen = act(problem, prices, arrays, beliefs)
    if (chosen < 0).any():
        fallback = reference(problem, "fallback", arrays, beliefs)
    found = []
    for row, index in enumerate(chosen.tolist()):
        listed = {
            label: float(v) if ok else None
            for label, v, ok in zip(problem.labels, values[row], feasible[row], strict=True)
        }
        if index < 0:
            levers = {name: setting[row].item() for name, setting in fallback.items()}
            label = problem.label(levers)
            value = float(values[row, problem.labels.index(label)]) if label in problem.labels else float("nan")
            found.append(Choice(label, levers, value, listed, ("no setting is allowed by the limits: the fallback",)))
            continue
        levers = {name: settings[index].item() for name, settings in problem.settings.items()}
        found.append(
            Choice(
                problem.labels[index],
                levers,
                float(values[row, index]),
                listed,
                _reasons(problem, prices, values[row], feasible[row], index),
            )
        )
    return found


def _reasons(
    problem: Problem, prices: Mapping[str, float], values: Array, feasible: Array, index: int
) -> tuple[str, ...]:
    order = [place for place in np.argsort(-values) if feasible[place] and place != index]
    reasons = []
    if order:
        rival = order[0]
        gain = float(values[index] - values[rival])
        if gain >= 0:
            reasons.append(f"expected to be worth {gain:.4g} {problem.unit} more than {problem.labels[rival]}")
        else:
            binding = [name for name, price in prices.items() if price > 0]
            reasons.append(
                f"{problem.labels[rival]} would be worth {-gain:.4g} {problem.unit} more, "
                f"but uses too much of {', '.join(binding)}"
            )
    if not feasible.all():
        forbidden = [label for label, ok in zip(problem.labels, feasible, strict=True) if not ok]
        reasons.append(f"not allowed: {', '.join(forbidden[:5])}{' …' if len(forbidden) > 5 else ''}")
    return tuple(reasons)
