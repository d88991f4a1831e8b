"""What must be true of a rendered project before it is put in place."""

from __future__ import annotations

import json
import re
import tomllib
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from drivetrain.errors import ProjectError

_MARK = re.compile(r"\{\{-?\s*cookiecutter\b|\{%-?\s+\w|\{#-?\s\w")


def verify(root: Path, given: Collection[str] = ()) -> list[str]:
    """Check every file below `root`.

    Python compiles; TOML, JSON, notebooks and YAML parse; no template mark was left; nothing points out of the project.

    Args:
        root: Folder of the rendered project.
        given: Files that were not rendered but given (the plan), in which marks are the user's own text.

    Returns:
        All files, relative to `root`, with slashes, sorted.

    Raises:
        ProjectError: The first file that does not hold, and why.
    """
    found = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            raise ProjectError("is a link; a template may only hold files and folders.", where=name)
        if path.is_dir():
            continue
        found.append(name)
        if path.suffix == ".whl":
            continue
        _check(path, name, marks=name not in given)
    return found


def _check(path: Path, name: str, *, marks: bool) -> None:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProjectError(f"the template gave a file that is not UTF-8 ({error}).", where=name) from error
    mark = _MARK.search(text) if marks else None
    if mark:
        number = text.count("\n", 0, mark.start()) + 1
        raise ProjectError(f"a template mark was left: {mark.group(0)!r}.", "Repair the template.", f"{name}:{number}")
    parse = _PARSERS.get(path.suffix)
    if parse is None or name == "drivetrain.yaml":  # the plan was read before; reading it again would only take time
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
