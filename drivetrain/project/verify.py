"""What must be true of a rendered project before it is put in place."""

from __future__ import annotations

import json
import re
import tomllib
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from drivetrain.bytecode import compiled
from drivetrain.errors import ProjectError
from drivetrain.project.record import FILE, PLAN

_MARK = r"\{\{-?\s*cookiecutter\b|\{%-?\s+\w|\{#-?\s\w"
# The plan was read before, and the record was just written as JSON: reading them again would only take time.
_READ = frozenset({PLAN, FILE})


def verify(files: Mapping[str, bytes], given: Collection[str] = ()) -> None:
    """Check every file of a project.

    Python compiles; TOML, JSON, notebooks and YAML parse; no template mark was left. That no name leads out of the
    project is seen to where names are made.

    Args:
        files: File -> its bytes.
        given: Files that were not rendered but given (the plan), in which marks are the user's own text.

    Raises:
        ProjectError: The first file that does not hold, and why.
    """
    # Most of a project's Python is copied from the template: what compiled the last time compiles again.
    python = [name for name in files if name.endswith(".py")]
    proof = compiled(files[name] for name in python)
    known = frozenset(python if proof and proof.exists() else ())
    for name, data in files.items():
        if b"\0" not in data:  # a picture or a wheel is what it was in the template
            _check(data, name, marks=name not in given, parsed=name in known or name in _READ)
    if proof and not known:
        with suppress(OSError):
            proof.touch()


def _check(data: bytes, name: str, *, marks: bool, parsed: bool) -> None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProjectError(f"the template gave a file that is not UTF-8 ({error}).", where=name) from error
    mark = re.search(_MARK, text) if marks and "{" in text else None
    if mark:
        number = text.count("\n", 0, mark.start()) + 1
        raise ProjectError(f"a template mark was left: {mark.group(0)!r}.", "Repair the template.", f"{name}:{number}")
    parse = _PARSERS.get(PurePosixPath(name).suffix)
    if parse is None or parsed:
        return
    try:
        parse(text, name)
    except Exception as error:
        raise ProjectError(f"the template gave a file that does not parse ({error}).", where=name) from error


def _python(text: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)
        compile(text, name, "exec", dont_inherit=True)


def _yaml(text: str, name: str) -> None:
    import yaml

    yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _json(text: str, name: str) -> None:
    json.loads(text)


def _toml(text: str, name: str) -> None:
    tomllib.loads(text)


def _notebook(text: str, name: str) -> None:
    book: dict[str, Any] = json.loads(text)
    if book["nbformat"] != 4 or not all("cell_type" in cell for cell in book["cells"]):
        raise ValueError("not a notebook of format 4")


_PARSERS: dict[str, Callable[[str, str], None]] = {
    ".py": _python,
    ".toml": _toml,
    ".json": _json,
    ".ipynb": _notebook,
    ".yaml": _yaml,
    ".yml": _yaml,
}
