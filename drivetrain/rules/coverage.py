"""DT3xx: whether the data cover the decision: its unit, its horizon, its groups, and enough of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from drivetrain.errors import SpecError
from drivetrain.rules.rule import Fault, Rule, is_open, limits, outcomes, plain, told
from drivetrain.spec import seconds

if TYPE_CHECKING:
    from drivetrain.spec import Source, Spec

_ARTICLES = {"one", "a", "an", "each", "the", "per", "every", "in", "of", "with", "for", "and"}


class UnitIsDecidedOn(Rule):
    """One row of the cases is what one decision is about."""

    id, level, needs = "DT307", "warn", ("data",)
    advice = (
        "Make a source with one row for each decision, or correct "
        "`decision.unit`, `decision.cases` or the source's `unit`."
    )
    question = "How many decisions does one row stand for?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Units that share no word."""
        if spec.derived.cases is None:
            return
        try:
            source = spec.source(spec.derived.cases)
        except SpecError:
            return
        decided = spec.decision.unit if spec.decision else None
        if decided and source.unit and not _words(decided) & _words(source.unit):
            what = f"decisions are about “{decided}”, and a row of `{source.name}` is “{source.unit}”."
            yield Fault(("decision", "unit"), what, affected=[f"data.{source.name}.unit"])


class HorizonIsCovered(Rule):
    """Data reach as far as the consequences that count."""

    id, level, needs = "DT308", "warn", ("objective.horizon", "data")
    advice = (
        "Shorten the horizon, use an outcome that is known sooner (as a proxy, with its link), or collect for longer."
    )
    question = "How old must a row be before its label can be trusted?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """An outcome that is known after the horizon, or a collection much shorter than it."""
        horizon = spec.require("objective.horizon")
        used = spec.derived.used_outcomes()
        for source, name, outcome in outcomes(spec):
            if name in used and seconds(outcome.delay) > 1.001 * seconds(horizon):
                what = f"`{name}` is known {outcome.delay} after the decision, and the horizon is {horizon}."
                yield Fault(("data", source.name, "outcomes", name, "delay"), what)
        for source in spec.data:
            collected = source.collected
            if collected and collected.from_ and collected.to and source.name in spec.derived.tied():
                days = (collected.to - collected.from_).days + 1
                if days * 86400.0 < 0.9 * seconds(horizon):
                    what = f"spans {days} days, and the consequences that count last {horizon}."
                    yield Fault(("data", source.name, "collected"), what)


class GroupsAreCovered(Rule):
    """Groups that matter are in the data, and are audited."""

    id, level, needs = "DT309", "warn", ("data",)
    advice = (
        "Declare the column, list it under the cases' `groups`; if it "
        "may not be kept, say how fairness will be seen without it."
    )
    question = "For whom could this work worse, and by which column would we see it?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A limit `by` a group that is not audited; sensitive columns, or people, without groups."""
        groups = {name for source in spec.data for name in source.groups}
        open_groups = any(is_open(source, "groups") for source in spec.data)
        levers = {lever.name for lever in spec.levers}
        for part, field, limit in limits(spec):
            for name in limit.by:
                if name in groups | levers or open_groups:
                    continue
                what = f"must hold by `{name}`, which no source audits by (`groups`)."
                yield Fault((part, field, limit.name, "by"), what)
        for source in spec.data:
            if open_groups:
                break
            sensitive = [n for n, column in source.columns.items() if column.sensitive and n not in groups]
            ages = [n for n in sensitive if not any(g.startswith(n) for g in groups)]
            if ages:
                yield Fault(
                    ("data", source.name, "groups"),
                    f"{told(ages)} {'is' if len(ages) == 1 else 'are'} sensitive, and results are not looked at by it.",
                )
        if not groups and not open_groups and _about_people(spec):
            place = ("data", spec.derived.cases) if spec.derived.cases else ("data",)
            yield Fault(place, "is about people, and no source has `groups`: nobody will see for whom it works worse.")


class SplitKeepsApart(Rule):
    """What belongs together stays on one side of the split."""

    id, needs = "DT310", ("data",)
    advice = "Write `split: {by: entity}`, or `{by: time}` if later cases are what the model will meet."
    question = "Could the model recognise a customer, a place, a day that it has already seen?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A random split of a source whose rows belong to entities."""
        for source in spec.data:
            if source.split.by == "random" and source.entity and source.split.column is None:
                what = f"is split by chance, and rows of one `{source.entity}` end up on both sides."
                yield Fault(("data", source.name, "split", "by"), what)


class NeedsAreStated(Rule):
    """The plan says how much data is enough, before anybody counts."""

    id, level, stage, needs = "DT312", "note", "data", ("data",)
    advice = "Write `needs: {rows: …, per_class: …, per_group: …}`; below it `make check` fails."
    question = "With how few rows would we not even start?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A source of cases or labels without needs."""
        for source in spec.data:
            holds = source.outcomes or source.name == spec.derived.cases
            if (
                holds
                and not source.needs.model_fields_set
                and not source.needs.unknown
                and not is_open(source, "needs")
            ):
                yield Fault(("data", source.name), f"does not say how much of `{source.name}` is enough (`needs`).")


class OutcomeVaries(Rule):
    """An outcome has at least two classes."""

    id, needs = "DT313", ("data",)
    advice = "Name the other classes; pictures of one class alone teach nothing, collect counterexamples."
    question = "What does it look like when it is not so?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """One class."""
        for source, name, outcome in outcomes(spec):
            known = outcome.values is not None and not is_open(outcome, "values")
            if outcome.type == "category" and known and len(outcome.values or ()) < 2:
                place = ("data", source.name, "outcomes", name, "values")
                yield Fault(place, f"`{name}` can only be {told(outcome.values or ()) or 'nothing'}.")


class TestIsKept(Rule):
    """Some rows are kept for the last judgement."""

    id, needs = "DT314", ("data", "models")
    advice = "Write `split: {test: 0.2}`, or hold out whole groups (`hold_out`)."
    question = "Which cases has nobody looked at while choosing the model?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A case table without test and without hold-out rows."""
        for source in spec.data:
            split = source.split
            if source.name == spec.derived.cases and split.test == 0 and not split.hold_out and split.column is None:
                yield Fault(("data", source.name, "split", "test"), "keeps no row for the last judgement.")


def _words(text: str) -> set[str]:
    return set(plain(text).split()) - _ARTICLES


def _about_people(spec: Spec) -> bool:
    personal = any(source.rights and source.rights.personal for source in spec.data)
    return personal and any(_holds_cases(spec, source) for source in spec.data)


def _holds_cases(spec: Spec, source: Source) -> bool:
    return source.name == spec.derived.cases or bool(source.outcomes)


RULES: tuple[type[Rule], ...] = (
    UnitIsDecidedOn, HorizonIsCovered, GroupsAreCovered, SplitKeepsApart, NeedsAreStated, OutcomeVaries, TestIsKept,
)  # fmt: skip
