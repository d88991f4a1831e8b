"""`drivetrain.yaml` -> `Spec`, and what stands at a path of it."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from drivetrain.errors import SpecError
from drivetrain.findings import Finding
from drivetrain.spec.check import NAME, check_document, check_text, find, read_file
from drivetrain.spec.part import Part
from drivetrain.spec.plan import Spec
from drivetrain.spec.reading import Document
from drivetrain.spec.structure import check_structure
from drivetrain.spec.writing import tree


def load_spec(path: str | Path | None = None) -> Spec:
    """Read a plan.

    Args:
        path: The file, or the folder it lies in; when absent the nearest `drivetrain.yaml` here or above.

    Raises:
        SpecError: There is none, or it cannot be read; `error.findings` holds every problem.
    """
    file = find(path)
    spec = load_text(read_file(file), file.name)
    spec.__dict__["_path"] = file.resolve()
    return spec


def load_text(text: str, filename: str = NAME) -> Spec:
    """Read a plan from YAML text.

    Raises:
        SpecError: It cannot be read; `error.findings` holds every problem.
    """
    return build(check_text(text, filename))


def build(document: Document) -> Spec:
    """The typed plan of a document that was checked.

    Raises:
        SpecError: Something in it fails.
    """
    faults = [finding for finding in document.findings if finding.level == "fail"]
    if faults:
        raise SpecError(f"the plan has {len(faults)} faults.", where=document.filename, findings=faults)
    try:
        return Spec.model_validate(document.tree)
    except ValidationError as error:
        findings = []
        for entry in error.errors(include_url=False):
            path = ".".join(str(step) for step in entry["loc"])
            where = f"{document.filename}: {path}"
            findings.append(
                Finding("DS100", "fail", where, f"{entry['msg']}.", "Correct the value.", facts={"path": path})
            )
        raise SpecError("the plan cannot be read.", where=document.filename, findings=findings) from None


def plain(spec: Spec) -> Document:
    """A plan as a document whose structure was checked, as one read from a file is."""
    document = Document(spec.path.name if spec.path else NAME, tree=tree(spec))
    check_structure(document)
    return document


def findings(spec: Spec) -> list[Finding]:
    """Everything that is wrong with a plan that was built or changed in Python."""
    try:
        return check_document(Document(spec.path.name if spec.path else NAME, tree=tree(spec))).findings
    except SpecError as error:
        return list(error.findings)


def at(spec: Spec, path: str) -> Any:
    """Plain JSON data below `path`, defaults included, items of a list by name; None when nothing is there."""
    here: Any = spec
    for key in [step for step in re.split(r"\.|\[(\d+)\]", path) if step]:
        if isinstance(here, Part):
            if key in here.unknown:
                here = here.unknown[key]
                continue
            names = {field.alias: name for name, field in type(here).model_fields.items() if field.alias}
            here = getattr(here, names.get(key, key), None) if names.get(key, key) in type(here).model_fields else None
        elif isinstance(here, Mapping):
            here = here.get(key)
        elif isinstance(here, list):
            named = [item for item in here if getattr(item, "name", None) == key]
            here = named[0] if named else here[int(key)] if key.isdigit() and int(key) < len(here) else None
        else:
            return None
    return tree(here, defaults=True)


def digest(spec: Spec, path: str) -> str:
    """SHA-256 of the canonical JSON of what stands at `path`."""
    text = json.dumps(at(spec, path), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
