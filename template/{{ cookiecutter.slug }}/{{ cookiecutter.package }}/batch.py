"""Decide many cases at once, with the constraints kept to over all of them: `python -m PACKAGE.batch new.csv`."""

from drivetrain import decision, load_spec, run
from drivetrain.serving import batch


def main() -> None:
    batch(load_spec(), decision.optimize)


if __name__ == "__main__":
    run(main)
