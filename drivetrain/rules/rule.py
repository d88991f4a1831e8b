"""What a rule is: an id, the parts that must stand before it can be asked, and what breaks it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from drivetrain.findings import Level
from drivetrain.spec.asked import Asked
from drivetrain.stages import Stage

if TYPE_CHECKING:
    from drivetrain.spec import Constraint, Outcome, Part, Source, Spec


class Fault(NamedTuple):
    """One place where a rule is broken.

    Attributes:
        path: The place, items of a list by their name.
        what: What is the case there.
        advice: What to do about it here; empty: the rule's own advice.
        level: How grave it is here; None: as grave as the rule.
        affected: Everything concerned.
        facts: Figures behind the sentence.
    """

    path: tuple[str, ...]
    what: str
    advice: str = ""
    level: Level | None = None
    affected: Sequence[str] = ()
    facts: Mapping[str, Any] = MappingProxyType({})


class Rule:
    """A rule of a coherent plan. The first paragraph of a subclass's docstring is the rule, the rest says why.

    Attributes:
        id: Stable: `DT` and three digits, the first of which is the part of the approach.
        level: How grave it is to break it.
        stage: The gate at which it starts to matter.
        needs: Parts of the plan that must stand before it can be asked.
        advice: What to do next.
        question: What a review would ask.
    """

    id: ClassVar[str]
    level: ClassVar[Level] = "fail"
    stage: ClassVar[Stage] = "plan"
    needs: ClassVar[tuple[str, ...]] = ()
    advice: ClassVar[str]
    question: ClassVar[str]

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Every place where a plan breaks the rule; the parts in `needs` stand."""
        raise AssertionError(f"{type(self).__name__} does not say what breaks it")

    @property
    def name(self) -> str:
        """Its name in words: `LeverReachesObjective` is `lever reaches objective`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self).__name__).lower()

    @property
    def text(self) -> str:
        """The rule, as one sentence or two."""
        return " ".join((type(self).__doc__ or "").split("\n\n")[0].split())

    @property
    def why(self) -> str:
        """Why it is a rule; empty when its text says it."""
        return " ".join(" ".join((type(self).__doc__ or "").split("\n\n")[1:]).split())


def stands(spec: Spec, path: str) -> bool:
    """Whether something is said at a dotted path: neither absent nor unknown nor empty."""
    here: Any = spec
    for key in path.split("."):
        if isinstance(here, Asked) and key in here.unknown:
            return False
        here = getattr(here, key, None)
        if here is None or here == [] or here == {}:
            return False
    return True


def is_open(part: Part, key: str) -> bool:
    """Whether a field of a part, or something in it, is asked and not answered yet."""
    return any(re.split(r"[.\[]", path, maxsplit=1)[0] == key for path in part.unknown)


def silent(part: Part, key: str) -> bool:
    """Whether a part says nothing at all about a field: it has no value and no question."""
    return getattr(part, key) in (None, "", [], {}) and not is_open(part, key)


def absent(part: Part, key: str) -> bool:
    """Whether a list or mapping was left out; `[]` and `{}` say that there are none, on purpose."""
    return key not in part.model_fields_set and not is_open(part, key)


def outcomes(spec: Spec) -> Iterator[tuple[Source, str, Outcome]]:
    """Every outcome with the source that holds it."""
    for source in spec.data:
        for name, outcome in source.outcomes.items():
            yield source, name, outcome


def limits(spec: Spec) -> Iterator[tuple[str, str, Constraint]]:
    """Guardrails and the optimizer's constraints, each with the part and the field that hold it."""
    for limit in spec.objective.guardrails if spec.objective else ():
        yield "objective", "guardrails", limit
    for limit in spec.optimizer.constraints if spec.optimizer else ():
        yield "optimizer", "constraints", limit


def told(names: Sequence[str]) -> str:
    """Names for a sentence."""
    shown = [f"`{name}`" for name in names[:4]]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(shown) + more


def plain(text: str) -> str:
    """Text for comparison: small letters, single blanks, no plural `s`."""
    words = re.sub(r"[^a-z0-9]+", " ", text.lower()).split()
    return " ".join(word.removesuffix("s") if len(word) > 3 else word for word in words)
