"""From cases to answers: models, guard and policy, loaded once and only when their hashes are the recorded ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain import artifact, evidence, policy
from drivetrain.errors import ArtifactError, EvidenceError, FormulaError, PolicyError
from drivetrain.serving import media
from drivetrain.serving.answers import Decision, Distribution, Prediction, Quantity
from drivetrain.serving.assessed import Assessed, verdict
from drivetrain.serving.cases import Batch, decode
from drivetrain.serving.feedback import outcome_of
from drivetrain.serving.field import Field, fields
from drivetrain.serving.guard import Judged, finite, judge
from drivetrain.serving.limits import Limits
from drivetrain.stages import reached

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivetrain.artifact import Predictor
    from drivetrain.policy import Belief, Beliefs, Choice, Problem, Written
    from drivetrain.spec import Spec

Told = Sequence[tuple[str, "Belief", "NDArray[np.bool_]"]]


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
        items: Column -> one value an item, where items are ranked; else None.
    """

    spec: Spec
    fields: Mapping[str, Field]
    predictors: Mapping[str, Predictor]
    problem: Problem
    policy: Written
    limits: Limits
    items: Mapping[str, Any] | None = None

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
        # What the log has shown is asked for in every request: with it once, and not anew each time.
        problem = replace(problem, seen=written.seen)
        if stale := policy.fits(written, spec):
            raise PolicyError(
                f"was made before the plan changed ({', '.join(stale)}).",
                "Run `make decide` again.",
                "artifacts/policy.json",
            )
        if any(written.artifacts.get(name) != artifact.digest(folder / name) for name in predictors):
            raise PolicyError("was made with other models.", "Run `make decide` again.", "artifacts/policy.json")
        items = None
        if problem.items:
            items = policy.read_items(folder / policy.ITEMS, problem.columns, written.artifacts.get(policy.ITEMS))
        return cls(spec, fields(spec), predictors, problem, written, limits or Limits(), items)

    @cached_property
    def _explores(self) -> bool:
        deployment = self.spec.deployment
        return bool(deployment and deployment.exploration and deployment.exploration.share)

    @cached_property
    def runs(self) -> dict[str, str]:
        """Model -> the training run it comes from."""
        return {name: str(predictor.manifest.get("run", "")) for name, predictor in self.predictors.items()}

    @cached_property
    def synthetic(self) -> bool:
        """Whether a model was trained on sample data."""
        return any(bool(predictor.manifest.get("synthetic")) for predictor in self.predictors.values())

    def predict(self, cases: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        """What the models say of each case, in order; a model that reads a lever sees its first setting.

        Raises:
            Refused: A case does not fit the plan.
        """
        if self.items is not None:
            return [assessed.prediction for assessed in self.assess(cases)]
        judged = judge(self.problem, self.predictors, decode(self.fields, cases, self.limits))
        told = self._sayable(judged.beliefs)
        return [self._prediction(judged, case, told, judged.outside[case]) for case in range(len(cases))]

    def assess(self, cases: Sequence[Mapping[str, Any]]) -> list[Assessed]:
        """What the models and the written policy say of each case, in order.

        A confident guess about a case unlike all that was learned from is the disaster to avoid: such a case is not
        settled, and gets the lever's fallback as recommendation. So is one whose value cannot be computed.

        Raises:
            Refused: A case does not fit the plan.
        """
        batch = decode(self.fields, cases, self.limits)
        if self.items is not None:
            return self._assess_items(batch)
        judged = judge(self.problem, self.predictors, batch)
        reasons = [[*judged.outside[case], *self._unknown(batch, case)] for case in range(len(batch))]
        inside = [case for case in range(len(batch)) if not reasons[case]]
        # The policy is asked about all cases or one by one. One that it cannot be asked about stands in as another.
        sound = {
            name: [value if not reasons[case] else values[inside[0]] for case, value in enumerate(values)]
            for name, values in batch.columns.items()
            if inside
        }
        choices: list[Choice | None] = [None] * len(batch)
        if inside:
            choices, faults = self._choose(sound, judged.beliefs, inside)
            for case, fault in faults.items():
                reasons[case].append(fault)
        told = self._sayable(self._chosen_beliefs(sound, judged.beliefs, choices))
        allowed = np.ones((1, len(self.problem.labels)), dtype=bool)
        free = self.problem.ranking is not None or not (self.problem.allowed or self.problem.seen)
        if inside and self._explores and not free:
            allowed = policy.allowed(self.problem, self._arrays(sound), self._under_all(sound, judged.beliefs))
        # Before the stage parallel nobody asks what is done today.
        today: list[str | None] = [None] * len(batch)
        if inside and reached(self.spec.stage, "parallel"):
            today = self._today(sound, judged.beliefs, len(batch))
        return [
            Assessed(
                prediction=self._prediction(judged, case, told, reasons[case]),
                choice=choice,
                # A setting that the limits forbid is only there because none is allowed.
                settled=choice is not None and choice.allowed,
                recommendation=choice.setting if choice is not None else self._fallback(batch, case),
                today=today[case] if choice is not None else None,
                allowed=allowed[case if len(allowed) > 1 else 0],
                columns={name: v[case] for name, v in batch.columns.items() if not self.fields[name].is_media},
                files=batch.files[case],
                looks=self._looks(batch, case),
            )
            for case, choice in enumerate(choices)
        ]

    def _assess_items(self, batch: Batch) -> list[Assessed]:
        """`assess` where items are ranked: every case is judged with every item.

        A case is strange when it is strange with each of them. What the models say of so many pairs is not answered.
        """
        assert self.items is not None
        width = len(self.items[policy.KEY])
        pairs = Batch(
            {name: list(values) for name, values in policy.crossed(batch.columns, self.items).items()},
            [reasons for reasons in batch.outside for _ in range(width)],
            [{}] * (len(batch) * width),
        )
        judged = judge(self.problem, self.predictors, pairs)
        scores = {
            name: np.nanmin(np.where(np.isfinite(found), found, np.nan).reshape(-1, width), axis=1, initial=np.inf)
            for name, found in judged.scores.items()
        }
        outside = [judged.outside[case * width : (case + 1) * width] for case in range(len(batch))]
        common = [[] if not all(every) else every[0] for every in outside]
        judged = Judged(judged.beliefs, scores, common)
        models = list(self.predictors.values())
        found = []
        for case in range(len(batch)):
            reasons = [*common[case], *self._unknown(batch, case)]
            choice = None
            if not reasons:
                one = {name: [values[case]] for name, values in batch.columns.items()}
                try:
                    [choice] = policy.listed(self.problem, self.policy, one, models, self.items)
                except (PolicyError, FormulaError) as error:
                    reasons.append(error.what)
            found.append(
                Assessed(
                    prediction=self._prediction(judged, case, (), reasons),
                    choice=choice,
                    settled=choice is not None and choice.allowed,
                    recommendation=(
                        choice.setting if choice is not None and choice.allowed else self._fallback_items(batch, case)
                    ),
                    today=None,
                    allowed=np.ones(len(self.problem.labels), dtype=bool),
                    columns={name: v[case] for name, v in batch.columns.items() if not self.fields[name].is_media},
                    files=batch.files[case],
                    looks=self._looks(batch, case),
                )
            )
        return found

    def decide(self, cases: Sequence[Mapping[str, Any]]) -> list[Decision]:
        """The setting of each case by the written policy, or `defer` with the recommendation beside it.

        This is what the plan's policy says, whatever the stage: a notebook may show it, a service acts by `rollout`.

        Raises:
            Refused: A case does not fit the plan.
        """
        return [verdict(assessed) for assessed in self.assess(cases)]

    def feedback(self, cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Outcomes that came back, checked: `{"decision": …, outcome: value, …}` each.

        Raises:
            Refused: A case names no decision, or an outcome that the plan does not know.
        """
        return [outcome_of(self.spec, case, number) for number, case in enumerate(cases)]

    def _choose(
        self, columns: Mapping[str, Sequence[Any]], beliefs: Beliefs, inside: list[int]
    ) -> tuple[list[Choice | None], dict[int, str]]:
        """What the policy chooses for each case, and why it cannot for some."""
        models = list(self.predictors.values())
        # A plan without models believes nothing, and has its cases all the same.
        count = _count(beliefs) or len(next(iter(columns.values()), ()))
        try:
            if self.problem.ranking is not None:
                # Cases outside of what the models know wait for a person, not in this queue.
                kept = {name: [values[case] for case in inside] for name, values in columns.items()}
                places = dict(zip(inside, policy.listed(self.problem, self.policy, kept, models), strict=True))
                return [places.get(case) for case in range(count)], {}
            beliefs = self._under_all(columns, beliefs)
            found = policy.decide(self.problem, self.policy, columns, beliefs, models)
            wanted = set(inside)
            return [choice if case in wanted else None for case, choice in enumerate(found)], {}
        except (PolicyError, FormulaError) as error:
            if count == 1:
                return [None], {0: error.what}
        # One case without a value must not take the answer from the others.
        choices: list[Choice | None] = [None] * count
        faults: dict[int, str] = {}
        for case in inside:
            one = {name: [values[case]] for name, values in columns.items()}
            [choices[case]], fault = self._choose(one, policy.beliefs(self.problem, models, one), [0])
            if fault:
                faults[case] = fault[0]
        return choices, faults

    def _under_all(self, columns: Mapping[str, Sequence[Any]], beliefs: Beliefs) -> Beliefs:
        """What is believed of the outcomes under every setting."""
        models = list(self.predictors.values())
        if any(lever in model.inputs for model in models for lever in self.problem.levers):
            return policy.beliefs(self.problem, models, columns)
        return beliefs

    def _chosen_beliefs(
        self, columns: Mapping[str, Sequence[Any]], beliefs: Beliefs, choices: Sequence[Choice | None]
    ) -> Beliefs:
        """What is believed of the outcomes under the settings that were chosen."""
        models = list(self.predictors.values())
        if not any(lever in model.inputs for model in models for lever in self.problem.levers) or not any(choices):
            return beliefs
        first = {name: settings[0].item() for name, settings in self.problem.settings.items()}
        levers = {
            name: np.array([[first[name] if choice is None else choice.levers[name]] for choice in choices])
            for name in self.problem.levers
        }
        return policy.beliefs(self.problem, models, columns, levers)

    def _unknown(self, batch: Batch, case: int) -> list[str]:
        """Why no setting can be valued although the case is one like others."""
        return [
            f"{name} is not known, and what a setting is worth depends on it"
            for name, field in self.fields.items()
            if field.valued and batch.columns[name][case] is None
        ]

    def _arrays(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
        """The columns that formulas read."""
        return {name: np.asarray(values) for name, values in columns.items() if name in self.problem.columns}

    def _fallback(self, batch: Batch, case: int) -> str | None:
        """What the plan says for cases that the models know nothing about; None when it says nothing computable."""
        columns = {name: [values[case]] for name, values in batch.columns.items() if values[case] is not None}
        try:
            levers = policy.reference(self.problem, "fallback", self._arrays(columns) or {"": np.zeros(1)}, {})
        except (PolicyError, FormulaError):
            return None
        return self._label(levers, 0)

    def _fallback_items(self, batch: Batch, case: int) -> str | None:
        """What the plan shows to those of whom the models know nothing, in order; None when it says nothing."""
        assert self.items is not None
        columns = {name: [values[case]] for name, values in batch.columns.items() if values[case] is not None}
        every = policy.crossed(columns or {"": [0]}, self.items)
        try:
            arrays = self._arrays(every) or {"": np.zeros(len(self.items[policy.KEY]))}
            action = policy.reference(self.problem, "fallback", arrays, {})
        except (PolicyError, FormulaError):
            return None
        return policy.on_shelf(self.problem, self.items[policy.KEY], action)

    def _today(self, columns: Mapping[str, Sequence[Any]], beliefs: Beliefs, cases: int) -> list[str | None]:
        """What is done today with each case; None where the case does not tell: a logged column, a value not known."""
        reads = self.problem.reads("today") & columns.keys()
        known = [row for row in range(cases) if all(columns[name][row] is not None for name in reads)]
        found: list[str | None] = [None] * cases
        if not known:
            return found
        # It is asked about all cases at once. One with a gap stands in as another.
        rows = set(known)
        whole = {
            name: [value if row in rows else columns[name][known[0]] for row, value in enumerate(columns[name])]
            for name in reads
        }
        try:
            levers = policy.reference(self.problem, "today", self._arrays({**columns, **whole}), beliefs)
        except (PolicyError, FormulaError):
            return found
        for row in known:
            found[row] = self._label(levers, row)
        return found

    def _label(self, levers: Mapping[str, Any], row: int) -> str:
        return self.problem.label({name: np.asarray(setting)[row].item() for name, setting in levers.items()})

    def _looks(self, batch: Batch, case: int) -> dict[str, dict[str, float]]:
        return {
            name: media.look(values[case])
            for name, values in batch.columns.items()
            if self.fields[name].type == "image" and values[case] is not None
        }

    def _sayable(self, beliefs: Beliefs) -> Told:
        """Every outcome that is answered, what is believed of it, and of which cases that is numbers."""
        return [(name, found, finite(found)) for name, found in beliefs.items() if name not in self.problem.parts]

    def _prediction(self, judged: Judged, case: int, told: Told, reasons: list[str]) -> Prediction:
        return {
            # What is no number is left out: JSON has none for it, and nobody may take it for one.
            "predictions": {name: _told(found, case) for name, found, numbers in told if numbers[case]},
            "in_domain": not judged.outside[case],
            "out_of_domain_scores": {
                name: float(found[case]) for name, found in judged.scores.items() if np.isfinite(found[case])
            },
            "reasons": list(reasons),
            "stage": self.spec.stage,
            "runs": self.runs,
            "synthetic": self.synthetic,
        }


def _count(beliefs: Beliefs) -> int:
    """Number of cases that are spoken of."""
    return max((belief.cases for belief in beliefs.values()), default=0)


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


def _told(belief: Belief, case: int) -> Distribution | Quantity:
    """What is believed of one outcome of one case, as it is answered."""
    if belief.quantiles is not None:
        values = belief.quantiles[case, 0]
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.95)).tolist()
        return {"mean": float(values.mean()), "low": low, "median": middle, "high": high}
    assert belief.probabilities is not None
    probabilities = belief.probabilities[case, 0]
    classes = list(belief.classes or ())
    return {
        "classes": classes,
        "probabilities": probabilities.tolist(),
        "most_likely": classes[int(probabilities.argmax())],
    }
