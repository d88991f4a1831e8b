"""`drivetrain.yaml` <-> `Spec`."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from drivetrain.errors import SpecError
from drivetrain.spec.part import Part, Unknown
from drivetrain.spec.plan import Spec

NAME = "drivetrain.yaml"


def load_spec(path: str | Path | None = None) -> Spec:
    """Read a plan.

    Args:
        path: The file, or the folder it lies in; when absent the nearest `drivetrain.yaml` here or above.

    Raises:
        SpecError: There is none, or it cannot be read; `error.findings` holds every problem.
    """
    file = find(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read ({error}).", where=str(file)) from error
    spec = load_text(text, file.name)
    spec.__dict__["_path"] = file.resolve()
    return spec


def find(path: str | Path | None = None) -> Path:
    """The file that `load_spec` would read.

    Raises:
        SpecError: There is none.
    """
    if path is None:
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / NAME).is_file():
                return folder / NAME
        raise SpecError(f"there is no {NAME} in this folder or above.", "Write one with `drivetrain init`.", str(here))
    file = Path(path)
    if file.is_dir():
        file = file / NAME
    if not file.is_file():
        raise SpecError("there is no such file.", "Write one with `drivetrain init`.", str(file))
    return file


def load_text(text: str, filename: str = NAME) -> Spec:
    """Read a plan from YAML text.

    Raises:
        SpecError: It cannot be read.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        tree = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise SpecError(str(error), where=filename) from error
    try:
        return Spec.model_validate(_plain(tree))
    except ValidationError as error:
        lines = [f"{filename}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise SpecError("\n".join(lines)) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def tree(part: Any, *, defaults: bool = False) -> Any:
    """A part as plain JSON data, as it would be written in the file.

    Args:
        part: A part, or a value inside one.
        defaults: Also write what has its default.
    """
    if isinstance(part, Part):
        fields = type(part).model_fields
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if name == "unknown":
                continue
            value = getattr(part, name)
            open_ = {key: item for key, item in part.unknown.items() if _head(key) == name}
            key = field.alias or name
            if name in open_:
                values[key] = _question(open_[name])
            elif value is not None and (defaults or open_ or name in part.model_fields_set):
                values[key] = tree(value, defaults=defaults)
                for at_, item in open_.items():
                    _put_back(values[key], at_[len(name) :], _question(item))
        if not defaults and part.short and values.keys() == {part.short} and not isinstance(values[part.short], dict):
            return values[part.short]
        return values
    if isinstance(part, Mapping):
        return {key: tree(value, defaults=defaults) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [tree(value, defaults=defaults) for value in part]
    return part.isoformat() if isinstance(part, date) else part


def _head(key: str) -> str:
    return re.split(r"[.\[]", key, maxsplit=1)[0]


def _question(open_: Unknown) -> dict[str, str]:
    return {"unknown": open_.unknown, "owner": open_.owner, "due": open_.due.isoformat()}


def _put_back(value: Any, path: str, question: dict[str, str]) -> None:
    """Write an open question back to the place it was lifted from: `.missed`, `[1]`, `.healthy[0]`."""
    place = re.fullmatch(r"\[(\d+)\]", path)
    if isinstance(value, list) and place:
        value.insert(int(place[1]), question)
        return
    if isinstance(value, dict):
        for key in sorted(value, key=len, reverse=True):
            if path.startswith(f".{key}") and path[len(key) + 1 : len(key) + 2] in ("[", "."):
                _put_back(value[key], path[len(key) + 1 :], question)
                return
        value[path[1:]] = question


def at(spec: Spec, path: str) -> Any:
    """Plain JSON data below `path`, defaults included, items of a list by name; None when nothing is there."""
    here: Any = spec
    for key in [step for step in re.split(r"\.|\[(\d+)\]", path) if step]:
        if isinstance(here, Part):
            if key in here.unknown:
                here = here.unknown[key]
                continue
            here = getattr(here, f"{key}_" if key in ("from",) else "otherwise" if key == "else" else key, None)
        elif isinstance(here, Mapping):
            here = here.get(key)
        elif isinstance(here, list):
            named = [item for item in here if getattr(item, "name", None) == key]
            here = named[0] if named else here[int(key)] if key.isdigit() and int(key) < len(here) else None
        else:
            return None
    return _question(here) if isinstance(here, Unknown) else tree(here, defaults=True)


def digest(spec: Spec, path: str) -> str:
    """SHA-256 of the canonical JSON of what stands at `path`."""
    text = json.dumps(at(spec, path), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def dump(spec: Spec) -> str:
    """A plan as YAML text; `load_text(dump(spec)) == spec`."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 120
    yaml.default_flow_style = False
    stream = StringIO()
    yaml.dump(tree(spec), stream)
    return stream.getvalue()
