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
    """What each row is about: its first label that is a class, from the source itself or from what happened to it."""
    frame = world.frames[source.name]
    for name, outcome in source.outcomes.items():
        if outcome.type in ("category", "binary", "mask") and name in frame:
            return [str(value) for value in frame[name].tolist()]
    for join in source.join:
        other = world.spec.source(str(join.data))
        if is_detail(world.spec, join):
            for name, outcome in other.outcomes.items():
                there = world.frames[other.name]
                if outcome.type in ("category", "binary") and len(there[name]) == rows:
                    return [str(value) for value in there[name].tolist()]
    return ["all"] * rows
