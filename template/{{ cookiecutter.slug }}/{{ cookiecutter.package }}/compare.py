"""Two runs side by side: what was changed in the plan, and what came of it, in the objective's own unit.

python -m <package>.compare             the last two runs
python -m <package>.compare RUN RUN     any two of evidence/runs/; the beginning of a name is enough
"""

import argparse

from drivetrain import load_spec, review, run
from drivetrain.training.compare import chosen, compare, show


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare two runs.")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="a run, or the beginning of its name")
    root = load_spec().root
    first, second = chosen(root, parser.parse_args().runs[:2])
    plans = [root / "evidence" / "runs" / name / "drivetrain.yaml" for name in (first, second)]
    if all(plan.exists() for plan in plans):
        for change in review.compare(*(load_spec(plan) for plan in plans)):
            print(f"- {change.what}")
    show(compare(root, first, second))


if __name__ == "__main__":
    run(main)
