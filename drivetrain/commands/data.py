"""Commands about data: make up some, fetch them, say whether they are there and enough."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import click

from drivetrain.commands.printing import PLAN, as_format, display, exit_unless_passed, print_findings

FEW = 5
"""Files of a folder that are still named one by one."""


@click.command()
@PLAN
@click.option("--seed", type=int, default=42, show_default=True, help="The same seed gives the same bytes.")
def sample(plan: Path | None, seed: int) -> None:
    """Write data that fit a plan, where there are none yet."""
    from drivetrain.sample import write
    from drivetrain.spec import load_spec

    spec = load_spec(plan)
    for line in _listed(write(spec, spec.root, seed=seed)):
        click.echo(line)


def _listed(paths: Iterable[Path]) -> Iterator[str]:
    """A line for each file; one for all of a folder that are of one kind, where they are many."""

    def kind(path: Path) -> tuple[Path, str]:
        return path.parent, path.suffix

    for _, alike in groupby(sorted(sorted(paths), key=kind), kind):
        first, *others = alike
        if len(others) < FEW:
            yield from map(display, (first, *others))
        else:
            yield f"{display(first)} to {others[-1].name}, {len(others) + 1:,} files"


@click.command()
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


@click.command()
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
