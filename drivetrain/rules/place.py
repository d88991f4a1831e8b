"""Where in its file a part of a plan stands."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from drivetrain.errors import SpecError
from drivetrain.spec.reading import Document, read

if TYPE_CHECKING:
    from drivetrain.spec import Spec


class Places:
    """Lines of a plan's parts; its file is read only for a plan that was changed since, and when somebody asks."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name = spec.path.name if spec.path else "drivetrain.yaml"

    @cached_property
    def document(self) -> Document | None:
        """The text that the plan was read from, or that its file holds now; None when there is none."""
        if self.spec.derived.document.text:
            return self.spec.derived.document
        try:
            return read(self.spec.path.read_text(encoding="utf-8"), self.name) if self.spec.path else None
        except (OSError, UnicodeDecodeError, SpecError):
            return None

    def where(self, path: tuple[str, ...]) -> str:
        """`drivetrain.yaml:23: levers.bin.owner`; without the line where the plan lies in no file."""
        shown = ".".join(path)
        place = self.document.place(self._steps(path)) if self.document else None
        line = f":{place.line}" if place else ""
        return f"{self.name}{line}: {shown}"

    def _steps(self, path: tuple[str, ...]) -> tuple[str | int, ...]:
        """The path with list items by their number, as far as it can be followed."""
        here: Any = self.document.tree if self.document else None
        steps: list[str | int] = []
        for key in path:
            if isinstance(here, dict) and key in here:
                steps.append(key)
                here = here[key]
            elif isinstance(here, list):
                named = [n for n, item in enumerate(here) if isinstance(item, dict) and item.get("name") == key]
                at = named[0] if named else int(key) if key.isdigit() and int(key) < len(here) else None
                if at is None:
                    break
                steps.append(at)
                here = here[at]
            else:
                break
        return tuple(steps)
