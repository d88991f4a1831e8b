"""The plan while it is being asked for: every answer is in the file at once, and the file can always be read.

What an answer still lacks stands in the file as an open question (owner: `not asked yet`). An answer that does not fit
the rest yet, such as a formula whose names are still to come, is held in the interview's own notes beside the plan and
written into it as soon as it fits. So nothing is lost, whenever somebody leaves.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from drivetrain.errors import SpecError
from drivetrain.evidence import write_whole
from drivetrain.findings import Finding
from drivetrain.interview.lists import at
from drivetrain.interview.questions import Path_
from drivetrain.spec import check_text
from drivetrain.spec.check import check_document, read_file
from drivetrain.spec.reading import Document, is_question, read
from drivetrain.spec.writing import rewrite

NOTES = ".drivetrain-init.json"
NOBODY = "not asked yet"
LATER = "to be told"
_HEAD = "# A plan in the order of the approach: objective, levers, data, models. Edit it as you like.\ndrivetrain: 1\n"
_DAYS = 30
COLLECT: dict[str, tuple[str, ...]] = {
    "image-search": ("queries", "per_query", "licences"), "labelling": ("items", "labellers"), "url-list": ("file",),
    "experiment": ("lever", "unit", "arms", "size", "stop", "harm_limit"),
}  # fmt: skip
"""What each way of collecting data cannot be read without."""
_REQUIRED: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("objective", "measure"), {"unit": None, "direction": None}),
    (("objective", "over_time"), {"periods": None, "every": None}),
    (("objective", "proxies", "*"), {"link": None}),
    (("objective", "affected", "*"), {"who": None, "how": LATER}),
    (("objective", "constants", "*"), {"value": None}),
    (("levers", "*"), {"type": "options"}),
    (("data", "*"), {"kind": "table", "location": None}),
    (("data", "*", "outcomes", "*"), {"column": None, "affected_by": None}),
    (("data", "*", "rights"), {"licence": None, "personal": None}),
    (("data", "*", "collected"), {"how": None}),
    (("data", "*", "ratings"), {"user": None, "item": None}),
    (("objective", "guardrails", "*"), {"measure": None}),
    (("optimizer", "constraints", "*"), {"measure": None}),
    (("simulator", "scenarios", "*"), {"set": None}),
    (("deployment",), {"serve": None}),
    (("deployment", "failure_modes", "*"), {"failure": None, "report": None}),
    (("maintenance",), {"owner": None, "retrain_when": None}),
)
"""Parts and what they cannot be read without: None where an open question may stand for it."""


class Draft:
    """A plan that is growing.

    Args:
        file: Where it is written; read when it is there.
        today: The day from which due dates count.

    Raises:
        SpecError: There is a file that cannot be read as a plan; it is left as it is.
    """

    def __init__(self, file: Path, today: date) -> None:
        self.file, self.today = file, today
        self.notes = file.with_name(NOTES)
        self.text = read_file(file) if file.exists() else _HEAD
        if file.exists():
            document = check_text(self.text, file.name)
            faults = [finding for finding in document.findings if finding.level == "fail"]
            if faults:
                raise SpecError("cannot be continued while it has faults.", where=file.name, findings=faults)
        self.tree: dict[str, Any] = read(self.text).tree
        self.ours = self.text == rewrite(_HEAD, self.tree)
        self.said: dict[str, Any] = {}
        self.held: list[Finding] = []
        self.kept: dict[Path_, Any] = {}
        self._recall()

    def _recall(self) -> None:
        """What was said before, as far as the file was not changed by hand since."""
        try:
            notes = json.loads(self.notes.read_text(encoding="utf-8"))
            self.said = dict(notes["said"])
            held = [(tuple(path), value) for path, value in notes["held"]]
            assumed = [(tuple(path), value) for path, value in notes["assumed"]]
        except (OSError, ValueError, KeyError, TypeError):
            return
        for path, value in assumed:
            if at(self.tree, path) == value:
                del at(self.tree, path[:-1])[path[-1]]
        self.kept = dict(held)
        for path, value in held:
            now = at(self.tree, path)
            if is_question(now) and now.get("owner") == NOBODY:
                put(self.tree, path, value)

    def _sync(self) -> None:
        """Take in what somebody else changed in the file meanwhile; answers go on top of it.

        Raises:
            SpecError: The file was changed and cannot be read any more.
        """
        if not self.file.exists() or (text := read_file(self.file)) == self.text:
            return
        faults = [finding for finding in check_text(text, self.file.name).findings if finding.level == "fail"]
        if faults:
            raise SpecError("was changed and cannot be read.", where=self.file.name, findings=faults)
        self.text, self.tree, self.ours = text, read(text).tree, False
        self._recall()

    def known(self, path: Path_) -> bool:
        """Whether the plan answers, or asks, this itself."""
        value = at(self.tree, path)
        return value not in (None, LATER) and not (is_question(value) and value.get("owner") == NOBODY)

    def set(self, path: Path_, value: Any) -> list[Finding]:
        """Put an answer into the plan and save it.

        Returns:
            What is wrong with the answer itself; then nothing was changed.
        """
        self._sync()
        new = copy.deepcopy(self.tree)
        put(new, path, value)
        wrong = self._wrong(new, path)
        if not wrong:
            self.tree = new
            self.save()
        return wrong

    def note(self, key: str, answer: Any) -> None:
        """Keep that a question was asked, and what was said."""
        self._sync()
        self.said.pop(key, None)
        self.said[key] = answer
        self.save()

    def forget(self) -> str | None:
        """Take the last question back; its answer stays until there is another."""
        key = next(reversed(self.said), None)
        if key is not None:
            del self.said[key]
            self.save()
        return key

    def _wrong(self, tree: dict[str, Any], path: Path_) -> list[Finding]:
        """Faults at or below a place, of the plan as it would be."""
        shown = _shown(path)
        found = _faults(self._filled(tree))
        return [f for f in found if f"{f.facts.get('path', '')}".startswith(shown) and f.id[-2:] != "11"]

    def _filled(self, tree: dict[str, Any]) -> dict[str, Any]:
        """The plan with open questions for what its parts cannot be read without."""
        filled = copy.deepcopy(tree)
        for path, fields in _REQUIRED:
            for part in _parts(filled, path):
                for field, stand_in in fields.items():
                    collected = field == "location" and "collect" in part
                    if field not in part and not collected:
                        part[field] = self.open(f"What is `{field}`?") if stand_in is None else stand_in
        for source in _parts(filled, ("data", "*")):
            if "collect" not in source:
                continue
            if at(source, ("location", "owner")) == NOBODY:
                del source["location"]
            for part in _parts(source, ("collect",)):
                for field in COLLECT.get(str(part.get("how")), ()):
                    part.setdefault(field, self.open(f"What is `{field}`?"))
        places = (("objective", "guardrails", "*"), ("optimizer", "constraints", "*"))
        for limit in (part for path in places for part in _parts(filled, path)):
            if "at_least" not in limit:
                limit.setdefault("at_most", self.open("How much at most?"))
        for lever in _parts(filled, ("levers", "*")):
            wanted = {"options": ("options",), "ranking": ("of",)}.get(lever["type"], ("minimum", "maximum"))
            for field in wanted if "options_from" not in lever else ():
                lever.setdefault(field, self.open(f"What is `{field}`?"))
        return filled

    def open(self, text: str, owner: str = NOBODY, due: str = "") -> dict[str, str]:
        """An open question, as a plan writes it."""
        return {"unknown": text, "owner": owner, "due": due or (self.today + timedelta(days=_DAYS)).isoformat()}

    def save(self) -> None:
        """Write plan and notes, each whole or not at all; what does not fit yet goes to the notes."""
        tree = self._filled(self.tree)
        held: list[tuple[Path_, Any]] = []
        self.held = []
        for _ in range(20):
            faults = _faults(tree)
            if not faults:
                break
            for finding in faults:
                path = _field(tree, finding)
                if path and not is_question(at(tree, path)):
                    value = at(tree, path)
                    held.append((path, value))
                    self.held.append(finding)
                    put(tree, path, self.open(f"What is it? So far: {json.dumps(value, ensure_ascii=False)}"))
        before = self.text
        # A file in our own layout is laid out anew, so that parts do not stay on the line they began on.
        self.text = rewrite(_HEAD if self.ours else before, tree)
        # Notes first, and they forget nothing that was held: whenever we are ended, the file says what still counts.
        self.kept |= dict(held)
        notes = {
            "said": self.said,
            "held": [[list(path), value] for path, value in self.kept.items()],
            "assumed": [[list(path), value] for path, value in _assumed(self.tree, tree)],
        }
        write_whole(self.notes, json.dumps(notes, indent=1, ensure_ascii=False) + "\n")
        if self.text != before or not self.file.exists():
            write_whole(self.file, self.text)

    def finish(self) -> None:
        """The interview is over: what is held is in the file as a question, and the notes go."""
        self.save()
        self.notes.unlink(missing_ok=True)


def _assumed(said: Any, filled: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Values that stand in for answers still to come, with their places; open questions speak for themselves."""
    if isinstance(filled, dict) and not is_question(filled):
        for key, value in filled.items():
            if isinstance(said, dict) and key not in said and not isinstance(value, dict | list):
                yield (*path, key), value
            elif isinstance(said, dict):
                yield from _assumed(said.get(key), value, (*path, key))
    elif isinstance(filled, list) and isinstance(said, list):
        for place, value in enumerate(filled):
            yield from _assumed(said[place] if place < len(said) else None, value, (*path, place))


