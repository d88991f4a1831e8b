"""What the template is given: the plan's text, already safe for the place where it will stand.

Every string below `_plan` is Markdown, every string below `_quoted` may stand between double quotes; the templates only
put them in place. `template/cookiecutter.json` holds the same for the default example, so that plain `cookiecutter`
works too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.project.measured import figures
from drivetrain.spec.plain import as_plain
from drivetrain.text import code, markdown, quoted

if TYPE_CHECKING:
    from drivetrain.project.origin import Origin
    from drivetrain.spec import Spec

# Kinds of deployment that answer requests through the project's own web service.
SERVICE = frozenset({"api", "web", "device", "ray", "kubernetes"})


def context(spec: Spec, slug: str, package: str, origin: Origin, root: Path | None = None) -> dict[str, Any]:
    """The variables of the template, as `cookiecutter` names them.

    Args:
        spec: The plan; parts that are absent or unknown are said to be so.
        slug: Name of the project's folder.
        package: Name of its Python package.
        origin: Where drivetrain comes from.
        root: Folder of the project when there is one already, with what was measured in it.
    """
    kinds, measured = served(spec), figures(root)
    extras = [
        "train",
        *(["serve"] if needs_service(spec) or {"batch", "voila", "gradio"} & set(kinds) else []),
        *(["app"] if {"voila", "gradio"} & set(kinds) else []),
        *(["scale"] if "ray" in kinds else []),
    ]
    return {
        "slug": slug,
        "package": package,
        "_quoted": {
            "requirement": quoted(origin.requirement()),
            "summary": quoted(spec.project.summary or spec.project.name),
            "title": quoted(spec.project.name),
        },
        "_requirement": origin.requirement(),
        "_origin": origin.kind,
        "_version": origin.version,
        "_extras": ",".join(extras),
        "_serves": kinds,
        "_service": needs_service(spec),
        "_serving": _serving(spec, kinds),
        "_plan": {
            "name": markdown(spec.project.name),
            "summary": markdown(spec.project.summary or ""),
            "owners": _join(map(markdown, spec.project.owners or [])),
            "stage": str(spec.stage),
            "objective": _objective(spec),
            "levers": [_lever(lever) for lever in spec.levers],
            "uncontrollable": [markdown(thing.name) for thing in spec.uncontrollable],
            "data": [_source(source) for source in spec.data],
            "models": [_model(model, measured.get(model.name, "")) for model in spec.models],
            "failure_modes": [
                {"failure": _said(mode, "failure"), "report": _said(mode, "report")}
                for mode in (spec.deployment.failure_modes if spec.deployment else None) or []
            ],
            "questions": [_question(question) for question in spec.unknowns],
        },
    }


def _serving(spec: Spec, kinds: Sequence[str]) -> str:
    """Extras of what is served; where several cases are decided together an optimizer is among them."""
    queued = any(lever.type == "ranking" and lever.of == "cases" for lever in spec.levers)
    return "serve,optimize" if "batch" in kinds or (queued and len(spec.levers) > 1) else "serve"


def served(spec: Spec) -> list[str]:
    """The kinds of deployment that the plan names, in its order; none while it has no deployment."""
    return [str(entry.kind) for entry in (spec.deployment.serve if spec.deployment else None) or []]


def needs_service(spec: Spec) -> bool:
    """Whether the project has a web service.

    It has one when a kind that answers requests is named, and also while no deployment is planned yet: on the first day
    everybody wants to ask the model something, and nothing in the plan speaks against it.
    """
    return not spec.deployment or bool(SERVICE & set(served(spec)))


def _objective(spec: Spec) -> dict[str, Any]:
    objective = spec.objective
    if not objective:
        return {}
    measure = objective.measure
    return {
        "statement": markdown(objective.statement),
        "value": code(objective.value) if objective.value else _open(objective, "value"),
        "terms": [{"name": code(name), "formula": code(text)} for name, text in (objective.terms or {}).items()],
        "measure": {
            "name": markdown(measure.name),
            "unit": markdown(measure.unit),
            "direction": str(measure.direction),
            "current": _said(measure, "current"),
            "target": _said(measure, "target"),
            "minimum_useful": _said(measure, "minimum_useful"),
        }
        if measure
        else {},
        "horizon": _said(objective, "horizon"),
        "guardrails": [_constraint(guardrail) for guardrail in objective.guardrails or []],
        "affected": [
            {"who": _said(group, "who"), "how": _said(group, "how"), "recourse": _said(group, "recourse")}
            for group in objective.affected or []
        ],
        "if_it_works_really_well": _said(objective, "if_it_works_really_well"),
    }


def _constraint(constraint: Any) -> dict[str, str]:
    bound = "at most" if constraint.at_most is not None else "at least"
    limit = constraint.at_most if constraint.at_most is not None else constraint.at_least
    groups = _join(code(group) for group in constraint.by or [])
    return {
        "name": _said(constraint, "name"),
        "measure": code(constraint.measure) if constraint.measure else _open(constraint, "measure"),
        "limit": f"{bound} {_number(limit)}" if limit is not None else _open(constraint, "at_most"),
        "by": groups,
    }


def _lever(lever: Any) -> dict[str, str]:
    if lever.type == "options":
        settings = [code(option) for option in lever.options or {}]
        if lever.options_from:
            settings.append(f"one for each class of {code(lever.options_from.outcome)}")
        can = _join(settings)
    elif lever.type == "ranking":
        can = f"the order of {code(lever.of)}" + (f", {_number(lever.slots)} places" if lever.slots else "")
    else:
        unit = f" {markdown(lever.unit)}" if lever.unit else ""
        can = f"{_number(lever.minimum)} to {_number(lever.maximum)}{unit}"
    return {
        "name": code(lever.name),
        "can": can,
        "owner": _said(lever, "owner"),
        "today": _policy(lever.policies.today if lever.policies else None),
    }


def _policy(policy: Any) -> str:
    """A reference policy in a few words."""
    if policy is None:
        return "not said yet"
    said = as_plain(policy)
    if not isinstance(said, dict):
        return code(said)
    return _join(
        f"{markdown(key).replace('_', ' ')} {code(value)}" for key, value in said.items() if not isinstance(value, dict)
    )


def _source(source: Any) -> dict[str, Any]:
    return {
        "name": code(source.name),
        "kind": str(source.kind),
        "unit": _said(source, "unit"),
        "where": code(source.location) if source.location else "still to be collected",
        "outcomes": _join(code(name) for name in source.outcomes or {}),
        "columns": _join(code(name) for name in source.columns or {}),
        "groups": _join(code(name) for name in source.groups or []),
        "licence": _said(source.rights, "licence") if source.rights else "not said yet",
        "personal": {True: "yes", False: "no", None: "not said yet"}[source.rights.personal if source.rights else None],
        "consent": _said(source.rights, "consent") if source.rights else "not said yet",
        "collected": _said(source.collected, "how") if source.collected else "not said yet",
    }


def _model(model: Any, measured: str) -> dict[str, str]:
    return {
        "name": code(model.name),
        "file": str(model.name),
        "task": str(model.task),
        "predicts": _join(code(name) for name in model.predicts or []) or _open(model, "predicts"),
        "architecture": code(model.architecture) if model.architecture else "",
        "figures": measured,
    }


def _question(question: Any) -> dict[str, str]:
    return {
        "path": code(question.path),
        "question": markdown(question.question),
        "owner": markdown(question.owner),
        "due": markdown(question.due),
    }


def _said(part: Any, field: str) -> str:
    """A field's value as Markdown; what is open about it when it is not known."""
    value = getattr(part, field, None)
    if value is None or value == "":
        return _open(part, field)
    return _number(value) if isinstance(value, int | float) and not isinstance(value, bool) else markdown(value)


def _open(part: Any, field: str) -> str:
    unknown = (getattr(part, "unknown", None) or {}).get(field)
    return f"open: {markdown(unknown.unknown)} ({markdown(unknown.owner)})" if unknown else "not said yet"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else markdown(value)


def _join(words: Iterable[str]) -> str:
    return ", ".join(words)
