"""DT4xx: what is predicted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from drivetrain.errors import SpecError
from drivetrain.rules.capabilities import dated, fields
from drivetrain.rules.rule import Fault, Rule, is_open, outcomes, stands, told
from drivetrain.rules.verdict import verdict
from drivetrain.spec.derived import reads

if TYPE_CHECKING:
    from drivetrain.spec import Model, Spec


class ModelInforms(Rule):
    """Every model informs something: what it predicts is used by the value, a limit, or another model."""

    id, needs = "DT401", ("models",)
    advice = "Use what it predicts in `objective.value` or in a limit, or take the model out."
    question = "Who does what differently because of this prediction?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A model whose outcome nothing uses; while the value is open, one that says nothing under `informs`."""
        known = stands(spec, "objective.value")
        for model in spec.models:
            if is_open(model, "predicts") or spec.derived.informs(model.name):
                continue
            if not known:
                if not model.informs and not is_open(model, "informs"):
                    what = f"`value` is open, and `{model.name}` does not say what it is for."
                    advice = "Write `informs: [<lever>]` until the value stands."
                    yield Fault(("models", model.name), what, advice, level="warn")
                continue
            yield Fault(
                ("models", model.name),
                f"`{model.name}` informs nothing: no decision uses {told(model.predicts or [])}.",
            )


class OutcomesArePredicted(Rule):
    """Every outcome that the value or a lever's limit uses is predicted by a model."""

    id, needs = "DT402", ("models", "data")
    advice = "Add a model with `predicts: <outcome>`, or write the value without it."
    question = "When the decision is made, who says how this will turn out?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """An outcome that is used and not predicted."""
        derived = spec.derived
        if any(is_open(model, "predicts") for model in spec.models) or is_open(spec, "models"):
            return
        made = {name for model in spec.models for name in model.predicts or ()}
        for path, text in (derived.value_formulas() | derived.limit_formulas()).items():
            lost = [name for name in derived.uses(text).outcomes if name not in made]
            if lost:
                yield Fault(tuple(path.split(".", 2)), f"uses {told(lost)}, which no model predicts.", affected=lost)
                return


class ModelIsNeeded(Rule):
    """A model is built only where its prediction can change what is done."""

    id, level, needs = "DT403", "warn", ("objective.value", "levers")
    advice = "No model needed: act on it, measure, and come back if it disappoints."
    question = "Which prediction, had we it for free, would make us act differently?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """The best setting is known already, or can be computed."""
        found = verdict(spec)
        if found.model == "not needed":
            yield Fault(("objective", "value"), found.why, affected=[f"models.{model.name}" for model in spec.models])


class ModelSeesLever(Rule):
    """A model of an outcome that a lever moves sees the lever, or there is one model for each of its settings."""

    id, needs = "DT404", ("models", "levers", "data")
    advice = "Add the lever to `inputs`, leave `inputs` out, or write `arms: <lever>`."
    question = "How would the model answer: and what if we did the other thing?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Inputs from which the lever was left out."""
        levers = {lever.name for lever in spec.levers}
        for model in spec.models:
            if model.inputs is None:
                if not model.task.startswith(("image", "audio", "text", "series", "ratings")):
                    continue
                seen: set[str] = set(spec.derived.model_inputs(model.name)) if _has_data(spec, model) else set()
                if not seen:
                    continue
            else:
                seen = set(model.inputs)
                seen |= {
                    name
                    for term in model.inputs
                    if term in spec.derived.names
                    for name in spec.derived.uses(term).levers
                }
            deaf = _unread(spec, model)
            for name in model.predicts or ():
                moved = [
                    m for _, other, o in outcomes(spec) if other == name for m in o.affected_by or () if m in levers
                ]
                blind = [lever for lever in moved if (lever in deaf or lever not in seen) and lever != model.arms]
                if blind:
                    what = (
                        f"`{model.name}` does not see {told(blind)}, which "
                        f"moves `{name}`: it cannot tell what a setting does."
                    )
                    advice = _split(spec, model, blind) if deaf.keys() & set(blind) else ""
                    yield Fault(("models", model.name, "inputs"), what, advice, affected=blind)


