"""Plans that somebody got wrong: text and values of good plans, changed at random."""

from __future__ import annotations

import copy
import random
from typing import Any

CHARACTERS = "{}[]:,#&*!|>'\"%@`-?~ \t\n\\()=<>+/.0x1eé\u2028\x00\x07ﬀ😀"
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3.5, float("nan"), float("inf"), 10**30, "", " ", "x", "0", "on", "x + 1",
    "where(a, b", "a" * 300, [], {}, [None], [[]], [0], ["x", "x"], {"x": 1}, {"unknown": "q"},
    {"unknown": "q", "owner": "o", "due": "2027-01-01"}, {"unknown": 5, "owner": "o", "due": "soon"}, {"name": "x"},
    "2027-01-01", "30 days", "mean(x)", "value", "-value", "cost(x)", {"": ""}, {"a b": "c"}, "{{ 7*7 }}", "../../x",
    "\u202e", "a == 'b'", "~a", "1 / 0", "x ** 9", {"type": "options"}, {"kind": "table"},
)  # fmt: skip


def of_text(text: str, random_: random.Random) -> str:
    """A text with one to four pieces of it changed."""
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(text) + 1)
        to = min(len(text), at + random_.choice([0, 1, 1, 2, 5, 20]))
        lines = text.splitlines(keepends=True) or [""]
        line = random_.randrange(len(lines))
        match random_.randrange(7):
            case 0:
                text = text[:at] + text[to:]
            case 1:
                text = text[:at] + random_.choice(CHARACTERS) * random_.choice([1, 1, 3]) + text[at:]
            case 2:
                text = "".join(lines[:line] + lines[line + 1 :])
            case 3:
                text = "".join([*lines[:line], lines[random_.randrange(len(lines))], *lines[line:]])
            case 4:
                text = text[:at] + text[at:to].swapcase() + text[to:]
            case 5:
                other = random_.randrange(len(text) + 1)
                text = text[:at] + text[other : other + random_.randint(1, 30)] + text[to:]
            case _:
                lines[line] = " " * random_.choice([0, 1, 2, 3, 6]) + lines[line].lstrip(" ")
                text = "".join(lines)
    return text


def of_tree(tree: Any, random_: random.Random) -> Any:
    """Plain data with one to three of its values changed."""
    tree = copy.deepcopy(tree)
    for _ in range(random_.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            return tree
        holder, key = random_.choice(places)
        match random_.randrange(5):
            case 0:
                del holder[key]
            case 1 | 2:
                holder[key] = copy.deepcopy(random_.choice(VALUES))
            case 3:
                other, its = random_.choice(places)
                holder[key] = copy.deepcopy(other[its]) if _holds(other, its) else None
            case _ if isinstance(holder, dict):
                holder[random_.choice(["x", "unknown", "name", "type", "value", f"{key}s", str(key)[:-1]])] = (
                    holder.pop(key)
                )
            case _:
                holder.insert(key, copy.deepcopy(random_.choice(VALUES)))
    return tree


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _places(value)


def _holds(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)
