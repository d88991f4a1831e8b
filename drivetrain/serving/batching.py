"""`serve: batch`: a file or a folder in, decisions out, and the constraints hold over all of them together.

The service decides case by case, at the prices that constraints had when the policy was made. A batch is seen as a
whole: its decisions are optimised together, so that a capacity is kept to exactly, whatever this week's cases are.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.errors import DataError, DrivetrainError, ServiceError
from drivetrain.serving import records, rollout
from drivetrain.serving.assessed import DEFER, Assessed
from drivetrain.serving.cases import of_form
from drivetrain.serving.engine import Engine
from drivetrain.serving.field import Field, case_of_row, of_name
from drivetrain.serving.limits import Limits
from drivetrain.serving.log import LOG, Log
from drivetrain.serving.monitor import Alarm, Monitor, taken
from drivetrain.serving.together import Optimize, together
from drivetrain.source.called import called
from drivetrain.source.tables import header
from drivetrain.spec.formula import BATCH
from drivetrain.stages import reached

if TYPE_CHECKING:
    from drivetrain.policy import Problem
    from drivetrain.spec import Spec

AT_A_TIME = 256
"""Cases that are decoded and shown to the models at one time."""


MOST_PIXELS = 2_000_000_000
"""Pixels that are decoded at one time; a batch is given by its owner, not by a stranger."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One row of a batch.

    Attributes:
        answer: What is written beside it.
        record: What the log says of it; None for a row that is no case.
        case: What is known of it; None likewise.
    """

    answer: Mapping[str, Any]
    record: Mapping[str, Any] | None
    case: Assessed | None


def batch(spec: Spec, optimize: Optimize, arguments: list[str] | None = None) -> None:
    """Decide a file of cases, or a folder of them, and write the decisions.

    Args:
        spec: The plan.
        optimize: `decision.optimize`.
        arguments: Of the command line.

    Raises:
        DrivetrainError: The input cannot be read, or no choice keeps to the constraints; nothing is written then.
    """
    parser = argparse.ArgumentParser(description="Decide many cases at once; constraints hold over all of them.")
    parser.add_argument("input", type=Path, help="a .csv or .parquet table, or a folder of images or sound files")
    parser.add_argument("-o", "--output", type=Path, default=Path("decisions.csv"), help="default: decisions.csv")
    options = parser.parse_args(arguments)
    if options.output.suffix not in (".csv", ".parquet"):
        raise ServiceError("decisions are written as .csv or .parquet.", "Name such a file.", str(options.output))
    state = rollout.read(spec)
    released = rollout.released(spec, state)
    engine = Engine.open(released, replace(Limits(), cases=AT_A_TIME, pixels=MOST_PIXELS))
    shown, rows = read_input(engine, options.input)
    lot = random.SystemRandom()
    decided = decide(engine, state, rows, optimize, lot)
    done = [taken(engine.problem, one.record["chosen"]) for one in decided if one.record is not None]
    rung = Monitor.of(engine.spec, engine.problem).look(done)
    if rung and spec.stage == "wide" and not state.paused:
        # As in the service: where actions are not what they were when they were judged, nothing is done with them.
        state = rollout.change(spec, paused="alarm: " + "; ".join(map(str, rung)))
        decided = decide(engine, state, rows, optimize, lot)
    # Neither a log of decisions that nobody got, nor decisions that nobody can look up later.
    with _beside(options.output) as part:
        _write([{**given, **one.answer} for given, one in zip(shown, decided, strict=True)], part)
        _record(spec, engine, decided, rung)
    if said := on_average(engine.problem):
        print(said, file=sys.stderr)
    counts = Counter(str(row.answer["setting"]) for row in decided)
    for alarm in rung:
        print(f"alarm: {alarm}.", file=sys.stderr)
    said = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(f"{len(decided)} {'decision' if len(decided) == 1 else 'decisions'}: {said}.")
    print(options.output)


def on_average(problem: Problem) -> str:
    """What to say where constraints are not kept to in this batch alone; empty where they are, or where there are none.

    In a queue without another lever there is nothing to choose but the order, which goes by the prices that `decide`
    wrote: those hold over batches of the plan's length like the cases it saw.
    """
    hard = [rule.name for rule in problem.constraints if rule.hard and rule.ratio is not None]
    if problem.ranking is None or problem.items or len(problem.levers) > 1 or not hard:
        return ""
    return (
        f"note: the order goes by the prices that `decide` wrote, so {', '.join(hard)} is kept to over many batches of "
        f"the plan's {problem.constants[BATCH]:g} cases, and not in this one alone: count it."
    )


def _record(spec: Spec, engine: Engine, decided: Sequence[Decided], rung: Sequence[Alarm]) -> None:
    """Write what the log says of the rows, and keep the files of those that people will look at or learn from."""
    log = Log(spec.root / LOG)
    written: list[Mapping[str, Any]] = [one.record for one in decided if one.record is not None]
    written += [{**records.stamp("alarm"), "setting": alarm.setting, "what": str(alarm)} for alarm in rung]
    try:
        if reached(engine.spec.stage, "parallel"):
            for one in decided:
                if one.record is not None and one.case is not None:
                    records.keep(log.folder, records.files_of(one.record, one.case))
        log.write(written)
    except OSError as error:
        raise ServiceError(f"cannot be written ({error.strerror or error}).", "Make room, or free it.", LOG) from error
    finally:
        log.close()


def decide(
    engine: Engine, state: rollout.State, rows: Sequence[Mapping[str, Any]], optimize: Optimize, lot: random.Random
) -> list[Decided]:
    """Decide all rows together.

    Rows that are drawn by lot keep what they drew, and count against the constraints; the others are chosen around
    them. A row that is no case, or unlike what the models learned from, is left to people and counts against nothing.

    Args:
        engine: Models and policy.
        state: What people have set.
        rows: A case each; media as bytes.
        optimize: `decision.optimize`.
        lot: Where chance comes from.

    Raises:
        PolicyError: No choice keeps to the constraints.
    """
    spec, problem = engine.spec, engine.problem
    alone, faults = _assess(engine, rows)
    settled = [row for row, case in alone.items() if case.settled]
    constrained = any(rule.hard and rule.ratio is not None for rule in problem.constraints)
    # However many are looked at at a time, those who wait do so in one queue.
    queued = problem.ranking is not None and not problem.items and len(rows) > AT_A_TIME
    joint = bool(settled) and (constrained or queued)
    assessed = alone | (together(engine, rows, alone, {}, settled, optimize) if joint else {})
    scope = rollout.scope_of(spec, frozenset(engine.fields))
    drawn = dict(zip(assessed, rollout.draws(spec, problem, state, list(assessed.values()), lot, scope), strict=True))
    # What is drawn deviates from what the policy would have done with the row: that is what its propensity is of.
    explored = {row: draw for row, draw in drawn.items() if draw is not None and draw.explored}
    if joint and any(assessed[row].choice.setting != draw.setting for row, draw in explored.items()):  # type: ignore[union-attr]
        for row, case in together(engine, rows, alone, explored, settled, optimize).items():
            if row not in explored:
                assessed[row] = case
                drawn[row] = replace(drawn[row], setting=case.choice.setting, levers=case.choice.levers)  # type: ignore
    digest = evidence.file_digest(spec.root / "artifacts" / "policy.json")
    found = []
    for row in range(len(rows)):
        if row in faults:
            found.append(Decided(_left(faults[row]), None, None))
            continue
        case = assessed[row]
        answer = rollout.answer(spec, problem, case, drawn[row])
        shown = {key: answer[key] for key in ("decision", "status", "setting", "recommendation", "value", "in_domain")}
        reasons = "; ".join(answer["reasons"])
        record = records.decision(answer, drawn[row], case, digest)
        found.append(Decided(shown | {"reasons": reasons}, record, case))
    return found


def _left(why: str) -> dict[str, Any]:
    """What is written beside a row that is no case."""
    return {
        "decision": None,
        "status": "defer",
        "setting": DEFER,
        "recommendation": None,
        "value": None,
        "in_domain": False,
        "reasons": why,
    }


def _assess(engine: Engine, rows: Sequence[Mapping[str, Any]]) -> tuple[dict[int, Assessed], dict[int, str]]:
    """What is known of each row, and why some rows are no cases."""
    assessed: dict[int, Assessed] = {}
    faults: dict[int, str] = {}
    for start in range(0, len(rows), AT_A_TIME):
        part = rows[start : start + AT_A_TIME]
        try:
            assessed |= dict(enumerate(engine.assess(part), start=start))
            continue
        except DrivetrainError:
            pass  # Some row of these is no case: which, and why, is found one by one.
        for row, case in enumerate(part, start=start):
            try:
                [assessed[row]] = engine.assess([case])
            except DrivetrainError as error:
                faults[row] = error.message.removeprefix("cases[0].").removeprefix("cases[0]: ")
    return assessed, faults


def read_input(engine: Engine, path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What of a table or a folder stands beside the decisions, and the cases in it.

    A file is known again by its path, a row by all its columns, of which those of the plan are the case.

    Raises:
        DataError: It is missing, empty, or of another kind.
    """
    if path.is_dir():
        media = [field.name for field in engine.fields.values() if field.is_media]
        if not media:
            raise DataError("is a folder, and the cases of this plan are no files.", "Give a table.", str(path))
        files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        named = [of_name(engine.spec, file) for file in files]
        rows = [{media[0]: file.read_bytes(), **known} for file, known in zip(files, named, strict=True)]
        shown: list[dict[str, Any]] = [
            {"file": file.relative_to(path).as_posix(), **known} for file, known in zip(files, named, strict=True)
        ]
    else:
        shown, rows = _table(engine, path)
    if not rows:
        raise DataError("holds no case.", "Give at least one.", str(path))
    return shown, rows


