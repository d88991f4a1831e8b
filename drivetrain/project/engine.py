"""The template's files as cookiecutter makes them, in memory.

The format is cookiecutter's: Jinja in names and text, `_copy_without_render`, `_jinja2_env_vars`, `_extensions`,
`_new_lines`, blocks in `templates/`; a test holds what comes out against cookiecutter's own generator. That one writes
while it renders, and importing it takes longer than all of `drivetrain new`; its extensions are used where a fork does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from drivetrain.errors import ProjectError

if TYPE_CHECKING:
    from jinja2 import Environment

    from drivetrain.project.template import Files


def fill(template: Files, variables: Mapping[str, Any], wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The files that a template becomes.

    Args:
        template: Its files.
        variables: What it finds below `cookiecutter`, the settings of the template included.
        wanted: Whether a file, by its name in the project, is needed at all; one that is not is not rendered.

    Returns:
        File, relative to the project's folder -> its bytes.

    Raises:
        ProjectError: The template cannot be rendered, or a name leads out of the project.
    """
    try:
        return _fill(template, variables, wanted, extended=bool(variables.get("_extensions")))
    except ProjectError:  # a filter or tag of cookiecutter's own; where it is a fault, this tells it
        return _fill(template, variables, wanted, extended=True)


def _fill(
    template: Files, variables: Mapping[str, Any], wanted: Callable[[str], bool], *, extended: bool
) -> dict[str, bytes]:
    texts: dict[str, str] = {}
    with _told("cookiecutter.json"):
        environment = _environment(texts, variables, extended=extended)
    inside = _below(template, _top(template, environment))
    for name, data in (_below(template, "templates/") | inside).items():
        if (text := _text(data)) is not None:
            texts[name] = text
    # Names are templates too; no file begins with the slash that tells them from files.
    texts |= {f"/{part}": part for name in inside for part in name.split("/")}

    def render(name: str) -> str:
        if not _marked(texts[name], environment):
            return texts[name]
        return environment.get_template(name).render(cookiecutter=variables)

    found: dict[str, bytes] = {}
    verbatim = variables.get("_copy_without_render") or ()
    for name, data in inside.items():
        parts = name.split("/")
        copied = _copied(parts, verbatim)
        with _told(name):
            # What is copied has its own name rendered, and none below it.
            made = [render(f"/{part}") if place <= copied else part for place, part in enumerate(parts)]
            path = _inside(made, name)
            if not made[-1] or not wanted(path):  # a name that comes to nothing: this file is not for this project
                continue
            if path in found:
                raise ProjectError(f"becomes {path}, and so does another file.", "Repair the template.", name)
            found[path] = data if copied < len(parts) or name not in texts else _ended(render(name), data, variables)
    return found


def _top(template: Files, environment: Environment) -> str:
    """The folder that becomes the project, with a slash at its end."""
    for name in template:
        head, slash, _ = name.partition("/")
        if slash and "cookiecutter" in head and environment.variable_start_string in head:
            return f"{head}/"
    raise ProjectError("there is no folder `{{ cookiecutter.slug }}`.", "A template has one.", "template")


def _below(template: Files, folder: str) -> dict[str, bytes]:
    return {name[len(folder) :]: data for name, data in template.items() if name.startswith(folder)}


def _copied(parts: Sequence[str], patterns: Sequence[str]) -> int:
    """Place of the first part of a path that is copied as it is; beyond the last one where none is."""
    for place in range(len(parts)):
        path = "/".join(parts[: place + 1])
        if any(fnmatch(path, pattern) for pattern in patterns):
            return place
    return len(parts)


def _inside(parts: Sequence[str], name: str) -> str:
    path = "/".join(part for part in parts if part)
    if path.startswith("/") or "\\" in path or not {"..", "."}.isdisjoint(path.split("/")):
        raise ProjectError(f"becomes {path!r}, which leads out of the project.", "Repair the template.", name)
    return path


def _text(data: bytes) -> str | None:
    """A file's text; None for one that is none, and is copied."""
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _marked(text: str, environment: Environment) -> bool:
    """Whether there is anything to render; most names, and some files, hold nothing."""
    starts = (environment.variable_start_string, environment.block_start_string, environment.comment_start_string)
    lines = environment.line_statement_prefix or environment.line_comment_prefix
    return bool(lines) or any(start in text for start in starts)


def _ended(text: str, data: bytes, variables: Mapping[str, Any]) -> bytes:
    """A rendered text with the line ends of its template, or those that the template's settings ask for."""
    ends = variables.get("_new_lines") or ("\r\n" if data.partition(b"\n")[0].endswith(b"\r") else "\n")
    return (text if ends == "\n" else text.replace("\r\n", "\n").replace("\n", ends)).encode()


def _environment(texts: Mapping[str, str], variables: Mapping[str, Any], *, extended: bool) -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    from drivetrain.bytecode import cache

    options = {"keep_trailing_newline": True, **(variables.get("_jinja2_env_vars") or {})}
    used = variables.get("_extensions") if extended else None
    options |= {
        "loader": FunctionLoader(lambda name: (texts[name], name, None) if name in texts else None),
        "bytecode_cache": cache(json.dumps([options, extended, used], sort_keys=True)),
    }
    if not extended:
        return Environment(undefined=StrictUndefined, **options)
    from cookiecutter.environment import StrictEnvironment

    made: Environment = StrictEnvironment(context={"cookiecutter": variables}, **options)
    return made


@contextmanager
def _told(name: str) -> Iterator[None]:
    """A fault of a template, told with its place: an expression can raise anything."""
    try:
        yield
    except ProjectError:
        raise
    except Exception as error:
        import traceback

        frames = traceback.extract_tb(error.__traceback__)
        line = getattr(error, "lineno", None) or next((f.lineno for f in reversed(frames) if f.filename == name), None)
        where = str(getattr(error, "name", None) or name)
        where = name if where.startswith("/") else where  # of one of the names on its path
        said = getattr(error, "message", None) or str(error)
        raise ProjectError(
            f"the template cannot be rendered ({said}).", "Repair it.", f"{where}:{line}" if line else where
        ) from error
