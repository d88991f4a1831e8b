"""From cases to answers: models, guard and policy, loaded once and only when their hashes are the recorded ones."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain import artifact, evidence, policy
from drivetrain.artifact.tables import category
from drivetrain.errors import ArtifactError, EvidenceError, FormulaError, PolicyError
from drivetrain.serving import media
from drivetrain.serving.answers import Decision, Distribution, Prediction
from drivetrain.serving.cases import Batch, decode
from drivetrain.serving.feedback import outcome_of
from drivetrain.serving.field import Field, fields
from drivetrain.serving.limits import Limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivetrain.artifact import Predictor
    from drivetrain.policy import Belief, Choice, Problem, Written
    from drivetrain.spec import Spec

DEFER = "defer"
"""The answer that leaves a case to a person."""

MOST_LISTED = 100
"""Settings whose values an answer lists: all of them, or the best so many of a price's thousands."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the models say of a batch.

    Attributes:
        beliefs: Outcome -> its distribution for every case, under every setting where a lever moves it.
        scores: Model -> out-of-domain score of every case, shape (n,), higher is stranger; guarded models only.
        outside: Per case, why it is not a case like those the models learned from; empty when it is one.
        open: Per case, why no setting can be valued although it is one; empty when it can.
    """

    beliefs: Mapping[str, Belief]
    scores: Mapping[str, NDArray[np.float64]]
    outside: list[list[str]]
    open: list[list[str]]


@dataclass(frozen=True, slots=True)
class Considered:
    """What is known of one case before anybody asks what may be done with it.

    Attributes:
        prediction: What the models say.
        choice: What the policy chooses; None when nothing can be said of the case.
        settled: Whether the policy chose a setting that the limits allow; else a person decides.
        recommendation: What the policy chooses, else what the plan says for cases that the models know nothing about;
            None when it says nothing.
        today: What is done today with such a case; None when that cannot be computed.
        columns: What was sent, without the media.
        files: Media column -> bytes.
        looks: Image column -> brightness, contrast and size.
    """

    prediction: Prediction
    choice: Choice | None
    settled: bool
    recommendation: str | None
    today: str | None
    columns: Mapping[str, Any]
    files: Mapping[str, bytes]
    looks: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Engine:
    """A plan's models and policy, ready to answer.

    Attributes:
        spec: The plan.
        fields: What a case may carry.
        predictors: Model -> its predictor, in dependency order.
        problem: The plan as the policy sees it.
        policy: What `decide` wrote.
        limits: How much one request may ask for.
    """

    spec: Spec
    fields: Mapping[str, Field]
    predictors: Mapping[str, Predictor]
    problem: Problem
    policy: Written
    limits: Limits

    @classmethod
    def open(cls, spec: Spec, limits: Limits | None = None) -> Engine:
        """Load what a plan's service needs; every hash is verified before anything is used.

        Args:
            spec: The plan, read from a project's folder.
            limits: How much one request may ask for.

        Raises:
            ArtifactError: A model is missing, was changed, or is not the one that was recorded.
            PolicyError: The policy is missing, was changed, or was made from another plan or other models.
            MissingPartError: The plan does not go far enough yet.
        """
        folder = spec.root / "artifacts"
        problem = policy.problem(spec)
        predictors = {name: artifact.load(folder / name) for name in spec.derived.model_order()}
        _match(
            "train", evidence.read(spec.root, "train"), {name: artifact.digest(folder / name) for name in predictors}
        )
        written = policy.read(folder / "policy.json")
        if stale := policy.fits(written, spec):
            raise PolicyError(
                f"was made before the plan changed ({', '.join(stale)}).",
                "Run `make decide` again.",
                "artifacts/policy.json",
            )
        if any(written.artifacts.get(name) != artifact.digest(folder / name) for name in predictors):
            raise PolicyError("was made with other models.", "Run `make decide` again.", "artifacts/policy.json")
        return cls(spec, fields(spec), predictors, problem, written, limits or Limits())

    @cached_property
    def runs(self) -> dict[str, str]:
        """Model -> the training run it comes from."""
        return {name: str(predictor.manifest.get("run", "")) for name, predictor in self.predictors.items()}

    @cached_property
    def synthetic(self) -> bool:
        """Whether a model was trained on sample data."""
        return any(bool(predictor.manifest.get("synthetic")) for predictor in self.predictors.values())

    def judge(self, batch: Batch) -> Judged:
        """Ask the models, in dependency order, and the guard."""
        beliefs: dict[str, Belief] = {}
        scores: dict[str, NDArray[np.float64]] = {}
        outside = [list(reasons) for reasons in batch.outside]
        columns: dict[str, Sequence[Any]] = dict(batch.columns)
        for name, predictor in self.predictors.items():
            for case, reason in _unseen(predictor.manifest, batch):
                outside[case] = outside[case] or [reason]
            if any(lever in predictor.inputs for lever in self.problem.levers):
                beliefs |= policy.beliefs(self.problem, [predictor], columns)
                continue
            # One run of the network gives both the probabilities and the score.
            logits = predictor.logits(columns)
            for outcome, found in predictor.distributions(logits).items():
                beliefs[outcome] = policy.belief(self.problem, outcome, found)
                columns[outcome] = found.likeliest
            if rule := predictor.manifest.get("out_of_domain"):
                scores[name] = predictor.score_logits(logits)
                for case in np.flatnonzero(~(scores[name] <= rule["threshold"])).tolist():
                    outside[case].append(f"unlike the cases that {name} was trained on")
        needed = [name for name, field in self.fields.items() if field.valued]
        open_ = [
            [
                f"{name} is not known, and what a setting is worth depends on it"
                for name in needed
                if columns[name][case] is None
            ]
            for case in range(len(batch))
        ]
        return Judged(beliefs, scores, outside, open_)

    def predict(self, cases: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        """Classes and probabilities of each case, in order.

        Raises:
            Refused: A case does not fit the plan.
        """
        judged = self.judge(decode(self.fields, cases, self.limits))
        return [self._prediction(judged, case) for case in range(len(cases))]

    def consider(self, cases: Sequence[Mapping[str, Any]]) -> list[Considered]:
        """What the models and the written policy say of each case, in order.

        A confident guess about a case unlike all that was learned from is the disaster to avoid: such a case is not
        settled, and gets the lever's fallback as recommendation. So is one whose value cannot be computed.

        Raises:
            Refused: A case does not fit the plan.
        """
        batch = decode(self.fields, cases, self.limits)
        judged = self.judge(batch)
        inside = [case for case in range(len(cases)) if not judged.outside[case] and not judged.open[case]]
        choices = self._choose(batch, judged, inside)
        today = self._today(batch, judged, inside)
        return [self._considered(batch, judged, case, choices.get(case), today.get(case)) for case in range(len(cases))]

    def decide(self, cases: Sequence[Mapping[str, Any]]) -> list[Decision]:
        """The setting of each case by the written policy, or `defer` with the recommendation beside it.

        This is what the plan's policy says, whatever the stage: a notebook may show it, a service acts by `rollout`.

        Raises:
            Refused: A case does not fit the plan.
        """
        return [verdict(considered) for considered in self.consider(cases)]

    def feedback(self, cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Outcomes that came back, checked: `{"decision": …, outcome: value, …}` each.

        Raises:
            Refused: A case names no decision, or an outcome that the plan does not know.
        """
        return [outcome_of(self.spec, case, number) for number, case in enumerate(cases)]

    def _choose(self, batch: Batch, judged: Judged, cases: list[int]) -> dict[int, Choice]:
        """What the policy chooses for some of the cases; one that it cannot value is left out, with the reason."""
        if not cases:
            return {}
        columns = {name: [values[case] for case in cases] for name, values in batch.columns.items()}
        beliefs = {name: _take(found, cases) for name, found in judged.beliefs.items()}
        try:
            return dict(zip(cases, policy.decide(self.problem, self.policy, columns, beliefs), strict=True))
        except (PolicyError, FormulaError) as error:
            if len(cases) == 1:
                judged.open[cases[0]].append(error.what)
                return {}
        # One case without a value must not take the answer from the others.
        return {case: choice for one in cases for case, choice in self._choose(batch, judged, [one]).items()}

    def _fallback(self, batch: Batch, case: int) -> str | None:
        """What the plan says for cases that the models know nothing about; None when it says nothing computable."""
        columns = {
            name: np.asarray([values[case]])
            for name, values in batch.columns.items()
            if name in self.problem.columns and values[case] is not None
        }
        try:
            levers = policy.reference(self.problem, "fallback", columns or {"": np.zeros(1)}, {})
        except (PolicyError, FormulaError):
            return None
        return self._label(levers, 0)

    def _today(self, batch: Batch, judged: Judged, cases: list[int]) -> dict[int, str]:
        """What is done today with some of the cases, where a new case tells: a logged column does not."""
        if not cases or "today" not in self.problem.policies:
            return {}
        columns = {
            name: np.asarray([values[case] for case in cases])
            for name, values in batch.columns.items()
            if name in self.problem.columns
        }
        beliefs = {name: _take(found, cases) for name, found in judged.beliefs.items()}
        try:
            levers = policy.reference(self.problem, "today", columns, beliefs)
        except (PolicyError, FormulaError):
            return {}
        return {case: self._label(levers, row) for row, case in enumerate(cases)}

    def _label(self, levers: Mapping[str, Any], row: int) -> str:
        return self.problem.label({name: setting[row].item() for name, setting in levers.items()})

    def _prediction(self, judged: Judged, case: int, setting: int = 0) -> Prediction:
        return {
            "predictions": {
                outcome: _distribution(found, case, setting)
                for outcome, found in judged.beliefs.items()
                if found.probabilities is not None and found.classes is not None
            },
            "in_domain": not judged.outside[case],
            "out_of_domain_scores": {name: float(found[case]) for name, found in judged.scores.items()},
            "reasons": [*judged.outside[case], *judged.open[case]],
            "stage": self.spec.stage,
            "runs": self.runs,
            "synthetic": self.synthetic,
        }

    def _considered(
        self, batch: Batch, judged: Judged, case: int, choice: Choice | None, today: str | None
    ) -> Considered:
        # A setting that the limits forbid is only there because none is allowed.
        settled = choice is not None and choice.values.get(choice.setting) is not None
        place = self.problem.labels.index(choice.setting) if choice is not None and settled else 0
        columns = {name: values[case] for name, values in batch.columns.items() if not self.fields[name].is_media}
        looks = {
            name: media.look(values[case])
            for name, values in batch.columns.items()
            if self.fields[name].type == "image" and values[case] is not None
        }
        return Considered(
            prediction=self._prediction(judged, case, place),
            choice=choice,
            settled=settled,
            recommendation=choice.setting if choice is not None else self._fallback(batch, case),
            today=today,
            columns=columns,
            files=batch.files[case],
            looks=looks,
        )


