"""The page that `make drift` writes: one file, no script, nothing from elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.serving.compare import MODERATE
from drivetrain.serving.watch import Watched, watch

if TYPE_CHECKING:
    from drivetrain.spec import Spec

NAME = "drift.html"
SHOWN = 26
"""Windows in a small chart: half a year of weeks."""


def drift(spec: Spec, arguments: list[str] | None = None) -> int:
    """Write the page and the evidence, and say what was found.

    Args:
        spec: The plan.
        arguments: Of the command line.

    Returns:
        1 when the newest window alarms, else 0.

    Raises:
        DrivetrainError: There is no log, or nothing to compare it with.
    """
    parser = argparse.ArgumentParser(description="Compare what was served with what the policy was judged on.")
    parser.add_argument("-o", "--output", type=Path, default=spec.root / NAME, help="the page (default: drift.html)")
    options = parser.parse_args(arguments)
    watched = watch(spec)
    evidence.write_whole(options.output, page(watched))
    newest = watched.windows[-1]
    evidence.record(spec.root, "drift", summary(watched), reads={}, data={})
    many = f"{len(watched.windows)} window{'s' if len(watched.windows) > 1 else ''}"
    print(f"{many}; the newest, from {newest.begins}, holds {newest.decisions} decisions.")
    for alarm in newest.actions:
        print(f"ALARM  {alarm}")
    for change in newest.changes:
        if change.alarm:
            print(f"ALARM  {change.series}: {change.told} (PSI {change.psi:.2f}, p {change.p:.1g})")
    if not newest.alarm:
        print("Nothing has changed beyond chance.")
    print(options.output)
    return 1 if newest.alarm else 0


def summary(watched: Watched) -> dict[str, Any]:
    """What is kept as evidence."""
    return {
        "windows": [
            {
                "begins": window.begins,
                "decisions": window.decisions,
                "deferred": window.deferred,
                "outside": window.outside,
                "alarms": [str(alarm) for alarm in window.actions]
                + [f"{change.series}: {change.told}" for change in window.changes if change.alarm],
            }
            for window in watched.windows
        ],
        "labels": {
            "came_back": watched.labels.came_back,
            "shaped": watched.labels.shaped,
            "drawn": watched.labels.drawn,
        },
    }


def page(watched: Watched) -> str:
    """The page; every text of a case or the plan is escaped where it is put in."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = [change.series for change in watched.windows[-1].changes]
    courses = {name: _course(watched, name) for name in names}
    text: str = environment.get_template("drift.jinja").render(watched=watched, courses=courses, moderate=MODERATE)
    return text


def _course(watched: Watched, series: str) -> Sequence[tuple[float, bool, str]]:
    """PSI of one series over the windows: height from 0 to 1 (PSI of 0.5 and more), whether it alarmed, and a title."""
    found = []
    for window in watched.windows[-SHOWN:]:
        change = next((change for change in window.changes if change.series == series), None)
        psi = change.psi if change is not None else 0.0
        found.append((min(1.0, psi / 0.5), change is not None and change.alarm, f"{window.begins}: PSI {psi:.2f}"))
    return found
