"""`checklist.yaml`: the team's answers, which it owns and edits."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from drivetrain.checklist.chosen import questions
from drivetrain.errors import EvidenceError, SpecError
from drivetrain.text import line, quoted

if TYPE_CHECKING:
    from drivetrain.checklist.bank import Question
    from drivetrain.checklist.chosen import Item
    from drivetrain.findings import Finding
    from drivetrain.spec import Spec
    from drivetrain.spec.reading import Document

FILE = "checklist.yaml"
LARGEST = 4_000_000
"""Bytes: a checklist that a person wrote is far below; a larger file is a mistake or an attack."""

Status = Literal["yes", "no", "not applicable", "unknown"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Proof(NamedTuple):
    """A file that an answer rests on.

    Attributes:
        path: Relative to the project, with forward slashes.
        sha256: What it was when the question was answered; empty when nobody wrote it down.
    """

    path: str
    sha256: str = ""


class Answer(NamedTuple):
    """One answer.

    Attributes:
        status: yes, no, not applicable or unknown.
        owner: Who stands for it.
        note: The reason, in a sentence.
        evidence: Files that it rests on.
        date: When it was given.
        expires: When it must be given again.
        line: Where it stands in the file, from 1.
        faults: What is wrong with its form, as sentences.
    """

    status: Status = "unknown"
    owner: str = ""
    note: str = ""
    evidence: tuple[Proof, ...] = ()
    date: datetime.date | None = None
    expires: datetime.date | None = None
    line: int = 0
    faults: tuple[str, ...] = ()


def load(root: Path) -> dict[str, Answer]:
    """The answers in `checklist.yaml` below `root`; empty when there is no file.

    A fault inside one answer is kept with it (`Answer.faults`), so that one slip hides no other answer.

    Raises:
        EvidenceError: The file is no checklist at all.
    """
    path = root / FILE
    if not path.exists():
        return {}
    return parse(_text(path))


def parse(text: str) -> dict[str, Answer]:
    """The answers in the text of a `checklist.yaml`.

    Raises:
        EvidenceError: The text is no checklist.
    """
    from drivetrain.spec.reading import read

    try:
        found = read(text, FILE)
    except SpecError as error:
        raise EvidenceError(error.what, error.advice, where=error.where) from error
    items = found.tree.get("items") if isinstance(found.tree, dict) else None
    if not isinstance(items, dict):
        raise EvidenceError(
            "has no `items:` with one entry per question.", "`drivetrain checklist --add` writes them.", where=FILE
        )
    return {name: _answer(entry, found, name) for name, entry in items.items()}


def _answer(entry: Any, found: Document, name: str) -> Answer:
    place = found.keys.get(("items", name))
    line = place.line if place else 0
    # Doubled keys, tags and the like: what was skipped on reading is a fault of the entry it stands in.
    inside = ("items", name)
    faults = [f"{f.what} {f.advice}".strip() for f in found.findings if _path(f)[:2] == inside and f.level == "fail"]
    if entry is None:
        return Answer(line=line, faults=tuple(faults))
    if not isinstance(entry, dict):
        faults.append("an answer is a mapping with status, owner, note, evidence, date and expires.")
        return Answer(line=line, faults=tuple(faults))
    known = ("status", "owner", "note", "evidence", "date", "expires")
    faults += [f"`{key}` is no field of an answer; there are {', '.join(known)}." for key in entry if key not in known]
    return Answer(
        status=_status(entry.get("status"), faults),
        owner=_line_of_text(entry.get("owner"), "owner", faults),
        note=_line_of_text(entry.get("note"), "note", faults),
        evidence=_proofs(entry.get("evidence"), faults),
        date=_date(entry.get("date"), "date", faults),
        expires=_date(entry.get("expires"), "expires", faults),
        line=line,
        faults=tuple(faults),
    )


def _path(finding: Finding) -> tuple[str, ...]:
    return tuple(str(finding.facts.get("path", "")).split("."))


def _status(value: Any, faults: list[str]) -> Status:
    if value is None:
        return "unknown"
    # YAML 1.1 writers turn yes and no into true and false.
    said = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
    folded = " ".join(str(said).replace("_", " ").lower().split())
    for status in STATUSES:
        if folded == status or (status == "not applicable" and folded in ("n/a", "na")):
            return status
    faults.append(f"status `{_short(value)}` is none of {', '.join(STATUSES)}.")
    return "unknown"


def _line_of_text(value: Any, name: str, faults: list[str]) -> str:
    if value is None:
        return ""
    if isinstance(value, (Mapping, list)):
        faults.append(f"`{name}` is text.")
        return ""
    return str(value).strip()


def _proofs(value: Any, faults: list[str]) -> tuple[Proof, ...]:
    if value is None:
        return ()
    found = []
    for entry in value if isinstance(value, list) else [value]:
        path = entry.get("path") if isinstance(entry, Mapping) else entry
        digest = entry.get("sha256") if isinstance(entry, Mapping) else None
        if not isinstance(path, str) or not path.strip():
            faults.append("evidence is a list of `{path: …, sha256: …}`.")
        elif (
            PurePosixPath(path.replace("\\", "/")).is_absolute()
            or ".." in path.replace("\\", "/").split("/")
            or ":" in path
        ):
            faults.append(f"evidence `{_short(path)}` is not a file inside the project.")
        else:
            found.append(Proof(path.strip().replace("\\", "/"), str(digest or "").strip().lower()))
    return tuple(found)


def _date(value: Any, name: str, faults: list[str]) -> datetime.date | None:
    if value is None or value == "":
        return None
    try:
        # A date and time (also a YAML timestamp) counts as its day.
        return datetime.date.fromisoformat(str(value)[:10])
    except ValueError:
        faults.append(f"`{name}` is `{_short(value)}`, not a date like 2027-01-31.")
        return None


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:59] + "…"


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise EvidenceError(f"is larger than {LARGEST // 1_000_000} MB.", "Keep answers short.", where=FILE)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(f"cannot be read ({error}).", "Save it as UTF-8 text.", where=FILE) from error


def digests(path: Path) -> list[str]:
    """SHA-256 digests that stand for a file: of its bytes and, for an evidence record, of all but its hour.

    A step that is run again and measures the same has not changed the evidence. The last one is the one to write down.
    """
    raw = path.read_bytes()
    found = [hashlib.sha256(raw).hexdigest()]
    if path.suffix == ".json" and path.parent.name == "evidence":
        try:
            body = json.loads(raw)
            body.pop("created")
            found.append(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest())
        except (ValueError, AttributeError, KeyError):
            pass
    return found


def initial(spec: Spec) -> dict[str, Answer]:
    """The answers in the first `checklist.yaml` of a plan, without reading it."""
    owner = line((spec.project.owners or [""])[0])
    return {item.id: Answer(owner=owner) for item in questions(spec)}


def initial_yaml(spec: Spec) -> str:
    """The first `checklist.yaml` of a plan: every question it sets off, unanswered, with the reason why it is asked."""
    head = [
        "# The bias checklist. It belongs to the team: answer here, `drivetrain checklist` says what is open.",
        "#",
        "#   status    yes | no | not applicable | unknown",
        "#   note      the reason: needed for yes without evidence, no, and not applicable",
        "#   evidence  files inside this project: [{path: evidence/audit.json, sha256: ...}]",
        "#   date      when it was answered; expires: when it must be answered again",
        "",
        "drivetrain_checklist: 1",
        "items:",
    ]
    owner = (spec.project.owners or [""])[0] if spec.project else ""
    stage = ""
    for item in questions(spec):
        if item.question.stage != stage:
            stage = item.question.stage
            head += ["", f"  # ---- asked by the gate of stage `{stage}` {'-' * (70 - len(stage))}"]
        head += ["", entry_text(item, owner).rstrip("\n")]
    return "\n".join(head) + "\n"


def entry_text(item: Item, owner: str) -> str:
    """A question's entry in the file, unanswered, with the reason why it is asked."""
    asked = item.question
    notes = [
        asked.question,
        f"Why: {asked.why}",
        f"Asked because of {'; '.join(item.reasons)}",
        f"Evidence: {asked.evidence}",
    ]
    lines = [
        # Text of the plan stands in comments: a line break in it would end the comment.
        *(f"  # {part}" for note in notes for part in _folded(line(note))),
        f"  {asked.id}:",
        "    status: unknown",
        f"    owner: {_scalar(owner)}" if owner else "    owner:",
        "    note:",
        "    evidence: []",
        "    date:",
        "    expires:",
    ]
    return "\n".join(lines) + "\n"


def _folded(text: str) -> list[str]:
    # Most fit; looking for the words of all of them would take longer than everything else here.
    return [text] if len(text) <= 112 else wrap(text, 112, subsequent_indent="  ")


def _scalar(text: str) -> str:
    """A text as a YAML scalar."""
    return f'"{quoted(text)}"'


def write_answer(text: str, asked: Question, values: Mapping[str, Any]) -> str:
    """The text of a `checklist.yaml` with one answer changed; comments, order and other answers stay.

    Args:
        text: The file as it is.
        asked: The question; it is added at the end when the file has no entry for it.
        values: Fields to set; `evidence` is a list of `{"path", "sha256"}`.
    """
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    body = yaml.load(text)
    entry = body["items"].get(asked.id)
    if entry is None:
        body["items"][asked.id] = entry = {}
    entry.update(values)
    stream = io.StringIO()
    yaml.dump(body, stream)
    return stream.getvalue()
