"""The drivetrain of a plan as a picture: objective ← levers ← models ← data, orphans named with their reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

from drivetrain.errors import DrivetrainError

if TYPE_CHECKING:
    from drivetrain.spec import Spec

Kind = Literal["objective", "lever", "model", "data"]
COLUMNS: tuple[Kind, ...] = ("objective", "lever", "model", "data")
HEADINGS = {"objective": "Objective", "lever": "Levers", "model": "Models", "data": "Data"}


class Node(NamedTuple):
    """One box.

    Attributes:
        id: Unique, made of letters, digits and underscores.
        kind: Its column.
        title: Its name.
        note: A few words below it.
        orphan: Why nothing comes of it; empty when something does.
    """

    id: str
    kind: Kind
    title: str
    note: str = ""
    orphan: str = ""


class Edge(NamedTuple):
    """`source` informs, or moves, `target`."""

    source: str
    target: str
    label: str = ""


class Picture(NamedTuple):
    """Boxes and arrows, in the order of the approach."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def orphans(self) -> list[Node]:
        """Boxes from which nothing comes."""
        return [node for node in self.nodes if node.orphan]


def draw(spec: Spec) -> Picture:
    """The drivetrain of a plan, as far as it is written."""
    used = _names_in_value(spec)
    levers = {lever.name: _reaches(spec, lever.name, used) for lever in spec.levers}
    edges = [Edge(f"lever_{name}", "objective", reason) for name, reason in levers.items() if reason]
    nodes = [_objective(spec)]
    for lever in spec.levers:
        orphan = "" if levers[lever.name] else "does not reach the objective"
        nodes.append(Node(f"lever_{lever.name}", "lever", lever.name, _lever_note(lever), orphan))
    informs = {model.name: _informs(spec, model, used) for model in spec.models}
    for model in spec.models:
        targets = informs[model.name]
        edges += [Edge(f"model_{model.name}", target, reason) for target, reason in targets]
        predicts = ", ".join(model.predicts or ["?"])
        orphan = "" if targets else "informs no lever and no other model"
        nodes.append(Node(f"model_{model.name}", "model", model.name, f"predicts {predicts}", orphan))
    feeds = _feeds(spec)
    for source in spec.data:
        targets = feeds[source.name]
        edges += [Edge(f"data_{source.name}", target, reason) for target, reason in targets]
        note = source.unit or source.kind
        orphan = "" if targets or not spec.models else "no model, join or lever uses it"
        nodes.append(Node(f"data_{source.name}", "data", source.name, note, orphan))
    return Picture(tuple(nodes), tuple(edges))


def mermaid(picture: Picture) -> str:
    """The picture as a Mermaid flow chart; every text is quoted and made of harmless characters."""
    lines = ["flowchart RL"]
    for kind in COLUMNS:
        nodes = [node for node in picture.nodes if node.kind == kind]
        if not nodes:
            continue
        lines.append(f'  subgraph {kind}s["{HEADINGS[kind]}"]')
        for node in nodes:
            said = " · ".join(part for part in (node.title, node.note, node.orphan) if part)
            lines.append(f'    {node.id}["{_harmless(said)}"]')
        lines.append("  end")
    lines += [
        f'  {edge.source} -->|"{_harmless(edge.label)}"| {edge.target}'
        if edge.label
        else f"  {edge.source} --> {edge.target}"
        for edge in picture.edges
    ]
    if picture.orphans:
        lines.append("  classDef orphan stroke:#c0392b,stroke-width:3px,stroke-dasharray:6 3")
        lines.append(f"  class {','.join(node.id for node in picture.orphans)} orphan")
    return "\n".join(lines) + "\n"


def _harmless(text: str) -> str:
    """A text as a Mermaid label: what Mermaid, Markdown or HTML would read as a mark becomes a character code."""
    plain = " ".join(text.split())
    return "".join(c if c.isalnum() or c in " ·.,:?+-/%€=" else f"#{ord(c)};" for c in plain)


def _objective(spec: Spec) -> Node:
    objective = spec.objective
    if objective is None:
        return Node("objective", "objective", "no objective yet", "", "a plan starts with what is wanted")
    measure = objective.measure
    if measure is None:
        return Node("objective", "objective", objective.statement or "objective")
    better = {"minimize": "less is better", "maximize": "more is better"}.get(measure.direction or "", "")
    unit = f"{measure.unit}, {better}" if measure.unit and better else measure.unit or better
    return Node("objective", "objective", measure.name, unit)


