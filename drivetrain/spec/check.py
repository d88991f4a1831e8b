"""`drivetrain validate`: everything that is wrong with a plan, without building a single model."""

from pathlib import Path

from drivetrain.errors import SpecError
from drivetrain.findings import Finding
from drivetrain.spec import kinds
from drivetrain.spec.language import definitions
from drivetrain.spec.meaning import check_meaning
from drivetrain.spec.migrations import VERSION, migrate
from drivetrain.spec.reading import LARGEST, Document, read, too_large
from drivetrain.spec.structure import check_structure

NAME = "drivetrain.yaml"


def find(path: str | Path | None = None) -> Path:
    """The file of a plan.

    Args:
        path: The file, or the folder it lies in; when absent the nearest `drivetrain.yaml` here or above.

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
    if not file.exists():
        what = f"there is no {NAME} in this folder." if Path(path).is_dir() else "there is no such file."
        raise SpecError(what, "Write a plan with `drivetrain init`.", str(path))
    if not file.is_file():
        raise SpecError("is no file.", "A plan is a YAML file.", str(path))
    return file


def read_file(file: Path) -> str:
    """The text of a plan.

    Raises:
        SpecError: It is too large, no UTF-8, or cannot be opened.
    """
    try:
        if (size := file.stat().st_size) > LARGEST:
            raise too_large(file.name, size)
        raw = file.read_bytes()
    except OSError as error:
        raise SpecError(f"cannot be read ({error.strerror}).", "Check the file's permissions.", str(file)) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        advice = "Save it as UTF-8."
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            advice = "It looks like UTF-16: save it as UTF-8."
        what = f"holds a byte that is no UTF-8 (0x{raw[error.start]:02X})."
        where = f"{file.name}:{line}"
        raise SpecError(
            what, advice, where, [Finding(f"DS1{kinds.FILE}", "fail", where, what, advice, facts={"line": line})]
        ) from None


def check_text(text: str, filename: str = NAME) -> Document:
    """Check a plan.

    Returns:
        The document; `findings` holds every problem in the order of the approach, `questions` what is unknown.

    Raises:
        SpecError: It is no YAML, or no plan of a version that is known.
    """
    document = read(text, filename)
    return check_document(document)


def check_document(document: Document) -> Document:
    """Check plain data, read from a file or made in Python, as `check_text` does."""
    _version(document)
    check_structure(document)
    check_meaning(document)
    order = {part: place for place, part in enumerate(definitions()["properties"])}

    def place(finding: Finding) -> tuple[int, int, int]:
        part = str(finding.facts.get("path", "")).split(".")[0].split("[")[0]
        return order.get(part, -1), int(finding.facts.get("line", 0)), int(finding.facts.get("column", 0))

    document.findings.sort(key=place)
    return document


def check_file(path: str | Path | None = None) -> Document:
    """Check the plan in a file, as `check_text` does.

    Raises:
        SpecError: There is none, or it cannot be read.
    """
    file = find(path)
    return check_text(read_file(file), file.name)


def refuse_faults(document: Document) -> None:
    """Refuse a document in which something fails.

    Raises:
        SpecError: With everything that fails.
    """
    faults = [finding for finding in document.findings if finding.level == "fail"]
    if faults:
        raise SpecError(f"the plan has {len(faults)} faults.", where=document.filename, findings=faults)


def _version(document: Document) -> None:
    """Bring a plan of an older version up to date; refuse one of a newer."""
    tree = document.tree
    said = tree.get("drivetrain") if isinstance(tree, dict) else None
    if isinstance(said, int) and not isinstance(said, bool) and said > VERSION:
        what = f"is written in version {said} of the plan language, and this drivetrain reads up to {VERSION}."
        document.add(kinds.VERSION, ("drivetrain",), what, "Install a newer drivetrain.")
        finding = document.findings[-1]
        raise SpecError(what, finding.advice, finding.where, [finding])
    if isinstance(tree, dict):
        document.tree = migrate(tree)
