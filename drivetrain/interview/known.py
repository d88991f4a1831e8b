"""The questions about data: where they lie or how they come, what is found out later, what is known before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from drivetrain.interview.draft import COLLECT, NOBODY
from drivetrain.interview.lists import at, first, last, several
from drivetrain.interview.questions import Path_, Question, question
from drivetrain.spec.reading import is_question

_SPOKEN_LATER = {"labelling": ("guideline",), "experiment": ("at_harm",)}
"""What collecting may leave open."""


def known(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    """Every question about sources, from the first, whose rows are decided on, to the last."""
    sources = []
    for place in several(said, "source_more", tree.get("data")):
        path: Path_ = ("data", place)
        name = str(at(tree, (*path, "name")))
        sources.append(name)
        yield first(question("source_name", (*path, "name")), place)
        for field in ("kind", "unit"):
            yield question(f"source_{field}", (*path, field), source=name)
        yield from _origin(tree, said, path, name)
        if place and at(tree, (*path, "collect", "how")) == "experiment":
            # A trial brings more rows like those of the cases: nothing about them is asked twice.
            continue
        if at(tree, (*path, "kind")) == "ratings":
            for field in ("user", "item"):
                yield question(f"ratings_{field}", (*path, "ratings", field), source=name)
        yield from _outcomes(tree, said, path, name)
        yield question("columns", (*path, "columns"), source=name)
        for field in ("entity", "time"):
            yield question(f"source_{field}", (*path, field), source=name)
        if place:
            yield from _join(tree, path, name)
        else:
            apart = tuple(field for field in ("entity", "time") if isinstance(at(tree, (*path, field)), str))
            if apart:
                asked = question("source_split", (*path, "split", "by"), source=name)
                yield replace(asked, choices=(*apart, "random"))
        for field in ("licence", "personal"):
            yield question(f"rights_{field}", (*path, "rights", field), source=name)
        if at(tree, (*path, "rights", "personal")) is True:
            yield question("rights_consent", (*path, "rights", "consent"), source=name)
            columns = at(tree, (*path, "columns"))
            if isinstance(columns, dict) and not is_question(columns):
                asked = question("sensitive", (*path, "columns", ""), f"sensitive.{place}", source=name)
                yield replace(asked, choices=tuple(columns))
            yield question("groups", (*path, "groups"), source=name)
        if place == 0:
            yield question("collected", (*path, "collected", "how"), source=name)
            yield from _needs(tree, path, name)
        if last(tree, path, place):
            yield question("source_more", (), f"source_more.{place}")
    for lever in _untried(tree):
        yield question("trial", ("data", len(sources)), f"trial.{lever}", lever=lever)
    if len(sources) > 1:
        yield replace(question("cases", ("decision", "cases")), choices=tuple(sources))


def _untried(tree: Any) -> list[str]:
    """Levers that never moved though an outcome is said to follow them, and that no trial is planned for."""
    sources = [part for part in tree.get("data") or () if isinstance(part, dict) and not is_question(part)]
    outcomes = [o for part in sources for o in (at(part, ("outcomes",)) or {}).values() if isinstance(o, dict)]
    moved = {name for o in outcomes if isinstance(o.get("affected_by"), list) for name in o["affected_by"]}
    tried = {at(part, ("collect", "lever")) for part in sources}
    levers = [part for part in tree.get("levers") or () if isinstance(part, dict) and not is_question(part)]
    still = [str(part.get("name")) for part in levers if at(part, ("history", "kind")) in ("constant", "never")]
    return [name for name in still if name in moved and name not in tried]


def _origin(tree: Any, said: Mapping[str, Any], path: Path_, source: str) -> Iterator[Question]:
    """Where the data lie; where they lie nowhere yet, how they are collected."""
    asked = question("source_location", (*path, "location"), source=source)
    here: Path_ = (*path, "collect")
    if at(tree, here) is None:
        yield asked
        nowhere = at(tree, asked.path) is None or at(tree, (*asked.path, "owner")) == NOBODY
        if asked.key not in said or not nowhere:
            return
    yield question("source_collect", (*here, "how"), source=source)
    how = at(tree, (*here, "how"))
    levers = {str(at(lever, ("name",))): lever for lever in tree.get("levers") or () if not is_question(lever)}
    chosen = at(levers, (str(at(tree, (*here, "lever"))), "options"))
    choices = {"lever": tuple(levers), "arms": tuple(chosen) if isinstance(chosen, dict | list) else ()}
    for field in (*COLLECT.get(str(how), ()), *_SPOKEN_LATER.get(str(how), ())):
        asked = question(f"collect_{field}", (*here, field), source=source)
        yield replace(asked, choices=tuple(map(str, choices.get(field, ()))))


def _needs(tree: Any, path: Path_, source: str) -> Iterator[Question]:
    """How few rows would do: in all, then of each thing that the plan makes count."""
    yield question("needs_rows", (*path, "needs", "rows"), source=source)
    there = at(tree, (*path, "outcomes"))
    outcomes = [part for part in there.values() if isinstance(part, dict)] if isinstance(there, dict) else []
    kinds = {str(part.get("type")) for part in outcomes}
    apart = {
        "per_class": kinds & {"binary", "category"},
        "per_setting": any(isinstance(part.get("affected_by"), list) and part["affected_by"] for part in outcomes),
        "per_group": isinstance(at(tree, (*path, "groups")), list),
        "events": "binary" in kinds,
    }
    choices = tuple(need for need, counts in apart.items() if counts)
    if choices:
        asked = question("needs_each", (*path, "needs", choices[0]), f"needs_each.{path[1]}", source=source)
        yield replace(asked, choices=choices)
    if isinstance(at(tree, (*path, "time")), str):
        yield question("needs_max_age", (*path, "needs", "max_age"), source=source)


def _outcomes(tree: Any, said: Mapping[str, Any], path: Path_, source: str) -> Iterator[Question]:
    """Outcomes are kept by name: the answer to the first question is the key of the part."""
    there = at(tree, (*path, "outcomes"))
    known = list(there) if isinstance(there, dict) and not is_question(there) else []
    for place in several(said, f"outcome_more.{path[1]}", known):
        name = known[place] if place < len(known) else None
        asked = question("outcome_name", (*path, "outcomes"), f"outcome_name.{path[1]}.{place}", source=source)
        yield replace(asked, default=name)
        if name is None:
            return
        here: Path_ = (*path, "outcomes", name)
        about = {"outcome": name, "source": source}
        yield question("outcome_type", (*here, "type"), **about)
        if at(tree, (*here, "type")) in ("category", "labels", "mask"):
            yield question("outcome_values", (*here, "values"), **about)
        for field in ("column", "delay"):
            yield question(f"outcome_{field}", (*here, field), **about)
        levers = [str(at(lever, ("name",))) for lever in tree.get("levers") or () if not is_question(lever)]
        asked = question("outcome_affected_by", (*here, "affected_by"), **about)
        yield replace(asked, choices=tuple(levers), form="some") if levers else asked
        if last(tree, here, place, known):
            yield question("outcome_more", (), f"outcome_more.{path[1]}.{place}", **about)


def _join(tree: Any, path: Path_, source: str) -> Iterator[Question]:
    """How a further source is tied to the first one; the tie stands with the first."""
    cases = at(tree, ("data", 0))
    if not isinstance(cases, dict) or is_question(cases) or at(tree, (*path, "kind")) is None:
        return
    ties = cases.get("join") if isinstance(cases.get("join"), list) else []
    tie = next((t for t in ties or [] if isinstance(t, dict) and t.get("data") == source), None)
    place = (ties or []).index(tie) if tie is not None else len(ties or [])
    here: Path_ = ("data", 0, "join", place)
    yield question("join_on", (*here, "on"), f"join.{source}", source=source, cases=str(cases.get("name")))
    told = at(tree, (*path, "time")) is not None and cases.get("time") is not None and not at(tree, (*path, "outcomes"))
    if tie is not None and told:
        yield question("join_as_of", (*here, "as_of"), f"as_of.{source}", source=source)
