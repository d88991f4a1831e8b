"""`python -m drivetrain`, and the command `drivetrain`."""

from __future__ import annotations

import atexit
import gc
import os
import sys


def run() -> None:
    """Run the command line."""
    ended: list[int] = []
    atexit.register(_leave, ended)  # before all others, which therefore run before it
    # What importing it makes is there to stay: nothing in it has to be looked through for what can go.
    gc.disable()
    from drivetrain.cli import main

    gc.freeze()
    gc.enable()
    try:
        main(prog_name="drivetrain")
    except SystemExit as end:
        if isinstance(end.code, int):
            ended.append(end.code)
        raise


def _leave(ended: list[int]) -> None:
    """Spare Python the taking apart of all it has loaded: threads have ended and all else is cleaned up by now."""
    if ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended[0])


if __name__ == "__main__":
    run()