class WithinCapabilities(Rule):
    """The task is one that deep learning is dependably good at, or the plan knows that it is not.

    The table of capabilities bears a date; `drivetrain explain capabilities` prints it.
    """

    id, level, needs = "DT405", "warn", ("objective",)
    advice = (
        "Compare with a simple baseline first, and stop if it does as "
        "well; for people's fates, change what is done for all instead."
    )
    question = "Who has shown, on data like ours, that this can be predicted at all?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Words of a field that is not dependable; a task that needs care."""
        said: list[tuple[tuple[str, ...], str]] = (
            [(("objective", "statement"), spec.objective.statement or "")] if spec.objective else []
        )
        said += [
            (("data", source.name, "outcomes", name), f"{name} {outcome.column or ''}")
            for source, name, outcome in outcomes(spec)
        ]
        for field in fields():
            for path, text in said:
                if word := field.named_in(text):
                    what = f"is about {field.name} (“{word}”), not dependable as of {dated():%B %Y}. {field.cannot}"
                    yield Fault(path, what)
                    break
        for field in fields():
            models = [model for model in spec.models if model.task in field.tasks]
            if models and field.standing == "with care":
                what = (
                    f"{told([m.name for m in models])}: {field.name}, with care "
                    f"as of {dated():%B %Y}. What does not work: {field.cannot}"
                )
                affected = [f"models.{model.name}" for model in models]
                yield Fault(("models", models[0].name, "task"), what, f"What works: {field.can}", "note", affected)


class SensitiveInputsAreDefended(Rule):
    """A model that treats people differently by a sensitive column does so on a stated ground."""

    id, level, needs = "DT406", "note", ("models", "data")
    advice = "Say in the review on which ground; else write `use: audit`, and it serves the audit alone."
    question = "Why may somebody be treated otherwise for this?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A sensitive column among a model's inputs."""
        sensitive = {name for source in spec.data for name, column in source.columns.items() if column.sensitive}
        for model in spec.models:
            try:
                seen = [name for name in spec.derived.model_inputs(model.name) if name in sensitive]
            except SpecError:
                continue
            if seen:
                yield Fault(
                    ("models", model.name, "inputs"), f"`{model.name}` treats people differently by {told(seen)}."
                )


class LearnsFromTheLot(Rule):
    """Where a lever was set by lot in some rows, a model of what it moves learns from those rows."""

    id, level, needs = "DT407", "note", ("models", "levers", "data")
    advice = "Write the history's `rows` under the model's `rows`, or show in the review that all rows serve as well."
    question = "Why were the other rows treated as they were?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A model that learns from all rows although only some were randomised."""
        lots = {
            lever.name: lever.history.rows
            for lever in spec.levers
            if lever.history and lever.history.kind == "randomised" and lever.history.rows != "True"
        }
        for model in spec.models:
            if model.rows != "True" or is_open(model, "rows"):
                continue
            for name in model.predicts or ():
                moved = [m for _, other, o in outcomes(spec) if other == name for m in o.affected_by or ()]
                for lever in (entry for entry in moved if entry in lots):
                    what = (
                        f"`{model.name}` learns from all rows, and `{lever}` was set by lot only where `{lots[lever]}`."
                    )
                    yield Fault(("models", model.name), what)


