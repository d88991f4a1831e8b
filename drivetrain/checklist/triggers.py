"""Why a question is on a plan's list: one function a trigger, which names the places of the plan that set it off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from drivetrain.spec.duration import seconds

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.data import Outcome

Trigger = Callable[["Spec"], list[str]]

GENERAL = "every plan"
"""The reason of a question that everybody must answer."""


def always(spec: Spec) -> list[str]:
    """Every plan."""
    return [GENERAL]


def people(spec: Spec) -> list[str]:
    """There are people in the data."""
    return [
        f"data.{s.name}.rights.personal: there are people in the data"
        for s in spec.data
        if s.rights and s.rights.personal
    ]


def affected(spec: Spec) -> list[str]:
    """The plan names people whom the decision affects."""
    named = spec.objective.affected if spec.objective else None
    return [f"objective.affected: {entry.who}" for entry in named or []]


def groups(spec: Spec) -> list[str]:
    """A source has groups."""
    return [f"data.{s.name}.groups: {', '.join(s.groups)}" for s in spec.data if s.groups]


def nobody_grouped(spec: Spec) -> list[str]:
    """People are in the data or affected, and no source has groups."""
    if groups(spec):
        return []
    return [f"{reason}, and no source has groups" for reason in [*people(spec), *affected(spec)]]


def sensitive(spec: Spec) -> list[str]:
    """A column is marked sensitive."""
    return [
        f"data.{source.name}.columns.{name}: sensitive"
        for source in spec.data
        for name, column in (source.columns or {}).items()
        if column.sensitive
    ]


def searched(spec: Spec) -> list[str]:
    """Files come from a search or from the web."""
    ways = {"image-search": "files come from a search", "url-list": "files come from the web"}
    return [f"data.{s.name}.collect: {ways[s.collect.how]}" for s in spec.data if s.collect and s.collect.how in ways]


def others_data(spec: Spec) -> list[str]:
    """Data belong to somebody else."""
    return [
        f"data.{s.name}.rights.licence: {s.rights.licence}"
        for s in spec.data
        if s.rights and s.rights.licence and str(s.rights.licence).strip().lower() not in ("own", "none")
    ]


def labelling(spec: Spec) -> list[str]:
    """People label, or annotate, the data."""
    found = []
    for source in spec.data:
        if source.collect and source.collect.how == "labelling":
            found.append(f"data.{source.name}.collect: labelling")
        if source.collect and getattr(source.collect, "annotate", None):
            found.append(f"data.{source.name}.collect.annotate: people annotate")
    return found


def noisy_label(spec: Spec) -> list[str]:
    """An outcome's label is said to be noisy."""
    return [f"data.{source}.outcomes.{name}.noise: {o.noise}" for source, name, o in _outcomes(spec) if o.noise]


def late_label(spec: Spec) -> list[str]:
    """An outcome is known only after a delay."""
    return [
        f"data.{source}.outcomes.{name}.delay: {o.delay}" for source, name, o in _outcomes(spec) if seconds(o.delay)
    ]


def shaped_labels(spec: Spec) -> list[str]:
    """Past actions shaped an outcome's labels."""
    return [
        f"data.{source}.outcomes.{name}.shaped_by: {', '.join(o.shaped_by)}"
        for source, name, o in _outcomes(spec)
        if o.shaped_by
    ]


def selected(spec: Spec) -> list[str]:
    """An outcome is observed only for some cases."""
    return [
        f"data.{source}.outcomes.{name}.observed_when: {o.observed_when}"
        for source, name, o in _outcomes(spec)
        if o.observed_when.strip().lower() not in ("1", "1.0", "true")
    ]


def classes(spec: Spec) -> list[str]:
    """An outcome has classes."""
    return [
        f"data.{source}.outcomes.{name}: {len(o.values)} classes"
        if o.values
        else f"data.{source}.outcomes.{name}: {o.type}"
        for source, name, o in _outcomes(spec)
        if o.values or o.type in ("binary", "labels")
    ]


def lever_moves_outcome(spec: Spec) -> list[str]:
    """A lever is said to move an outcome."""
    return [
        f"data.{source}.outcomes.{name}.affected_by: {', '.join(o.affected_by)}"
        for source, name, o in _outcomes(spec)
        if o.affected_by
    ]


def past_decisions(spec: Spec) -> list[str]:
    """The log records what people or rules decided."""
    return [
        f"levers.{lever.name}.history: {lever.history.kind}"
        for lever in spec.levers
        if lever.history and lever.history.kind in ("human", "rule")
    ]


def experiment(spec: Spec) -> list[str]:
    """Settings are, were or will be chosen by lot."""
    found = [
        f"levers.{lever.name}.history: randomised"
        for lever in spec.levers
        if lever.history and lever.history.kind == "randomised"
    ]
    found += [f"data.{s.name}.collect: experiment" for s in spec.data if s.collect and s.collect.how == "experiment"]
    if spec.deployment and spec.deployment.exploration and spec.deployment.exploration.share:
        found.append(f"deployment.exploration.share: {spec.deployment.exploration.share:g}")
    return found


def proxies(spec: Spec) -> list[str]:
    """The objective is measured by a stand-in, or data are ratings."""
    named = spec.objective.proxies if spec.objective else None
    found = [f"objective.proxies: {entry.name}" for entry in named or []]
    return found + [f"data.{s.name}.kind: ratings stand in for liking" for s in spec.data if s.kind == "ratings"]


def automated(spec: Spec) -> list[str]:
    """Decisions are carried out without a person."""
    return ["decision.mode: automate"] if spec.decision and spec.decision.mode == "automate" else []


def assisted(spec: Spec) -> list[str]:
    """People decide with a recommendation before them."""
    return ["decision.mode: assist"] if spec.decision and spec.decision.mode == "assist" else []


def irreversible(spec: Spec) -> list[str]:
    """A lever cannot be taken back."""
    return [f"levers.{lever.name}.reversible: false" for lever in spec.levers if lever.reversible is False]


def ranking(spec: Spec) -> list[str]:
    """A lever ranks."""
    return [f"levers.{lever.name}.type: ranking" for lever in spec.levers if lever.type == "ranking"]


def free_text(spec: Spec) -> list[str]:
    """People write freely in a column."""
    return [
        f"data.{source.name}.columns.{name}: text"
        for source in spec.data
        for name, column in (source.columns or {}).items()
        if column.type == "text"
    ]


def pretrained(spec: Spec) -> list[str]:
    """A model starts from weights that others trained."""
    kinds = ("image", "text", "audio", "series")
    return [
        f"models.{model.name}.training.pretrained: true"
        for model in spec.models
        if model.task.startswith(kinds) and (model.training is None or model.training.pretrained)
    ]


TRIGGERS: dict[str, Trigger] = {
    trigger.__name__: trigger
    for trigger in (
        always, people, affected, groups, nobody_grouped, sensitive, searched, others_data, labelling, noisy_label,
        late_label, shaped_labels, selected, classes, lever_moves_outcome, past_decisions, experiment, proxies,
        automated, assisted, irreversible, ranking, free_text, pretrained,
    )
}  # fmt: skip


def reasons(spec: Spec, names: Iterable[str]) -> tuple[str, ...]:
    """What in the plan sets off any of these triggers; empty when nothing does."""
    return tuple(reason for name in names for reason in TRIGGERS[name](spec))


def _outcomes(spec: Spec) -> Iterator[tuple[str, str, Outcome]]:
    for source in spec.data:
        for name, outcome in (source.outcomes or {}).items():
            yield source.name, name, outcome
