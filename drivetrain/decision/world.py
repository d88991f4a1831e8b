"""The cases that a policy is made and judged on, with what the models believe and what came true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy, source
from drivetrain.decision import selection
from drivetrain.decision.columns import arrays, entities, plain, read
from drivetrain.decision.log import ALWAYS, Log, log_of
from drivetrain.errors import DataError, PolicyError
from drivetrain.spec import Spec
from drivetrain.spec.formula import BATCH

Array = NDArray[Any]
Floats = NDArray[np.float64]

PAIRS = 150_000
"""Most rows of case × item that policies are made and judged on; of more cases a seeded sample is taken."""
CELLS = 4_000_000
"""Most cells (row × joint setting) that are looked at where a ranking is decided together with other levers."""
KEPT = 4
"""Answers of the models that are remembered."""


@dataclass(frozen=True, slots=True)
class World:
    """The cases of one part of the split, with what the models believe and what came true.

    Attributes:
        case: Row number in `source.cases`, shape (n,).
        split: Part of the split each case belongs to, shape (n,).
        columns: Name -> shape (n,).
        beliefs: Outcome -> what is believed.
        truth: Outcome -> what was observed, shape (n,); NaN or an empty text where it was not.
        weights: Summing to 1, shape (n,).
        inputs: Column -> n values, what the models read.
        models: The models as a function; None: `beliefs` are all that is known.
        log: Past decisions among the cases; None when there are none.
        observed: Outcome -> whether it was observed; absent: always.
        width: Items of each case, where items are ranked: rows are then case × item, case after case, and each case's
            weight stands at every one of its items, so that a weighted sum of rows is the mean over cases.
        groups: Rows that are ranked together (the items of a case, the cases of a queue) have one number, shape (n,);
            None where nothing is ranked.
        entity: Number of the person, machine or place that each case belongs to, shape (count,); None where each case
            has its own.
        note: What a report has to say about how these cases came about.
        executor: What simulates; None: this process.
    """

    case: Array
    split: Array
    columns: Mapping[str, Array]
    beliefs: Mapping[str, policy.Belief]
    truth: Mapping[str, Array]
    weights: Floats
    inputs: Mapping[str, Any] = field(default_factory=dict)
    models: policy.Ask | None = None
    log: Log | None = None
    observed: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    width: int = 1
    groups: NDArray[np.int64] | None = None
    entity: NDArray[np.int64] | None = None
    note: str = ""
    executor: Executor | None = None

    @property
    def count(self) -> int:
        """Number of cases."""
        return len(self.case) // self.width

    @property
    def shares(self) -> Floats:
        """Weight of each case, summing to 1; shape (count,)."""
        return np.asarray(self.weights[:: self.width])

    def shares_of(self, log: Log) -> Floats:
        """Weight of each logged row, summing to 1; shape (l,)."""
        raw = self.weights[log.rows] * (1 if log.weights is None else log.weights)
        return np.asarray(raw / raw.sum())

    def entities_of(self, log: Log) -> NDArray[np.int64] | None:
        """To whom each logged row belongs; None where each is by itself. Items of one case belong together."""
        if self.entity is None and self.width == 1:
            return None
        case = log.rows // self.width
        return np.asarray(case if self.entity is None else self.entity[case])

    def by_case(self, values: Array) -> Floats:
        """Sums over the items of each case, shape (count,)."""
        return np.asarray(np.asarray(values, dtype=float).reshape(-1, self.width).sum(axis=1))

    @property
    def cases(self) -> dict[str, Any]:
        """Everything that formulas and models read."""
        return {"": self.case, **self.inputs, **self.columns}

    @property
    def ask(self) -> policy.Ask:
        """The models; where there are none, what is believed already."""
        return self.models or (lambda cases, levers: policy.Beliefs(self.beliefs))


def world(
    spec: Spec,
    problem: policy.Problem,
    table: Any,
    predictors: Sequence[policy.Predicts],
    parts: Sequence[str],
    items: Mapping[str, Any] | None = None,
    most: int | None = None,
) -> World:
    """The cases of some parts of the split, predicted; where items are ranked, every case with every item.

    Args:
        spec: The plan.
        problem: The decision.
        table: What `source.cases` gives.
        predictors: The models.
        parts: Parts of the split.
        items: Column -> one value an item, where items are ranked.
        most: More cases than this are drawn by lot; None: all are taken.

    Raises:
        DataError: No case is in these parts, or none of them has the outcomes that it must have.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = table.filter(pc.is_in(table["split"], value_set=pa.array(list(parts))))
    known = [name for name in problem.outcomes if problem.home(name) in table.column_names]
    observed_share, note = np.ones(table.num_rows), ""
    if not any(problem.affected[name] for name in problem.outcomes):
        # Labels score every policy here, so a case without one says nothing.
        there = np.ones(table.num_rows, dtype=bool)
        for name in known:
            home = table[problem.home(name)]
            there &= np.asarray(home.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        if not there.all() and any(spec.outcome(problem.home(name)).observed_when not in ALWAYS for name in known):
            context = {name: plain(table[name]) for name in _context(problem, predictors, table)}
            observed_share = selection.chance(context, there, problem.seed)
            note = selection.said(there, observed_share)
        table, observed_share = table.filter(pa.array(there)), observed_share[there]
    if not table.num_rows:
        raise DataError(
            f"no case of {' or '.join(parts)} has all outcomes ({', '.join(problem.outcomes)}).",
            "Look at the split and at missing labels: make check.",
            where=spec.case_source.name,
        )
    if items is not None:
        width = len(next(iter(items.values())))
        _refuse_too_many(problem, width)
        most = max(1, min(PAIRS // width, CELLS // (width * len(problem.labels))))
    elif problem.ranking is not None and len(problem.levers) > 1:
        length = int(problem.constants[BATCH])
        most = max(length, CELLS // len(problem.labels) // length * length)
        if table.num_rows > most:
            note = " ".join(filter(None, [note, f"Judged on {most:,} of {table.num_rows:,} cases, drawn by lot."]))
    if most is not None and table.num_rows > most:
        rows = np.sort(np.random.default_rng(problem.seed).choice(table.num_rows, most, replace=False))
        table, observed_share = table.take(pa.array(rows)), observed_share[rows]
    weight = spec.case_source.weight
    raw = np.asarray(table[weight].to_numpy(zero_copy_only=False), dtype=float) if weight else np.ones(table.num_rows)
    if not (np.isfinite(raw).all() and (raw >= 0).all() and raw.sum() > 0):
        raise DataError("weights must be finite, at least 0, and not all 0.", where=f"{spec.case_source.name}.{weight}")
    raw = raw / observed_share
    columns = arrays(problem.columns, table, problem.columns)
    if items is not None:
        return pairs(problem, table, columns, items, raw / raw.sum(), predictors, entities(spec, table))
    needed = {name for predictor in predictors for name in predictor.inputs}
    inputs = read(spec, table, needed - set(problem.levers) - set(columns) - set(problem.classes))
    observed, truth = {}, {}
    for name in known:
        home = table[problem.home(name)]
        observed[name] = np.asarray(home.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        truth[name] = truth_of(spec, problem, name, home.to_pylist())
    models = policy.modeler(problem, predictors)
    cases = {"": table["case"].to_numpy(), **inputs, **columns}
    return World(
        case=table["case"].to_numpy(),
        split=np.array(table["split"].to_pylist(), dtype=str),
        columns=columns,
        beliefs=models(cases, problem.settings) if problem.searched is None else {},
        truth=truth,
        weights=raw / raw.sum(),
        inputs=inputs,
        models=models if _must_ask(problem) else None,
        log=log_of(spec, problem, table),
        observed=observed,
        groups=_queues(problem, table.num_rows),
        entity=entities(spec, table),
        note=note,
    )


def _refuse_too_many(problem: policy.Problem, width: int) -> None:
    """One case must fit: so many items under so many settings."""
    if width * len(problem.labels) > CELLS and len(problem.levers) > 1:
        others = [lever for lever in problem.levers if problem.ranking is None or lever != problem.ranking.lever]
        raise PolicyError(
            f"{len(problem.labels) // 2:,} settings of {', '.join(others)} with {width:,} items are too many to rank "
            "the items under each.",
            "Take larger steps, or rank fewer items.",
            where=f"levers.{others[0]}",
        )


def _context(problem: policy.Problem, predictors: Sequence[policy.Predicts], table: Any) -> list[str]:
    """Columns known of a case before anything comes of it: what the models read."""
    read = {name for predictor in predictors for name in predictor.inputs} & set(table.column_names)
    return sorted(read - set(problem.classes) - set(problem.levers))


def _queues(problem: policy.Problem, count: int) -> NDArray[np.int64] | None:
    """Queues of the plan's length, drawn by lot from the cases, where cases are ranked."""
    if problem.ranking is None:
        return None
    length = int(problem.constants[BATCH])
    return np.random.default_rng(problem.seed).permutation(count) // length


def pairs(
    problem: policy.Problem,
    table: Any,
    columns: Mapping[str, Array],
    items: Mapping[str, Any],
    shares: Floats,
    predictors: Sequence[policy.Predicts],
    entity: NDArray[np.int64] | None,
) -> World:
    """Every case with every item."""
    read = {name for predictor in predictors for name in predictor.inputs} | problem.columns
    here = {name: plain(table[name]) for name in read & set(table.column_names) if name not in columns}
    every = policy.crossed({**here, **columns, "": table["case"].to_numpy()}, items)
    known = {name: every[name] for name in problem.columns if name in every}
    width = len(next(iter(items.values())))
    models = remembered(policy.modeler(problem, predictors))
    return World(
        case=every[""],
        split=np.repeat(np.array(table["split"].to_pylist(), dtype=str), width),
        columns=known,
        beliefs=models(every, problem.settings),
        truth={},
        weights=np.repeat(shares, width),
        inputs={name: values for name, values in every.items() if name not in known and name},
        models=models,
        width=width,
        groups=np.repeat(np.arange(len(shares)), width),
        entity=entity,
    )


def moved(
    world: World, problem: policy.Problem, columns: Mapping[str, Any], numbers: Mapping[str, float] | None = None
) -> World:
    """The same cases, with some columns at one value, and constants at others where a model reads a term of them.

    Args:
        world: The cases.
        problem: The decision as it is then.
        columns: Column -> its value in every case.
        numbers: Constant -> its value.
    """
    read = {name for term in problem.terms.values() for name in term.names}
    heard = {name: number for name, number in (numbers or {}).items() if name in read}
    if not columns and not heard:
        return world
    count = len(world.case)
    put = {name: np.full(count, value) for name, value in columns.items()}
    changed = replace(
        world,
        columns={name: put.get(name, values) for name, values in world.columns.items()},
        inputs={name: put.get(name, values) for name, values in world.inputs.items()}
        | {name: np.full(count, number) for name, number in heard.items()},
    )
    if world.models is None:
        return changed
    return replace(changed, beliefs={} if problem.searched else world.models(changed.cases, problem.settings))


def remembered(ask: policy.Ask) -> policy.Ask:
    """The models, which are not asked the same question again: many steps look at the same settings."""
    kept: list[tuple[tuple[Any, ...], Any, policy.Beliefs]] = []

    def asked(cases: policy.Cases, levers: Mapping[str, Array]) -> policy.Beliefs:
        key = (
            tuple(sorted((name, id(values)) for name, values in cases.items())),
            tuple((name, array.shape, array.tobytes()) for name, array in sorted(levers.items())),
        )
        for known, _, found in kept:
            if known == key:
                return found
        found = ask(cases, levers)
        # The columns are kept with the answer, so that no other ones can come to stand at their address.
        kept.append((key, list(cases.values()), found))
        del kept[:-KEPT]
        return found

    return asked


def _must_ask(problem: policy.Problem) -> bool:
    """Whether beliefs about the listed settings are not all that is needed."""
    moved = any(problem.affected[name] for name in problem.outcomes) or bool(problem.censored)
    return moved or not problem.simple or bool(problem.scenarios or problem.terms) or problem.searched is not None


def truth_of(spec: Spec, problem: policy.Problem, name: str, values: list[Any]) -> Array:
    """What was observed; a stand-in where nothing was (`observed` says where)."""
    if name in problem.parts:
        return _truth_of_part(spec, problem.parts[name], values)
    if name in problem.binary:
        return np.array([bool(value) for value in values])
    if problem.classes[name]:
        return np.array(["" if value is None else value for value in values], dtype=str)
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _truth_of_part(spec: Spec, part: policy.Part, values: list[Any]) -> Array:
    """Whether each case had a label, or how much of its mask was of a class."""
    known = list(spec.outcome(part.outcome).values or ())
    if part.function == "has":
        return np.array([value is not None and part.which in source.labels_in(value, known) for value in values])
    there = [None if value is None else source.areas(spec.root / value, known) for value in values]
    place = known.index(part.which)
    return np.array([np.nan if areas is None else areas[place] for areas in there], dtype=float)
