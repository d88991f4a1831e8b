"""From predictions to actions: make the policy, and compare it with the ones it must beat.

The models are only half of the answer. This step asks what each policy (do nothing, today's, a simple rule, acting on
the likeliest class, the optimized one) is worth in the unit of the objective, on cases that no model has seen.

    python -m <package>.decide          make the policy: artifacts/policy.json, evidence/decide.json
    python -m <package>.decide --last   show the last comparison again
    python -m <package>.decide --set price=95      what if: a lever, a constant or a column at another value
    python -m <package>.decide --workers 8         simulate in 8 processes, or --dask tcp://scheduler:8786
"""

import argparse

from drivetrain import load_spec, run
from drivetrain.decision import decide, last, show, show_what_if, what_if
from drivetrain.workers import pool


def main() -> None:
    """Decide, record, and print the table."""
    parser = argparse.ArgumentParser(description="Compare policies in the objective's unit.")
    parser.add_argument("--last", action="store_true", help="show the last comparison; compute nothing")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="what if? nothing is written")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that simulate")
    parser.add_argument("--dask", metavar="ADDRESS", help="a Dask scheduler that simulates instead")
    arguments = parser.parse_args()
    changes = dict(text.partition("=")[::2] for text in arguments.set)
    plan = load_spec()
    if arguments.last and not changes:
        show(last(plan.root))
        return
    with pool(arguments.workers, arguments.dask) as executor:
        if changes:
            show_what_if(what_if(plan, changes, executor))
        else:
            show(decide(plan, executor).result)


if __name__ == "__main__":
    run(main)
