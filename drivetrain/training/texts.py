"""Texts in fastai's pipelines, by the rules that the service follows too."""

from __future__ import annotations

from typing import Any

from fastai.torch_core import TitledStr
from fastcore.foundation import L
from fasttransform import Transform

from drivetrain.artifact.texts import tokens


class Words(Transform):  # type: ignore[misc]
    """From a row to the tokens of its text columns, in place of fastai's `Tokenizer`.

    fastai splits words with spaCy, which a service would have to carry along.

    Args:
        names: The text columns.
    """

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = list(names)

    def encodes(self, row: Any) -> Any:
        """The tokens of one row."""
        return L(tokens([row[name] for name in self.names]))

    def decodes(self, found: L) -> TitledStr:
        """A text to be shown, from its tokens."""
        return TitledStr(" ".join(found))
