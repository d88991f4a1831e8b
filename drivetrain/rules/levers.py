"""DT2xx: what can be changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from drivetrain.rules.rule import Fault, Rule, is_open, outcomes, plain, silent, told

if TYPE_CHECKING:
    from drivetrain.spec import Lever, Spec
    from drivetrain.spec.data import Column

_OF_A_MODEL = re.compile(
    r"(threshold|cut_?off|confidence|accuracy|prediction|architecture|learning_rate|epochs?|hyper_?param\w*|batch_size|"
    r"model|algorithm|score)s?$"
)


class LeverReachesObjective(Rule):
    """Every lever reaches the objective: through `value`, or through an outcome of the value that it affects."""

    id, needs = "DT201", ("objective.value", "levers")
    advice = "Use it in `objective.value`, name it in `affected_by` of an outcome that the value uses, or take it out."
    question = "What becomes better or worse when somebody pulls this lever?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A lever that changes nothing that counts."""
        if not spec.data and any(not spec.derived.reach(lever.name) for lever in spec.levers):
            # An outcome that is still to be defined may carry the lever's effect.
            used = spec.derived.expand("value").names
            known = spec.derived.names
            if any(name not in known for name in used):
                return
        open_claims = [name for _, name, outcome in outcomes(spec) if is_open(outcome, "affected_by")]
        for lever in spec.levers:
            if not spec.derived.reach(lever.name) and not open_claims:
                yield Fault(
                    ("levers", lever.name),
                    f"`{lever.name}` does not reach the objective: pulling it changes nothing that counts.",
                )


class LeverHasOwner(Rule):
    """Every lever has somebody who may pull it."""

    id, needs = "DT202", ("levers",)
    advice = "Write `owner: …`: who decides about it today?"
    question = "Who may change this tomorrow, without asking anybody?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A lever without an owner."""
        for lever in spec.levers:
            if silent(lever, "owner"):
                yield Fault(("levers", lever.name), f"nobody owns `{lever.name}`: who may pull it?")


class LeverHasSettings(Rule):
    """Every lever has two settings or more."""

    id, needs = "DT203", ("levers",)
    advice = "Name what else could be done, be it nothing; a lever with one setting is no choice."
    question = "What else could be done in the same case?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """One option, or a range from a number to itself."""
        for lever in spec.levers:
            path = ("levers", lever.name)
            if lever.type == "options":
                count = len(spec.derived.settings(lever.name))
                source = lever.options_from
                later = source is not None and (
                    source.outcome is None
                    or not any(name == source.outcome and o.values for _, name, o in outcomes(spec))
                )
                if count < 2 and not later and not is_open(lever, "options") and not is_open(lever, "options_from"):
                    yield Fault(
                        (*path, "options"), f"`{lever.name}` has {count or 'no'} setting{'' if count == 1 else 's'}."
                    )
            elif (lever.type == "integer" or lever.type == "range") and None is not lever.minimum == lever.maximum:
                yield Fault((*path, "maximum"), f"`{lever.name}` can only be {lever.minimum:g}.")


class LeverIsControllable(Rule):
    """What is named uncontrollable is no lever."""

    id, needs = "DT204", ("levers", "uncontrollable")
    advice = "Decide which it is: a lever that somebody sets, or something that happens to us."
    question = "Can we really set this, or can we only watch it?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """The same name, or the column in which the lever was logged."""
        for lever in spec.levers:
            logged = lever.history.column if lever.history else None
            for entry in spec.uncontrollable:
                same = plain(entry.name) == plain(lever.name) or entry.column == lever.name
                if same or (entry.column is not None and entry.column == logged):
                    yield Fault(
                        ("levers", lever.name),
                        f"`{lever.name}` is a lever, and stands under `uncontrollable` as “{entry.name}” too.",
                        affected=[f"uncontrollable.{entry.name}"],
                    )


class EffectCanBeLearned(Rule):
    """A lever that moves a used outcome was moved in the past, or an experiment moves it.

    From a lever that never changed, no amount of data tells what changing it does.
    """

    id, needs = "DT205", ("levers", "data")
    advice = (
        "Plan an experiment: a source with `kind` and "
        "`collect: {how: experiment, lever: …, unit: …, arms: …, size: …, stop: …, harm_limit: …}`."
    )
    question = "Where in the data was this lever pulled one way and where the other, in like cases?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A history that is constant, never, or not told, and no experiment."""
        tried = {source.collect.lever for source in spec.data if source.collect and source.collect.how == "experiment"}
        for lever, moved in moving(spec):
            if lever.name in tried or is_open(lever, "history"):
                continue
            kind = lever.history.kind if lever.history else None
            if kind in ("constant", "never"):
                how = "never changed" if kind == "constant" else "was never pulled"
                yield Fault(
                    ("levers", lever.name, "history"),
                    f"`{lever.name}` {how}, and is said to move {told(moved)}: what it does cannot be learned.",
                )
            elif kind is None:
                yield Fault(
                    ("levers", lever.name),
                    f"moves {told(moved)}, and nothing says how `{lever.name}` was set in the data (`history`).",
                    "Say whether its settings were randomised, or set by a rule, by people, never.",
                    level="unknown",
                )


