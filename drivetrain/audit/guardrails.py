"""Guardrails under the optimized policy, overall and in each group, as `decide` measured them on held-out cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from drivetrain.spec import Spec

Row = Mapping[str, Any]


def guardrails(spec: Spec) -> list[dict[str, Any]]:
    """The plan's guardrails, and one row for each group where a guardrail has `by`.

    Returns:
        `name`, `value`, `low`, `high`, `kind` (at_most, at_least), `bound`, `state` (`met`, `not met` or `too few cases
        to tell`); empty before anything was decided.
    """
    record = evidence.read(spec.root, "decide")
    names = [rail.name for rail in spec.objective.guardrails] if spec.objective else []
    rows = record.result.get("constraints", ()) if record else ()
    return [_row(row) for row in rows if any(_is(row, name) for name in names)]


def judge(rows: list[dict[str, Any]]) -> Iterator[Finding]:
    """A finding for every guardrail that is broken, or of which too little is known."""
    for row in rows:
        limit = f"{str(row['kind']).replace('_', ' ')} {_amount(row['bound'])}"
        spread = f"{_amount(row['value'])} ({_amount(row['low'])} to {_amount(row['high'])})"
        spread = "of no held-out case" if row["value"] is None else spread
        if row["state"] == "not met":
            yield Finding(
                "DU301", "fail", f"guardrail {row['name']}", f"is {spread}, not {limit}.",
                "Decide again with it as a hard constraint, or change the lever's limits.",
                facts={"kind": "guardrail", **row},
            )  # fmt: skip
        elif row["state"] != "met":
            yield Finding(
                "DU302", "warn", f"guardrail {row['name']}",
                f"is {spread}: too few cases to tell whether it is {limit}.",
                "Collect more cases of this group before the next stage.", facts=dict(row),
            )  # fmt: skip


def _is(row: Row, name: str) -> bool:
    """Whether a measured row is of this guardrail: by its name, alone or with a group behind it."""
    said = str(row.get("name", ""))
    return said == name or (said.startswith(name) and not said[len(name)].isalnum())


def _row(row: Row) -> dict[str, Any]:
    met = {True: "met", False: "not met"}.get(row.get("met"), "too few cases to tell")  # type: ignore[arg-type]
    kept = ("name", "value", "low", "high", "kind", "bound")
    return {**{key: row.get(key) for key in kept}, "state": row.get("state") or met}


def _amount(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "?"
