"""Findings about texts: empty ones, several languages, and the same text again with a few words changed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from drivetrain.availability.leaks import sides
from drivetrain.availability.look import Look, count, listed
from drivetrain.availability.near import clusters
from drivetrain.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.findings import Finding

SHINGLE = 3
"""Words that are looked at together."""
HASHES, BANDS = 96, 24
ALIKE = 0.7
"""Share of common shingles (Jaccard) from which on two texts are near copies."""
LEAST = 8
"""Words below which texts are alike by nature, and only exact copies count."""
UNREAD = "\ufffd unread"
"""Stands for a file that cannot be read, so that it does not count as empty as well."""
_NOTHING = {"nan", "n/a", "null", "none", "#n/a"}
_WORD = re.compile(r"\w+")
_LANGUAGES = {
    "English": "the and of to is that in it for you was with this have not are be on we",
    "German": "der die und das ist nicht ich ein eine mit den von zu auf für sie es wir dem",
    "French": "le la les et des est une dans que pour pas vous nous je il sur avec ce du",
    "Spanish": "el los las que de y en un una por con no para se es su lo como del",
    "Italian": "il che di e la un non per sono è con una del della mi ho gli anche più",
    "Dutch": "de het een en van is dat niet ik je voor met op zijn te er maar ook hij",
    "Portuguese": "o que de e não um para com uma os no se na por mais as dos como mas",
    "Polish": "nie to się na jest że do w z i jak ale co tak o za od po tym",
    "Turkish": "bir ve bu için de da ne çok ben o ile değil ama var gibi en daha mi",
    "Swedish": "och att det som en på är av för med den till inte har jag om ett men vi",
}
_SCRIPTS = (("Cyrillic", 0x400, 0x52F), ("Greek", 0x370, 0x3FF), ("Arabic", 0x600, 0x6FF), ("Hebrew", 0x590, 0x5FF),
            ("Devanagari", 0x900, 0x97F), ("Thai", 0xE00, 0xE7F), ("Japanese", 0x3040, 0x30FF),
            ("Korean", 0xAC00, 0xD7AF), ("Chinese", 0x4E00, 0x9FFF))  # fmt: skip


def words(look: Look) -> Iterator[Finding]:
    """Findings about every column of texts."""
    names = [name for name, column in look.source.columns.items() if column.type == "text" and column.known == "before"]
    if look.source.kind in ("text", "images+text") and not names and "text" in look.own:
        names = ["text"]
    for name in names:
        if name not in look.own:
            continue
        if name == "text" and "path" in look.own and not look.own.files:
            yield from _files(look, name)
        else:
            yield from _texts(look, name, ["" if t is None else str(t) for t in look.own.column(name).to_pylist()])


def _files(look: Look, name: str) -> Iterator[Finding]:
    """Texts that are files; one that cannot be read keeps nobody from the others."""
    from drivetrain.source.read import text_file

    above = look.spec.root
    paths = [above / path for path in look.own.column("path").to_pylist()]
    if look.source.kind == "images+text":
        paths = [path.with_suffix(".txt") for path in paths]
    texts: list[str] = []
    broken: dict[int, str] = {}
    for row, path in enumerate(paths):
        try:
            texts.append(text_file(path, above))
        except DataError as error:
            texts.append(UNREAD)
            broken[row] = f"{error.where}: {error.what}"
    if broken:
        yield look.finding(
            "DA606",
            "fail",
            f"{count(len(broken), 'text')} of {len(texts):,} cannot be read as UTF-8.",
            "Write them again as UTF-8, or take them out.",
            affected=list(broken.values()),
            facts={"files": [line.split(": ")[0] for line in broken.values()]},
        )
    yield from _texts(look, name, texts)


def _texts(look: Look, name: str, texts: list[str]) -> Iterator[Finding]:
    import numpy as np

    at = f"columns.{name}"
    empty = np.flatnonzero([not _WORD.search(text) or text.strip().lower() in _NOTHING for text in texts])
    if len(empty):
        yield look.finding(
            "DA601",
            "warn",
            f"{count(len(empty), 'text', verb='hold')} no word.",
            "Take them out, or find out why they are empty.",
            at=at,
            affected=look.own_names(empty),
            facts={"rows": len(empty)},
        )
    yield from _languages(look, at, texts)
    yield from _copies(look, name, at, texts)


def language(text: str) -> str:
    """The language that a text is in, by its script or its most frequent small words; empty when it is too short."""
    for script, first, last in _SCRIPTS:
        if sum(first <= ord(letter) <= last for letter in text[:500]) > 0.3 * max(len(text[:500].strip()), 1):
            return script
    found = [word.lower() for word in _WORD.findall(text[:5000])]
    scores = {name: sum(word in small for word in found) for name, small in _small_words().items()}
    best, second, *_ = sorted(scores.values(), reverse=True)
    return max(scores, key=lambda name: scores[name]) if best >= 3 and best > 1.3 * second else ""


@lru_cache(maxsize=1)
def _small_words() -> dict[str, frozenset[str]]:
    return {name: frozenset(words.split()) for name, words in _LANGUAGES.items()}


def _languages(look: Look, at: str, texts: list[str]) -> Iterator[Finding]:
    import numpy as np

    step = len(texts) // 20_000 + 1
    spoken = np.array([language(text) for text in texts[::step]])
    names, sizes = np.unique(spoken[spoken != ""], return_counts=True)
    if not len(names):
        return
    counted = {str(name): int(size) for name, size in zip(names, sizes, strict=True)}
    usual = max(counted, key=lambda name: counted[name])
    others = np.flatnonzero((spoken != "") & (spoken != usual)) * step
    facts = {"languages": counted, "looked_at": len(spoken)}
    if len(others) > 0.005 * len(spoken) and len(others) >= 3:
        yield look.finding(
            "DA602",
            "warn",
            f"texts are in several languages: {listed(counted)}.",
            "Say which ones the plan is for, name the language as a group, or take the others out.",
            at=at,
            affected=look.own_names(others),
            facts=facts,
        )
    else:
        yield look.finding("DA602", "pass", f"texts are in {usual}.", at=at, facts=facts)


def _copies(look: Look, name: str, at: str, texts: list[str]) -> Iterator[Finding]:
    import numpy as np

    plain = [" ".join(_WORD.findall(text.lower())) for text in texts]
    _, unit, sizes = np.unique(np.array(plain, dtype=object).astype(str), return_inverse=True, return_counts=True)
    long_enough = np.array([text.count(" ") + 1 >= LEAST for text in plain])
    exact = np.where((sizes[unit] > 1) & long_enough, unit, -1)
    yield from _report(look, "DA603", at, exact, "are the same text as another one", "fail")
    first = np.flatnonzero(long_enough & (np.unique(unit, return_index=True)[1][unit] == np.arange(len(unit))))
    pairs = near_texts([plain[row] for row in first])
    if len(pairs):
        group = clusters(len(first), pairs)
        members = np.bincount(group, minlength=len(group))
        near = np.full(len(texts), -1, np.int64)
        near[first] = np.where(members[group] > 1, group, -1)
        lines = [f"{a} ~ {b}" for a, b in zip(*(look_names(look, first[pairs[:, k]]) for k in (0, 1)), strict=True)]
        yield from _report(look, "DA604", at, near, "are near copies of another text", "warn", lines)
        yield from _conflicts(look, near)
    else:
        yield look.finding("DA604", "pass", "no text is a near copy of another one.", at=at)


def look_names(look: Look, rows: NDArray[np.int64]) -> list[str]:
    """Each row by itself, as a person finds it."""
    return [look.own_names([row])[0] for row in rows]


def _report(
    look: Look, id: str, at: str, unit: NDArray[np.int64], what: str, level: str, lines: Sequence[str] = ()
) -> Iterator[Finding]:
    import numpy as np

    rows = np.flatnonzero(unit >= 0)
    if not len(rows):
        if id == "DA603":
            yield look.finding(id, "pass", "no text is there twice.", at=at)
        return
    across = np.flatnonzero(sides(look.own_parts, unit))
    yield look.finding(
        id,
        "fail" if len(across) and level == "fail" else "warn",
        f"{count(len(rows), 'text')} {what}"
        + (f", {len(across):,} of them across parts of the split." if len(across) else "."),
        "Keep one of each, or name what they have in common as `entity`.",
        at=at,
        affected=lines or look.own_names(rows),
        facts={"rows": len(rows), "across": len(across)},
    )


def _conflicts(look: Look, unit: NDArray[np.int64]) -> Iterator[Finding]:
    import numpy as np

    for outcome, declared in look.source.outcomes.items():
        if outcome not in look.own or declared.type not in ("binary", "category"):
            continue
        labels = look.own.column(outcome).to_pylist()
        said: dict[int, set[str]] = {}
        for row in np.flatnonzero(unit >= 0):
            if labels[row] is not None:
                said.setdefault(int(unit[row]), set()).add(str(labels[row]))
        wrong = [int(row) for row in np.flatnonzero(unit >= 0) if len(said.get(int(unit[row]), ())) > 1]
        if wrong:
            yield look.finding(
                "DA605",
                "warn",
                f"{count(len(wrong), 'text', verb='are')} near copies with different labels.",
                "At least one label of each is doubtful: look at them.",
                at=f"outcomes.{outcome}",
                affected=look.own_names(wrong),
                facts={"rows": len(wrong)},
            )


def near_texts(texts: Sequence[str]) -> NDArray[np.int64]:
    """Pairs of texts that share most of their three-word shingles, `(m, 2)`.

    MinHash (Broder 1997) in 24 bands of 4 finds pairs to look at; what is reported was counted exactly.

    Args:
        texts: Plain words, separated by single spaces.
    """
    import numpy as np

    shingles = [_shingles(text) for text in texts]
    if len(shingles) < 2:
        return np.zeros((0, 2), np.int64)
    draw = np.random.default_rng(0)
    factor = draw.integers(1, 2**63, HASHES, dtype=np.uint64) | np.uint64(1)
    shift = draw.integers(0, 2**63, HASHES, dtype=np.uint64)
    signs = np.zeros((len(shingles), HASHES), np.uint64)
    with np.errstate(over="ignore"):
        for row, found in enumerate(shingles):
            mixed = found[:, None] * factor + shift
            signs[row] = (mixed ^ (mixed >> np.uint64(31))).min(0)
    pairs: set[tuple[int, int]] = set()
    width = HASHES // BANDS
    for band in range(BANDS):
        keys = signs[:, band * width : (band + 1) * width]
        order = np.lexsort(keys.T)
        ordered = keys[order]
        for step in (1, 2, 3):
            same = (ordered[step:] == ordered[:-step]).all(1)
            pairs |= {
                (int(min(a, b)), int(max(a, b))) for a, b in zip(order[:-step][same], order[step:][same], strict=True)
            }
    kept = [pair for pair in sorted(pairs) if _common(shingles[pair[0]], shingles[pair[1]]) >= ALIKE]
    return np.array(kept, np.int64).reshape(-1, 2)


def _shingles(text: str) -> NDArray[np.uint64]:
    """Hashes of the groups of three words in a text, each once."""
    import numpy as np

    found = text.split(" ")
    groups = {" ".join(found[k : k + SHINGLE]) for k in range(max(1, len(found) - SHINGLE + 1))}
    hashes = [zlib.crc32(g.encode()) | zlib.crc32(g[::-1].encode(), 7) << 32 for g in groups]
    return np.unique(np.array(hashes, np.uint64))


def _common(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    import numpy as np

    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)