class HistoryOverlaps(Rule):
    """Where people or a rule set a lever, like cases must have got different settings.

    A rule that always acts the same way leaves nothing to compare with, and people choose for reasons the data lack.
    """

    id, level, needs = "DT206", "warn", ("levers", "data")
    advice = (
        "Look at `make check`'s overlap of settings, log why people chose, or randomise a small share (`exploration`)."
    )
    question = "In which cases did two settings both occur, and what decided which?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A lever that moves a used outcome and was set by a rule or by people."""
        for lever, moved in moving(spec):
            kind = lever.history.kind if lever.history else None
            if kind in ("rule", "human"):
                who = "a rule" if kind == "rule" else "people"
                yield Fault(
                    ("levers", lever.name, "history"),
                    f"{who} set `{lever.name}` in the data: what it does "
                    f"to {told(moved)} is mixed up with why it was set.",
                )


class RangeWasObserved(Rule):
    """Planned settings lie within what was observed."""

    id, level, needs = "DT207", "warn", ("levers", "data")
    advice = (
        "Plan within what was seen, or widen it by an experiment first; `extrapolate: true` only says that you know."
    )
    question = "Has anybody ever set it this far, and what happened?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A wider range, or options that are none of the logged column's values."""
        for lever in spec.levers:
            column = _logged(spec, lever)
            if column is None:
                continue
            path = ("levers", lever.name)
            if lever.type == "integer" or lever.type == "range":
                for key, sign in (("minimum", -1), ("maximum", 1)):
                    planned, seen = getattr(lever, key), getattr(column, key)
                    if planned is not None and seen is not None and sign * planned > sign * seen:
                        what = (
                            f"is {planned:g}, and the data hold settings only "
                            f"{'up' if sign > 0 else 'down'} to {seen:g}."
                        )
                        yield Fault((*path, key), what, facts={"planned": planned, "observed": seen})
            elif lever.type == "options" and column.values:
                new = [setting for setting in spec.derived.settings(lever.name) if setting not in column.values]
                if new:
                    yield Fault((*path, "options"), f"{told(new)} never occurs in the data.", affected=new)


class TodayIsNamed(Rule):
    """Today's policy is written down: it is what the project must beat."""

    id, level, needs = "DT208", "warn", ("levers", "data")
    advice = "Write `policies: {today: …}`: a setting, a column that logs it, or a formula."
    question = "What is done today, case by case?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A lever without `policies.today`."""
        for lever in spec.levers:
            if silent(lever.policies, "today") and not is_open(lever, "policies"):
                yield Fault(("levers", lever.name, "policies"), f"does not say what is done with `{lever.name}` today.")


