"""How the command line prints: findings, JSON, paths; and the options that its commands share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from drivetrain.findings import Finding

F = TypeVar("F", bound=Callable[..., Any])
PLAN = click.argument("plan", metavar="[PLAN or PROJECT]", required=False, type=click.Path(path_type=Path))


def as_format(*choices: str, default: str | None = "text") -> Callable[[F], F]:
    """The `--format` option with these choices."""
    return click.option("--format", "form", type=click.Choice(choices), default=default, help="How to print.")


def print_json(data: object) -> None:
    """JSON on stdout."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_findings(findings: Sequence[Finding], form: str) -> None:
    """All of them as JSON, or one line each with the gravest last, where people look."""
    from drivetrain.findings import LEVELS

    if form == "json":
        print_json({"findings": [f.as_json() for f in findings]})
        return
    for finding in sorted(findings, key=lambda f: LEVELS.index(f.level)):
        click.echo(f"{finding.level:<7} {finding.id}  {finding}")
        shown = list(finding.affected)[:5]
        for name in shown:
            click.echo(f"          {name}")
        if len(finding.affected) > len(shown):
            click.echo(f"          and {len(finding.affected) - len(shown)} more (--format json names all)")


def exit_unless_passed(findings: Sequence[Finding]) -> None:
    """Exit 1 when something failed. An unknown is shown, and closes gates, but does not fail a check."""
    if any(f.level == "fail" for f in findings):
        sys.exit(1)


def display(path: Path | None) -> str:
    """A path as a person would type it from here."""
    if path is None:
        return "the plan"
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
