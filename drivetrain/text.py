r"""The plan's text in generated files and reports: data, whatever it says.

Everything that a user wrote reaches a generated file or a report through one of these functions. Each gives one line
that its format shows as it was meant and can not mistake for markup, and none gives back a template mark: a mark that
is found in a rendered file is therefore always the template's own fault.
"""

from __future__ import annotations

import json
import re
import unicodedata

# Text that would reorder what a reader sees (CVE-2021-42574), and what YAML refuses to hold.
_HIDDEN = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffe\uffff")
_MARKDOWN = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "\\`*_[]|~$"},
        "{": "&#123;",  # a backslash would still leave a template mark
        "}": "&#125;",
        "<": "&lt;",
        ">": "&gt;",
        "&": "&amp;",
        "@": "&#64;",  # a mention would write to a stranger
    }
)
_BLOCK_START = re.compile(r"^(?:[-+=#]|\d+[.)])")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|javascript|data|file|mailto)(?=:)|\bwww(?=\.)")
_MARK = re.compile(r"\{[{%#]|[%#}]\}")
_LONGEST = 2000


def line(value: object) -> str:
    """One visible line: white space folded, control and reordering characters shown as `[U+…]`, the rest as it is."""
    text = str(value)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text)} characters; drivetrain.yaml has them all)"
    text = " ".join(text.split())
    if text.isprintable():  # says it of a whole text at once; nothing that is hidden is printable
        return text
    return "".join(f"[U+{ord(char):04X}]" if _hidden(char) else char for char in text)


def _hidden(char: str) -> bool:
    return char in _HIDDEN or unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}


def markdown(value: object) -> str:
    """Inline Markdown that shows `value`: no emphasis, link, mention, table cell, HTML or formula comes of it."""
    text = line(value).translate(_MARKDOWN)
    text = _ADDRESS.sub(lambda found: f"{found.group(0)[0]}&#{ord(found.group(0)[1])};{found.group(0)[2:]}", text)
    start = _BLOCK_START.match(text)
    if start:
        last = start.end() - 1
        text = f"{text[:last]}\\{text[last:]}"
    return text


def code(value: object) -> str:
    """A Markdown code span that shows `value`, outside of tables; text where a span could not hold it."""
    text = line(value)
    if not text:
        return ""
    if _MARK.search(text) or ("<" in text and re.search(r"</?[a-zA-Z!]", text)):
        return markdown(text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def quoted(value: object) -> str:
    r"""What stands between double quotes so that TOML, YAML and JSON all read `value`'s visible line.

    The three agree on JSON's escapes; a template mark's braces are written as `\u007b`.
    """
    text = json.dumps(line(value), ensure_ascii=False)[1:-1]
    return _MARK.sub(lambda found: "".join(f"\\u{ord(char):04x}" for char in found.group(0)), text)
