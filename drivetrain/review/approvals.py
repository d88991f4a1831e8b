"""Approvals on record: who approved which gate, on what, with which conditions and dissent.

A signature is a file of its own, so that people can sign in branches without getting into each other's way. The commit
that brings it in is the proof; when something it was given for changes, it lapses, and says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain.checklist.answers import FILE as CHECKLIST
from drivetrain.checklist.answers import digests
from drivetrain.errors import DrivetrainError, EvidenceError, GateError
from drivetrain.evidence import FOLDER as EVIDENCE
from drivetrain.evidence import write_whole
from drivetrain.review.git import git
from drivetrain.stages import STAGES, gate, reached

if TYPE_CHECKING:
    from drivetrain.review.gates import Missing
    from drivetrain.spec import Spec
    from drivetrain.stages import Stage

FOLDER = "signatures"
FORMAT = 1


class Signed(NamedTuple):
    """One approval.

    Attributes:
        stage: The gate.
        name, email: Who approved, by git's identity.
        when: UTC, ISO 8601.
        conditions: What the approval depends on.
        dissent: What was said against it.
        lacking: What the gate lacked when it was signed.
        changed: What it was given for and has changed since; empty while it holds.
        commit: Commit that brought it in, and by whom; empty while it is not committed.
        file: Where it lies below the project.
    """

    stage: Stage
    name: str
    email: str
    when: str
    conditions: tuple[str, ...]
    dissent: tuple[str, ...]
    lacking: tuple[str, ...]
    changed: tuple[str, ...]
    commit: str
    file: str

    @property
    def holds(self) -> bool:
        """Whether nothing that it was given for has changed."""
        return not self.changed


def sign(
    spec: Spec, stage: Stage, lacking: Sequence[Missing], *, conditions: Sequence[str] = (), dissent: Sequence[str] = ()
) -> Path:
    """Put an approval of a gate on record, by the identity that git knows here.

    Args:
        spec: The plan.
        stage: The gate.
        lacking: What keeps the gate closed (`gates.closed`).
        conditions: What the approval depends on; needed where the gate lacks something.
        dissent: What somebody said against it, in their words.

    Returns:
        The file that was written; committing it is the proof.

    Raises:
        GateError: The gate lacks something, and no condition was stated.
        DrivetrainError: Git knows no name and address here.
    """
    if lacking and not conditions:
        first = "; ".join(f"{m.where}: {m.what}" for m in lacking[:3])
        more = f"; and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise GateError(
            f"lacks {len(lacking)} things: {first}{more}.",
            "Mend them, or approve with a condition: --condition TEXT.",
            where=f"gate of stage {stage}",
        )
    name, email = _identity(spec.root)
    moment = datetime.now(UTC)
    body = {
        "format": FORMAT,
        "stage": stage,
        "name": name,
        "email": email,
        "when": moment.isoformat(timespec="seconds"),
        "on": what(spec, stage),
        "lacking": [f"{m.where}: {m.what}" for m in lacking],
        "conditions": list(conditions),
        "dissent": list(dissent),
    }
    who = re.sub(r"[^a-z0-9]+", "-", email.lower()).strip("-")[:60] or "somebody"
    path = spec.root / FOLDER / f"{stage}-{moment:%Y%m%dT%H%M%S}-{who}.json"
    write_whole(path, json.dumps(body, indent=2, ensure_ascii=False) + "\n")
    return path


def what(spec: Spec, stage: Stage) -> dict[str, str]:
    """What an approval of a gate is given for: place -> hash of the parts, evidence and answers that it asks for."""
    asked = [gate(one) for one in STAGES if reached(stage, one)]
    parts = list(dict.fromkeys(part for one in asked for part in one.parts))
    found: dict[str, str] = {}
    for part in parts:
        named = (
            [f"{part}.{entry.name}" for entry in getattr(spec, part)]
            if isinstance(getattr(spec, part), list)
            else [part]
        )
        found |= {path: spec.digest(path) for path in named}
    files = [f"{EVIDENCE}/{step}.json" for step in dict.fromkeys(step for one in asked for step in one.evidence)]
    for name in [*files, CHECKLIST]:
        path = spec.root / name
        if path.is_file():
            found[name] = digests(path)[-1]
    return found


def signatures(spec: Spec) -> tuple[list[Signed], list[str]]:
    """All approvals of a project, oldest first, and what is wrong with those that cannot be read."""
    folder = spec.root / FOLDER
    found, faults = [], []
    now: dict[Stage, dict[str, str]] = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            stage: Stage = body["stage"]
            if stage not in STAGES:
                raise ValueError(f"`{stage}` is no stage")
            if stage not in now:
                now[stage] = what(spec, stage)
            found.append(_signed(body, stage, now[stage], f"{FOLDER}/{path.name}", spec.root))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            faults.append(EvidenceError(f"cannot be read ({error}).", where=f"{FOLDER}/{path.name}").message)
    return sorted(found, key=lambda signed: signed.when), faults


def _signed(body: Mapping[str, Any], stage: Stage, now: Mapping[str, str], file: str, root: Path) -> Signed:
    seen = {str(key): str(value) for key, value in body["on"].items()}
    changed = [key for key in [*seen, *(key for key in now if key not in seen)] if seen.get(key) != now.get(key)]
    return Signed(
        stage=stage,
        name=str(body["name"]),
        email=str(body["email"]),
        when=str(body["when"]),
        conditions=_texts(body.get("conditions")),
        dissent=_texts(body.get("dissent")),
        lacking=_texts(body.get("lacking")),
        changed=tuple(changed),
        commit=_commit(root, file, str(body["email"])),
        file=file,
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _identity(root: Path) -> tuple[str, str]:
    name, email = (git(root, "config", "--get", key) for key in ("user.name", "user.email"))
    if not name or not email:
        raise DrivetrainError(
            "git knows no name and address here, so nobody can be named as the one who approves.",
            'Set them: git config user.name "…" && git config user.email …',
            where="drivetrain sign",
        )
    return name.strip(), email.strip()


def _commit(root: Path, file: str, email: str) -> str:
    """The commit that last touched a file, in words; empty when there is none or the file has changed since."""
    if git(root, "status", "--porcelain", "--", file) != "":
        return ""
    found = git(root, "log", "-1", "--format=%h%x09%an%x09%ae", "--", file)
    if not found or not found.strip():
        return ""
    short, name, address = found.strip().split("\t", 2)
    return short if address == email else f"{short}, committed by {name} <{address}> and not by the one who signed"
