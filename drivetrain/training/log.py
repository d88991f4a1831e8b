"""What a run says where nobody looks on: a log holds in the end what a terminal would show."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast


class Plain:
    """Writes on without what a carriage return wrote over, such as the progress bars of fastai and torch.

    Args:
        stream: Where the lines go.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.line = stream, ""

    def write(self, text: str) -> int:
        """Write on every line that is complete."""
        *lines, self.line = (self.line + text).split("\n")
        for line in lines:
            self.stream.write(line.rstrip("\r").rpartition("\r")[2] + "\n")
        self.stream.flush()
        return len(text)

    def close(self) -> None:
        """Write on what stands in the last line, and is not written over by what comes next."""
        if rest := self.line.rpartition("\r")[2].rstrip():
            self.stream.write(f"{rest}\n")
        self.line = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def spoken(stream: TextIO) -> Iterator[None]:
    """Have everything that libraries print go to one stream, and leave out what tells a reader nothing.

    Args:
        stream: A terminal, or a file, which gets lines alone.
    """
    plain = None if stream.isatty() else Plain(stream)
    target = stream if plain is None else cast(TextIO, plain)
    with warnings.catch_warnings(), redirect_stdout(target), redirect_stderr(target):
        # fastai's mean of the dice of no class at all; the metric is then no number, and is shown as such.
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        try:
            yield
        finally:
            if plain is not None:
                plain.close()
