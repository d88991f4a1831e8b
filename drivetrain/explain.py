"""Anything that a plan, a finding or a review speaks of, in a few sentences: fields, rules, findings, tasks, words.

Nothing is written twice: fields come from the language, rules and what findings say from their code, what findings mean
from findings.toml, questions from the bank, words from the glossary.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DrivetrainError

if TYPE_CHECKING:
    from drivetrain.spec import Spec

_ROOMS = ("availability", "audit", "checklist", "review", "training", "decision", "doctor.py")
_PARTS = {1: "the file and the project", 2: "objective and decision", 3: "levers", 4: "data",
          5: "models, simulator and optimizer", 6: "deployment and maintenance"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known about a topic.

    Attributes:
        kind: `field`, `rule`, `finding`, `question`, `task`, `stage`, `word` or `table`.
        name: The topic.
        text: What it is, in a sentence or two.
        more: Further lines, each with what it is about: `("example", "levers: …")`.
    """

    kind: str
    name: str
    text: str
    more: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON output."""
        return {"kind": self.kind, "name": self.name, "text": self.text, "more": [list(entry) for entry in self.more]}


def explain(topic: str, spec: Spec | None = None) -> list[Explanation]:
    """Everything that goes by this name, best known kind first.

    Args:
        topic: A field (`affected_by`, `levers.policies`), an id (`DT205`, `DA110`), a question of the checklist, a
            task, a stage, a word, or `capabilities`.
        spec: A plan: a question of the checklist then says what in it sets it off.

    Raises:
        DrivetrainError: There is nothing of that name; the message suggests the nearest.
    """
    wanted = _plain(topic)
    # A field may be named by its last step alone.
    found = [
        make(spec)
        for name, make in _entries()
        if wanted and f".{_plain(name)}".endswith(f".{wanted}") and (_plain(name) == wanted or name in dict(_fields()))
    ]
    if found:
        return found
    names = {_plain(name): name for name, _ in _entries()}
    lasts = {name.rsplit(".", 1)[-1]: name for name in names.values()}
    near = get_close_matches(wanted, names, 1, 0.7) or get_close_matches(wanted, lasts, 1, 0.7)
    if re.fullmatch(r"d[a-z]\d+", wanted):
        # Numbers that look alike are about different things: the nearest is the one beside it.
        beside = [name for name in names if re.fullmatch(r"d[a-z]\d{3}", name) and name[:2] == wanted[:2]]
        near = sorted(beside, key=lambda name: abs(int(name[2:]) - int(wanted[2:])))[:1]
    advice = f"Did you mean `{names.get(near[0]) or near[0]}`?" if near else "`drivetrain explain` lists what there is."
    shown = topic if len(topic) <= 60 else f"{topic[:57]}…"
    raise DrivetrainError(f"there is nothing called `{shown}`.", advice)


def topics() -> dict[str, list[str]]:
    """Kind -> everything that can be explained, in the order in which one meets it."""
    return {
        "field": [path for path, _ in _fields()],
        "rule": [rule.id for rule in _rules()],
        "finding": [*_said(), *_structure()],
        "question": [question.id for question in _bank()],
        "task": list(_tasks()),
        "stage": list(_stages()),
        "word": list(_glossary()),
        "table": ["capabilities"],
    }


def _plain(text: str) -> str:
    return re.sub(r"\[\d*\]", "", text.strip().strip("`").lower().replace("-", " ").replace("_", " "))


def _entries() -> Iterator[tuple[str, Any]]:
    """Every name that a topic may have, with what makes its explanation."""
    yield "capabilities", lambda spec: _capabilities()
    for rule in _rules():
        yield rule.id, lambda spec, rule=rule: _rule(rule)
        yield rule.name, lambda spec, rule=rule: _rule(rule)
    for question in _bank():
        yield question.id, lambda spec, question=question: _question(question, spec)
    for task in _tasks():
        yield task, lambda spec, task=task: _task(task)
    for stage in _stages():
        yield stage, lambda spec, stage=stage: _stage(stage)
    for word, means in _glossary().items():
        yield word, lambda spec, word=word, means=means: Explanation("word", word, means)
    for path, prop in _fields():
        yield path, lambda spec, path=path, prop=prop: _field(path, prop)
    for name, finding in {**_structure(), **_said()}.items():
        yield name, lambda spec, finding=finding: finding


# ---- rules, questions, stages, words ---------------------------------------------------------------------------------


def _rules() -> tuple[Any, ...]:
    from drivetrain.rules import RULES

    return RULES


def _rule(rule: Any) -> Explanation:
    grave = {"fail": "a fault", "warn": "a warning", "note": "a note", "unknown": "an open question"}[rule.level]
    more = [("why", rule.why)] if rule.why else []
    more += [("do", rule.advice), ("ask", rule.question), ("level", f"{grave}, from stage `{rule.stage}` on")]
    broken = (type(rule).faults.__doc__ or "").strip()
    return Explanation("rule", f"{rule.id}, {rule.name}", rule.text, (("broken by", broken), *more))


def _bank() -> tuple[Any, ...]:
    from drivetrain.checklist import bank

    return bank()


def _question(question: Any, spec: Spec | None) -> Explanation:
    more = [("why", question.why), ("source", question.source), ("evidence", question.evidence)]
    more += [("helps", text) for text in question.mitigations] + [("does not help", text) for text in question.no_help]
    more.append(("asked by", f"the gate of stage `{question.stage}`"))
    if spec is not None:
        from drivetrain.checklist import questions

        reasons = next((item.reasons for item in questions(spec) if item.id == question.id), None)
        said = "; ".join(reasons) if reasons else "nothing in it; the question is not on its list"
        more.append(("set off in this plan by", said))
    return Explanation("question", question.id, question.question, tuple(more))


def _stages() -> tuple[str, ...]:
    from drivetrain.stages import STAGES

    return STAGES


def _stage(name: Any) -> Explanation:
    from drivetrain.stages import gate

    asked = gate(name)
    more = [("parts of the plan", ", ".join(asked.parts))]
    if asked.evidence:
        more.append(("evidence", ", ".join(f"evidence/{step}.json" for step in asked.evidence)))
    if asked.real_data:
        more.append(("data", "real; evidence from sample data is refused"))
    more.append(("asked from here on", ", ".join(rule.id for rule in _rules() if rule.stage == name) or "no new rule"))
    return Explanation("stage", name, f"The gate of this stage asks: {asked.asks}", tuple(more))


def _glossary() -> Mapping[str, str]:
    from drivetrain.review.glossary import words

    return words()


# ---- tasks and what they are good for --------------------------------------------------------------------------------


def _tasks() -> tuple[str, ...]:
    from drivetrain.rules import fields

    return tuple(task for field in fields() for task in field.tasks)


def _task(task: str) -> Explanation:
    from drivetrain import examples
    from drivetrain.rules.capabilities import dated, field_of

    field = field_of(task)
    if field is None:
        raise DrivetrainError(f"there is no task `{task}`.")
    shown = ", ".join(example.name for example in examples.gallery() if task in example.tasks)
    more = [("standing", f"{field.standing}, as of {dated():%B %Y}"), ("does not", field.cannot)]
    more.append(("learner", f"template/learners/{task.replace('-', '_')}.py becomes the model's own file"))
    if shown:
        more.append(("examples", shown))
    return Explanation("task", task, f"{field.name.capitalize()}. {field.can}", tuple(more))


def _capabilities() -> Explanation:
    from drivetrain.rules import fields
    from drivetrain.rules.capabilities import again, dated

    text = f"What deep learning is dependably good at, as judged in {dated():%B %Y}; look again in {again():%B %Y}."
    more = [(f"{field.name} ({field.standing})", f"{field.can} Not: {field.cannot}") for field in fields()]
    return Explanation("table", "capabilities", text, tuple(more))


# ---- fields ----------------------------------------------------------------------------------------------------------


@cache
def _fields() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Path -> property of every field of the language, in the order of the file."""
    from drivetrain.spec import schema

    root = schema()
    found: dict[str, dict[str, Any]] = {}

    def walk(part: dict[str, Any], path: str, above: tuple[str, ...]) -> None:
        for name, prop in part.get("properties", {}).items():
            here = f"{path}.{name}" if path else name
            found[here] = _either(found[here], prop) if here in found else prop
            for below in _parts_in(prop):
                if below not in above:
                    definition = root["$defs"][below]
                    for choice in [definition, *definition.get("anyOf", ())]:
                        walk(choice, here, (*above, below))

    walk(root, "", ())
    return tuple(found.items())


