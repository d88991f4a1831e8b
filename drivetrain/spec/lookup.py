"""What other rooms ask a plan: the part of a name, what must be there, what is still open."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from drivetrain.errors import MissingPartError, SpecError
from drivetrain.spec.asked import Asked, OpenQuestion
from drivetrain.spec.names import DEVICES

if TYPE_CHECKING:
    from drivetrain.spec.data import Outcome, Source
    from drivetrain.spec.derived import Derived
    from drivetrain.spec.levers import Lever
    from drivetrain.spec.models import Model
    from drivetrain.spec.objective import Decision, Project

T = TypeVar("T")


class Lookup(Asked):
    """A whole plan, typed (`Spec`) or only looked at."""

    if TYPE_CHECKING:
        project: Project
        decision: Decision | None
        levers: list[Lever]
        data: list[Source]
        models: list[Model]

        @property
        def derived(self) -> Derived:
            """What follows from the plan."""

    @property
    def path(self) -> Path | None:
        """The file that the plan was read from; None when it was built in Python."""
        path: Path | None = self.__dict__.get("_path")
        return path

    @property
    def root(self) -> Path:
        """The folder that the plan's paths are relative to."""
        return self.path.parent if self.path else Path.cwd()

    @property
    def slug(self) -> str:
        """Name of the project's folder."""
        return self.project.slug or slug(self.project.name)

    @property
    def package(self) -> str:
        """Name of the project's Python package."""
        return self.slug.replace("-", "_")

    @property
    def unknowns(self) -> list[OpenQuestion]:
        """Everything that is asked and not answered yet, in the order of the approach."""
        return list(self.questions())

    def at(self, path: str) -> Any:
        """Plain JSON data below a path, e.g. `models.digit_reader.training`; None when nothing stands there."""
        from drivetrain.spec.plain import at

        return at(self, path)

    def digest(self, path: str) -> str:
        """SHA-256 of the canonical JSON of what stands at `path`, defaults included."""
        from drivetrain.spec.plain import digest

        return digest(self, path)

    def require(self, *paths: str) -> Any:
        """The parts at `paths`, which must be there.

        Args:
            paths: `objective`, `objective.value`, `decision.batch`, `data` … in dotted form.

        Returns:
            The part, or a tuple of parts when several were asked for.

        Raises:
            MissingPartError: One is absent, unknown or empty; the message names the first.
        """
        found = tuple(self._require(path) for path in paths)
        return found[0] if len(found) == 1 else found

    def _require(self, path: str) -> Any:
        here: Any = self
        seen: list[str] = []
        for key in path.split("."):
            asked = here.unknown if isinstance(here, Asked) else {}
            here = _step(here, key)
            open_ = asked.get(key)
            if here is None and open_ is None:  # a list of which every item is a question
                open_ = next((item for path, item in asked.items() if path.startswith(f"{key}[")), None)
            seen.append(key)
            place = ".".join(seen)
            where = f"{self.path.name if self.path else 'plan'}: {place}"
            if open_ is not None:
                raise MissingPartError(
                    f"is not known yet: {open_.unknown}", f"{open_.owner} finds out by {open_.due}.", where
                )
            if here is None or (len(seen) == 1 and here == [] and not (key == "models" and self.nothing_to_predict)):
                raise MissingPartError(
                    "is needed for this and is not in the plan yet.", "Write it, then run this again.", where
                )
        return here

    @property
    def nothing_to_predict(self) -> bool:
        """Whether the plan has no models on purpose: nothing that its value or limits use is to be found out."""
        return not self.models and bool(self.derived.value_formulas()) and not self.derived.used_outcomes()

    def lever(self, name: str) -> "Lever":
        """The lever of this name.

        Raises:
            SpecError: There is none; the message suggests the nearest.
        """
        return _named(self.levers, name, "lever")

    def source(self, name: str) -> "Source":
        """The source of this name.

        Raises:
            SpecError: There is none; the message suggests the nearest.
        """
        return _named(self.data, name, "source")

    def model(self, name: str) -> "Model":
        """The model of this name.

        Raises:
            SpecError: There is none; the message suggests the nearest.
        """
        return _named(self.models, name, "model")

    def outcome(self, name: str) -> "Outcome":
        """The outcome of this name, whichever source holds it.

        Raises:
            SpecError: There is none; the message suggests the nearest.
        """
        return self.outcome_source(name).outcomes[name]

    def outcome_source(self, name: str) -> "Source":
        """The source that holds the outcome of this name.

        Raises:
            SpecError: There is none; the message suggests the nearest.
        """
        for source in self.data:
            if name in source.outcomes:
                return source
        raise _nothing("outcome", name, [outcome for source in self.data for outcome in source.outcomes])

    @property
    def case_source(self) -> "Source":
        """The source whose rows are the cases: `decision.cases`, or the only source.

        Raises:
            SpecError: There are several sources and the plan does not say which.
        """
        if self.decision and self.decision.cases:
            return self.source(self.decision.cases)
        self.require("data")
        if len(self.data) == 1:
            return self.data[0]
        raise MissingPartError(
            f"there are {len(self.data)} sources, and the plan does not say whose rows are the cases.",
            "Write `decision: {cases: …}` with one of: " + ", ".join(source.name for source in self.data) + ".",
            "decision.cases",
        )


def _step(here: Any, key: str) -> Any:
    if isinstance(here, Asked):
        return getattr(here, key, None)
    if isinstance(here, dict):
        return here.get(key)
    if isinstance(here, list):
        return next((item for item in here if getattr(item, "name", None) == key), None)
    return None


def _named(parts: Sequence[T], name: str, kind: str) -> T:
    for part in parts:
        if getattr(part, "name", None) == name:
            return part
    raise _nothing(kind, name, [str(getattr(part, "name", "")) for part in parts])


def _nothing(kind: str, name: str, names: Sequence[str]) -> SpecError:
    return SpecError(f"there is no {kind} `{name}`.", hint(name, names, kind))


def hint(name: str, names: Sequence[str], kind: str) -> str:
    """The nearest of `names`, or all of them when none is near."""
    from difflib import get_close_matches

    if near := get_close_matches(name, names, 1, 0.6):
        return f"Did you mean `{near[0]}`?"
    return f"There are: {', '.join(f'`{n}`' for n in names)}." if names else f"The plan has no {kind} yet."


_RESERVED = DEVICES | {"drivetrain", "test", "tests"}


def slug(name: str) -> str:
    """A folder and package name made from a project's name: `Über-Mail (2)` gives `uber-mail-2`."""
    import keyword
    import sys

    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50].strip("-")
    if not made:
        return "project"
    if made[0].isdigit():
        made = f"project-{made}"
    package = made.replace("-", "_")
    if (
        made in _RESERVED
        or keyword.iskeyword(package)
        or keyword.issoftkeyword(package)
        or package in sys.stdlib_module_names
    ):
        return f"{made}-project"
    return made
