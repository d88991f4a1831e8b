"""What was shown before, in which place, and what came of it: the log of a ranking, one row for an item of a case.

Value is a sum over items, so each logged item speaks for itself: the policy is right about a row when it puts that item
into the place in which it stood, and the propensity is that of this place (the item-position model of Li, Abbasi-
Yadkori, Kveton, Muthukrishnan, Vinay and Wen, Offline Evaluation of Ranking Policies with Click Models, 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain import policy, source
from drivetrain.decision.columns import arrays, entities
from drivetrain.decision.log import Log
from drivetrain.decision.world import World, pairs, truth_of
from drivetrain.spec import Spec
from drivetrain.spec.formula import evaluate, parse

JUDGED = ("test", "hold_out")
MOST = 600_000
"""Rows of case × item that the log is read for; of more cases a seeded sample is taken."""


def logged(
    spec: Spec, problem: policy.Problem, table: Any, predictors: Sequence[policy.Predicts], items: Mapping[str, Any]
) -> World | None:
    """The held-out cases of which the log holds an item, with that log; None where there is none.

    Args:
        spec: The plan.
        problem: The decision; items are ranked.
        table: What `source.cases` gives.
        predictors: The models.
        items: Column -> one value an item.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    lever = spec.levers[0]
    history, ranking = lever.history, problem.ranking
    if history is None or ranking is None or history.kind in ("constant", "never") or history.data is None:
        return None
    home = spec.source(history.data)
    keys = {join.data: _pair(join.on) for join in home.join if join.data and join.on}
    if history.column is None or not {spec.case_source.name, ranking.of} <= keys.keys():
        return None
    found = source.cases(spec, home.name)
    if not {history.column, *([history.propensity] if isinstance(history.propensity, str) else [])} <= set(
        found.column_names
    ):
        return None
    found = found.filter(pc.is_in(found["split"], value_set=pa.array(list(JUDGED))))
    table = table.filter(pc.is_in(table["split"], value_set=pa.array(list(JUDGED))))
    kept = np.array(found[history.column].is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    if history.rows.strip() not in ("True", "1", "true"):
        condition = parse(history.rows)
        here = arrays(frozenset(condition.names), found, frozenset())
        kept &= np.broadcast_to(np.asarray(evaluate(condition, here)) == 1, kept.shape)
    here_case, there_case = keys[spec.case_source.name]
    here_item, _ = keys[str(ranking.of)]
    case = _places(table[there_case].to_pylist(), found[here_case].to_pylist())
    item = _places(list(items[policy.KEY]), found[here_item].to_pylist())
    kept &= (case >= 0) & (item >= 0)
    width = len(items[policy.KEY])
    cases = np.unique(case[kept])
    if len(cases) * width > MOST:
        cases = np.sort(np.random.default_rng(problem.seed).choice(cases, max(1, MOST // width), replace=False))
        kept &= np.isin(case, cases)
    if not len(cases):
        return None
    found, case, item = found.filter(pa.array(kept)), np.searchsorted(cases, case[kept]), item[kept]
    part = table.take(pa.array(cases))
    weight = spec.case_source.weight
    raw = np.asarray(part[weight].to_numpy(zero_copy_only=False), dtype=float) if weight else np.ones(len(cases))
    columns = arrays(problem.columns, part, problem.columns)
    world = pairs(problem, part, columns, items, raw / raw.sum(), predictors, entities(spec, part))
    known = [name for name in problem.outcomes if problem.home(name) in found.column_names]
    chance: Any = history.propensity
    if isinstance(chance, str):
        chance = np.asarray(found[chance].to_numpy(zero_copy_only=False), dtype=float)
    elif chance is not None:
        chance = np.full(len(case), float(chance))
    log = Log(
        case * width + item,
        {lever.name: np.asarray(found[history.column].to_numpy(zero_copy_only=False), dtype=float)},
        chance,
        history.kind == "randomised",
        history.kind,
        truth={name: truth_of(spec, problem, name, found[problem.home(name)].to_pylist()) for name in known},
        observed={
            name: np.asarray(found[problem.home(name)].is_valid().to_numpy(zero_copy_only=False), bool)
            for name in known
        },
        weights=np.asarray(found[home.weight].to_numpy(zero_copy_only=False), dtype=float) if home.weight else None,
    )
    return replace(world, log=log)


def _pair(on: Any) -> tuple[str, str]:
    """The column of a join here, and there; of several the first."""
    if isinstance(on, str):
        return on, on
    [(here, there), *_] = on.items()
    return str(here), str(there)


def _places(known: Sequence[Any], asked: Sequence[Any]) -> Any:
    """Where each asked key stands among the known ones; -1 where it does not."""
    place = {str(key): row for row, key in enumerate(known) if key is not None}
    return np.array([place.get(str(key), -1) for key in asked], dtype=np.int64)
