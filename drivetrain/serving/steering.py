"""`python -m <package>.rollout`: how far the service may go, and the way back."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from drivetrain.errors import ServiceError
from drivetrain.serving import history, rollout

if TYPE_CHECKING:
    from drivetrain.spec import Spec


def steer(spec: Spec, arguments: list[str] | None = None) -> None:
    """Read a command and carry it out; a running service takes it up within a second.

    Args:
        spec: The plan.
        arguments: Of the command line.

    Raises:
        ServiceError: A share that is none, or no release to go back to.
    """
    parser = argparse.ArgumentParser(description="How far the service may go. Without a command: how far it goes now.")
    commands = parser.add_subparsers(dest="command")
    share = commands.add_parser("share", help="act on this share of the cases (stage wide)")
    share.add_argument("share", type=float, help="from 0 to 1")
    pause = commands.add_parser("pause", help="act on nothing; today's way goes on")
    pause.add_argument("why", nargs="?", default="by hand", help="is shown with every answer")
    commands.add_parser("resume", help="act again, after a pause or an alarm")
    commands.add_parser("rollback", help="serve the release before the one that is served")
    commands.add_parser("newest", help="serve what lies in artifacts/ again")
    commands.add_parser("status", help="what is set, and which releases are kept")
    options = parser.parse_args(arguments)
    if options.command == "share":
        if not 0 <= options.share <= 1:
            raise ServiceError(f"{options.share:g} is no share.", "Give a number from 0 to 1.", "share")
        rollout.change(spec, share=options.share)
    elif options.command == "pause":
        rollout.change(spec, paused=options.why)
    elif options.command == "resume":
        rollout.change(spec, paused="")
    elif options.command == "rollback":
        served = rollout.read(spec).release or history.current(spec.root)
        rollout.change(spec, release=history.before(spec.root, served))
    elif options.command == "newest":
        rollout.change(spec, release="")
    print(_told(spec))


def _told(spec: Spec) -> str:
    state = rollout.read(spec)
    lines = [f"stage    {spec.stage}"]
    if spec.stage == "wide":
        lines.append(f"share    {state.share:.0%} of the cases are acted on")
    lines.append(f"paused   {state.paused or 'no'}")
    lines.append(f"serves   {state.release or 'the newest: artifacts/'}")
    lines += [f"release  {name}" for name in history.releases(spec.root)]
    return "\n".join(lines)
