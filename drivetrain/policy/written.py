"""`policy.json`: the policy that the service carries out, and the one function that carries it out anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain import evidence
from drivetrain.artifact import Distribution
from drivetrain.errors import PolicyError
from drivetrain.policy.belief import Belief
from drivetrain.policy.choice import best
from drivetrain.policy.modeler import Beliefs, Predicts, believed, modeler
from drivetrain.policy.problem import Array, Problem
from drivetrain.policy.reference import reference
from drivetrain.policy.simulate import allowed, expectation, limits, uses
from drivetrain.policy.worth import Considered, columns_of, consider
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
        threshold: Value below which results count as the worst share; None when the mean of all counts.
        seen: Lever -> the settings that the log shows, or the lowest and highest: nothing else is chosen.
    """

    settings: tuple[str, ...]
    prices: tuple[Price, ...]
    plan: Mapping[str, str]
    artifacts: Mapping[str, str]
    ties: str
    created: str
    threshold: float | None = None
    seen: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """The best shelf of one case under one setting of the levers beside it.

    Attributes:
        setting: Label of both.
        levers: Lever -> its value; of the shelf the items in order of place.
        value: Expected value; None where the limits forbid it.
        values: Item -> what showing it in full view would gain; None: the limits forbid it.
    """

    setting: str
    levers: Mapping[str, Any]
    value: float | None
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do with one case.

    Attributes:
        setting: Label of the setting.
        levers: Lever -> its value.
        value: Expected value of the setting, in the objective's unit; more is better.
        values: Label -> expected value; None for a setting that the limits forbid.
        reasons: Why this one, in words.
        beside: Of ranked items: the best shelf under each setting of the other levers, of which this is one.
    """

    setting: str
    levers: Mapping[str, Any]
    value: float
    values: Mapping[str, float | None]
    reasons: tuple[str, ...]
    beside: tuple[Beside, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the limits allow it: a setting that they forbid is only there because none is allowed."""
        if len(self.beside) > 1:
            return any(one.value is not None and one.setting == self.setting for one in self.beside)
        return bool(self.beside) or self.values.get(self.setting) is not None


def write(root: Path, written: Written) -> Path:
    """Write `artifacts/policy.json` below `root`, whole or not at all."""
    path = root / "artifacts" / NAME
    evidence.write_whole(path, json.dumps({"format": FORMAT} | asdict(written), indent=2, ensure_ascii=False) + "\n")
    return path


