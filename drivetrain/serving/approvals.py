"""Stage limited: every action waits for a person, who approves it or takes another setting."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from typing_extensions import TypedDict

from drivetrain.serving.limits import Refused, kind

MOST_SHOWN = 50
"""Waiting decisions that the page shows at one time; the oldest first."""


class Waiting(TypedDict):
    """A decision that waits for a person.

    Attributes:
        decision: Its name.
        time: When it was asked for, UTC.
        recommendation: What the policy advises.
        value: Expected value of that.
        reasons: Why.
        columns: What was sent; media as SHA-256.
        media: Media columns that can be looked at.
        settings: What the person may choose.
    """

    decision: str
    time: str
    recommendation: str
    value: float | None
    reasons: list[str]
    columns: dict[str, Any]
    media: list[str]
    settings: list[str]


class Standing(TypedDict):
    """Where a decision stands.

    Attributes:
        decision: Its name.
        status: `waiting`, or `act` once a person has chosen.
        setting: What to do; null while it waits.
        by: Who chose.
    """

    decision: str
    status: Literal["waiting", "act"]
    setting: str | None
    by: str | None


class Approvals:
    """Decisions that wait, and those that people have made.

    Args:
        records: What the log holds: a service that was stopped goes on where it was.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._made: dict[str, Standing] = {}
        for record in records:
            if record["kind"] == "decision" and record["status"] == "waiting":
                self._waiting[record["decision"]] = record
            elif record["kind"] == "approval":
                self.settle(record)

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, record: Mapping[str, Any]) -> None:
        """A decision begins to wait."""
        with self._lock:
            self._waiting[record["decision"]] = record

    def settle(self, record: Mapping[str, Any]) -> None:
        """A person has chosen."""
        with self._lock:
            self._waiting.pop(record["decision"], None)
            name = str(record["decision"])
            self._made[name] = {"decision": name, "status": "act", "setting": record["setting"], "by": record["by"]}

    def oldest(self) -> list[Waiting]:
        """What the page shows."""
        with self._lock:
            records = list(self._waiting.values())[:MOST_SHOWN]
        return [
            {
                "decision": record["decision"],
                "time": record["time"],
                "recommendation": record["recommendation"],
                "value": record["value"],
                "reasons": record["reasons"],
                "columns": record["columns"],
                "media": sorted(record["media"]),
                "settings": record["allowed"],
            }
            for record in records
        ]

    def standing(self, decision: str) -> Standing:
        """Where a decision stands.

        Raises:
            Refused: No decision of that name waits or waited (404).
        """
        with self._lock:
            if decision in self._made:
                return self._made[decision]
            if decision in self._waiting:
                return {"decision": decision, "status": "waiting", "setting": None, "by": None}
        raise Refused("no decision of this name waits, or waited.", status=404)

    def media_of(self, decision: str, column: str) -> str:
        """SHA-256 of a file that came with a waiting decision.

        Raises:
            Refused: There is none (404).
        """
        with self._lock:
            record = self._waiting.get(decision)
        if record is None or column not in record["media"]:
            raise Refused("no file of this name waits.", status=404)
        return str(record["media"][column])

    def check(self, case: Any, number: int) -> dict[str, Any]:
        """One approval of a request, `{"decision": …, "setting": …, "by": …}`, checked.

        Raises:
            Refused: The decision does not wait, the setting is not allowed, or nobody signs.
        """
        where = f"cases[{number}]"
        if not isinstance(case, Mapping):
            raise Refused(f"is {kind(case)}, not an object.", where=where)
        if strange := case.keys() - {"decision", "setting", "by"}:
            raise Refused("is not known here.", where=f"{where}.{min(strange)[:80]}")
        decision, setting, by = case.get("decision"), case.get("setting"), case.get("by")
        with self._lock:
            record = self._waiting.get(decision) if isinstance(decision, str) else None
            made = isinstance(decision, str) and decision in self._made
        if record is None:
            what = "was decided already." if made else "does not wait for approval."
            raise Refused(what, where=f"{where}.decision", status=409 if made else 422)
        if setting not in record["allowed"]:
            raise Refused(f"is none of {', '.join(record['allowed'])}.", where=f"{where}.setting")
        if not isinstance(by, str) or not by.strip() or len(by) > 200:
            raise Refused("says who approves, in up to 200 characters.", where=f"{where}.by")
        return {"decision": decision, "setting": setting, "by": by.strip()}