def put(tree: Any, path: Path_, value: Any) -> None:
    """Set what stands at a path of plain data; parts on the way are made, an open question on it gives way."""
    here: Any = tree
    for step, below in zip(path, (*path[1:], None), strict=True):
        empty: Any = [] if isinstance(below, int) else {}
        if isinstance(here, list) and isinstance(step, int):
            here.extend({} for _ in range(step + 1 - len(here)))
            now = here[step]
        else:
            now = here.get(step)
        if below is None:
            here[step] = value
        else:
            if not isinstance(now, type(empty)) or is_question(now):
                here[step] = empty
            here = here[step]


def _parts(tree: Any, path: tuple[str, ...]) -> list[dict[str, Any]]:
    """Parts at a path, `*` for every item; open questions left out."""
    found = [tree]
    for step in path:
        below: list[Any] = []
        for part in found:
            if step == "*":
                below += part if isinstance(part, list) else list(part.values()) if isinstance(part, dict) else []
            elif isinstance(part, dict) and step in part:
                below.append(part[step])
        found = [part for part in below if not is_question(part)]
    return [part for part in found if isinstance(part, dict)]


def _faults(tree: dict[str, Any]) -> list[Finding]:
    """What keeps a plan from being read."""
    try:
        found = check_document(Document("drivetrain.yaml", tree=copy.deepcopy(tree))).findings
        return [finding for finding in found if finding.level == "fail"]
    except SpecError as error:
        return list(error.findings)


def _shown(path: Path_) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _field(tree: Any, finding: Finding) -> Path_:
    """The place that a fault is about, as far down as a question may stand for it."""
    steps: list[str | int] = []
    for step in str(finding.facts.get("path", "")).replace("[", ".[").split("."):
        if step:
            steps.append(int(step[1:-1]) if step.startswith("[") else step)
    while steps and (at(tree, tuple(steps)) is None or steps[-1] in ("name", "kind", "type", "task", "how")):
        steps.pop()
    return tuple(steps)
