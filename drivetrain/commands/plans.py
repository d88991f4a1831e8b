"""Commands about a plan: write it, judge it, explain it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.commands.printing import PLAN, as_format, display, exit_unless_passed, print_findings, print_json
from drivetrain.errors import DrivetrainError

if TYPE_CHECKING:
    from drivetrain.findings import Finding
    from drivetrain.spec import Spec


@click.command()
@click.argument("plan", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--example", metavar="NAME", help="Start from a plan of the gallery.")
@click.option("--short", is_flag=True, help="Ask only what a plan cannot do without; without it, the rest.")
@click.option("--no-input", is_flag=True, help="Ask nothing: write the questions into the plan.")
def init(plan: Path | None, example: str | None, short: bool, no_input: bool) -> None:
    """Write a plan in an interview that teaches the approach; go on with one that was left."""
    from drivetrain import interview as room
    from drivetrain.examples import path
    from drivetrain.spec import load_spec

    file = plan or Path("drivetrain.yaml")
    file = file / "drivetrain.yaml" if file.is_dir() else file
    if example:
        room.copy_example(file, path(example).read_text(encoding="utf-8"))
        click.echo(f"{display(file)}: the plan `{example}`, to be made your own. Next: drivetrain validate")
        return
    if no_input:
        room.blank(file, file.resolve().parent.name.strip()[:100] or "New project")
        click.echo(f"{display(file)}: a plan that asks everything. Answer it in the file, or: drivetrain init")
        return
    if room.interview(file, read_line, click.echo, short=short):
        click.echo(f"\nThe plan: {display(file)}")
        print_questions(load_spec(file))
        if short:
            click.echo("The rest is asked by: drivetrain init")
        click.echo("Next: drivetrain validate, drivetrain review, and when data and models stand: drivetrain new")


@click.command()
@as_format("text", "json")
def examples(form: str) -> None:
    """List the gallery of complete plans."""
    from drivetrain.examples import gallery

    entries = gallery()
    if form == "json":
        print_json([{"name": e.name, "summary": e.summary, "tasks": list(e.tasks)} for e in entries])
        return
    width = max(len(e.name) for e in entries)
    for entry in entries:
        click.echo(f"{entry.name:<{width}}  {entry.summary}  ({', '.join(entry.tasks)})")


@click.command()
@PLAN
@as_format("text", "json")
def validate(plan: Path | None, form: str) -> None:
    """Say what is wrong with a plan, line by line: its structure, then whether it makes sense."""
    from drivetrain.errors import SpecError
    from drivetrain.spec.check import check_file, find

    try:
        document = check_file(plan)
    except SpecError as error:
        if form != "json" or not error.findings:
            raise
        print_findings(error.findings, form)
        sys.exit(error.exit_code)
    sound = not any(finding.level == "fail" for finding in document.findings)
    coherent: list[Finding] = []
    if sound:
        from drivetrain import rules
        from drivetrain.spec.view import view

        # Typed parts take longer to build than to judge, and rules ask for a few fields only.
        spec = view(document, find(plan))
        coherent = rules.judge(spec)
    if form == "json":
        print_findings([*document.findings, *coherent], form)
    else:
        for finding in document.findings:
            click.echo(str(finding) if finding.level == "fail" else f"{finding} ({finding.level})", err=not sound)
    if not sound:
        sys.exit(SpecError.exit_code)
    if form == "text":
        parts = [name for name in ("objective", "levers", "data", "models") if document.clean.get(name)]
        said = f"a plan with {', '.join(parts) or 'a name'}; nothing is wrong with its structure."
        click.echo(f"{document.filename}: {said}")
        for path, (question, owner, due) in document.open_questions():
            click.echo(f"  open: {path}: {question} ({owner}, due {due})")
        print_findings(coherent, form)
        print_questions(spec, coherent)
    exit_unless_passed(coherent)


@click.command()
@click.argument("topic", nargs=-1)
@as_format("text", "json")
def explain(topic: tuple[str, ...], form: str) -> None:
    """Explain a field, rule, finding, question of the checklist, task, stage or word."""
    from drivetrain import explain as room

    if not topic:
        known = room.topics()
        if form == "json":
            print_json(known)
            return
        for kind, names in known.items():
            shown = [name for name in names if "." not in name] if kind == "field" else names
            click.echo(click.wrap_text(f"{kind}: {', '.join(shown)}", 100, "", "  "))
        return
    found = room.explain(" ".join(topic), nearest_plan())
    if form == "json":
        print_json([entry.as_json() for entry in found])
        return
    for place, entry in enumerate(found):
        click.echo(("\n" if place else "") + click.wrap_text(f"{entry.name} ({entry.kind}): {entry.text}", 100))
        for about, text in entry.more:
            click.echo(click.wrap_text(f"{about}: {text}", 100, "  ", "    "))


@click.command()
def schema() -> None:
    """Print the JSON Schema of the plan language, for editors."""
    from drivetrain.spec import schema as plan_schema

    print_json(plan_schema())


def read_line(prompt: str) -> str:
    """A line that somebody types, with the editing keys where Python has them."""
    if sys.stdin.isatty():
        with suppress(ImportError):
            import readline  # noqa: F401
    return input(prompt)


def print_questions(spec: Spec, found: Sequence[Finding] | None = None) -> None:
    """The next questions to ask about a plan, most useful first."""
    from drivetrain import rules

    asked = rules.questions(spec, found=found)
    if asked:
        click.echo("The next questions:")
    for question in asked:
        click.echo(f"  {question}  [{question.path}]")


def nearest_plan() -> Spec | None:
    """The plan of this folder or above, if there is one that can be read."""
    from drivetrain.spec import load_spec

    try:
        return load_spec()
    except DrivetrainError:
        return None
