"""From predictions to actions: make the policy, and compare it with the ones it must beat.

The models are only half of the answer. This step asks what each policy (do nothing, today's, a simple rule, acting on
the likeliest class, the optimized one) is worth in the unit of the objective, on cases that no model has seen.

    python -m <package>.decide          make the policy: artifacts/policy.json, evidence/decide.json
    python -m <package>.decide --last   show the last comparison again
    python -m <package>.decide --set price=95      what if: a lever, a constant or a column at another value
"""

import argparse

from drivetrain import load_spec, run
from drivetrain.decision import decide, last, show, show_what_if, what_if


def main() -> None:
    """Decide, record, and print the table."""
    parser = argparse.ArgumentParser(description="Compare policies in the objective's unit.")
    parser.add_argument("--last", action="store_true", help="show the last comparison; compute nothing")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="what if? nothing is written")
    arguments = parser.parse_args()
    changes = dict(text.partition("=")[::2] for text in arguments.set)
    plan = load_spec()
    if changes:
        show_what_if(what_if(plan, changes))
        return
    show(last(plan.root) if arguments.last else decide(plan).result)


if __name__ == "__main__":
    run(main)