def _either(known: dict[str, Any], prop: dict[str, Any]) -> dict[str, Any]:
    """A field that parts of several kinds share; where it tells the kinds apart (`type: range`), with all of them."""
    if "const" not in prop or prop["const"] in known.get("enum", [known.get("const")]):
        return known
    said = known["description"] if "enum" in known else f"`{known['const']}`: {known['description']}"
    kinds = [*known.get("enum", [known["const"]]), prop["const"]]
    return {**known, "enum": kinds, "description": f"{said} `{prop['const']}`: {prop['description']}"}


def _parts_in(prop: Any) -> Iterator[str]:
    """Names of the parts that a property holds, directly, in a list or in a mapping."""
    if isinstance(prop, dict):
        for key, value in prop.items():
            if key == "$ref" and not value.endswith("/Unknown"):
                yield value.rsplit("/", 1)[1]
            elif key not in ("examples", "default"):
                yield from _parts_in(value)
    elif isinstance(prop, list):
        for item in prop:
            yield from _parts_in(item)


def _field(path: str, prop: dict[str, Any]) -> Explanation:
    from drivetrain.spec import schema

    parts = list(dict.fromkeys(_parts_in(prop)))
    definitions = schema()["$defs"]
    about = prop.get("description") or " ".join(definitions[name].get("description", "") for name in parts[:1])
    more = []
    choices = list(_choices(prop))
    if choices:
        more.append(("one of", ", ".join(f"`{choice}`" for choice in choices)))
    if prop.get("unit"):
        more.append(("unit", str(prop["unit"])))
    if "default" in prop:
        more.append(("when absent", _written(prop["default"])))
    if prop.get("examples"):
        more.append(("example", f"{path.rsplit('.', 1)[-1]}: {_written(prop['examples'][0])}"))
    inside = dict.fromkeys(
        name
        for part in parts
        for choice in [definitions[part], *definitions[part].get("anyOf", ())]
        for name in choice.get("properties", {})
    )
    if inside:
        more.append(("has", ", ".join(f"`{name}`" for name in inside)))
    if _may_be_open(prop):
        more.append(("not known yet", "{unknown: the question, owner: who finds out, due: 2027-02-28}"))
    return Explanation("field", path, about or "A field of the plan.", tuple(more))


