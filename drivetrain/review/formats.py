"""One review, in the format that is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from drivetrain.review.gather import Review

Format = Literal["html", "markdown", "json", "sarif", "junit"]
FORMATS: tuple[Format, ...] = get_args(Format)

_MADE_BY = {
    "html": ("html", "html"), "markdown": ("markdown", "markdown"), "json": ("machine", "as_json"),
    "sarif": ("machine", "sarif"), "junit": ("machine", "junit"),
}  # fmt: skip


def render(review: Review, form: str) -> str:
    """The review as a text.

    Args:
        review: What `build` gathered.
        form: html, markdown, json, sarif or junit.

    Raises:
        ValueError: There is no such format.
    """
    if form not in _MADE_BY:
        raise ValueError(f"there is no format {form!r}; there are {', '.join(FORMATS)}")
    module, function = _MADE_BY[form]
    text: str = getattr(import_module(f"drivetrain.review.{module}"), function)(review)
    return text
