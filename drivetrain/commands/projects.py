"""Commands about a project: generate it, bring it up to its plan, take that back, look at its environment."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.commands.printing import as_format, display, exit_unless_passed, print_findings
from drivetrain.errors import SpecError

if TYPE_CHECKING:
    from drivetrain.spec import Spec

TEMPLATE = click.option(
    "--template", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A fork of drivetrain's template."
)


@click.command()
@click.argument("plan", metavar="[PLAN]", required=False, type=click.Path(path_type=Path))
@click.option("--example", metavar="NAME", help="A plan of the gallery instead of your own.")
@click.option(
    "-o",
    "--output",
    "into",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where the project's folder is made.",
)
@click.option("--vendor", is_flag=True, help="Put a wheel of drivetrain into the project.")
@click.option("--dry-run", is_flag=True, help="Say what would be written; write nothing.")
@TEMPLATE
def new(plan: Path | None, example: str | None, into: Path, vendor: bool, dry_run: bool, template: Path | None) -> None:
    """Generate a project from a plan."""
    # A tenth of this command's moment would go into looking for cycles in what it loads.
    gc.disable()
    from drivetrain import project

    spec = chosen(plan, example)
    made = project.new(spec, into, vendor=vendor, dry_run=dry_run, template=template)
    if dry_run:
        click.echo("\n".join(made.files))
        return
    click.echo(f"{display(made.path)}: {len(made.files)} files. Next: cd {display(made.path)} && make check")
    for place in left_behind(spec, made.path):
        click.echo(f"`{place}` lies beside the plan. The project looks for it in its own folder: move it there.")


@click.command()
@click.argument("folder", metavar="[PROJECT]", default=".", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print what would change, as a diff; touch nothing.")
@TEMPLATE
def update(folder: Path, dry_run: bool, template: Path | None) -> None:
    """Bring a project up to its plan and template, with what the team wrote merged in."""
    from drivetrain import project

    done = project.update(folder, dry_run=dry_run, template=template)
    if dry_run:
        click.echo(done.diff, nl=False)
    for word, names in (("wrote", done.written), ("deleted", done.deleted)):
        for name in names:
            click.echo(f"{word:<8} {name}", err=dry_run)
    for word, reasons in (("kept", done.kept), ("conflict", done.conflicts)):
        for name, reason in reasons.items():
            click.echo(f"{word:<8} {name}: {reason}", err=dry_run)
    if not (done.written or done.deleted or done.conflicts):
        click.echo("Nothing to update: the project is what its plan says.", err=dry_run)
    if done.conflicts:
        click.echo("A person has to decide these. `drivetrain undo` takes the update back.", err=True)
        sys.exit(1)


@click.command()
@click.argument("folder", metavar="[PROJECT]", default=".", type=click.Path(path_type=Path))
def undo(folder: Path) -> None:
    """Take the last update of a project back, exactly."""
    from drivetrain import project

    done = project.undo(folder)
    click.echo(f"{display(done.path)}: {len(done.files)} files are again as they were before the last update.")


@click.command()
@as_format("text", "json")
def doctor(form: str) -> None:
    """Say whether this environment is able to train and to serve."""
    from drivetrain.doctor import examine

    findings = examine()
    print_findings(findings, form)
    exit_unless_passed(findings)


def left_behind(spec: Spec, folder: Path) -> list[str]:
    """Data that lie below the plan that a project was made from, and not below the project's own copy of it."""
    places = [source.location for source in spec.data if source.location]
    files = dict.fromkeys(place.removeprefix("sqlite:///").split("?table=")[0] for place in places)
    return [file for file in files if (spec.root / file).exists() and not (folder / file).exists()]


def chosen(plan: Path | None, example: str | None) -> Spec:
    """The plan to work with: the user's own, or one of the gallery."""
    from drivetrain.spec.view import look

    if plan is not None and example is not None:
        raise click.UsageError("Give a plan or --example, not both.")
    if example is None and (plan is None or plan.exists()):
        return look(plan)
    from drivetrain import examples

    if example is not None:
        return look(examples.path(example))
    if str(plan) in examples.names():
        raise SpecError("is a plan of the gallery, no file here.", f"Use `--example {plan}`.", str(plan))
    return look(plan)
