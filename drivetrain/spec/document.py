"""`drivetrain.yaml` -> `Spec`."""

from pathlib import Path

from pydantic import ValidationError

from drivetrain.errors import SpecError
from drivetrain.findings import Finding
from drivetrain.spec.check import NAME, check_document, check_text, find, read_file, refuse_faults
from drivetrain.spec.derived import Derived
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
    refuse_faults(document)
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
