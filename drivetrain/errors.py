"""Every error that a user can meet.

::

    DrivetrainError            exit 2 unless stated otherwise
    ├── SpecError              the plan cannot be read, or a part that is needed is not there yet
    │   └── MissingPartError   code asked `spec.require(...)` for a part that is absent or unknown
    ├── FormulaError           a formula that does not parse, or names or types that do not fit
    ├── DataError              a source that is missing, empty or unreadable
    ├── ArtifactError          a trained model that is missing, tampered with or of another version
    ├── TrainingError          training could not start or finish
    ├── PolicyError            no policy can be made: infeasible, unbounded, or a prediction that is no number
    ├── EvidenceError          a record of an earlier step that is missing or cannot be read
    ├── ProjectError           a project cannot be generated or updated
    │   └── TargetError        the target folder is in the way
    ├── ServiceError           the service cannot start (a port in use, for example)
    ├── EnvironmentFault       a package that is missing or does not fit the others
    └── GateError              something that must not pass: exit 1

Messages are written for people: where, what is wrong, what to do.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drivetrain.findings import Finding


class DrivetrainError(Exception):
    """A fault that is explained to the user without a traceback.

    Args:
        what: What is wrong, as one sentence.
        advice: What to do about it.
        where: The file, line, field or folder concerned.
    """

    exit_code = 2

    def __init__(self, what: str, advice: str = "", where: str = "") -> None:
        self.what, self.advice, self.where = what, advice, where
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """One line: `where: what. advice`."""
        head = f"{self.where}: " if self.where else ""
        return f"{head}{self.what}{' ' + self.advice if self.advice else ''}"


class SpecError(DrivetrainError):
    """The plan cannot be read; `findings` holds every problem, not only the first."""

    def __init__(self, what: str, advice: str = "", where: str = "", findings: Sequence[Finding] = ()) -> None:
        self.findings = tuple(findings)
        super().__init__(what, advice, where)

    @property
    def message(self) -> str:
        """The findings, one line each, or the single message."""
        return "\n".join(map(str, self.findings)) if self.findings else super().message


class MissingPartError(SpecError):
    """A part of the plan that this step needs is absent or unknown."""


class FormulaError(DrivetrainError):
    """A formula does not parse, or its names or types do not fit."""


class DataError(DrivetrainError):
    """A source is missing, empty or cannot be read."""


class ArtifactError(DrivetrainError):
    """A trained model is missing, was changed, or does not fit this version."""


class TrainingError(DrivetrainError):
    """Training could not start or finish."""


class PolicyError(DrivetrainError):
    """No policy can be computed."""


class EvidenceError(DrivetrainError):
    """A record of an earlier step is missing or cannot be read."""


class ProjectError(DrivetrainError):
    """A project cannot be generated or updated."""


class TargetError(ProjectError):
    """The target folder is in the way."""


class ServiceError(DrivetrainError):
    """The service cannot start."""


class EnvironmentFault(DrivetrainError):
    """A package is missing or does not fit the others."""


class GateError(DrivetrainError):
    """Something that must not pass."""

    exit_code = 1


def run(main: Callable[[], int | None]) -> NoReturn:
    """Run a step's `main` and end the process with its exit code.

    A `DrivetrainError` is printed for people on stderr, without a traceback. Ctrl-C ends with 130, as shells expect.
    """
    try:
        code = main() or 0
        sys.stdout.flush()
    except DrivetrainError as error:
        print(error.message, file=sys.stderr)
        code = error.exit_code
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _named():
            raise
        # A container has what its service needs and no more.
        where = "Run it in the project's own environment (`make install`), or install it: pip install"
        print(f"this step needs `{missing}`, which is not installed here. {where} {missing}.", file=sys.stderr)
        code = 2
    except KeyboardInterrupt as stop:
        print(str(stop) or "Stopped.", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        # `… | head` closes our output early. Python would complain once more when it flushes at exit.
        _hush()
        code = 0
    except OSError as error:
        # A disk that is full, a file that may not be read: the system says which and why.
        _hush()
        print(f"{error.filename or 'the output'}: {error.strerror or error}.", file=sys.stderr)
        code = 2
    sys.exit(code)


def _named() -> set[str]:
    """Packages that an extra of ours brings: of no other may people be told to install it."""
    import re
    from importlib.metadata import requires

    return {re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0].lower() for line in requires("drivetrain") or []}


def _hush() -> None:
    """Let nothing more be written to an output that is closed or full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