class SimpleRuleIsNamed(Rule):
    """A rule that one could write in an afternoon stands beside the model, and doing nothing too.

    Much of what a model earns, a simple rule earns as well; only the difference pays for the model.
    """

    id, level, stage, needs = "DT209", "warn", "model", ("levers", "models")
    advice = "Write `policies: {do_nothing: …, simple_rule: …}`; the model gate asks whether the policy beats them."
    question = "Which rule would an experienced person write on a slip of paper?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """No simple rule, or no policy for doing nothing."""
        for lever in spec.levers:
            if is_open(lever, "policies"):
                continue
            lacking = [key for key in ("do_nothing", "simple_rule") if silent(lever.policies, key)]
            if lacking:
                yield Fault(
                    ("levers", lever.name, "policies"),
                    f"`{lever.name}` has no {' and no '.join(f'`{key}`' for key in lacking)} to be compared with.",
                )


class IrreversibleNeedsPerson(Rule):
    """What cannot be taken back is not done without a person."""

    id, stage, needs = "DT210", "parallel", ("levers", "decision")
    advice = "Write `decision: {mode: assist}`, or say in `deployment.guards.confirm` what a person confirms."
    question = "Which of these actions cannot be undone, and who looks at those?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """An irreversible lever that is pulled automatically, and nobody confirms."""
        assert spec.decision is not None
        guards = spec.deployment.guards if spec.deployment else None
        if spec.decision.mode == "assist" or is_open(spec.decision, "mode"):
            return
        if guards and (guards.confirm or is_open(guards, "confirm")):
            return
        for lever in spec.levers:
            if lever.reversible is False:
                what = f"`{lever.name}` cannot be taken back, is pulled automatically, and nobody confirms it."
                yield Fault(("levers", lever.name, "reversible"), what)


class FallbackExists(Rule):
    """There is something to do for a case unlike anything seen before."""

    id, level, stage, needs = "DT211", "warn", "parallel", ("levers", "models")
    advice = "Write `policies: {fallback: …}`, the setting that does least harm when nothing is known."
    question = "What is done with a case that the model has never seen the like of?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Neither a fallback nor a policy for doing nothing."""
        for lever in spec.levers:
            said = lever.policies
            if not is_open(lever, "policies") and silent(said, "fallback") and silent(said, "do_nothing"):
                yield Fault(("levers", lever.name, "policies"), f"`{lever.name}` has no `fallback`.")


class LeverActsOnTheWorld(Rule):
    """A lever is something that people set in the world, not a setting of the model."""

    id, level, needs = "DT212", "warn", ("levers",)
    advice = "Name the action that follows: what is done to the case, by whom?"
    question = "What does somebody do differently when this lever is pulled?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A lever that is called threshold, confidence or architecture."""
        for lever in spec.levers:
            if _OF_A_MODEL.search(lever.name):
                yield Fault(
                    ("levers", lever.name), f"`{lever.name}` sounds like a setting of a model, not like an action."
                )


class TodayIsPlausible(Rule):
    """A lever that was never pulled is not pulled today."""

    id, level, needs = "DT213", "warn", ("levers",)
    advice = "Correct `history.kind`, or `policies.today`."
    question = "Was this ever done, or not?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """`history: never` beside a logged column, or a `today` that is read from one."""
        for lever in spec.levers:
            if lever.history is None or lever.history.kind not in ("never", "constant"):
                continue
            today = lever.policies.today
            if column := getattr(today, "column", None):
                how = "never pulled" if lever.history.kind == "never" else "always set the same"
                what = f"was {how} by its history, and today's policy reads it from the column `{column}`."
                yield Fault(("levers", lever.name, "policies", "today"), what)


class QueueHasLength(Rule):
    """A queue of the cases says how many stand in it."""

    id, needs = "DT214", ("levers",)
    advice = "Write `decision: {batch: {every: 1 day, cases: 200}}`."
    question = "How many cases wait at a time, and how many are dealt with?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A ranking of the cases without a batch."""
        if spec.decision and (spec.decision.batch or is_open(spec.decision, "batch")):
            return
        for lever in spec.levers:
            if lever.type == "ranking" and lever.of == "cases":
                what = (
                    f"`{lever.name}` puts the cases into an order, and "
                    "the plan does not say how many there are at a time."
                )
                yield Fault(("levers", lever.name, "of"), what)


def moving(spec: Spec) -> Iterator[tuple[Lever, list[str]]]:
    """Levers that are said to move used outcomes, with these."""
    used = set(spec.derived.used_outcomes())
    for lever in spec.levers:
        moved = [name for _, name, o in outcomes(spec) if name in used and lever.name in (o.affected_by or ())]
        if moved:
            yield lever, moved


def _logged(spec: Spec, lever: Lever) -> Column | None:
    """The declared column in which a lever's settings were logged."""
    if lever.history is None or lever.history.column is None:
        return None
    wanted = lever.history.data
    for source in spec.data:
        if wanted in (None, source.name) and lever.history.column in source.columns:
            return source.columns[lever.history.column]
    return None


RULES: tuple[type[Rule], ...] = (
    LeverReachesObjective, LeverHasOwner, LeverHasSettings, LeverIsControllable, EffectCanBeLearned, HistoryOverlaps,
    RangeWasObserved, TodayIsNamed, SimpleRuleIsNamed, IrreversibleNeedsPerson, FallbackExists, LeverActsOnTheWorld,
    TodayIsPlausible, QueueHasLength,
)  # fmt: skip
