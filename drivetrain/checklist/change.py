"""Changes to `checklist.yaml` that commands make: each whole or not at all, and no other answer is touched."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.checklist.answers import FILE, digests, entry_text, initial_yaml, load, parse, write_answer
from drivetrain.checklist.bank import question
from drivetrain.checklist.chosen import questions
from drivetrain.checklist.deon import export_markdown, export_yaml, import_ticks
from drivetrain.errors import EvidenceError
from drivetrain.evidence import write_whole

if TYPE_CHECKING:
    from drivetrain.checklist.answers import Answer
    from drivetrain.checklist.deon import Imported
    from drivetrain.spec import Spec


def add(spec: Spec) -> list[str]:
    """Add the questions that a plan sets off and its checklist does not have; returns their keys.

    Raises:
        EvidenceError: `checklist.yaml` is no checklist.
    """
    path = spec.root / FILE
    if not path.exists():
        write_whole(path, initial_yaml(spec))
        return [item.id for item in questions(spec)]
    text = path.read_text(encoding="utf-8")
    known = parse(text)
    new = [item for item in questions(spec) if item.id not in known]
    if not new:
        return []
    owner = (spec.project.owners or [""])[0]
    longer = text.rstrip() + "\n" + "".join(f"\n{entry_text(item, owner)}" for item in new)
    if not _keeps(known, longer, [item.id for item in new]):
        # `items` is not the last part of this file, or is written in one line.
        longer = text
        for item in new:
            longer = write_answer(longer, item.question, {"status": "unknown", "owner": owner or None})
    write_whole(path, longer)
    return [item.id for item in new]


def answer(spec: Spec, key: str, values: Mapping[str, Any], today: datetime.date | None = None) -> None:
    """Answer one question; the day is written beside it, and the hash of every file that it rests on.

    Args:
        spec: The plan.
        key: The question's key.
        values: Any of `status`, `owner`, `note`, `expires` (ISO date) and `evidence` (paths below the project).
        today: The day of the answer; None: today.

    Raises:
        DrivetrainError: There is no such question.
        EvidenceError: A file is not there or lies outside, `expires` is no date, or the file is no checklist.
    """
    asked = question(key)
    written: dict[str, Any] = {k: values[k] for k in ("status", "owner", "note") if k in values}
    if "expires" in values:
        try:
            written["expires"] = datetime.date.fromisoformat(str(values["expires"])).isoformat()
        except ValueError as error:
            raise EvidenceError(
                f"`{values['expires']}` is no date.", "Write it like 2027-01-31.", "--expires"
            ) from error
    if "evidence" in values:
        written["evidence"] = [_proof(spec.root, Path(name)) for name in values["evidence"]]
    written["date"] = (today or datetime.date.today()).isoformat()
    path = spec.root / FILE
    text = path.read_text(encoding="utf-8") if path.exists() else initial_yaml(spec)
    parse(text)
    write_whole(path, write_answer(text, asked, written))


def import_deon(spec: Spec, file: Path) -> Imported:
    """Answer open questions from the ticks of a deon checklist.

    Raises:
        EvidenceError: The file is no deon checklist, or `checklist.yaml` is none.
    """
    try:
        ticked = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(f"cannot be read ({error}).", "Save it as UTF-8 text.", str(file)) from error
    path = spec.root / FILE
    text = path.read_text(encoding="utf-8") if path.exists() else initial_yaml(spec)
    done = import_ticks(spec, text, ticked, file.name)
    if done.answered:
        write_whole(path, done.text)
    return done


def export_deon(spec: Spec, form: str) -> str:
    """The checklist as deon's YAML (`deon`), or as deon renders it in Markdown (`deon-markdown`)."""
    answers = load(spec.root)
    return export_markdown(spec, answers) if form == "deon-markdown" else export_yaml(spec, answers)


def _keeps(known: Mapping[str, Answer], text: str, new: list[str]) -> bool:
    try:
        found = parse(text)
    except EvidenceError:
        return False
    return list(found) == [*known, *new] and all(found[key] == value for key, value in known.items())


def _proof(root: Path, name: Path) -> dict[str, str]:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise EvidenceError("is not a file inside the project.", "Put it into the project.", str(name))
    if not path.is_file():
        raise EvidenceError("is not there.", "Name a file below the project.", str(name))
    return {"path": path.relative_to(root.resolve()).as_posix(), "sha256": digests(path)[-1]}
