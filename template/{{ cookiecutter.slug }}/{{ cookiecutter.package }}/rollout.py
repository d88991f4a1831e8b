"""How far the service may go: its share of the cases, a pause, and the way back to what was served before.

`python -m PACKAGE.rollout` says how far it goes now, `--help` what can be set. A running service follows at once.
"""

from drivetrain import load_spec, run
from drivetrain.serving import steer


def main() -> None:
    steer(load_spec())


if __name__ == "__main__":
    run(main)
