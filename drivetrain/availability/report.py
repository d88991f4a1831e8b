"""What a person and a review see of the check: a table on the terminal, and a record."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DrivetrainError
from drivetrain.findings import LEVELS, Finding, worst
from drivetrain.workers import pool as shared

if TYPE_CHECKING:
    from pathlib import Path

    from drivetrain.availability.engine import Progress
    from drivetrain.spec import Spec

_COLOURS = {"pass": "green", "note": "cyan", "warn": "yellow", "unknown": "magenta", "fail": "bold red"}
_SHOWN = 5
OFTEN = 0.25
"""Seconds between two looks at the bar: drawing it takes time from the work."""
SOME, MANY = 1_000, 50_000
"""Files from which on copies of this process pay, and from which on fresh processes do."""

READS = (
    *("kind", "location", "collect", "filename", "columns", "outcomes", "ratings", "entity", "time", "weight"),
    *("groups", "join", "split", "rights", "collected", "needs"),
)
"""Fields of a source that the check reads."""


def record(spec: Spec, findings: Sequence[Finding]) -> Path:
    """Write `evidence/check.json`: every finding, and what the data were."""
    from drivetrain import evidence, source

    data: dict[str, Mapping[str, Any]] = {}
    for entry in spec.data:
        try:
            data[entry.name] = source.fingerprint(spec, entry.name).as_json()
        except DrivetrainError:
            continue
    fields = [f"data.{entry.name}.{field}" for entry in spec.data for field in READS]
    fields += [f"levers.{lever.name}.{field}" for lever in spec.levers for field in ("type", "history")]
    fields += ["objective.horizon", "decision.cases"]
    result = {
        "level": worst(findings),
        "counts": {level: sum(f.level == level for f in findings) for level in LEVELS},
        "findings": [finding.as_json() for finding in findings],
    }
    return evidence.record(spec.root, "check", result, reads={f: spec.digest(f) for f in fields}, data=data)


def show(findings: Sequence[Finding]) -> None:
    """Print the findings as a table on stdout, the gravest last, where people look."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Level", "Id", "Where", "What"):
        table.add_column(name, overflow="fold")
    for finding in sorted(findings, key=lambda f: LEVELS.index(f.level)):
        what = Text(finding.what)
        if finding.advice:
            what.append(f" {finding.advice}", "italic")
        for item in list(finding.affected)[:_SHOWN] if finding.level != "pass" else ():
            what.append(f"\n  {item}", "dim")
        if finding.level != "pass" and len(finding.affected) > _SHOWN:
            what.append(f"\n  and {len(finding.affected) - _SHOWN:,} more (evidence/check.json names all)", "dim")
        table.add_row(Text(finding.level, _COLOURS[finding.level]), finding.id, Text(finding.where), what)
    console = Console(file=sys.stdout, soft_wrap=False, width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(Text(summary(findings)))


def summary(findings: Sequence[Finding]) -> str:
    """One sentence: how many of each level, the gravest first."""
    counts = [(sum(f.level == level for f in findings), level) for level in reversed(LEVELS)]
    return "Data availability: " + ", ".join(f"{number} {level}" for number, level in counts if number) + "."


@contextmanager
def pool(workers: int | None, dask: str | None = None, files: int = 0) -> Iterator[Executor | None]:
    """Where files are read.

    Args:
        workers: Processes; 1 means this one. When None, this process for few files, copies of it for some (a fresh one
            takes half a second to start), fresh ones for many.
        dask: Address of a Dask scheduler to use instead.
        files: How many files there are.

    Raises:
        EnvironmentFault: Dask is missing, or nothing answers at the address; or `workers` is no number of processes.
    """
    usual = workers is None and not dask
    with shared(1 if usual and files < SOME else workers, dask, quick=usual and files < MANY) as executor:
        yield executor


@contextmanager
def bar() -> Iterator[Progress]:
    """A progress bar on stderr, with rate and time left.

    Raises:
        KeyboardInterrupt: The run was stopped; it says what is kept.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bars,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    # It is drawn when something happened, without a thread of its own, so that workers may be copies of this process.
    with Bars(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bars:
        tasks: dict[str, TaskID] = {}
        shown = 0.0

        def tell(name: str, done: int, total: int) -> None:
            nonlocal shown
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total, rate="")
            elif time.monotonic() < shown + OFTEN and done < total == bars.tasks[tasks[name]].total:
                return
            shown = time.monotonic()
            speed = bars.tasks[tasks[name]].speed
            bars.update(tasks[name], completed=done, total=total, rate=f"{speed:,.0f}/s" if speed else "", refresh=True)

        try:
            yield tell
        except KeyboardInterrupt:
            bars.stop()
            files = any((task.total or 0) > 1 for task in bars.tasks)
            kept = " What was read so far is kept: the next check goes on from there." if files else ""
            raise KeyboardInterrupt(f"Stopped.{kept}") from None