def _choices(prop: dict[str, Any]) -> Iterator[Any]:
    for choice in [prop, *prop.get("anyOf", ())]:
        yield from choice.get("enum", ())


def _may_be_open(prop: dict[str, Any]) -> bool:
    return {"$ref": "#/$defs/Unknown"} in prop.get("anyOf", ())


def _written(value: Any) -> str:
    """A value as one would write it in a plan."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_written(item) for item in value) + "]"
    return str(value)


# ---- findings --------------------------------------------------------------------------------------------------------


@cache
def _structure() -> dict[str, Explanation]:
    """`DS…`: the part and the kind of fault are in the number."""
    from drivetrain.spec.kinds import MEANINGS

    return {
        f"DS{room}{kind:02}": Explanation("finding", f"DS{room}{kind:02}", means, (("about", part),))
        for room, part in _PARTS.items()
        for kind, means in MEANINGS.items()
    }


@cache
def _said() -> dict[str, Explanation]:
    """Findings of the judging rooms: what they mean, and from the code that says them, what they say and advise."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in _sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = (ast.get_docstring(tree) or "").split("\n\n")[0]
        for about, node in _inside(tree, module):
            if isinstance(node, ast.Constant) and re.fullmatch(r"D[A-Z]\d{3}", str(node.value)):
                found.setdefault(str(node.value), {"about": [], "says": []})["about"].append(about)
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if key is not None and re.fullmatch(r"D[A-Z]\d{3}", _template(key)) and _template(value):
                        found.setdefault(_template(key), {"about": [], "says": []})["about"].append(_template(value))
            elif isinstance(node, ast.Call) and node.args:
                name, *texts = map(_template, node.args)
                if re.fullmatch(r"D[A-Z]\d{3}", name) and (said := " ".join(text for text in texts if " " in text)):
                    found.setdefault(name, {"about": [], "says": []})["says"].append(said)
    means = tomllib.loads(Path(__file__).with_name("findings.toml").read_text(encoding="utf-8"))
    return {
        name: Explanation(
            "finding", name, means.get(name) or entry["about"][0],
            tuple(("says", text) for text in dict.fromkeys(entry["says"])),
        )
        for name, entry in sorted(found.items())
    }  # fmt: skip


def _inside(node: ast.AST, about: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node below with the docstring of the function, class or module that it stands in."""
    for child in ast.iter_child_nodes(node):
        own = ast.get_docstring(child) if isinstance(child, ast.FunctionDef | ast.ClassDef) else None
        said = own.split("\n\n")[0] if own else about
        yield said, child
        yield from _inside(child, said)


def _sources() -> Iterator[Path]:
    here = Path(__file__).parent
    for room in _ROOMS:
        yield from sorted((here / room).rglob("*.py")) if (here / room).is_dir() else [here / room]


def _template(node: ast.expr) -> str:
    """The text of a literal, with `…` where a value is filled in; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""
