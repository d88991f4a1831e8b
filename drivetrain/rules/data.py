"""DT3xx: what is known, and what may be done with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from drivetrain.errors import FormulaError, SpecError
from drivetrain.rules.rule import Fault, Rule, absent, is_open, outcomes, told
from drivetrain.spec import seconds
from drivetrain.spec.formula import parse

if TYPE_CHECKING:
    from drivetrain.spec import Model, Spec

_BEHAVIOUR = re.compile(
    r"(^|_)(buy|bought|purchas\w*|sales?|sold|click\w*|churn\w*|leav\w*|accept\w*|renew\w*|cancel\w*|attend\w*|"
    r"(?<!days_)(?<!hours_)(?<!weeks_)(?<!months_)(?<!time_)(?<!life_)left|"  # days that are left are nobody's doing
    r"show_?up|respon[ds]\w*|repl(y|ied)|open(ed)?|pay(s|ing|ment)?|paid|default(ed)?|complain\w*|return(ed|s)?|"
    r"convert\w*|conversion|subscri\w*|donat\w*|answer(ed)?|recover\w*|relaps\w*|readmi\w*|stay(s|ed)?)(_|$)"
)
_LATE = re.compile(
    r"(^|_)(after(wards)?|final|closed|closing|resolved|resolution|outcome|result|exit|cancell?(ed|ation)|actual|ended|"
    r"label|target|verdict|conclusion)(_|$)"
)


class KnownInTime(Rule):
    """A model sees only what is known when the decision is made.

    What the plan itself calls late (`known: after`, `role: logged`) is refused when it is read; this is about the rest.
    """

    id, needs = "DT301", ("data", "models")
    advice = (
        "Say `known: after`, or take it out of `inputs`; if it is known in time after all, give it a name that says so."
    )
    question = "Standing at the desk in the moment of the decision: can this be read there?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """An outcome that nobody predicts, or the column that holds one, among inputs; a column that sounds late."""
        made = {name for model in spec.models for name in model.predicts or ()}
        unmade = {name for _, name, _ in outcomes(spec) if name not in made}
        answers = {outcome.column: name for _, name, outcome in outcomes(spec) if outcome.column}
        columns = {name: column for source in spec.data for name, column in source.columns.items()}
        for model in spec.models:
            path = ("models", model.name, "inputs")
            for name in _reaching(spec, _seen(spec, model)):
                if name in unmade:
                    yield Fault(
                        path,
                        f"`{model.name}` sees the outcome `{name}`, which "
                        "is known only later and which no model predicts.",
                    )
                elif name in answers and name not in made:
                    yield Fault(path, f"`{model.name}` sees `{name}`, which holds the outcome `{answers[name]}`.")
                elif name in columns and columns[name].known_at is None and _LATE.search(name):
                    yield Fault(
                        path,
                        f"`{model.name}` sees `{name}`, which sounds as if it were known only afterwards.",
                        level="warn",
                    )


class JoinsLookBack(Rule):
    """A join brings in nothing that happened after the decision."""

    id, level, needs = "DT302", "warn", ("data",)
    advice = "Write `as_of: <time column there>`, and `window` if old rows say nothing any more."
    question = "Which row of the other source was the newest on that day?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Both sources have a time, and the join does not look at it."""
        timed = {source.name: source for source in spec.data if source.time}
        for source in timed.values():
            for join in source.join:
                other = timed.get(join.data or "")
                if other is None or join.as_of is not None or is_open(join, "as_of"):
                    continue
                if any(outcome for outcome in other.outcomes.values()) and not other.columns:
                    continue
                what = (
                    f"brings in rows of `{other.name}` from after the "
                    "decision too: both have a time, and `as_of` is absent."
                )
                yield Fault(("data", source.name, "join"), what, affected=[f"data.{other.name}"])


