"""Does the world still look like the one we learned from? Writes drift.html from the service's log.

Ends with 1 when the newest window alarms, so that a scheduled job can call somebody.
"""

from drivetrain import load_spec, run
from drivetrain.serving import drift


def main() -> int:
    return drift(load_spec())


if __name__ == "__main__":
    run(main)
