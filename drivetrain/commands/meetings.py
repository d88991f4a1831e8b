"""The commands around which people meet: checklist, review, sign, tour."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drivetrain.commands.printing import PLAN, as_format, display, print_findings
from drivetrain.stages import STAGES, Stage

if TYPE_CHECKING:
    from drivetrain.review import Review
    from drivetrain.spec import Spec

STAGE = click.Choice(STAGES)


@click.command()
@PLAN
@as_format("text", "json")
@click.option("--add", is_flag=True, help="Add the questions that checklist.yaml does not have yet.")
@click.option(
    "--answer", metavar="KEY", help="Answer a question; with --status, --owner, --note, --evidence, --expires."
)
@click.option("--status", type=click.Choice(("yes", "no", "not applicable", "unknown")), help="The answer.")
@click.option("--owner", help="Who stands for it.")
@click.option("--note", help="The reason.")
@click.option("--evidence", multiple=True, metavar="FILE", help="A file it rests on; its hash is written down.")
@click.option("--expires", metavar="DATE", help="When it must be answered again, like 2027-01-31.")
@click.option(
    "--import", "imported", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A deon checklist."
)
@click.option("--export", type=click.Choice(("deon", "deon-markdown")), help="Print the checklist as deon reads it.")
def checklist(
    plan: Path | None,
    form: str,
    add: bool,
    answer: str | None,
    imported: Path | None,
    export: str | None,
    **values: Any,
) -> None:
    """List what is open on the bias checklist; answer it, or exchange it with deon."""
    from drivetrain import checklist as room
    from drivetrain.findings import passes
    from drivetrain.spec import load_spec

    spec = load_spec(plan)
    if export:
        click.echo(room.export_deon(spec, export), nl=False)
        return
    if imported:
        done = room.import_deon(spec, imported)
        for word, names in (
            ("answered", done.answered),
            ("open", done.open),
            ("kept", done.kept),
            ("unmapped", done.unknown),
        ):
            for name in names:
                click.echo(f"{word:<9} {name}", err=form == "json")
    if add:
        for name in room.add(spec):
            click.echo(f"added     {name}", err=form == "json")
    given = {key: value for key, value in values.items() if value}
    if given and not answer:
        raise click.UsageError(f"--{next(iter(given))} needs --answer KEY.")
    if answer:
        room.answer(spec, answer, given)
    findings = room.open_items(spec.root if spec.path is None else spec.path)
    print_findings(findings, form)
    if form == "text":
        click.echo(room.summary(findings, spec.stage))
    if not passes(findings):
        sys.exit(1)


@click.command()
@PLAN
@as_format("html", "markdown", "json", "sarif", "junit", default=None)
@click.option("--against", metavar="FILE, REVISION or last", help="Say what changed since.")
@click.option("--gate", type=STAGE, help="Exit 1 when this gate lacks something.")
def review(plan: Path | None, form: str | None, against: str | None, gate: Stage | None) -> None:
    """Hold the planning review: everything that is known, in the order of the approach."""
    from drivetrain import review as room
    from drivetrain.evidence import write_whole
    from drivetrain.spec import load_spec

    spec = load_spec(plan)
    held = room.build(spec, against=against)
    if form:
        click.echo(room.render(held, form), nl=False)
    else:
        path = spec.root / "review.html"
        write_whole(path, room.render(held, "html"))
        click.echo(f"The review: {display(path)}")
        _follow_up(spec, held)
    if gate:
        lacking = room.closed(held.gates, gate)
        for missing in lacking:
            owed = f"{missing.owner or 'nobody yet'}{f', by {missing.due}' if missing.due else ''}"
            click.echo(f"{missing.where}: {missing.what} ({owed})", err=True)
        click.echo(f"The gate of stage {gate} lacks {len(lacking) or 'nothing'}.", err=True)
        if lacking:
            sys.exit(1)


def _follow_up(spec: Spec, held: Review) -> None:
    """In a project, keep the review for the next `--against last`, and write stale documents anew."""
    from drivetrain import project
    from drivetrain import review as room

    if not (spec.root / "evidence").is_dir() and not (spec.root / ".drivetrain").is_dir():
        return
    room.keep(spec, held)
    if held.stale_documents:
        for name, kept in project.rewrite(spec.root, room.documents(spec, held)).items():
            click.echo(f"Written anew: {display(spec.root / name)}")
            if kept:
                click.echo(f"Kept: {display(spec.root / kept)} holds what was edited in {name}")


@click.command()
@click.argument("stage", type=STAGE)
@PLAN
@click.option("--condition", multiple=True, metavar="TEXT", help="What the approval depends on.")
@click.option("--dissent", multiple=True, metavar="TEXT", help="What somebody said against it.")
def sign(stage: Stage, plan: Path | None, condition: tuple[str, ...], dissent: tuple[str, ...]) -> None:
    """Put an approval of a gate on record, in your name as git knows it."""
    from drivetrain import review as room
    from drivetrain.spec import load_spec

    spec = load_spec(plan)
    held = room.build(spec)
    path = room.sign(spec, stage, room.closed(held.gates, stage), conditions=condition, dissent=dissent)
    click.echo(f"Signed: {display(path)}. Commit it: the commit is the proof.")


@click.command()
@PLAN
def tour(plan: Path | None) -> None:
    """Show a newcomer the plan, step by step, and ask twelve questions at the end."""
    from drivetrain import review as room
    from drivetrain.spec import load_spec

    waits = sys.stdin.isatty() and sys.stdout.isatty()
    for stop in room.tour(load_spec(plan)):
        click.echo(click.style(f"\n{stop.title}", bold=True))
        for line in stop.lines:
            click.echo(click.wrap_text(line, 100, "  ", "    "))
        if stop.answer:
            if waits:
                click.pause("  Enter shows the answer …")
            for line in stop.answer:
                click.echo(click.wrap_text(line, 100, "  = ", "    "))
        if waits:
            click.pause("  Enter goes on …")
