"""Whether a model is needed at all: sometimes the best setting can be computed, or is always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from drivetrain.errors import FormulaError
from drivetrain.rules.rule import is_open, limits, stands, told
from drivetrain.rules.worth import always_best

if TYPE_CHECKING:
    from drivetrain.spec import Spec


class Verdict(NamedTuple):
    """Whether a plan needs a model.

    Attributes:
        model: `needed`, `not needed`, or `open` while the plan does not say enough.
        why: In one sentence.
    """

    model: Literal["needed", "not needed", "open"]
    why: str


def verdict(spec: Spec) -> Verdict:
    """Whether predictions can change what is done."""
    if not stands(spec, "objective.value"):
        return Verdict("open", "The plan does not say yet what one case is worth.")
    if not stands(spec, "levers") or any(is_open(lever, "options") for lever in spec.levers):
        return Verdict("open", "The plan does not say yet what can be changed.")
    derived = spec.derived
    try:
        names = derived.expand("value").names
    except FormulaError:
        return Verdict("open", "The value cannot be read.")
    later = sorted(name for name in names if name not in derived.names)
    if later:
        return Verdict("open", f"The value uses {told(later)}, and the plan does not say yet what that is.")
    used = derived.used_outcomes()
    if not used:
        if not any(derived.reach(lever.name) for lever in spec.levers):
            return Verdict("open", "No lever reaches the objective yet.")
        return Verdict(
            "not needed",
            "`value` depends on nothing that is still to be found out: "
            "the best setting can be computed from what is known.",
        )
    best = next(always_best(spec), None)
    if best is not None and not any(limit.hard for _, _, limit in limits(spec)):
        levers = derived.uses("value").levers
        said = ", ".join(f"`{lever}: {setting}`" for lever, setting in zip(levers, best, strict=True))
        return Verdict(
            "not needed",
            f"{said} is best whatever {told(list(used))} turns out to be: no prediction changes what to do.",
        )
    return Verdict("needed", f"The best setting depends on {told(list(used))}, which is not known when it is chosen.")