class InputsAreRead(Rule):
    """A model is given what its task reads: a network of images sees images, and no price beside them.

    `train` refuses the rest, for a network would learn as if it were not there.
    """

    id, needs = "DT408", ("models", "data")
    advice = "Leave it out, or list what the task reads under `inputs`."
    question = "Does the model see what we believe it decides by?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """An input that the task does not read, levers aside (DT404); nothing that it reads."""
        for model in spec.models:
            if is_open(model, "inputs") or not _has_data(spec, model):
                continue
            place, inputs, deaf = (
                ("models", model.name, "inputs"),
                spec.derived.model_inputs(model.name),
                _unread(spec, model),
            )
            moved = {
                m for _, other, o in outcomes(spec) if other in (model.predicts or ()) for m in o.affected_by or ()
            }
            if strange := [name for name in deaf if name not in moved]:
                said = ", ".join(f"`{name}` ({deaf[name]})" for name in strange)
                what = f"`{model.name}` would never see {said}: `{model.task}` reads {reads(model.task)[1]}."
                yield Fault(place, what, _instead(model), affected=strange)
            kinds = {spec.derived.input_kind(model.name, name) for name in inputs if name not in deaf}
            wanted, words = reads(model.task)
            if not kinds or (model.task.startswith("image-text") and not kinds >= set(wanted)):
                what = f"`{model.name}` has nothing to learn from: `{model.task}` reads {words}."
                yield Fault(place, what, "Declare it under the source's `columns`, or list it under `inputs`.")


class CensoredIsNoLabel(Rule):
    """A number that was not seen to its end everywhere is learned through `bins`, as a least value where it was not.

    A pump that still runs after 40 days is no pump that ran for 40 days: as a mean, or as a class, it would be learned
    as one, and every prediction would be too short.
    """

    id, needs = "DT409", ("models", "data")
    advice = "Write its `bins`, and predict it by `table-regression` or `image-regression`."
    question = "What do we know of those that were still under way when the data were collected?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A censored number without bins, or one that a task learns which knows no least values."""
        censored = {name: (source, o) for source, name, o in outcomes(spec) if o.type == "number" and o.event}
        for model in spec.models:
            for name in (name for name in model.predicts or () if name in censored):
                source, outcome = censored[name]
                if not outcome.bins and not is_open(outcome, "bins"):
                    what = f"`{name}` is censored (`event: {outcome.event}`), and cannot be learned as a mean."
                    advice = "Write `bins: [0, …]`: a model of them knows that a row under way ended in none below."
                    yield Fault(("data", source.name, "outcomes", name, "bins"), what, advice)
                elif model.task not in ("table-regression", "image-regression"):
                    what = f"`{model.task}` takes a `{name}` that is still under way for one that has ended."
                    yield Fault(("models", model.name, "task"), what, "Use `table-regression` or `image-regression`.")


def _unread(spec: Spec, model: Model) -> dict[str, str]:
    """Inputs that a model's task does not read, and their kinds; none while its rows are not known."""
    return spec.derived.unread(model.name) if _has_data(spec, model) else {}


def _instead(model: Model) -> str:
    """How something that a model cannot read may count all the same."""
    if model.task.startswith("table"):
        return "Leave it out, or let a model of its kind predict something from it that is an input here."
    return f"Leave it out; a table model may take it beside what `{model.name}` predicts."


def _split(spec: Spec, model: Model, levers: list[str]) -> str:
    """How a model that reads no lever may tell what its settings do."""
    options = {lever.name for lever in spec.levers if lever.type == "options"}
    arms = f"write `arms: {levers[0]}`, or " if len(levers) == 1 and levers[0] in options else ""
    chain = f"let it predict what no lever moves, and a table model take that beside {told(levers)}."
    return f"`{model.task}` reads {reads(model.task)[1]} alone: {arms}{chain}"


def _has_data(spec: Spec, model: Model) -> bool:
    try:
        name = spec.derived.model_data(model.name)
        return any(source.name == name for source in spec.data)
    except SpecError:
        return False


RULES: tuple[type[Rule], ...] = (
    ModelInforms, OutcomesArePredicted, ModelIsNeeded, ModelSeesLever, WithinCapabilities,
    SensitiveInputsAreDefended, LearnsFromTheLot, InputsAreRead, CensoredIsNoLabel,
)  # fmt: skip
