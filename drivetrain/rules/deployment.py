"""DT6xx: how decisions reach people, and what stands before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from drivetrain.rules.rule import Fault, Rule, is_open, silent, stands, told
from drivetrain.rules.secrets import secrets

if TYPE_CHECKING:
    from drivetrain.spec import Spec

_EVERYWHERE = re.compile(
    r"^\W*(100 ?%|(all|every(one|body|where)?|any(one|body|where)?|whole|entire|world ?-?wide|global\w*|"
    r"nation-? ?wide|unlimited|no limits?)\b)",
    re.I,
)


class WideAfterLimited(Rule):
    """Stage `wide` comes after `limited`: scope, failure modes, a person and an owner are in the plan by then."""

    id, stage, needs = "DT601", "wide", ("project",)
    advice = "Aim at `stage: limited` first, and fill in what is missing: it is the record of having been there."
    question = "What did the limited stage show, in which place, and who looked at every action?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A plan that aims at `wide` without what `limited` asks for."""
        if spec.stage != "wide":
            return
        wanted = {
            "deployment.scope": "where it was used first",
            "deployment.failure_modes": "which report reveals each failure",
            "maintenance.owner": "who answers for it",
        }
        lacking = [path for path in wanted if not stands(spec, path)]
        if lacking:
            said = "; ".join(f"`{path}`, {wanted[path]}" for path in lacking)
            yield Fault(("stage",), f"aims at `wide`, and lacks what `limited` asks for: {said}.", affected=lacking)


class FirstUseIsSmall(Rule):
    """The first use is small: a place, a share, a group."""

    id, stage, needs = "DT602", "limited", ("deployment",)
    advice = "Write `scope: …`: one site, one language, 5 % of the cases."
    question = "Where could this go wrong without much harm?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """No scope, or a scope that is everything."""
        assert spec.deployment is not None
        scope = spec.deployment.scope
        if silent(spec.deployment, "scope"):
            yield Fault(("deployment",), "does not say where it is used first (`scope`).")
        elif scope and _EVERYWHERE.match(scope):
            yield Fault(("deployment", "scope"), f"begins everywhere at once (“{scope}”).")


class SecretsStayOut(Rule):
    """A plan holds no passwords, tokens or keys: it is read, reviewed and copied."""

    id, needs = "DT603", ("project",)
    advice = (
        "Take it out, write `${NAME}` for an environment variable, "
        "and change it where it is valid: the file's history keeps it."
    )
    question = "Would we put this file on the wall?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Text that looks like a secret; the message does not repeat it."""
        for path, kind in secrets(spec.derived.document.tree):
            yield Fault(path, f"holds {kind}.")


class FailuresAreSeen(Rule):
    """What can go wrong is written down, with the report that would show it."""

    id, level, stage, needs = "DT604", "warn", "limited", ("deployment",)
    advice = "Write `failure_modes: [{failure: …, report: …}]`; ask those who do the work today."
    question = "It has gone wrong for a week. Who notices, and by what?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """No failure modes."""
        assert spec.deployment is not None
        if silent(spec.deployment, "failure_modes"):
            yield Fault(("deployment",), "names nothing that can go wrong (`failure_modes`).")


class SomebodyMaintains(Rule):
    """Somebody answers for the model once it runs, and knows when to train it again."""

    id, level, stage, needs = "DT605", "warn", "parallel", ("deployment",)
    advice = "Write `maintenance: {owner: …, retrain_when: [drift, 6 months], feedback_loop: …}`."
    question = "Who is called when it misbehaves two years from now?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """No maintenance, or nothing that makes somebody train again."""
        if is_open(spec, "maintenance"):
            return
        if spec.maintenance is None:
            yield Fault(("maintenance",), "nobody answers for it once it runs.")
        elif not spec.maintenance.retrain_when and not is_open(spec.maintenance, "retrain_when"):
            yield Fault(("maintenance", "retrain_when"), "nothing makes anybody train again.")


class DeviceHasLimits(Rule):
    """A model on a device knows how large and how slow it may be."""

    id, level, stage, needs = "DT606", "warn", "parallel", ("deployment.serve",)
    advice = (
        "Write `{kind: device, max_mb: 20, max_ms: 200, offline: "
        "true}`, or serve it from a server (`web`), which is simpler."
    )
    question = "On which oldest device must it run, and how long may a person wait?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """`device` without a size or a time."""
        assert spec.deployment is not None
        for serve in spec.deployment.serve or ():
            if serve.kind == "device":
                lacking = [key for key in ("max_mb", "max_ms") if silent(serve, key)]
                if lacking:
                    yield Fault(("deployment", "serve"), f"`device` does not say {told(lacking)}.", affected=lacking)


class ExplorationIsHarmless(Rule):
    """What is drawn by lot can be taken back."""

    id, level, stage, needs = "DT607", "warn", "parallel", ("deployment.exploration", "levers")
    advice = "Name the levers that may be drawn (`exploration.levers`), or let a board decide about the experiment."
    question = "Who is harmed by a wrong setting that was drawn, and did they agree?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A lot over a lever that is irreversible."""
        assert spec.deployment is not None
        exploration = spec.deployment.exploration
        assert exploration is not None
        for lever in spec.levers:
            drawn = exploration.levers is None or lever.name in exploration.levers
            if lever.reversible is False and drawn and (exploration.share or 0) > 0:
                yield Fault(("deployment", "exploration"), f"`{lever.name}` is drawn by lot and cannot be taken back.")


class PeopleAreNotAutomated(Rule):
    """Where decisions about people run by themselves, a person confirms what weighs on them."""

    id, level, stage, needs = "DT608", "warn", "limited", ("decision", "objective.affected", "deployment")
    advice = "Say in `deployment.guards.confirm` which actions a person confirms, or write `mode: assist`."
    question = "Which of these decisions would you want a person to have looked at, were it about you?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Automated decisions from data about people that nobody confirms."""
        assert spec.decision is not None
        assert spec.deployment is not None
        personal = [
            source.name
            for source in spec.data
            if (source.rights and source.rights.personal) or any(column.sensitive for column in source.columns.values())
        ]
        if spec.decision.mode == "automate" and personal and silent(spec.deployment.guards, "confirm"):
            yield Fault(
                ("deployment", "guards"),
                f"decides by itself about people ({told(personal)}), and nobody confirms anything.",
            )


RULES: tuple[type[Rule], ...] = (
    WideAfterLimited, FirstUseIsSmall, SecretsStayOut, FailuresAreSeen, SomebodyMaintains, DeviceHasLimits,
    ExplorationIsHarmless, PeopleAreNotAutomated,
)  # fmt: skip
