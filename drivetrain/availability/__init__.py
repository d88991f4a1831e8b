"""Is the data there, and enough for this plan?

`check` judges, `record` keeps it as evidence, `run` does both and shows it, `own_check` adds the team's own questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drivetrain.availability.engine import check
from drivetrain.availability.own import OwnCheck, own_check, registered
from drivetrain.availability.report import record
from drivetrain.findings import Finding

if TYPE_CHECKING:
    import argparse

    from drivetrain.spec import Spec

__all__ = ["Finding", "OwnCheck", "check", "own_check", "record", "run", "watched"]


def run(spec: Spec, arguments: Sequence[str] = ()) -> int:
    """Check, show the findings, and keep them: `evidence/check.json` for machines, `evidence/check.html` for people.

    Args:
        spec: The plan.
        arguments: What stood behind the command: `--workers N` or `--dask ADDRESS`.

    Returns:
        Exit code: 1 when something failed, else 0. An unknown closes gates, but does not fail the check.
    """
    from drivetrain.availability import page, report

    asked = _asked(arguments)
    findings = watched(spec, workers=asked.workers, dask=asked.dask, own=registered())
    record(spec, findings)
    shown = page.write(spec, findings, spec.root / "evidence" / "check.html")
    report.show(findings)
    print(f"With pictures: {shown.relative_to(spec.root).as_posix()}")
    return int(any(finding.level == "fail" for finding in findings))


def watched(
    spec: Spec, *, workers: int | None = None, dask: str | None = None, own: Sequence[OwnCheck] = ()
) -> list[Finding]:
    """`check` with a progress bar on stderr.

    Args:
        spec: The plan.
        workers: Processes that read files; when None as many threads or processes as there are cores.
        dask: Address of a Dask scheduler that reads them instead.
        own: The team's own checks.
    """
    from drivetrain.availability import report
    from drivetrain.source.read import opened_once

    with opened_once(), report.pool(workers, dask, _files(spec)) as executor, report.bar() as progress:
        return check(spec, executor=executor, progress=progress, own=own)


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    import argparse

    parser = argparse.ArgumentParser(description="Is the data there, and enough of it?")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that read files")
    parser.add_argument("--dask", metavar="ADDRESS", help="a Dask scheduler that reads them instead")
    return parser.parse_args(list(arguments))


def _files(spec: Spec) -> int:
    """Files that are rows of their own, in all sources that are there."""
    from drivetrain.errors import DrivetrainError
    from drivetrain.source.read import open_rows

    number = 0
    for source in spec.data:
        if not source.kind.startswith(("images", "audio")):
            continue
        try:
            rows = open_rows(spec, source.name)
        except DrivetrainError:
            continue
        number += rows.count if "path" in rows and not rows.files else 0
    return number
