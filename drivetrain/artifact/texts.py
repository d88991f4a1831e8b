"""Texts to numbers, by rules that training and service share.

The marks are fastai's, so that its pretrained language model finds its own: `xxbos` begins a text, `xxfld` a field,
`xxmaj` precedes a capitalised word, `xxup` one in capitals, `xxrep n` a sign that is repeated n times.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAD = 1
"""Number of the padding token, as in fastai's vocabularies; 0 is an unknown word."""
LIMIT = 1440
"""Tokens of a text that count; fastai pools longer texts in another way."""
_PIECES = re.compile(
    r"(?P<rep>([^\w\s])\2{2,})|\w+?(?=n['’]t\b)|n['’]t\b|['’](?:s|re|ve|ll|d|m)\b|\d+(?:[.,]\d+)*|\w+|[^\w\s]",
    re.IGNORECASE,
)


def tokens(fields: Sequence[str]) -> list[str]:
    """The tokens of a text, or of a text in several fields.

    Args:
        fields: The texts of one case, in the order of the model's inputs.
    """
    found = ["xxbos"]
    for number, field in enumerate(fields, start=1):
        if len(fields) > 1:
            found += ["xxfld", str(number)]
        found += _words(html.unescape(field))
    return found[:LIMIT]


def _words(text: str) -> Iterator[str]:
    for match in _PIECES.finditer(text):
        piece = match[0]
        if match["rep"]:
            yield from ("xxrep", str(len(piece)), piece[0])
            continue
        if len(piece) > 1 and piece.isupper():
            yield "xxup"
        elif piece[0].isupper() and piece[1:].islower():
            yield "xxmaj"
        yield piece.lower()


def encode(texts: Sequence[Sequence[str]], settings: Mapping[str, Any]) -> NDArray[np.int64]:
    """Token numbers (n, longest), padded at the end.

    Args:
        texts: The fields of n cases.
        settings: The manifest's `vocab`: words by number, 0 the unknown one.
    """
    number = {word: index for index, word in enumerate(settings["vocab"]) if word != "xxfake"}
    rows = [[number.get(token, 0) for token in tokens(fields)] for fields in texts]
    found = np.full((len(rows), max(map(len, rows))), PAD, dtype=np.int64)
    for row, numbers in enumerate(rows):
        found[row, : len(numbers)] = numbers
    return found
