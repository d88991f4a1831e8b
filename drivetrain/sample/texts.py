"""Texts whose words depend on what they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.sample.world import is_detail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.sample.world import World
    from drivetrain.spec import Source

_COMMON = (
    "the", "a", "this", "that", "we", "you", "it", "is", "was", "has", "been", "please", "today", "again", "since",
    "after", "before", "with", "without", "about", "and", "but", "very", "quite", "still", "always", "never",
    "often", "sometimes", "here", "there", "yesterday", "week", "month", "letter", "order", "number", "name",
    "help", "thanks", "problem", "question", "answer", "wait", "time", "long", "short", "new", "old", "good", "bad",
    "first", "last", "other", "same", "customer",
)  # fmt: skip
_SYLLABLES = ("ba", "do", "ki", "lu", "me", "na", "po", "ri", "sa", "tu", "ve", "zo", "fen", "gar", "hil", "mon")
WORDS = 12
"""Words that only one class prefers."""


def vocabulary(kind: str, draw: np.random.Generator) -> list[str]:
    """Made-up words that a class prefers; its own name is not among them, or there would be nothing to learn."""
    found: list[str] = []
    while len(found) < WORDS:
        word = "".join(draw.choice(_SYLLABLES, int(draw.integers(2, 4))))
        if word not in found and word != kind:
            found.append(word)
    return found


def texts(world: World, source: Source, name: str, rows: int, *, long: bool) -> NDArray[Any]:
    """Texts, `(n,)`: a fifth of the words come from the class, the others say nothing."""
    import numpy as np

    kinds = classes_of(world, source, rows)
    own = {kind: vocabulary(kind, world.draw(kind, "words")) for kind in sorted(set(kinds))}
    draw = world.draw(source.name, name, "text")
    made = []
    for kind in kinds:
        count = int(draw.integers(20, 50) if long else draw.integers(4, 9))
        telling = draw.random(count) < 0.2
        words = np.where(telling, draw.choice(own[kind], count), draw.choice(_COMMON, count)).tolist()
        made.append(words[0].capitalize() + " " + " ".join(words[1:]) + ".")
    return np.array(made, dtype=object)


def classes_of(world: World, source: Source, rows: int) -> list[str]:
    """What each row is about: its first label that is a class, else in which part of its range its first number lies.

    The label is the source's own, or of what happened to its rows.
    """
    sources = [source, *(world.spec.source(str(j.data)) for j in source.join if is_detail(world.spec, j))]
    told = [
        (outcome, world.frames[one.name][name])
        for one in sources
        for name, outcome in one.outcomes.items()
        if name in world.frames[one.name] and len(world.frames[one.name][name]) == rows
    ]
    for outcome, values in told:
        if outcome.type in ("category", "binary", "mask"):
            return [str(value) for value in values.tolist()]
    for outcome, values in told:
        if outcome.type == "number":
            return _parts(outcome.bins or [], values)
    return ["all"] * rows


def _parts(edges: list[float], values: NDArray[Any]) -> list[str]:
    """The number of the bin, or of the third, in which each value lies, as text that sorts."""
    import numpy as np

    numbers = np.nan_to_num(np.array([np.nan if value is None else float(value) for value in values.tolist()]))
    inner = edges[1:-1] or np.quantile(numbers, (1 / 3, 2 / 3)).tolist()
    return [f"{place:03d}" for place in np.searchsorted(inner, numbers, side="right")]
