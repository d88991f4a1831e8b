"""What the audit says in words: one finding per disparity, class that fails, or group too small to tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.audit import guardrails
from drivetrain.audit.outcomes import COVERAGE
from drivetrain.findings import Finding, Level

if TYPE_CHECKING:
    from drivetrain.spec import Spec

Row = Mapping[str, Any]


def judge(spec: Spec, result: Row) -> list[Finding]:
    """Findings of an audit, `DU101` … .

    Args:
        spec: The plan.
        result: What `audit.run` measured.
    """
    found = [*_groups(spec, result), *_classes(result), *guardrails.judge(result["guardrails"]), *_differences(result)]
    return found or [
        Finding("DU100", "pass", "audit", "no difference between groups was found that chance does not explain.")
    ]


def _groups(spec: Spec, result: Row) -> Iterator[Finding]:
    if result["note"]:
        level: Level = "warn" if any(s.rights and s.rights.personal for s in spec.data) else "note"
        yield Finding(
            "DU101", level, "data", f"{result['note']}: results were audited by class only.",
            "Name the columns to audit by in `groups`, or answer `groups_recorded` in checklist.yaml.",
        )  # fmt: skip
    subjects = [(_subject(model), model) for model in result["models"]]
    subjects += [("decisions", result["decisions"])] if result["decisions"] else []
    for subject, audited in subjects:
        if audited["repeats"]:
            largest = max(audited["repeats"]["design_effects"].values(), default=1.0)
            if largest < 1.05:
                continue
            yield Finding(
                "DU105", "note", subject,
                f"{audited['rows']} rows belong to {audited['repeats']['number']} different "
                f"`{audited['repeats']['column']}`; intervals and tests allow for it (effect up to {largest:.2g}).",
                "More rows of the same say little; look for different ones.",
            )  # fmt: skip
    for model in result["models"]:
        if model["censored"]:
            yield Finding(
                "DU104", "note", _subject(model),
                f"{model['censored']} censored rows are left out: of their outcome only a bound is known.",
                "Do not take these errors for those of all cases: what lasts long is missing in them.",
            )  # fmt: skip


def _subject(model: Row) -> str:
    return f"models.{model['model']}, {model['outcome']}"


def _classes(result: Row) -> Iterator[Finding]:
    for model in result["models"]:
        overall = model["overall"]
        if not overall:
            yield Finding(
                "DU102", "fail", _subject(model), "has no held-out row with a known outcome.",
                "Keep rows for the test (`split`), or label some.",
            )  # fmt: skip
            continue
        for name, figure in overall["figures"].items():
            if not name.startswith("true positive rate") or figure["value"] is None:
                continue
            said = name.removeprefix("true positive rate").removeprefix(": ") or str(model["positive"])
            if figure["high"] < 0.5:
                yield Finding(
                    "DU103", "warn", f"{_subject(model)}: {said}",
                    f"only {figure['value']:.0%} ({figure['low']:.0%} to {figure['high']:.0%}) of {figure['rows']} "
                    f"cases of class `{said}` are recognised.",
                    "See the confusion matrix; collect or weight this class, or put the error's cost into `value`.",
                    facts={"kind": "class", **figure},
                )  # fmt: skip


def _differences(result: Row) -> Iterator[Finding]:
    for entry in result["differences"]:
        if entry["verdict"] != "differs":
            continue
        kind = "calibration" if entry["figure"] in ("calibration gap", COVERAGE) else "disparity"
        yield Finding(
            "DU201", "warn", f"{entry['subject']}: {named(entry['group'])}: {entry['figure']}",
            f"{_amount(entry['value'][0])} against {_amount(entry['value'][1])} of {named(entry['reference'])}: "
            f"difference {entry['difference']:+.3g} ({entry['low']:+.3g} to {entry['high']:+.3g}), "
            f"p = {entry['p_adjusted']:.2g} with {result['comparisons']['number']} comparisons taken into account.",
            "Find the cause (data, label, relation); guard it with `by`, or justify it in checklist.yaml.",
            facts={"kind": kind, **entry},
        )  # fmt: skip
    screened = [e for e in result["differences"] if e["four_fifths_screen"]]
    if screened:
        yield Finding(
            "DU202", "note", "four-fifths screen",
            f"{len(screened)} selection rates are below four fifths of the reference's. This is a screen, not a test: "
            "chance alone gives some, above all in small groups.",
            "Look at those that DU201 names too.",
            affected=tuple(f"{e['subject']}: {named(e['group'])}: {e['figure']}: {e['ratio']:.2f}" for e in screened),
        )  # fmt: skip
    many = sorted({" & ".join(subset) for model in result["models"] for subset in model.get("left_out", ())})
    if many:
        yield Finding(
            "DU204", "warn", "groups", "some columns, or their intersections, have too many groups to audit.",
            "Record them more coarsely: a region, not a postcode.", affected=tuple(many),
        )  # fmt: skip
    few = sorted({named(e["group"]) for e in result["differences"] if e["verdict"] == "too few to tell"})
    if few:
        have = " has" if len(few) == 1 else "s have"
        yield Finding(
            "DU203", "note", "groups",
            f"{len(few)} group{have} too few rows to tell whether some figures differ.",
            "Collect more rows of these groups, or say that nothing is known about them.", affected=tuple(few),
        )  # fmt: skip


def named(group: Row) -> str:
    """A group in words; a missing value is a group of its own."""
    return " & ".join(f"{column}={'(missing)' if value is None else value}" for column, value in group.items()) or "all"


def _amount(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.3g}"
