"""What was shown before, in which place, and what came of it: the log of a ranking, one row for an item of a case.

Value is a sum over items, so each logged item speaks for itself: the policy is right about a row when it puts that item
into the place in which it stood, and the propensity is that of this place (the item-position model of Li, Abbasi-
Yadkori, Kveton, Muthukrishnan, Vinay and Wen, Offline Evaluation of Ranking Policies with Click Models, 2018). Where
other levers are set beside the ranking, it is right when it sets these alike as well, and propensities are multiplied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain import policy, source
from drivetrain.decision.columns import arrays, entities
from drivetrain.decision.log import log_of
from drivetrain.decision.world import World, pairs, truth_of
from drivetrain.spec import Spec
from drivetrain.spec.levers import History

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

    ranking = problem.ranking
    history = next((one.history for one in spec.levers if ranking and one.name == ranking.lever), None)
    if history is None or ranking is None or history.kind in ("constant", "never") or history.data is None:
        return None
    home = spec.source(history.data)
    keys = {join.data: _pair(join.on) for join in home.join if join.data and join.on}
    if not {spec.case_source.name, ranking.of} <= keys.keys():
        return None
    found = source.cases(spec, home.name)
    # Where other levers stand beside the ranking, a row says what each was set to when its item was shown.
    if any(_unsaid(lever.history, found.column_names) for lever in spec.levers):
        return None
    found = found.filter(pc.is_in(found["split"], value_set=pa.array(list(JUDGED))))
    table = table.filter(pc.is_in(table["split"], value_set=pa.array(list(JUDGED))))
    known = [name for name in problem.outcomes if problem.home(name) in found.column_names]
    log = log_of(spec, problem, found)
    if log is None:
        return None
    found = found.take(pa.array(log.rows))
    kept = np.ones(len(log.rows), dtype=bool)
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
    log = log.some(kept)
    found, case, item = found.filter(pa.array(kept)), np.searchsorted(cases, case[kept]), item[kept]
    part = table.take(pa.array(cases))
    weight = spec.case_source.weight
    raw = np.asarray(part[weight].to_numpy(zero_copy_only=False), dtype=float) if weight else np.ones(len(cases))
    columns = arrays(problem.columns, part, problem.columns)
    world = pairs(problem, part, columns, items, raw / raw.sum(), predictors, entities(spec, part))
    log = replace(
        log,
        rows=case * width + item,
        truth={name: truth_of(spec, problem, name, found[problem.home(name)].to_pylist()) for name in known},
        observed={
            name: np.asarray(found[problem.home(name)].is_valid().to_numpy(zero_copy_only=False), bool)
            for name in known
        },
        weights=np.asarray(found[home.weight].to_numpy(zero_copy_only=False), dtype=float) if home.weight else None,
    )
    return replace(world, log=log)


def silent(spec: Spec, problem: policy.Problem, speaking: World | None) -> list[str]:
    """Why a log of what was shown says nothing about policies that set other levers as well; empty where it does."""
    if speaking is not None or problem.ranking is None or len(problem.levers) == 1:
        return []
    histories = {lever.name: lever.history for lever in spec.levers}
    shown = histories[problem.ranking.lever]
    if shown is None or shown.kind in ("constant", "never") or shown.data is None:
        return []
    names = source.cases(spec, shown.data).column_names
    lacking = [name for name, history in histories.items() if _unsaid(history, names)]
    if not lacking:
        return []
    return [
        f"The log of `{problem.ranking.lever}` does not say what {', '.join(f'`{name}`' for name in lacking)} was set "
        f"to: it scores no policy that sets both. Log each lever's setting and propensity in `{shown.data}`, or in a "
        "source that it joins."
    ]


def _unsaid(history: History | None, names: Sequence[str]) -> bool:
    """Whether rows do not hold how a lever was set."""
    if history is None or history.column not in names:
        return True
    return isinstance(history.propensity, str) and history.propensity not in names


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