def written(
    settings: Sequence[str],
    prices: Mapping[str, float],
    plan: Mapping[str, str],
    artifacts: Mapping[str, str],
    *,
    threshold: float | None = None,
    seen: Mapping[str, tuple[Any, ...]] | None = None,
) -> Written:
    """A policy that was just made."""
    return Written(
        tuple(settings),
        tuple(Price(name, float(price)) for name, price in prices.items()),
        dict(plan),
        dict(artifacts),
        TIES,
        datetime.now(UTC).isoformat(timespec="seconds"),
        threshold,
        dict(seen or {}),
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
            threshold=None if body.get("threshold") is None else float(body["threshold"]),
            seen={str(lever): tuple(values) for lever, values in body.get("seen", {}).items()},
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
    feasible = allowed(problem, columns, beliefs)
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
    predictors: Sequence[Predicts] = (),
) -> list[Choice]:
    """What the written policy does with each case: the same function offline and in service.

    Args:
        problem: The decision, from the plan.
        policy: What `read` returned.
        columns: Column -> n values that formulas and models use.
        distributions: Outcome -> what the models say about all settings; a plain distribution where no lever moves the
            outcome.
        predictors: The models, which must be asked again when value spans periods or scenarios, when one model feeds
            another, or when a lever's settings are searched.

    Raises:
        PolicyError: The settings are not those of the policy, or a prediction is no distribution.
    """
    if policy.settings != problem.labels:
        raise PolicyError("the plan's settings are not those of the policy.", "Run `make decide` again.", where=NAME)
    if problem.seen != policy.seen:
        problem = replace(problem, seen=policy.seen)
    beliefs = Beliefs()
    for name, given in distributions.items():
        found = {name: given} if isinstance(given, Belief) else believed(problem, name, given)
        beliefs.update({key: one for key, one in found.items() if key in problem.outcomes or key in problem.parts})
    prices = {entry.constraint: entry.price for entry in policy.prices}
    if (predictors or not problem.outcomes) and (not problem.simple or problem.searched or problem.feeders):
        ask = modeler(problem, predictors)
        cases: Mapping[str, Any] = {
            name: np.asarray(values) if name in problem.columns else values for name, values in columns.items()
        }
    elif problem.simple:
        ask = lambda cases, levers: beliefs  # noqa: E731
        if problem.searched is not None:
            problem = replace(problem, searched=None)
        cases = {name: np.asarray(values) for name, values in columns.items() if name in problem.columns}
        cases = cases or {"": np.zeros(max((b.cases for b in beliefs.values()), default=0))}
    else:
        raise PolicyError(
            "value spans periods, scenarios or the worst results, so the models must be asked about each setting.",
            "Hand the loaded models over as `predictors`.",
            where=NAME,
        )
    considered = consider(problem, cases, ask, prices, policy.threshold)
    chosen = considered.choose(prices)
    arrays = columns_of(problem, cases)
    fallback = reference(problem, "fallback", arrays, beliefs) if (chosen < 0).any() else {}
    action = considered.action(chosen)
    shared = problem.labels if considered.levers is problem.settings else None
    every = [_choice(problem, prices, considered, shared, chosen, action, fallback, row) for row in range(len(chosen))]
    if policy.threshold is None or problem.tail is None:
        return every
    # A figure in which the worst results count alone must not be read as an expected value.
    weighed = (
        f"values weigh what lies below {policy.threshold:.4g} {problem.unit} {1 / problem.tail:.3g} times and cut off "
        f"what lies above: by the worst {problem.tail:.0%} of results, no expected values"
    )
    return [replace(choice, reasons=(*choice.reasons, weighed)) for choice in every]


def _choice(
    problem: Problem,
    prices: Mapping[str, float],
    found: Considered,
    shared: Sequence[str] | None,
    chosen: Array,
    action: Mapping[str, Array],
    fallback: Mapping[str, Array],
    row: int,
) -> Choice:
    """One case's answer."""
    index = int(chosen[row])
    tried = shared or [
        problem.label({lever: (s if s.ndim == 1 else s[row])[place] for lever, s in found.levers.items()})
        for place in range(found.values.shape[1])
    ]
    values, feasible = found.values[row], found.feasible[row]
    pairs = zip(tried, values.tolist(), feasible.tolist(), strict=True)
    listed = {label: value if ok else None for label, value, ok in pairs}
    if index < 0:
        levers = {name: np.asarray(setting)[row].item() for name, setting in fallback.items()}
        label = problem.label(levers)
        value = float(values[tried.index(label)]) if label in tried else float("nan")
        return Choice(label, levers, value, listed, ("no setting is allowed by the limits: the fallback",))
    levers = {name: settings[row].item() for name, settings in action.items()}
    reasons = _reasons(problem, prices, tried, values, feasible, index)
    return Choice(tried[index], levers, float(values[index]), listed, reasons)


def _reasons(
    problem: Problem, prices: Mapping[str, float], labels: Sequence[str], values: Array, feasible: Array, index: int
) -> tuple[str, ...]:
    ordered = np.argsort(-values).tolist()
    rival = next((p for p in ordered if feasible[p] and p != index and labels[p] != labels[index]), None)
    reasons = []
    if rival is not None:
        gain = float(values[index] - values[rival])
        if gain >= 0:
            said = "expected to be worth" if problem.tail is None else "by its worst results worth"
            reasons.append(f"{said} {gain:.4g} {problem.unit} more than {labels[rival]}")
        else:
            binding = [name for name, price in prices.items() if price > 0]
            reasons.append(
                f"{labels[rival]} would be worth {-gain:.4g} {problem.unit} more, "
                f"but uses too much of {', '.join(binding)}"
            )
    if not feasible.all():
        forbidden = [label for label, ok in zip(labels, feasible, strict=True) if not ok]
        reasons.append(f"not allowed: {', '.join(forbidden[:5])}{' …' if len(forbidden) > 5 else ''}")
    return tuple(reasons)
