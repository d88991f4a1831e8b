"""Is the data there, and enough for this plan?

`check` judges, `record` keeps it as evidence, `run` does both and shows it, `own_check` adds the team's own questions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.availability.engine import check
from drivetrain.availability.own import OwnCheck, own_check, registered
from drivetrain.availability.report import record
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from drivetrain.spec import Spec

__all__ = ["Finding", "OwnCheck", "check", "own_check", "record", "run"]

MANY = 2_000
"""Files from which on starting further processes pays."""


def run(spec: Spec, *, workers: int | None = None, dask: str | None = None) -> int:
    """Check, show the findings, and record them in `evidence/check.json`.

    Args:
        spec: The plan.
        workers: Processes that read files; when None one for each core, or just this one for few files.
        dask: Address of a Dask scheduler that reads them instead.

    Returns:
        Exit code: 1 when something failed, else 0. An unknown closes gates, but does not fail the check.
    """
    from drivetrain.availability import report

    if workers is None and _files(spec) < MANY:
        workers = 1
    with report.pool(workers, dask) as executor, report.bar() as progress:
        findings = check(spec, executor=executor, progress=progress, own=registered())
    record(spec, findings)
    report.show(findings)
    return int(any(finding.level == "fail" for finding in findings))


def _files(spec: Spec) -> int:
    """Files that are rows of their own, in all sources that are there."""
    from drivetrain.errors import DrivetrainError
    from drivetrain.source import locate

    number = 0
    for source in spec.data:
        try:
            files = locate(spec, source)
        except DrivetrainError:
            continue
        number += len(files.paths) if files.media else 0
    return number
