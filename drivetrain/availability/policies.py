"""Whether the columns that policies take settings from hold settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.availability.look import SPLITS, array, count, some
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from drivetrain.availability.look import Look
    from drivetrain.spec import Spec
    from drivetrain.spec.levers import Lever

POLICIES = ("do_nothing", "today", "simple_rule", "fallback")


def policies(spec: Spec, looks: Mapping[str, Look]) -> Iterator[Finding]:
    """What stands in a policy's column and is no setting, over the cases that policies are judged on.

    Args:
        spec: The plan.
        looks: Sources that could be read.
    """
    from drivetrain.source.columns import case_name

    look = looks.get(case_name(spec) or "")
    if look is None:
        return
    for lever in spec.levers:
        if lever.type == "ranking":  # its columns are scores
            continue
        for name in POLICIES:
            column = getattr(getattr(lever.policies, name), "column", None)
            if column and column in look.rows:
                yield from _held(spec, lever, name, column, look)


def _held(spec: Spec, lever: Lever, policy: str, column: str, look: Look) -> Iterator[Finding]:
    import numpy as np

    judged = np.isin(look.parts, [SPLITS.index(part) for part in ("test", "hold_out")])
    empty = np.asarray(look.rows.column(column).is_null())
    where = f"levers.{lever.name}.policies.{policy}"
    if lever.type == "options":
        settings = spec.derived.settings(lever)
        held = array(look.rows.column(column)).astype(str)
        strange = judged & ~empty & ~np.isin(held, settings)
        said = f"{some(sorted(set(held[strange].tolist())))}, which {'is' if strange.sum() == 1 else 'are'} no setting"
        advice = f"Settings are {some(settings, 12)}: correct the column, or name these among them."
    else:
        held = array(look.rows.column(column)).astype(float)
        strange = judged & ~empty & ~np.isfinite(held)
        said, advice = "no number", "Correct the column."
    if (missing := judged & empty).any():
        what = f"`{column}` is empty in {count(int(missing.sum()), 'case')} of the test."
        yield Finding("DA214", "fail", where, what, "Fill it, or take these rows out of the cases.")
    if strange.any():
        what = f"`{column}` holds {said}, in {count(int(strange.sum()), 'case')} of the test."
        yield Finding("DA214", "fail", where, what, advice)
