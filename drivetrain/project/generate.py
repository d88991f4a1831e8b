"""`drivetrain new`: stage, verify, put in place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from drivetrain.errors import ProjectError
from drivetrain.project import record
from drivetrain.project import template as templates
from drivetrain.project.names import check_slug
from drivetrain.project.origin import origin as find_origin
from drivetrain.project.render import ANSWERS, CHECKLIST, render
from drivetrain.project.staging import free, place, staging, why, write
from drivetrain.project.verify import verify

if TYPE_CHECKING:
    from drivetrain.spec import Spec


class Generated(NamedTuple):
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
    source, where = templates.load(template), find_origin(vendor)
    files = render(spec, source, where, target)
    files[record.FILE] = record.entry(files, spec, source, where, spec.slug, spec.package)
    verify(files, given={record.PLAN, ANSWERS, CHECKLIST, record.FILE})
    if not dry_run:
        try:
            with staging(into) as stage:
                write(stage / spec.slug, files)
                place(stage / spec.slug, target)
        except OSError as error:
            raise ProjectError(f"writing failed ({why(error)}). Nothing was changed.", where=str(target)) from error
    return Generated(target, tuple(sorted(files)))


def _read(plan: str | Path | Spec) -> Spec:
    if not isinstance(plan, str | Path):
        return plan
    from drivetrain.spec.view import look

    return look(plan)  # building typed parts would take longer than all the rest
