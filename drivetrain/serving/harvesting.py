"""From the log to the next data: what was served, what was done and what came of it, as rows of the case table.

The rows have the columns that the plan names: the case's own, the outcomes' labels, and for the levers' `history` the
setting that was used, the probability with which it was used, and whether it was drawn by lot. So a source of the plan
can hold them, and `check`, `train` and `decide` read them as any other.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.errors import ServiceError
from drivetrain.serving.field import fields, tied
from drivetrain.serving.log import read
from drivetrain.serving.records import MEDIA

if TYPE_CHECKING:
    from drivetrain.spec import Spec

SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}


def harvest(spec: Spec, arguments: list[str] | None = None) -> None:
    """Write what the log holds as a source that the plan can name.

    Args:
        spec: The plan.
        arguments: Of the command line.

    Raises:
        ServiceError: The log holds no outcome yet.
    """
    parser = argparse.ArgumentParser(description="Turn the service's log into data that can be learned from.")
    parser.add_argument("-o", "--output", type=Path, default=spec.root / "data" / "served", help="default: data/served")
    parser.add_argument("--all", action="store_true", help="also decisions whose outcome has not come back")
    options = parser.parse_args(arguments)
    rows = rows_of(spec, list(read(spec.root / "log")), without_outcome=options.all)
    if not rows:
        advice = "Send outcomes to /feedback first, or add --all."
        raise ServiceError("no decision of the log has an outcome yet.", advice, "log")
    media = [field.name for field in fields(spec).values() if field.is_media]
    if media:
        _copy_files(spec, rows, media[0], options.output)
        _copy_masks(spec, rows, options.output)
    path = options.output / "served.parquet" if media else options.output.with_suffix(".parquet")
    _write(rows, path)
    drawn = sum(bool(row["explored"]) for row in rows)
    print(f"{len(rows)} rows, {drawn} of them drawn by lot: {os.path.relpath(path, spec.root)}")
    if media:
        print(f"A source of the plan reads it with this file as `location` and `{media[0]}` among its `columns`.")


def rows_of(spec: Spec, log: Sequence[Mapping[str, Any]], *, without_outcome: bool = False) -> list[dict[str, Any]]:
    """The log as rows of the case table.

    Args:
        spec: The plan.
        log: Its records, the oldest first.
        without_outcome: Whether decisions whose outcome has not come back are there as well.

    Returns:
        A row a decision: `decision`, `decided_at`, `explored`; the case's columns, media as `sha256`; every outcome
        under the name of its column; for every lever its setting and propensity under the names in `history`.
    """
    came_back: dict[str, dict[str, Any]] = {}
    done: dict[str, dict[str, Any]] = {}
    approved: dict[str, str] = {}
    for record in log:
        if record["kind"] == "feedback":
            # Outcomes come one after another; of one outcome the latest counts.
            came_back.setdefault(record["decision"], {}).update(record["outcomes"])
            done.setdefault(record["decision"], {}).update(record["done"])
        elif record["kind"] == "approval":
            approved[record["decision"]] = record["setting"]
    rows = []
    for record in log:
        if record["kind"] != "decision" or not (without_outcome or came_back.get(record["decision"])):
            continue
        name = record["decision"]
        used, by_lot = _used(spec, record, done.get(name, {}), approved.get(name))
        rows.append(_row(spec, record, came_back.get(name, {}), used, by_lot))
    return rows


def _used(
    spec: Spec, record: Mapping[str, Any], done: Mapping[str, Any], approved: str | None
) -> tuple[dict[str, Any], bool]:
    """What each lever was really set to, and whether the log's propensity speaks of it."""
    asked = dict(record["levers"])
    if record["status"] == "act":
        used, known = asked, True
    elif approved is not None and approved == record["recommendation"]:
        used, known = asked, False
    elif approved is not None and len(spec.levers) == 1:
        name = spec.levers[0].name
        # Beside what was advised, of a shelf only nothing can be approved.
        used, known = {name: [] if isinstance(asked.get(name), list) else approved}, False
    elif record["status"] == "recorded" and record["setting"] != "defer" and len(spec.levers) == 1:
        used, known = {spec.levers[0].name: record["setting"]}, False
    else:
        used, known = {}, False
    if any(used.get(name) != value for name, value in done.items()):
        known = False
    return used | dict(done), known


