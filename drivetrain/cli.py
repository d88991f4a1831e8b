"""The command line: parses, calls, prints.

Results go to stdout, progress to stderr. Exit 0: done, nothing failed. 1: something that must not pass. 2: wrong use,
or a plan that cannot be read. Rooms are imported by the command that needs them, so that `--help` stays light.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import drivetrain
from drivetrain.errors import DrivetrainError
from drivetrain.meetings import checklist, review, sign, tour
from drivetrain.printing import PLAN, as_format, display, exit_unless_passed, print_findings, print_json

if TYPE_CHECKING:
    from drivetrain.findings import Finding
    from drivetrain.spec import Spec

TEMPLATE = click.option(
    "--template", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A fork of drivetrain's template."
)


class Group(click.Group):
    """Commands in the order in which a project meets them, and errors without tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of definition, not of the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a fault that we can explain ends it with its message and its exit code."""
        try:
            finish_interrupted()
            return super().invoke(ctx)
        except DrivetrainError as error:
            click.echo(error.message, err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            # `drivetrain … | head` closes our output early. Python would complain once more when it flushes at exit.
            _hush()
            ctx.exit(0)
        except OSError as error:
            # A disk that is full, a file that may not be read: the system says which and why.
            _hush()
            click.echo(f"{error.filename or 'the output'}: {error.strerror or error}.", err=True)
            ctx.exit(2)


def _hush() -> None:
    """Let what could not be printed go, or Python complains once more when it flushes at exit."""
    with suppress(OSError, ValueError):  # in a test there is no file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(drivetrain.__version__, prog_name="drivetrain")
def main() -> None:
    """From a plan (objective, levers, data, models) to a project that checks, trains, decides and serves."""


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
def schema() -> None:
    """Print the JSON Schema of the plan language, for editors."""
    from drivetrain.spec import schema as plan_schema

    print_json(plan_schema())


@main.command()
@PLAN
@click.option("--seed", type=int, default=42, show_default=True, help="The same seed gives the same bytes.")
def sample(plan: Path | None, seed: int) -> None:
    """Write data that fit a plan, where there are none yet."""
    from drivetrain.sample import write
    from drivetrain.spec import load_spec

    spec = load_spec(plan)
    for path in write(spec, spec.root, seed=seed):
        click.echo(display(path))


@main.command()
@PLAN
@click.option("--source", metavar="NAME", help="Only this source.")
@click.option("--pause", type=click.FloatRange(0), help="Seconds between two requests to one server.")
def collect(plan: Path | None, source: str | None, pause: float | None) -> None:
    """Fetch data that are still to be collected, with their licences; go on where it stopped."""
    from drivetrain import collect as room
    from drivetrain.spec import load_spec

    done = room.collect(load_spec(plan), source, pause=pause, say=lambda line: click.echo(line, err=True))
    for one in done:
        click.echo(one.summary)
    if not all(one.complete for one in done):
        sys.exit(1)


@main.command()
@PLAN
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes that read files.")
@click.option("--dask", metavar="ADDRESS", help="A Dask scheduler that reads them instead.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with pictures, too.")
@as_format("text", "json")
def check(plan: Path | None, workers: int | None, dask: str | None, page: Path | None, form: str) -> None:
    """Say whether the data are there, and enough for this plan."""
    from drivetrain import availability
    from drivetrain.spec import load_spec

    spec = load_spec(plan)
    findings = availability.watched(spec, workers=workers, dask=dask)
    print_findings(findings, form)
    if page is not None:
        from drivetrain.availability.page import write

        click.echo(f"With pictures: {display(write(spec, findings, page))}", err=form == "json")
    exit_unless_passed(findings)


@main.command()
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
    # A fifth of this command's moment would go into looking for cycles in what it loads, now and then and at the end.
    gc.disable()
    atexit.register(gc.freeze)
    from drivetrain import project

    made = project.new(chosen(plan, example), into, vendor=vendor, dry_run=dry_run, template=template)
    if dry_run:
        click.echo("\n".join(made.files))
        return
    click.echo(f"{display(made.path)}: {len(made.files)} files. Next: cd {display(made.path)} && make check")


@main.command()
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


@main.command()
@click.argument("folder", metavar="[PROJECT]", default=".", type=click.Path(path_type=Path))
def undo(folder: Path) -> None:
    """Take the last update of a project back, exactly."""
    from drivetrain import project

    done = project.undo(folder)
    click.echo(f"{display(done.path)}: {len(done.files)} files are again as they were before the last update.")


for command in (checklist, review, sign, tour):
    main.add_command(command)


@main.command()
@as_format("text", "json")
def doctor(form: str) -> None:
    """Say whether this environment is able to train and to serve."""
    from drivetrain.doctor import examine

    findings = examine()
    print_findings(findings, form)
    exit_unless_passed(findings)


def finish_interrupted() -> None:
    """Put right what an update that was killed has left in the project around this folder."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / ".drivetrain" / "pending").is_dir() or (folder / ".drivetrain" / "done").is_dir():
            from drivetrain import project

            if project.recover(folder):
                click.echo(f"{display(folder)}: put right what an interrupted update had left.", err=True)


def chosen(plan: Path | None, example: str | None) -> Spec:
    """The plan to work with: the user's own, or one of the gallery."""
    from drivetrain.spec.view import look

    if example is None:
        return look(plan)
    if plan is not None:
        raise click.UsageError("Give a plan or --example, not both.")
    from drivetrain.examples import path

    return look(path(example))


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
