"""What a YAML parser complains about, in the words of people who write plans."""

import re
from typing import Any


class Stop(Exception):
    """Reading cannot go on."""

    def __init__(self, what: str, advice: str, line: int = 0, column: int = 0) -> None:
        self.what, self.advice, self.line, self.column = what, advice, line, column


_INDENT = (
    "the indentation does not fit, or something follows a value that was complete.",
    "Indent with the lines above; quote a whole formula, not a part of it.",
)
_ESCAPE = (
    "a backslash between double quotes is not followed by what YAML knows.",
    "Double the backslash, or use single quotes.",
)
_ADVICE = {
    "block sequence entries are not allowed": (
        "a `-` with a blank after it begins a list item, which cannot stand here.",
        "Quote a formula or text that begins with `- `.",
    ),
    "mapping values are not allowed": (
        "a colon with a blank after it cannot stand here.",
        "Quote text that holds `: `, or check the indentation.",
    ),
    "mapping keys are not allowed": ("a `?` cannot stand here.", "Quote text that begins with `?`."),
    "alphabetic or numeric character": ("`&` and `*` begin an anchor or an alias.", "Quote the whole formula."),
    "found unexpected end of stream": ("a quotation mark that is opened is not closed.", "Close it."),
    "found unknown escape character": _ESCAPE,
    "expected hexdecimal number": _ESCAPE,
    "expected <document start>": ("something follows the `...` that ends the plan.", "Remove it."),
    "did not find expected ',' or ']'": (
        "a `[` is not closed, or a comma is missing.",
        "Close it with `]`; quote text with brackets, colons or commas in it.",
    ),
    "did not find expected ',' or '}'": (
        "a `{` is not closed, or a comma is missing.",
        "Close it with `}`; quote text with braces, colons or commas in it.",
    ),
    "did not find expected key": _INDENT,
    "expected <block end>": _INDENT,
    "did not find expected '-' indicator": (
        "the indentation of this list does not fit.",
        "Put every `-` below the one before.",
    ),
    "could not find expected ':'": (
        "a colon is missing after this key, or text runs over two lines.",
        "Write `key: value`; quote text that is longer than a line.",
    ),
    "invalid Unicode": ("an escape between double quotes is no character.", "Remove it."),
    "did not find expected node content": (
        "a value is missing here, or begins with a character that YAML keeps for itself.",
        "Write it, or quote it.",
    ),
    "found undefined tag handle": ("`!` begins a tag in YAML.", "Quote text that begins with `!`."),
}
"""What the parser complains about -> what that means for who wrote it."""


def explain(error: Any, text: str) -> Stop:
    """A parser's complaint in the words of people who write plans."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines() or [""]
    problem = str(error.problem or error.context or "")
    here = lines[line] if line < len(lines) else ""
    if "tab character" in problem:
        return Stop("a tab stands in the indentation.", "Indent with blanks.", line + 1, column + 1)
    if "cannot start any token" in problem:
        around = [number for number in (line, line + 1) if number < len(lines) and re.match(r"[ ]*\t", lines[number])]
        char = here[column : column + 1]
        if around or char == "\t":
            at = around[0] + 1 if around else line + 1
            return Stop("a tab stands in the indentation.", "Indent with blanks.", at, column + 1)
        shown = "a back quote" if char == "`" else f"`{char}`"
        return Stop(
            f"{shown} cannot begin a value in YAML.", f"Quote text that begins with {shown}.", line + 1, column + 1
        )
    if error.context_mark and ("end of stream" in problem or ",' or" in problem):
        line, column = error.context_mark.line, error.context_mark.column
    if "node content" in problem and not "".join(lines[line:]).strip():
        last = max(at for at, said in enumerate(lines) if said.strip() or not at)
        return Stop("a `[` or `{` is opened and not closed.", "Close it.", last + 1, len(lines[last]) + 1)
    for part, (what, advice) in _ADVICE.items():
        if part in problem:
            return Stop(what, advice, line + 1, column + 1)
    return Stop(f"this is no YAML: {problem}.", "Check indentation, quotes and brackets.", line + 1, column + 1)