def _table(engine: Engine, path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    if not path.is_file():
        raise DataError("is missing.", "Check the path.", str(path))
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            its = called(table.column_names)
            rows = [_case(engine.fields, _as_called(its, row), path.parent) for row in table.to_pylist()]
            nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
            files = [field.name for field in table.schema if pa.types.is_binary(field.type)]
            return table.drop_columns([*nested, *files]).to_pylist() if rows else [], rows
        if path.suffix == ".csv":
            # Every value as it is written: its type is the plan's to say, not the reader's to guess.
            delimiter, names = header(path, str(path))
            texts = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
            parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
            shown = csv.read_csv(path, parse_options=parse, convert_options=texts).to_pylist()
            its = called(names)
            return shown, [_typed(engine, _as_called(its, row), path.parent) for row in shown]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error}).", "Check the file.", str(path)) from error
    raise DataError("is neither .csv nor .parquet.", "Save the cases as one of these.", str(path))


def _as_called(its: Mapping[str, str], row: Mapping[str, Any]) -> dict[str, Any]:
    """A row under the names by which the plan calls its columns, as the sources of the plan are read."""
    return {name: row[there] for name, there in its.items() if there in row}


def _typed(engine: Engine, row: Mapping[str, str], folder: Path) -> dict[str, Any]:
    known = {name: text for name, text in row.items() if name in engine.fields}
    case = of_form(engine.fields, known, None)
    for name, field in engine.fields.items():
        if field.is_media and case.get(name):
            case |= _case({name: field}, {name: case[name]}, folder)
    return case


def _case(known: Mapping[str, Field], row: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A row as a case; a file that cannot be read is not known, and takes the answer from no other row."""
    try:
        return case_of_row(known, row, folder)
    except DataError:
        return case_of_row(
            known, {name: None if known[name].is_media else row[name] for name in row.keys() & known.keys()}, folder
        )


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A file that is put in the place of another when all went well.

    Raises:
        ServiceError: There is no room for it, or the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServiceError(f"cannot be written ({reason}).", "Name another place with --output.", str(path)) from error
    finally:
        with suppress(OSError):
            part.unlink()


def _write(rows: list[dict[str, Any]], path: Path) -> None:
    """Write a table."""
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    def column(name: str) -> Any:
        values = [row.get(name) for row in rows]
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            # A number that is a text in some row: what was written there has to be seen.
            return pa.array([None if value is None else str(value) for value in values])

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: column(name) for name in names})
    (pq.write_table if path.suffix == ".parquet" else csv.write_csv)(table, path)
