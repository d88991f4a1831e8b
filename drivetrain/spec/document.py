"""`drivetrain.yaml` -> `Spec`, and what stands at a path of it."""

import hashlib
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from drivetrain.errors import SpecError
from drivetrain.findings import Finding
from drivetrain.spec.check import NAME, check_document, check_text, find, read_file
from drivetrain.spec.derived import Derived
from drivetrain.spec.plan import Spec
from drivetrain.spec.reading import Document
from drivetrain.spec.structure import check_structure
from drivetrain.spec.writing import steps, tree


def load_spec(path: str | Path | None = None) -> Spec:
    """Read a plan.

    Args:
        path: The file, or the folder it lies in; when absent the nearest `drivetrain.yaml` here or above.

    Raises:
        SpecError: There is none, or it cannot be read; `error.findings` holds every problem.
    """
    file = find(path)
    return build(check_text(read_file(file), file.name), file)


def load_text(text: str, filename: str = NAME) -> Spec:
    """Read a plan from YAML text.

    Raises:
        SpecError: It cannot be read; `error.findings` holds every problem.
    """
    return build(check_text(text, filename))


def build(document: Document, path: Path | None = None) -> Spec:
    """The typed plan of a document that was checked.

    Args:
        document: With its findings.
        path: The file that it was read from.

    Raises:
        SpecError: Something in it fails.
    """
    faults = [finding for finding in document.findings if finding.level == "fail"]
    if faults:
        raise SpecError(f"the plan has {len(faults)} faults.", where=document.filename, findings=faults)
    try:
        spec = Spec.model_validate(document.tree)
        spec.__dict__["derived"] = Derived(document)
        if path is not None:
            spec.__dict__["_path"] = path.resolve()
        return spec
    except ValidationError as error:
        findings = []
        for entry in error.errors(include_url=False):
            shown = ".".join(str(step) for step in entry["loc"])
            where = f"{document.filename}: {shown}"
            findings.append(
                Finding("DS100", "fail", where, f"{entry['msg']}.", "Correct the value.", facts={"path": shown})
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
    here = spec.__dict__.get("_tree")
    if here is None:
        here = spec.__dict__["_tree"] = tree(spec, defaults=True)
    for step in steps(path):
        if isinstance(here, list):
            named = [item for item in here if isinstance(item, dict) and item.get("name") == step]
            here = named[0] if named else here[int(step)] if step.isdigit() and int(step) < len(here) else None
        else:
            here = here.get(step) if isinstance(here, dict) else None
    return deepcopy(here)


def digest(spec: Spec, path: str) -> str:
    """SHA-256 of the canonical JSON of what stands at `path`."""
    text = json.dumps(at(spec, path), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
