"""Which outcomes matter to a decision, and what formulas see of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drivetrain.policy.constraints import declared
from drivetrain.policy.parts import Part, parted, parts_in
from drivetrain.spec import Spec
from drivetrain.spec.formula import Formula


def formula(spec: Spec, text: str) -> Formula:
    """A formula of the plan as the policy evaluates it: terms written out, labels and areas by their own names."""
    return parted(spec.derived.expand(text))


def parts(spec: Spec, looking: Iterable[str | None], reported: Formula | None) -> dict[str, Part]:
    """Name -> label or area that it stands for, of everything that the plan's formulas ask of labels and masks.

    Args:
        spec: The plan.
        looking: Formulas that say nothing of what matters, and look at outcomes all the same: policies, catastrophe.
        reported: The measure that is reported.
    """
    others = [*(formula(spec, text) for text in looking if text), *([reported] if reported else ())]
    return parts_in([*_deciding(spec), *others])


def used(spec: Spec, parts: Mapping[str, Part], reported: Formula | None = None) -> list[str]:
    """Outcomes that the value, a constraint or a limit uses, in the plan's order; of labels and masks their parts.

    What only the reported measure uses needs no model: without one there is no figure of it.
    """
    names = {name for formula in _deciding(spec) for name in formula.names}
    foretold = {outcome for model in spec.models for outcome in model.predicts or ()}
    foretold |= {name for name, part in parts.items() if part.outcome in foretold}
    names |= (reported.names if reported else frozenset()) & foretold
    found = []
    for source in spec.data:
        for outcome in source.outcomes:
            found += [name for name, part in parts.items() if part.outcome == outcome and name in names]
            found += [outcome] if outcome in names else []
    return found


def binary(spec: Spec, name: str, parts: Mapping[str, Part]) -> bool:
    """Whether formulas see a truth value."""
    return parts[name].function == "has" if name in parts else spec.outcome(name).type == "binary"


def classes(spec: Spec, name: str, parts: Mapping[str, Part]) -> tuple[str, ...]:
    """Classes of an outcome as models name them; empty for a number, and where the plan does not list them."""
    if binary(spec, name, parts):
        return ("false", "true")
    return () if name in parts else tuple(spec.outcome(name).values or ())


def affected(spec: Spec, name: str, parts: Mapping[str, Part]) -> tuple[str, ...]:
    """Levers that move an outcome, by the plan's claim."""
    return tuple(spec.outcome(parts[name].outcome if name in parts else name).affected_by or ())


def _deciding(spec: Spec) -> list[Formula]:
    objective = spec.objective
    assert objective is not None
    texts = ["value", *(limit for lever in spec.levers for limit in lever.limits)]
    if objective.over_time:
        texts += [objective.over_time.continues, *objective.over_time.next.values()]
    texts += [constraint.measure for constraint in declared(spec) if constraint.measure is not None]
    return [formula(spec, text) for text in texts]
