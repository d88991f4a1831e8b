"""The audit of decisions: which settings each group gets, and what they are worth to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.audit import repeated
from drivetrain.audit.counts import GROUP, OUTCOME, cells, manageable
from drivetrain.audit.figures import Table, decisions_by_group
from drivetrain.audit.plain import rows_of, table_of
from drivetrain.audit.rows import decisions

if TYPE_CHECKING:
    import pyarrow as pa

    from drivetrain.spec import Spec

SUBJECT = "decisions"
LOGGED = "value by the log"


def audit_decisions(spec: Spec, depth: int | None) -> tuple[dict[str, Any], list[Table]] | None:
    """Every policy's value and settings by class and group, and the tables in which groups are compared.

    Args:
        spec: The plan, beside its evidence.
        depth: How many group columns are crossed at most; None: all.

    Returns:
        None when nothing was decided yet.

    Raises:
        EvidenceError: A record cannot be read.
        DataError: The data of the groups cannot be read.
    """
    found = decisions(spec)
    if found is None:
        return None
    table, policies = found
    own = "optimized" if "optimized" in policies else policies[-1]
    before = next((name for name in ("today", "do_nothing") if name in policies and name != own), None)
    record = evidence.read(spec.root, "decide")
    known = record.result if record else {}
    groups = [name for name in table.column_names if name.startswith(GROUP)]
    outcomes = [name for name in table.column_names if name.startswith(OUTCOME)]
    margin = _margin(spec)
    if before:
        table = table.append_column("gain", _minus(table[f"value_{own}"], table[f"value_{before}"]))

    def counted(policy: str) -> Any:
        """A function that makes this policy's table by any columns."""
        settings, means = _levers(spec, table, policy)
        values = {"value": f"value_{policy}"}
        if policy == own and before:
            values[f"gain over {before.replace('_', ' ')}"] = "gain"
        if f"logged_{policy}" in table.column_names and _enough(known, policy):
            values[LOGGED] = f"logged_{policy}"
        keys = [*groups, *outcomes, *(key for key, _ in settings.values())]
        cut = cells(table, keys, [*values.values(), *means.values()])

        def by(columns: Sequence[str]) -> Table:
            made = decisions_by_group(cut, columns, values, settings, means, margin)
            return again.on(made) if again else made

        again = None
        numbers = values | {f"mean setting: {lever}": column for lever, column in means.items()}
        again = repeated.repeats(
            table, chain(repeated.columns(table, numbers), repeated.settings(table, by(()), settings))
        )
        return cut, by, again

    made = {policy: counted(policy) for policy in policies}
    crossed = manageable(made[own][0], groups, depth)
    measure = spec.objective.measure if spec.objective else None
    report = {
        "unit": measure.unit if measure else None,
        "better": "more",
        "own": own,
        "rows": table.num_rows,
        "repeats": again.as_json() if (again := made[own][2]) else None,
        "labels": {str(row.get("name")): row.get("label") for row in known.get("policies", ())},
        "log": _log_label(spec) if any(name.startswith("logged_") for name in table.column_names) else None,
        "compared_with": before,
        "policies": {p: rows_of(made[p][1](()))[0] for p in policies} if table.num_rows else {},
        "by_class": [
            {"outcome": name.removeprefix(OUTCOME), "policy": policy, **table_of(made[policy][1]([name]))}
            for name in outcomes
            for policy in policies
        ],
        "by_group": [
            {"policy": policy, **table_of(made[policy][1](subset))} for subset in crossed for policy in policies
        ],
    }
    # Only what this project would do is compared between groups; the other policies are shown beside it.
    return report, [replace(made[own][1](subset), subject=SUBJECT) for subset in crossed]


def _levers(spec: Spec, table: pa.Table, policy: str) -> tuple[dict[str, tuple[str, Sequence[str]]], dict[str, str]]:
    """The columns with what a policy sets: levers with named settings, and levers with numbers."""
    settings: dict[str, tuple[str, Sequence[str]]] = {}
    means = {}
    for lever in spec.levers:
        column = f"setting_{policy}_{lever.name}"
        if column not in table.column_names:
            continue
        if lever.type == "options":
            names = spec.derived.settings(lever)
            # Of two settings one is tested and drawn: the one that does something.
            still = lever.policies.do_nothing if lever.policies else None
            settings[lever.name] = (column, names[::-1] if len(names) == 2 and names[0] == still else names)
        elif lever.type != "ranking":  # an order has no mean
            means[lever.name] = column
    return settings, means


def _minus(first: Any, second: Any) -> Any:
    import pyarrow.compute as pc

    return pc.subtract(first, second)


def _margin(spec: Spec) -> float:
    """Least difference in value that matters: the gain below which the plan calls the project useless."""
    measure = spec.objective.measure if spec.objective else None
    if measure is None or measure.current is None or measure.minimum_useful is None:
        return 0.0
    return abs(measure.minimum_useful - measure.current)


def _enough(known: Mapping[str, Any], policy: str) -> bool:
    """Whether enough logged cases took this policy's settings to say anything."""
    return bool((known.get("logged") or {}).get(policy, {}).get("enough"))


def _log_label(spec: Spec) -> str:
    """Figures from the log are causal only where settings were drawn by lot."""
    drawn = all(lever.history is not None and lever.history.kind == "randomised" for lever in spec.levers)
    return "causal" if drawn else "not causal"
