"""`python -m drivetrain`, and the command `drivetrain`."""

from __future__ import annotations

import gc


def run() -> None:
    """Run the command line."""
    # What importing it makes is there to stay: nothing in it has to be looked through for what can go.
    gc.disable()
    from drivetrain.cli import main

    gc.freeze()
    gc.enable()
    main(prog_name="drivetrain")


if __name__ == "__main__":
    run()