def _row(
    spec: Spec, record: Mapping[str, Any], outcomes: Mapping[str, Any], used: Mapping[str, Any], by_lot: bool
) -> dict[str, Any]:
    source = spec.case_source
    decided = datetime.fromisoformat(record["time"])
    row: dict[str, Any] = {
        "decision": record["decision"],
        "decided_at": decided,
        "explored": bool(record["explored"]) and by_lot,
        # A column that nobody sent is there all the same, and empty: the plan names it.
        **{name: None for part in tied(spec, source) for name in part.columns},
        **{name: _value(spec, name, value) for name, value in record["columns"].items()},
        **record["media"],
    }
    if source.time and row.get(source.time) is None:
        row[source.time] = decided
    for part in spec.data:
        for name, outcome in part.outcomes.items():
            row[outcome.column or name] = outcomes.get(name)
    for lever in spec.levers:
        history = lever.history
        column = (history.column if history else None) or lever.name
        row[column] = used.get(lever.name)
        propensity = history.propensity if history and isinstance(history.propensity, str) else f"propensity_{column}"
        # Of several levers each has its own: a log that is read multiplies them.
        own = (record.get("chances") or {}).get(lever.name, record["propensity"])
        row[propensity] = own if by_lot else None
        # Rows that a lever's history may use were drawn by lot, with a propensity.
        if history is not None and re.fullmatch(r"[a-z][a-z0-9_]*", history.rows):
            row[history.rows] = by_lot and record["propensity"] is not None and record["propensity"] < 1
    return row


def _value(spec: Spec, name: str, value: Any) -> Any:
    is_time = any(
        column.type == "time" for source in spec.data for key, column in source.columns.items() if key == name
    )
    return datetime.fromisoformat(value) if is_time and value is not None else value


def _copy_files(spec: Spec, rows: list[dict[str, Any]], medium: str, output: Path) -> None:
    """Put the files of the rows beside the table, each in the folder of its label where the label is a folder."""
    label = next((o.column for o in spec.case_source.outcomes.values() if o.column == "folder"), None)
    usual = ".csv" if spec.case_source.kind == "series" else ""
    for row in rows:
        kept = spec.root / "log" / MEDIA / str(row[medium])
        if not kept.is_file():
            row[medium] = None
            continue
        folder = _safe(str(row[label])) if label and row.get(label) is not None else "unlabelled"
        target = output / folder / f"{row['decision']}{_suffix(kept) or usual}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, target)
        row[medium] = Path(os.path.relpath(target, spec.root)).as_posix()


def _copy_masks(spec: Spec, rows: list[dict[str, Any]], output: Path) -> None:
    """Put the masks that came back beside the table."""
    masks = [(n, outcome.column or n) for p in spec.data for n, outcome in p.outcomes.items() if outcome.type == "mask"]
    for row in rows:
        for name, column in masks:
            kept = spec.root / "log" / MEDIA / str(row[column])
            if row[column] is None or not kept.is_file():
                row[column] = None
                continue
            target = output / f"{row['decision']}-{name}{_suffix(kept)}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept, target)
            row[column] = Path(os.path.relpath(target, spec.root)).as_posix()


def _safe(label: str) -> str:
    """A label as the name of a folder; it was checked against the plan's classes, but a plan may hold anything."""
    return re.sub(r"[^\w .-]", "_", label).strip(". ") or "label"


def _suffix(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(12)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return ".wav"
    return next((suffix for start, suffix in SUFFIXES.items() if head.startswith(start)), "")


def _write(rows: list[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    with evidence.whole(path) as part:
        pq.write_table(table, part)