def _lever_note(lever: object) -> str:
    kind = str(getattr(lever, "type", ""))
    owner = getattr(lever, "owner", None)
    return f"{kind}, {owner}" if owner else f"{kind}, nobody owns it yet"


def _names_in_value(spec: Spec) -> frozenset[str] | None:
    """Names in the value and the guardrails with terms written out; None while the value is not known."""
    if spec.objective is None or spec.objective.value is None:
        return None
    over = spec.objective.over_time
    texts = ["value", *([over.continues, *over.next.values()] if over else [])]
    return _names(spec, texts)


def _names(spec: Spec, texts: Iterable[str | None]) -> frozenset[str]:
    found: set[str] = set()
    for text in texts:
        try:
            formula = spec.derived.expand(text) if text else None
        except DrivetrainError:
            continue
        if formula:
            found |= formula.names
    return frozenset(found)


def _constraint_names(spec: Spec) -> frozenset[str]:
    constraints = [
        *(spec.objective.guardrails if spec.objective else []),
        *(spec.optimizer.constraints if spec.optimizer else []),
    ]
    limits = [text for lever in spec.levers for text in lever.limits]
    return _names(spec, [*(c.measure for c in constraints), *limits])


def _reaches(spec: Spec, lever: str, used: frozenset[str] | None) -> str:
    """How a lever reaches the objective: directly, or through an outcome that it moves."""
    if used is None:
        return "value is not written yet"
    moved = [name for s in spec.data for name, outcome in s.outcomes.items() if lever in (outcome.affected_by or [])]
    if any(name in used for name in moved):
        # An outcome that only a guardrail or a limit names is moved all the same.
        held = used | _constraint_names(spec)
        return f"moves {', '.join(name for name in moved if name in held)}"
    return "in value" if lever in used else ""


def _informs(spec: Spec, model: object, used: frozenset[str] | None) -> list[tuple[str, str]]:
    predicts = getattr(model, "predicts", None) or []
    name = getattr(model, "name", "")
    wanted = (used or frozenset()) | _constraint_names(spec)
    found: list[tuple[str, str]] = []
    for outcome in predicts:
        if outcome in wanted:
            found += [(f"lever_{lever.name}", outcome) for lever in spec.levers] or [("objective", outcome)]
        for other in spec.models:
            if other.name != name and outcome in (other.inputs or []):
                found.append((f"model_{other.name}", outcome))
    if used is None:
        levers, models = {lever.name for lever in spec.levers}, {other.name for other in spec.models}
        for target in getattr(model, "informs", []):
            if target in levers:
                found.append((f"lever_{target}", "planned"))
            elif target in models:
                found.append((f"model_{target}", "planned"))
            elif target == "simulator":
                found.append(("objective", "planned"))
    return list(dict.fromkeys(found))


def _feeds(spec: Spec) -> dict[str, list[tuple[str, str]]]:
    """Where each source goes: models that learn from it, rows that it joins, levers that it logs or ranks."""
    found: dict[str, list[tuple[str, str]]] = {source.name: [] for source in spec.data}
    for model in spec.models:
        try:
            rows = spec.derived.model_data(model.name)
            joined = [join.data for join in spec.source(rows).join]
        except DrivetrainError:
            continue
        for name in [rows, *joined]:
            if name in found:
                found[name].append((f"model_{model.name}", ""))
    for lever in spec.levers:
        logged = lever.history.data if lever.history else None
        ranked = getattr(lever, "of", None)
        for name, reason in ((logged, "logged settings"), (ranked, "items")):
            if name in found and not found[name]:
                found[name].append((f"lever_{lever.name}", reason))
    for source in spec.data:
        for join in source.join:
            if join.data in found and not found[join.data]:
                found[join.data].append((f"data_{source.name}", "joined"))
    cases = spec.decision.cases if spec.decision else None
    if cases in found and not found[cases]:
        found[cases].append(("objective", "cases"))
    return {name: list(dict.fromkeys(targets)) for name, targets in found.items()}
