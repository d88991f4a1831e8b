"""The conversation: asks, teaches, takes answers, shows the plan growing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from difflib import ndiff
from pathlib import Path
from textwrap import fill
from typing import Any

from drivetrain.interview.answers import NotRead, read_answer
from drivetrain.interview.draft import Draft
from drivetrain.interview.lists import at, closed
from drivetrain.interview.questions import Path_, Question
from drivetrain.interview.script import names, script
from drivetrain.spec.reading import is_question

WIDTH = 100
Ask = Callable[[str], str]
Say = Callable[[str], None]

WELCOME = (
    "A plan, in the order of the approach: what we want, what we can change, what we know, and only then models.\n"
    "Answer in your own words. At any question: `?` says more, `unknown` writes down who finds out by when,\n"
    "`back` goes to the question before, `quit` leaves; every answer is saved, and `drivetrain init` goes on."
)
_STARTS = {
    "statement": "What is wanted", "decision_unit": "What is decided", "lever_name": "What can be changed",
    "source_name": "What is known", "value": "What it is worth", "model_task": "What to predict",
    "serve": "How it is used", "maintenance_owner": "Who keeps it going",
}  # fmt: skip


YES_NO = frozenset({"yes", "no", "true", "false"})
"""Words by which people ask whether something happened; in a formula they name nothing."""


class Left(Exception):
    """Somebody leaves; everything said so far is saved."""


class Back(Exception):
    """The question before once more."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An answer that somebody has to find out."""

    question: str
    owner: str
    due: str


def interview(file: Path, ask: Ask, say: Say, today: date | None = None, *, short: bool = False) -> bool:
    """Ask for a plan, or for what is still missing in one.

    Args:
        file: The plan; written after every answer, and always readable.
        ask: Shows a prompt and gives the line that was typed; raises EOFError at the end of input.
        say: Shows a line.
        today: The day from which due dates count; None: today.
        short: Ask only what a plan cannot do without; the rest is asked when it is called again.

    Returns:
        Whether it came to its end; False when somebody left.

    Raises:
        SpecError: There is a file that cannot be read as a plan.
    """
    draft = Draft(file, today or date.today())
    say(WELCOME)
    again = ""
    try:
        while (question := _next(draft, again, short)) is not None:
            try:
                _one(draft, question, ask, say, again)
                again = ""
            except Back:
                again = draft.forget() or ""
    except (Left, EOFError, KeyboardInterrupt):
        draft.save()
        say(f"\nSaved in {file.name}. `drivetrain init` goes on where you left.")
        return False
    draft.finish()
    for finding in draft.held:
        say(f"Does not fit yet, and stands in the plan as a question: {finding.facts.get('path')}: {finding.what}")
    return True


def _next(draft: Draft, again: str, short: bool) -> Question | None:
    """The first question that was not asked; one that is to be asked `again` even though the plan answers it."""
    for question in script(draft.tree, draft.said):
        if (short and not question.short) or closed(draft.tree, question.path):
            continue
        if question.key == again:
            return question
        if question.key not in draft.said and not (question.path and _answered(draft, question)):
            return question
    return None


def _answered(draft: Draft, question: Question) -> bool:
    return question.default is not None if question.id == "outcome_name" else draft.known(question.path)


def _one(draft: Draft, question: Question, ask: Ask, say: Say, again: str = "") -> None:
    """One question, until it has an answer; where there is a single one, that is told, and asked only `again`."""
    if (
        question.id in _STARTS
        and question.key not in draft.said
        and question.path[-2:-1] in ((0,), ("objective",), ("decision",), ("deployment",), ("maintenance",))
    ):
        say(f"\n== {_STARTS[question.id]} ==")
    say("\n" + fill(question.asks, WIDTH))
    say(fill(f"Why: {question.why}", WIDTH, initial_indent="  ", subsequent_indent="       "))
    if question.choices:
        say("  " + "   ".join(f"{place}) {choice}" for place, choice in enumerate(question.choices, 1)))
    else:
        say(f"  Good: {question.good}" + (f"      Not so good: {question.bad}" if question.bad else ""))
    while True:
        if question.form == "choice" and len(question.choices) == 1 and question.key != again:
            say(f"  There is one only: {question.choices[0]}.")
            answer: Any = question.choices[0]
        else:
            answer = _reply(question, draft, ask, say)
        before = draft.text
        if _keep(draft, question, answer, say):
            for line in _added(before, draft.text):
                say(f"  | {line}")
            return


AT_A_LOSS = re.compile(
    r"((i|we) )?(don['\u2019]?t|do not) know\b|dunno\b|no idea\b|not sure\b|nobody knows\b|tbd$|\?{2,}$", re.IGNORECASE
)
"""How people say that they do not know."""


def _reply(question: Question, draft: Draft, ask: Ask, say: Say) -> Any:
    """An answer that can be read: a value, an `Unknown`, or None for an empty one."""
    while True:
        text = ask("> ").strip()
        word = text.lower()
        if word in ("quit", "exit", "q"):
            raise Left
        if word == "back":
            raise Back
        if word in ("?", "help"):
            _more(question, say)
        elif word.startswith("unknown") and (len(word) == 7 or word[7] in " :,"):
            if question.path and not question.firm:
                return _unknown(question, text[7:].strip(" :,"), draft, ask, say)
            say("  This one has to be answered; any answer can be changed later.")
        elif AT_A_LOSS.match(text):
            say("  Nobody knows yet? Type `unknown`: then you are asked who finds out, and by when.")
        elif not text and question.default is not None:
            return question.default
        elif not text and question.optional:
            return None
        elif not text:
            say("  An answer, please; `unknown` if nobody knows, `?` for more.")
        else:
            try:
                return read_answer(question, text)
            except NotRead as error:
                say(f"  {error}")


