"""What the plan says about a source before a single row is read: rights, origin, age, and when labels are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivetrain.spec import Spec
    from drivetrain.spec.data import Source


def said(spec: Spec, source: Source) -> Iterator[Finding]:
    """Findings that need the plan alone."""
    yield from _rights(source)
    yield from _origin(source)
    yield from _delays(spec, source)


def _open(source: Source, part: str, field: str) -> str:
    """The question that stands in place of a value, if one does."""
    holder = getattr(source, part, None) or source
    open_ = holder.unknown.get(field) or source.unknown.get(part)
    return f" {open_.unknown} ({open_.owner}, by {open_.due})" if open_ else ""


def _rights(source: Source) -> Iterator[Finding]:
    where, rights = f"data.{source.name}.rights", source.rights
    if rights is None or rights.licence is None:
        yield Finding(
            "DA102",
            "unknown",
            where,
            f"no licence is recorded.{_open(source, 'rights', 'licence')}",
            "Find out under which licence these data may be used, and write it as `licence`.",
        )
    else:
        yield Finding("DA102", "pass", where, f"licence: {rights.licence}")
    if rights is None or rights.personal is None:
        yield Finding(
            "DA103",
            "unknown",
            where,
            f"it is not recorded whether the data are about people.{_open(source, 'rights', 'personal')}",
            "Write `personal: true` or `personal: false`.",
        )
    elif rights.personal and rights.consent is None:
        yield Finding(
            "DA103",
            "unknown",
            where,
            f"the data are about people, and no consent is recorded.{_open(source, 'rights', 'consent')}",
            "Write on which ground they are used (`consent: contract; opt-in for calls`).",
        )
    else:
        ground = f"about people; consent: {rights.consent}" if rights.personal else "not about people"
        yield Finding("DA103", "pass", where, ground)


def _origin(source: Source) -> Iterator[Finding]:
    where = f"data.{source.name}.collected"
    if source.collected is None or source.collected.how is None:
        yield Finding(
            "DA104",
            "note",
            where,
            "it is not recorded how the data came about.",
            "Write how, from when to when: a change of instrument explains many a surprise.",
        )
    else:
        yield Finding("DA104", "pass", where, f"collected: {source.collected.how}")


def _delays(spec: Spec, source: Source) -> Iterator[Finding]:
    from drivetrain.spec import seconds

    horizon = spec.objective.horizon if spec.objective else None
    for name, outcome in source.outcomes.items():
        where = f"data.{source.name}.outcomes.{name}"
        delay = seconds(outcome.delay)
        if not delay:
            continue
        if horizon is None:
            yield Finding(
                "DA105",
                "unknown",
                where,
                f"is known {outcome.delay} after the decision, and the objective has no horizon.",
                "Write how long after a decision its consequences count (`objective.horizon`).",
                facts={"delay_seconds": delay},
            )
        else:
            late = delay > seconds(horizon)
            side = "beyond" if late else "within"
            yield Finding(
                "DA105",
                "warn" if late else "pass",
                where,
                f"is known {outcome.delay} after the decision, {side} the horizon of {horizon}.",
                "Lengthen the horizon, or predict something that is known earlier." if late else "",
                facts={"delay_seconds": delay, "horizon_seconds": seconds(horizon)},
            )
