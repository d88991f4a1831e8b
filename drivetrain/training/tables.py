"""Steps for fastai's table pipelines that fastai itself does not have."""

from __future__ import annotations

from typing import Any

from fastai.tabular.core import TabularProc


class FillComplete(TabularProc):  # type: ignore[misc]
    """Fill gaps in numbers that had none in training, with the training median.

    fastai's `FillMissing` fills the columns that had gaps in training, and refuses a gap in any other.
    """

    def setups(self, to: Any) -> None:
        """Remember the medians of the columns that are complete."""
        complete = [name for name in to.cont_names if to[name].notna().all()]
        self.medians = {name: float(to[name].median()) for name in complete}

    def encodes(self, to: Any) -> None:
        """Fill their gaps."""
        for name, median in self.medians.items():
            to[name] = to[name].fillna(median)