class ClaimsAreAsked(Rule):
    """A claim that no lever moves an outcome is put before people who would know.

    `affected_by: []` lets any policy be scored on logged labels. If a lever does move the outcome, the score is wrong.
    """

    id, level, needs = "DT303", "note", ("levers", "data")
    advice = "If it does, write `affected_by: [lever]`; if not, say in the review why not."
    question = "Would the outcome have been the same, had we done the opposite?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A used outcome that comes later, or is something people do, and is said to be moved by nothing."""
        used = spec.derived.used_outcomes()
        levers = told([lever.name for lever in spec.levers])
        for source, name, outcome in outcomes(spec):
            if name not in used or outcome.affected_by or is_open(outcome, "affected_by"):
                continue
            place = ("data", source.name, "outcomes", name, "affected_by")
            behaviour = _BEHAVIOUR.search(name) or _BEHAVIOUR.search(outcome.column or "")
            if behaviour:
                when = f"{outcome.delay} later" if seconds(outcome.delay) else "afterwards"
                what = f"`{name}` is something people do {when}, and {levers} is said not to move it."
                yield Fault(place, what, level="warn")
            elif seconds(outcome.delay):
                yield Fault(place, f"`{name}` is known {outcome.delay} later, and {levers} is said not to move it.")


class FeedbackLoopIsPlanned(Rule):
    """Where decisions form the labels that the next model learns from, somebody has a plan against it.

    A model that learns from what its own decisions let happen confirms itself: police are sent where police were sent.
    """

    id, stage, needs = "DT304", "model", ("data", "models")
    advice = (
        "Keep a share of decisions by lot (`deployment.exploration`) "
        "and say in `maintenance.feedback_loop` how its labels are used."
    )
    question = "What will the next training set look like because of what this one decides?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Shaped, selected or moved outcomes without exploration and without a feedback-loop plan."""
        deployment, maintenance = spec.deployment, spec.maintenance
        if deployment and (deployment.exploration or is_open(deployment, "exploration")):
            return
        if maintenance and (maintenance.feedback_loop or is_open(maintenance, "feedback_loop")):
            return
        predicted = {name for model in spec.models for name in model.predicts or ()}
        for source, name, outcome in outcomes(spec):
            if name not in predicted:
                continue
            path = ("data", source.name, "outcomes", name)
            if outcome.shaped_by:
                yield Fault(
                    path,
                    f"labels of `{name}` are formed by past settings of "
                    f"{told(outcome.shaped_by)}, and nothing is planned against it.",
                )
            elif outcome.affected_by:
                yield Fault(
                    path,
                    f"{told(outcome.affected_by)} moves `{name}`: the next labels "
                    "come from our own decisions, and nothing is planned against it.",
                )
            elif _names(outcome.observed_when) & ({lever.name for lever in spec.levers} | _moved(spec)):
                yield Fault(
                    path,
                    f"`{name}` is seen only where a decision lets it be seen "
                    f"({outcome.observed_when}), and nothing is planned against it.",
                )


class RightsCoverPeople(Rule):
    """Data about people, and sensitive columns, come with a licence and a ground to use them."""

    id, needs = "DT305", ("data",)
    advice = (
        "Write `rights: {licence: …, personal: true, consent: …, "
        "retention: …}`; ask data protection before copying anything."
    )
    question = "Would the people in these rows be surprised to find themselves there?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Sensitive columns without rights, people without a ground, `personal: false` beside sensitive columns."""
        for source in spec.data:
            if is_open(source, "rights"):
                continue
            sensitive = [name for name, column in source.columns.items() if column.sensitive]
            path = ("data", source.name)
            if sensitive and source.rights is None:
                yield Fault(path, f"has sensitive columns ({told(sensitive)}) and no `rights`.")
            elif source.rights is None:
                continue
            elif sensitive and source.rights.personal is False:
                yield Fault(
                    (*path, "rights", "personal"),
                    f"says that nobody is in the data, and {told(sensitive)} is sensitive.",
                )
            elif source.rights.personal and source.rights.consent is None and not is_open(source.rights, "consent"):
                yield Fault((*path, "rights"), "holds data about people without a ground to use them (`consent`).")