def _more(question: Question, say: Say) -> None:
    """What else can be said about a question: the field's own meaning."""
    say(f"  {question.why}")
    if question.good:
        say(f"  An answer that helps: {question.good}")
    if question.bad:
        say(f"  One that does not: {question.bad}")
    say("  `unknown` if nobody knows yet, `back`, `quit`." + (" Empty: skip it." if question.optional else ""))


def _unknown(question: Question, text: str, draft: Draft, ask: Ask, say: Say) -> Unknown:
    """Who finds out, and by when."""
    wanted = text or re.sub(r"\s*\(Empty:.*?\)", "", question.asks)
    owner = ""
    while not owner:
        owner = " ".join(ask("  Who finds out? ").split())
    while True:
        due = ask(f"  By when? [{draft.open('')['due']}] ").strip() or draft.open("")["due"]
        try:
            return Unknown(wanted, owner, date.fromisoformat(due).isoformat())
        except ValueError:
            say("  A date, such as 2027-02-28.")


def _keep(draft: Draft, question: Question, answer: Any, say: Say) -> bool:
    """Put an answer into the plan; False when it does not fit, after saying why."""
    path, value = _place(draft, question, answer)
    if question.form == "formula" and (word := next(iter(YES_NO & set(names(answer))), None)):
        say(f"  `{word}` is no name. What happens or not counts 1 or 0: `happened`, or `(1 - happened)` where not.")
        return False
    if path and value is not None:
        wrong = draft.set(path, value)
        if wrong:
            for finding in wrong[:3]:
                say(f"  {finding.what} {finding.advice}")
            return False
    known = answer if isinstance(answer, str | bool | int | float) else None
    draft.note(question.key, known)
    return True


def _place(draft: Draft, question: Question, answer: Any) -> tuple[Path_, Any]:
    """Where an answer goes, and how the plan writes it; None when there is nothing to write."""
    path = question.path
    there = at(draft.tree, path)
    if isinstance(answer, Unknown):
        return _asked(draft, question, answer)
    if question.id == "columns" and path[1] == 0:
        # What levers were set to was named before; their columns belong to the cases.
        return path, {**_logged(draft.tree), **(answer or {})} or None
    if answer is None:
        # "None" to the first of such a list is an answer: there are none, on purpose.
        none = question.id in ("guardrail_name", "proxy_name") and path[-2] == 0
        return (path[:-2], []) if none else (path, None)
    match question.id:
        case "outcome_name":
            kept = dict(there) if isinstance(there, dict) and not is_question(there) else {}
            parts = {str(answer) if name == question.default else name: part for name, part in kept.items()}
            return path, {**parts, str(answer): parts.get(str(answer), {})}
        case "model_task":
            outcome = question.key.removeprefix("models.")
            return path[:-1], {"name": f"{outcome}_model", "task": answer, "predicts": outcome}
        case "trial":
            lever = question.key.removeprefix("trial.")
            plan = {"name": f"{lever}_trial", "kind": "table", "collect": {"how": "experiment", "lever": lever}}
            return path, plan if answer else None
        case "constant":
            return path, {"value": answer}
        case "guardrail_limit":
            rest = {key: part for key, part in at(draft.tree, path[:-1]).items() if key not in ("at_most", "at_least")}
            return path[:-1], rest | answer
        case "lever_costs":
            options = at(draft.tree, path[:-1])
            return path[:-1], {str(name): {"cost": answer.get(str(name), 0)} for name in options}
        case "uncontrollable":
            return path, [{"name": name} for name in answer]
        case "needs_each":
            return path[:-1], {**(at(draft.tree, path[:-1]) or {}), **answer}
        case "serve":
            return path, [answer]
        case "join_on":
            return path[:-1], {"data": question.key.removeprefix("join."), "on": answer}
        case "join_as_of":
            source = question.key.removeprefix("as_of.")
            other = next(part for part in draft.tree["data"] if part.get("name") == source)
            return path, other["time"] if answer else None
        case "sensitive":
            columns = dict(at(draft.tree, path[:-1]))
            for name in answer:
                said = columns[name] if isinstance(columns[name], dict) else {"type": columns[name]}
                columns[name] = {**said, "sensitive": True, "use": "audit"}
            return path[:-1], columns
    return path, answer


def _logged(tree: Any) -> dict[str, Any]:
    """Columns in which the settings of levers were recorded."""
    found: dict[str, Any] = {}
    for place, lever in enumerate(tree.get("levers") or ()):
        kind = "category" if at(tree, ("levers", place, "type")) == "options" else "number"
        places = [("history", "column"), *((("policies", name, "column")) for name in ("today", "simple_rule"))]
        for name in (at(lever, where) for where in places):
            if isinstance(name, str):
                found[name] = {"type": kind, "role": "logged"}
        if isinstance(share := at(lever, ("history", "propensity")), str):
            found[share] = {"type": "number", "role": "logged"}
    return found


def _asked(draft: Draft, question: Question, answer: Unknown) -> tuple[Path_, Any]:
    """Where an open question goes, and how the plan writes it."""
    value = draft.open(answer.question, answer.owner, answer.due)
    if question.id == "lever_costs":
        options = at(draft.tree, question.path[:-1])
        return question.path[:-1], {str(name): {"cost": value} for name in options}
    if question.id == "source_collect":
        return (*question.path[:-2], "location"), value
    if question.id == "sensitive":
        return (*question.path[:-2], "groups"), value
    if question.id == "join_on":
        return question.path[:-2], value
    return question.unknown_at, value


def _added(before: str, after: str) -> Iterator[str]:
    """Lines of the plan that are new."""
    for line in ndiff(before.splitlines(), after.splitlines()):
        if line.startswith("+ ") and line[2:].strip():
            yield line[2:]