def verdict(considered: Considered) -> Decision:
    """What the written policy says of a case, whatever the stage of the plan."""
    choice = considered.choice
    return {
        "decision": secrets.token_hex(12),
        "setting": choice.setting if choice is not None and considered.settled else DEFER,
        "recommendation": considered.recommendation,
        "status": "trial",
        "value": choice.value if choice is not None and considered.settled else None,
        "values": _listed(choice),
        **considered.prediction,
        "reasons": [*considered.prediction["reasons"], *(choice.reasons if choice is not None else ())],
    }


def _listed(choice: Choice | None) -> dict[str, float | None]:
    """The values of the settings; of very many only the best."""
    if choice is None or len(choice.values) <= MOST_LISTED:
        return dict(choice.values) if choice is not None else {}
    allowed = [(label, value) for label, value in choice.values.items() if value is not None]
    return dict(sorted(allowed, key=lambda entry: -entry[1])[:MOST_LISTED])


def _match(step: str, recorded: evidence.Evidence | None, digests: Mapping[str, str]) -> None:
    """Refuse models that are not those that the step's evidence speaks of."""
    where = f"evidence/{step}.json"
    if recorded is None:
        raise EvidenceError("there is no record of this step.", f"Run `make {step}` first.", where)
    for name, digest in digests.items():
        if recorded.artifacts.get(name) != digest:
            raise ArtifactError(
                f"is not the model that `{step}` recorded (its SHA-256 differs).",
                f"Run `make {step}` again, or restore the folder.",
                f"artifacts/{name}",
            )


def _unseen(manifest: Mapping[str, Any], batch: Batch) -> list[tuple[int, str]]:
    """Cases with a category that the model never met."""
    preparation = manifest["preprocessing"]
    indicators = preparation.get("missing", {})
    found = []
    for name, values in preparation.get("categories", {}).items():
        if name in indicators or name not in batch.columns:
            continue
        seen = set(values[1:])
        for case, value in enumerate(batch.columns[name]):
            if value is not None and category(value) not in seen:
                found.append((case, f"{name} has a value that was not there in training"))
    return found


def _take(belief: Belief, cases: list[int]) -> Belief:
    if belief.probabilities is not None:
        return replace(belief, probabilities=belief.probabilities[cases])
    assert belief.quantiles is not None
    return replace(belief, quantiles=belief.quantiles[cases])


def _distribution(belief: Belief, case: int, setting: int) -> Distribution:
    assert belief.probabilities is not None
    assert belief.classes is not None
    settings = belief.probabilities.shape[1]
    probabilities = belief.probabilities[case, min(setting, settings - 1)]
    return {
        "classes": list(belief.classes),
        "probabilities": probabilities.tolist(),
        "most_likely": belief.classes[int(probabilities.argmax())],
    }
