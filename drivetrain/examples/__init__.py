"""Complete plans that run offline; a plan's slug is its example's name."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from drivetrain.errors import SpecError

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Example:
    """One plan of the gallery.

    Attributes:
        name: Its name, which is also the project's slug.
        summary: What it is about, one sentence.
        tasks: What its models do, e.g. `("image-classification",)`.
    """

    name: str
    summary: str
    tasks: tuple[str, ...]


def names() -> list[str]:
    """Names of the examples."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/drivetrain.yaml"))


def gallery() -> list[Example]:
    """The examples with what they are about."""
    from drivetrain.spec import load_spec

    found = []
    for name in names():
        spec = load_spec(path(name))
        tasks = tuple(dict.fromkeys(model.task for model in spec.models))
        found.append(Example(name, spec.project.summary or spec.project.name, tasks))
    return found


def bad() -> dict[str, Path]:
    """Plans that must not be followed, by name: each says at its top what is wrong, and the rules say it in full."""
    return {path.stem: path for path in sorted((_FOLDER / "bad").glob("*.yaml"))}


def path(name: str) -> Path:
    """The plan of an example.

    Raises:
        SpecError: There is no example of that name; the message suggests the nearest.
    """
    known = names()
    if name not in known:
        near = get_close_matches(name.lower(), known, 1, 0.4)
        advice = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(known)}."
        raise SpecError(f"there is no example `{name}`.", advice)
    return _FOLDER / name / "drivetrain.yaml"
