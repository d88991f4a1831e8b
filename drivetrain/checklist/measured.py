"""What the plan and its evidence say against an answer: one function a measurement, which returns sentences.

Each reads the plan or an evidence record; none reads what people wrote as a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from drivetrain import evidence

if TYPE_CHECKING:
    from drivetrain.evidence import Evidence
    from drivetrain.spec import Spec

STEPS = ("check", "train", "decide", "audit")


class Known:
    """A plan with its evidence, each record of which is read once, when it is first asked for."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._records: dict[str, Evidence | None] = {}

    def record(self, step: str) -> Evidence | None:
        """The record of a step; None when it was not run.

        Raises:
            EvidenceError: It is there and cannot be read.
        """
        if step not in self._records:
            self._records[step] = evidence.read(self.spec.root, step)
        return self._records[step]

    def result(self, step: str) -> Mapping[str, Any]:
        """What a step measured; empty when it was not run."""
        record = self.record(step)
        return record.result if record else {}


Measurement = Callable[[Known], list[str]]


def contradictions(known: Known, names: Iterable[str]) -> list[str]:
    """Sentences that speak against a "yes", from the measurements with these names.

    Raises:
        EvidenceError: An evidence record cannot be read.
    """
    return [sentence for name in names for sentence in MEASUREMENTS[name](known)]


def success_not_described(known: Known) -> list[str]:
    """The plan does not say what happens if it works really, really well."""
    spec = known.spec
    said = spec.objective.if_it_works_really_well if spec.objective else None
    return [] if said else ["objective.if_it_works_really_well is empty"]


def proxy_without_link(known: Known) -> list[str]:
    """A proxy whose link to what is meant is unknown."""
    spec = known.spec
    named = spec.objective.proxies if spec.objective else None
    return [f"objective.proxies.{p.name}.link is unknown" for p in named or [] if p.unknown.get("link") or not p.link]


def affected_not_named(known: Known) -> list[str]:
    """The plan names nobody whom it affects."""
    spec = known.spec
    return [] if spec.objective and spec.objective.affected else ["objective.affected names nobody"]


def recourse_missing(known: Known) -> list[str]:
    """Affected people without recourse."""
    spec = known.spec
    named = spec.objective.affected if spec.objective else None
    return [f"objective.affected has no recourse for {a.who}" for a in named or [] if not a.recourse]


def rights_missing(known: Known, field: str) -> list[str]:
    """A source with people in it that lacks a field of `rights`."""
    spec = known.spec
    return [
        f"data.{s.name}.rights.{field} is {'unknown' if s.rights.unknown.get(field) else 'absent'}"
        for s in spec.data
        if s.rights and s.rights.personal and not getattr(s.rights, field)
    ]


def licence_missing(known: Known) -> list[str]:
    """A source without a licence."""
    spec = known.spec
    return [f"data.{s.name}.rights.licence is absent" for s in spec.data if not s.rights or not s.rights.licence]


def collection_not_described(known: Known) -> list[str]:
    """A source of which nobody said how it was collected."""
    spec = known.spec
    return [f"data.{s.name}.collected is absent" for s in spec.data if not s.collected and not s.collect]


def sensitive_input(known: Known) -> list[str]:
    """A sensitive column that a model takes as input."""
    spec = known.spec
    found = []
    for model in spec.models:
        inputs = set(spec.derived.model_inputs(model.name))
        for source in spec.data:
            for name, column in (source.columns or {}).items():
                if column.sensitive and name in inputs:
                    found.append(f"models.{model.name} takes the sensitive column {name} as input")
    return found


def guard_missing(known: Known) -> list[str]:
    """A deployment without a guard against strange cases."""
    spec = known.spec
    if spec.deployment is None:
        return ["deployment is absent, so nothing guards against strange cases"]
    return []


