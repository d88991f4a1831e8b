"""The command line: finds the command that was named, and tells faults without tracebacks.

Results go to stdout, progress to stderr. Exit 0: done, nothing failed. 1: something that must not pass. 2: wrong use,
or a plan that cannot be read. A command is loaded when it is named, and so are the rooms it needs, so that each of
them starts at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import drivetrain
from drivetrain.errors import DrivetrainError

# In the order in which a project meets them, each with its module of `drivetrain.commands`.
_COMMANDS = {
    "init": "plans",
    "examples": "plans",
    "validate": "plans",
    "explain": "plans",
    "schema": "plans",
    "sample": "data",
    "collect": "data",
    "check": "data",
    "new": "projects",
    "update": "projects",
    "undo": "projects",
    "checklist": "meetings",
    "review": "meetings",
    "sign": "meetings",
    "tour": "meetings",
    "doctor": "projects",
}
_STEPS = ("train", "decide", "audit", "serve", "drift")
"""Steps of a project, whose code belongs to the team: they are run there, by `make`."""


class Group(click.Group):
    """Commands that are loaded when they are named, and errors without tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a project, not of the alphabet."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"drivetrain.commands.{_COMMANDS[cmd_name]}"), cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command that was meant; of a step of a project, where it is run; of a slip, the nearest."""
        name = args[0]
        if name in _STEPS:
            ctx.fail(f"`{name}` is a step of a project: run `make {name}` in its folder.")
        if name not in _COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches  # who makes no slip does without it

            if near := get_close_matches(name, _COMMANDS, 1):
                ctx.fail(f"there is no command `{name}`. Did you mean `{near[0]}`?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a fault that we can explain ends it with its message and its exit code."""
        try:
            finish_interrupted()
            return super().invoke(ctx)
        except DrivetrainError as error:
            click.echo(error.message, err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt as stop:
            click.echo(str(stop) or "Stopped.", err=True)
            ctx.exit(130)
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


def finish_interrupted() -> None:
    """Put right what an update that was killed has left in the project around this folder."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".drivetrain" / "pending").is_dir() or (folder / ".drivetrain" / "done").is_dir():
            from drivetrain import project
            from drivetrain.commands.printing import display

            if project.recover(folder):
                click.echo(f"{display(folder)}: put right what an interrupted update had left.", err=True)
