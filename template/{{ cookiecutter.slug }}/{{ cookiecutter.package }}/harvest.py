"""What was served, what was done and what came of it, as data to learn from: data/served.

Name it as a source of the plan (or let a source's `location` take it in, as in `data/customers*.parquet`), and check,
train and decide read it as any other.
"""

from drivetrain import load_spec, run
from drivetrain.serving import harvest


def main() -> None:
    harvest(load_spec())


if __name__ == "__main__":
    run(main)
