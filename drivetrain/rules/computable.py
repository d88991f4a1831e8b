"""Whether a limit on a population figure can be computed, and moved."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from drivetrain.errors import FormulaError
from drivetrain.rules.rule import Fault, is_open, outcomes, told
from drivetrain.spec.formula import parse

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.objective import Constraint


def unmeasurable(spec: Spec, path: tuple[str, ...], limits: Sequence[Constraint]) -> Iterator[Fault]:
    """Limits whose measure cannot be computed from columns, levers and predicted outcomes.

    Outcomes are judged once there are models; names that are nowhere defined are the structure's business.
    """
    derived = spec.derived
    for limit in limits:
        place = (*path, limit.name, "measure")
        if limit.measure is None:
            if not is_open(limit, "measure"):
                yield Fault(place, f"`{limit.name}` has no measure.")
            continue
        try:
            formula = parse(limit.measure)
        except FormulaError as error:
            yield Fault(place, error.what, error.advice)
            continue
        if not formula.is_population:
            yield Fault(place, f"`{limit.measure}` differs from case to case: it is no figure of all cases.",
                        f"Write `mean({limit.measure})`.")  # fmt: skip
        if spec.models:
            made = {name for model in spec.models for name in model.predicts or ()}
            unknown = [name for name in derived.uses(limit.measure).outcomes if name not in made]
            if unknown:
                yield Fault(
                    place,
                    f"`{limit.name}` is about {told(unknown)}, which no model predicts: nothing tells how it will be.",
                    f"Add a model that predicts {told(unknown)}, or measure it by something that is known.",
                )


def impossible(spec: Spec, path: tuple[str, ...], limit: Constraint) -> Iterator[Fault]:
    """A limit on a share that lies beyond 0 and 1, mostly because 5 stands for 5 %."""
    if limit.measure is None or not _is_share(spec, parse(limit.measure).node):
        return
    for key, bound in (("at_most", limit.at_most), ("at_least", limit.at_least)):
        if bound is None or 0 <= bound <= 1:
            continue
        always = (bound > 1) == (key == "at_most")
        yield Fault(
            (*path, limit.name, key),
            f"`{limit.measure}` is a share, from 0 to 1, and {'always' if always else 'never'} "
            f"{key.replace('_', ' ')} {bound:g}.",
            f"Write `{key}: {bound / 100:g}` if {bound:g} % is meant." if 1 < bound <= 100 else "Correct the limit.",
            "warn" if always else "fail",
        )


def _is_share(spec: Spec, node: ast.expr) -> bool:
    """Whether a population formula is the mean of a truth value."""
    match node:
        case ast.Call(
            func=ast.Name(id="mean"),
            args=[
                ast.Compare() | ast.UnaryOp(op=ast.Invert()) | ast.BinOp(op=ast.BitAnd() | ast.BitOr()),
                *_,
            ],
        ):
            return True
        case ast.Call(func=ast.Name(id="mean"), args=[ast.Name(id=name), *_]):
            return name in spec.derived.names and spec.derived.names[name].type == "boolean"
    return False


def immovable(spec: Spec, path: tuple[str, ...], limits: Sequence[Constraint]) -> Iterator[Fault]:
    """Limits on figures that no lever moves: they hold or they do not, whatever is chosen."""
    derived = spec.derived
    claimed = {name for _, name, outcome in outcomes(spec) if not is_open(outcome, "affected_by")}
    waiting = set(derived.names.of("outcome")) - claimed
    for limit in limits:
        if limit.measure is None:
            continue
        used = derived.uses(limit.measure)
        known = all(name in derived.names or name == "value" for name in parse(limit.measure).names)
        moved = used.levers or any(derived.upstream(name) for name in used.outcomes) or "value" in limit.measure
        if known and not moved and not set(used.outcomes) & waiting:
            yield Fault(
                (*path, limit.name, "measure"), f"no lever moves `{limit.measure}`: no choice can keep the limit."
            )