class SearchIsRepresentative(Rule):
    """Images that were searched for are checked for whom and what they show.

    A search for healthy skin returns mostly young white women touching their face: the model learns that.
    """

    id, needs = "DT306", ("data",)
    advice = (
        "Let people annotate who is shown (`collect.annotate.columns`), audit "
        "by it (`groups`), and state a least number (`needs.per_group`)."
    )
    question = "Lay a hundred of these pictures on a table: who and what is missing?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A search without annotation, without groups from it, or without a number that each group needs."""
        for source in spec.data:
            collect = source.collect
            if collect is None or collect.how != "image-search" or is_open(collect, "annotate"):
                continue
            path = ("data", source.name)
            columns = collect.annotate.columns if collect.annotate else None
            if not columns:
                yield Fault((*path, "collect"), "searches for images, and nobody looks whom or what they show.")
            elif not set(columns) & set(source.groups):
                yield Fault((*path, "groups"), f"annotates {told(columns)}, and audits by none of them.")
            elif source.needs.per_group is None and not is_open(source.needs, "per_group"):
                yield Fault(
                    (*path, "needs"), "does not say how many pictures each group needs (`per_group`).", level="warn"
                )


class SourceIsUsed(Rule):
    """Every source is decided on, learned from, joined or ranked."""

    id, level, needs = "DT311", "warn", ("data", "models")
    advice = "Use it, or take it out: data that nobody needs are a risk without a use."
    question = "What would be missing without this source?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A source that nothing refers to."""
        derived = spec.derived
        used = {derived.cases} | {lever.history.data for lever in spec.levers if lever.history}
        used |= {getattr(lever, "of", None) for lever in spec.levers}
        for model in spec.models:
            try:
                used.add(derived.model_data(model.name))
            except SpecError:
                continue
            used |= set(model.inputs or ())
        start = {name for name in used if name}
        for name in start:
            used |= set(derived.joins(name))
        for source in spec.data:
            experiment = source.collect is not None and source.collect.how == "experiment"
            if source.name not in used and not experiment:
                yield Fault(("data", source.name), f"nothing uses `{source.name}`.")


class LicenceIsStated(Rule):
    """Every source says under which licence it may be used."""

    id, level, stage, needs = "DT315", "warn", "data", ("data",)
    advice = "Write `rights: {licence: own, personal: false}`, or what holds."
    question = "Who could forbid us to use these data?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A source without rights."""
        for source in spec.data:
            sensitive = any(column.sensitive for column in source.columns.values())
            if source.rights is None and not is_open(source, "rights") and not sensitive:
                yield Fault(("data", source.name), f"does not say whether `{source.name}` may be used (`rights`).")


class OriginIsStated(Rule):
    """The cases say how they came about."""

    id, level, stage, needs = "DT316", "note", "data", ("data",)
    advice = "Write `collected: {how: …, from: …, to: …}`: which instrument, which people, which days."
    question = "Who or what is never recorded here?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A case table that lies somewhere and nobody says why."""
        for source in spec.data:
            if source.name == spec.derived.cases and source.location and absent(source, "collected"):
                yield Fault(("data", source.name), f"does not say how `{source.name}` came about (`collected`).")


def _reaching(spec: Spec, names: Iterable[str]) -> list[str]:
    """Names, and what stands in those of them that are terms."""
    terms = spec.objective.terms if spec.objective else {}
    found: list[str] = []
    queue = list(names)
    while queue:
        name = queue.pop(0)
        if name not in found:
            found.append(name)
            queue += sorted(_names(terms[name])) if name in terms else []
    return found


def _seen(spec: Spec, model: Model) -> list[str]:
    try:
        return spec.derived.model_inputs(model.name)
    except SpecError:
        return list(model.inputs or ())


def _names(formula: str) -> frozenset[str]:
    try:
        return parse(formula).names
    except FormulaError:
        return frozenset()


def _moved(spec: Spec) -> set[str]:
    return {name for _, name, outcome in outcomes(spec) if outcome.affected_by}


RULES: tuple[type[Rule], ...] = (
    KnownInTime, JoinsLookBack, ClaimsAreAsked, FeedbackLoopIsPlanned, RightsCoverPeople, SearchIsRepresentative,
    SourceIsUsed, LicenceIsStated, OriginIsStated,
)  # fmt: skip