def monitoring_missing(known: Known) -> list[str]:
    """A deployment that nobody watches."""
    spec = known.spec
    if spec.deployment is None:
        return ["deployment is absent, so nothing is watched"]
    return [] if spec.maintenance else ["maintenance names nobody who answers an alarm"]


def loop_without_plan(known: Known) -> list[str]:
    """Actions shape labels, and nothing is kept free of it."""
    spec = known.spec
    plan = spec.maintenance.feedback_loop if spec.maintenance else None
    explores = bool(spec.deployment and spec.deployment.exploration and spec.deployment.exploration.share)
    return [] if plan or explores else ["neither maintenance.feedback_loop nor deployment.exploration is stated"]


def simple_rule_as_good(known: Known) -> list[str]:
    """The optimized policy was not shown to be better than the simple rule."""
    return [
        f"evidence/decide.json: optimized minus {row.get('against')} is {row['value']:.4g} "
        f"({row['low']:.4g} to {row['high']:.4g}), not above zero"
        for row in known.result("decide").get("differences", ())
        if row.get("name") == "optimized" and row.get("against") in ("do_nothing", "simple_rule") and row["low"] <= 0
    ]


def not_causal(known: Known) -> list[str]:
    """Policies compared by figures that are not causal."""
    rows = known.result("decide").get("policies", ())
    named = [str(row.get("name")) for row in rows if row.get("label") == "not causal"]
    return [f"evidence/decide.json labels {', '.join(named)} `not causal`"] if named else []


def check_says(known: Known, family: str) -> list[str]:
    """Findings of the availability check that failed, or warn, of one family of ids."""
    return [
        f"evidence/check.json: {f.get('id')}: {f.get('where')}: {f.get('what')}"
        for f in known.result("check").get("findings", ())
        if f.get("level") in ("fail", "warn") and str(f.get("id")).startswith(family)
    ]


def audit_says(known: Known, kind: str) -> list[str]:
    """Findings of the audit of one kind."""
    return [
        f"evidence/audit.json: {f.get('where')}: {f.get('what')}"
        for f in known.result("audit").get("findings", ())
        if f.get("level") in ("fail", "warn") and (f.get("facts") or {}).get("kind") == kind
    ]


def evidence_stale(known: Known) -> list[str]:
    """Evidence made from other values of the plan."""
    spec = known.spec
    found = []
    for step in STEPS:
        record = known.record(step)
        changed = evidence.stale(record, spec.digest) if record else []
        if changed:
            found.append(f"evidence/{step}.json is stale: {', '.join(changed)} changed")
    return found


def data_synthetic(known: Known) -> list[str]:
    """Evidence made from sample data."""
    records = (known.record(step) for step in STEPS)
    return [f"evidence/{r.step}.json was made from sample data" for r in records if r and r.synthetic]


MEASUREMENTS: dict[str, Measurement] = {
    "success_not_described": success_not_described,
    "proxy_without_link": proxy_without_link,
    "affected_not_named": affected_not_named,
    "recourse_missing": recourse_missing,
    "consent_missing": partial(rights_missing, field="consent"),
    "retention_missing": partial(rights_missing, field="retention"),
    "licence_missing": licence_missing,
    "collection_not_described": collection_not_described,
    "sensitive_input": sensitive_input,
    "guard_missing": guard_missing,
    "monitoring_missing": monitoring_missing,
    "loop_without_plan": loop_without_plan,
    "simple_rule_as_good": simple_rule_as_good,
    "not_causal": not_causal,
    "groups_short": partial(check_says, family="DA13"),
    "leak_found": partial(check_says, family="DA3"),
    "disparity_measured": partial(audit_says, kind="disparity"),
    "guardrail_broken": partial(audit_says, kind="guardrail"),
    "class_failing": partial(audit_says, kind="class"),
    "calibration_differs": partial(audit_says, kind="calibration"),
    "evidence_stale": evidence_stale,
    "data_synthetic": data_synthetic,
}
