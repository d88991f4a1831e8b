"""What was generated, kept in the project: `.drivetrain/record.json`.

An update needs to know what drivetrain wrote the last time, to tell the team's edits from its own. The record is part
of the project and belongs into version control, as lines of text, so that a diff of it can be read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain.errors import ProjectError
from drivetrain.evidence import write_whole
from drivetrain.project import template as templates

if TYPE_CHECKING:
    from drivetrain.project.origin import Origin
    from drivetrain.project.template import Files
    from drivetrain.spec import Spec

FOLDER = ".drivetrain"
FILE = f"{FOLDER}/record.json"
FORMAT = 1
PLAN = "drivetrain.yaml"


class Record(NamedTuple):
    """The last generation of a project.

    Attributes:
        version: Version of drivetrain.
        template: SHA-256 of the template.
        slug: Name of the project's folder when it was generated; it stays, whatever the plan's name becomes.
        package: Name of its Python package; it stays too.
        vendor: Whether drivetrain's wheel lies in the project.
        models: Model -> task.
        plan: The plan's text.
        files: File -> its text as generated; None for one that is not text.
        digests: File -> SHA-256 of its bytes as generated.
    """

    version: str
    template: str
    slug: str
    package: str
    vendor: bool
    models: Mapping[str, str]
    plan: str
    files: Mapping[str, str | None]
    digests: Mapping[str, str]


def entry(files: Mapping[str, bytes], spec: Spec, template: Files, origin: Origin, slug: str, package: str) -> bytes:
    """The record of files that were just rendered."""
    body = {
        "format": FORMAT,
        "drivetrain": origin.version,
        "template": templates.version(template),
        "slug": slug,
        "package": package,
        "vendor": origin.kind == "vendor",
        "models": {model.name: str(model.task) for model in spec.models},
        "plan": files[PLAN].decode("utf-8").splitlines(keepends=True),
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "text": _lines(data)}
            for name, data in sorted(files.items())
            if name not in (PLAN, FILE)
        },
    }
    return (_written(body) + "\n").encode()


def read(project: Path) -> Record:
    """The record of a project.

    Raises:
        ProjectError: There is none, or it cannot be read.
    """
    path = project / FILE
    try:
        body = json.loads(path.read_bytes().decode("utf-8"))
        if body["format"] != FORMAT:
            raise ProjectError(
                f"was written by drivetrain {body['drivetrain']}, in a format that this version does not know.",
                "Install that version, or a later one.",
                str(path),
            )
        files = body["files"]
        return Record(
            version=str(body["drivetrain"]),
            template=str(body["template"]),
            slug=str(body["slug"]),
            package=str(body["package"]),
            vendor=bool(body["vendor"]),
            models={str(name): str(task) for name, task in body["models"].items()},
            plan="".join(body["plan"]),
            files={name: None if entry["text"] is None else "".join(entry["text"]) for name, entry in files.items()},
            digests={name: str(entry["sha256"]) for name, entry in files.items()},
        )
    except FileNotFoundError as error:
        raise ProjectError(
            "there is no record of what drivetrain generated here.",
            f"Run it in a project made by `drivetrain new`, and keep its {FILE}.",
            str(project),
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProjectError(
            f"cannot be read ({type(error).__name__}: {error}).", "Take it back from version control.", str(path)
        ) from error


def note(project: Path, texts: Mapping[str, str]) -> None:
    """Put files on record as generated that were written anew since the last update.

    Raises:
        ProjectError: There is no record, or it cannot be read.
    """
    read(project)
    path = project / FILE
    body = json.loads(path.read_bytes().decode("utf-8"))
    for name, text in texts.items():
        data = text.encode("utf-8")
        body["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "text": _lines(data)}
    write_whole(path, _written(body) + "\n")


def _written(value: Any, end: str = "\n") -> str:
    """`json.dumps(value, indent=1, ensure_ascii=False)`, whose indenting has no fast way for thousands of lines."""
    inner = f"{end} "
    if isinstance(value, Mapping) and value:
        fields = [f"{_text(name)}: {_written(item, inner)}" for name, item in value.items()]
        return "{" + inner + f",{inner}".join(fields) + end + "}"
    if isinstance(value, list) and value:
        return "[" + inner + json.dumps(value, ensure_ascii=False, separators=(f",{inner}", ": "))[1:-1] + end + "]"
    return _text(value)


_text = json.JSONEncoder(ensure_ascii=False).encode


def _lines(data: bytes) -> list[str] | None:
    try:
        return data.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return None
