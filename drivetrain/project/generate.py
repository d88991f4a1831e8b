"""`drivetrain new`: stage, verify, put in place."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.errors import ProjectError
from drivetrain.project import record
from drivetrain.project import template as templates
from drivetrain.project.names import check_slug
from drivetrain.project.origin import origin as find_origin
from drivetrain.project.render import ANSWERS, CHECKLIST, PLAN, render
from drivetrain.project.staging import free, place, staging, why
from drivetrain.project.verify import verify

if TYPE_CHECKING:
    from drivetrain.spec import Spec


@dataclass(frozen=True, slots=True)
class Generated:
    """A project that was generated, or would be.

    Attributes:
        path: The project's folder.
        files: Its files, relative to `path`, with slashes, sorted.
    """

    path: Path
    files: tuple[str, ...]


def new(
    plan: str | Path | Spec,
    into: str | Path = ".",
    *,
    vendor: bool = False,
    dry_run: bool = False,
    template: Path | None = None,
) -> Generated:
    """Generate the project of a plan.

    Args:
        plan: The plan, its file, or a folder with a `drivetrain.yaml`.
        into: Folder in which the project's own folder is made.
        vendor: Put a wheel of this drivetrain into the project's `vendor/`.
        dry_run: Do everything but put the project in place.
        template: Another template than drivetrain's own, for teams that forked it.

    Returns:
        Where the project is, and its files.

    Raises:
        SpecError: The plan cannot be read.
        TargetError: The target is in the way; everything is as it was.
        ProjectError: A name that cannot be one, a task without a learner, or a broken template.
    """
    spec = _read(plan)
    check_slug(spec.slug, spec.package)
    into = Path(into).absolute()
    target = into / spec.slug
    free(target)
    source = template or templates.folder()
    where = find_origin(vendor)
    try:
        with _scratch() if dry_run else staging(into) as stage:
            project = render(spec, Path(stage), source, where)
            if not dry_run:
                record.write(project, spec, source, where)
            files = verify(project, given={PLAN, ANSWERS, CHECKLIST, record.FILE})
            if not dry_run:
                place(project, target)
    except OSError as error:
        raise ProjectError(f"writing failed ({why(error)}). Nothing was changed.", where=str(target)) from error
    return Generated(target, tuple(sorted({*files, record.FILE})))


def _read(plan: str | Path | Spec) -> Spec:
    if not isinstance(plan, str | Path):
        return plan
    from drivetrain.spec.view import look

    return look(plan)  # building typed parts would take longer than all the rest


def _scratch() -> AbstractContextManager[str]:
    return tempfile.TemporaryDirectory(prefix="drivetrain-", ignore_cleanup_errors=True)
