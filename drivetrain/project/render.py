"""Plan and template to files, in memory: nothing is written before all of them are known to be sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.project import template as templates
from drivetrain.project.context import context, needs_service, served
from drivetrain.project.engine import fill
from drivetrain.project.names import check_models, check_slug
from drivetrain.project.record import PLAN

if TYPE_CHECKING:
    from drivetrain.project.origin import Origin
    from drivetrain.project.record import Record
    from drivetrain.project.template import Files
    from drivetrain.spec import Spec

ANSWERS = "checklist.yaml"
CHECKLIST = "docs/bias_checklist.md"
# What the page needs to run models on the device.
DEVICE = ("web/device.js", "web/pixels.js", "web/queue.js", "web/worker.js", "deploy/device", "docs/device.md")
# Written anew by each update, from the plan and the evidence; each says so in its first lines.
DERIVED = frozenset({"docs/onboarding.md", "docs/model_card.md", "docs/datasheet.md", CHECKLIST})


def render(
    spec: Spec, template: Files, origin: Origin, project: Path, before: Record | None = None
) -> dict[str, bytes]:
    """The files of a plan's project.

    Args:
        spec: The plan.
        template: The template's files.
        origin: Where drivetrain comes from; with `vendor` its wheel is put into the project.
        project: The project's folder; documents tell of the answers and the evidence in it.
        before: What was generated there the last time, where there is a project already: its names stay.

    Returns:
        File, relative to the project's folder -> its bytes.

    Raises:
        ProjectError: A name that cannot be one, a task without a learner, or a template that does not render.
    """
    slug, package = (before.slug, before.package) if before else (spec.slug, spec.package)
    check_slug(slug, package)
    check_models(model.name for model in spec.models)
    plan = plan_bytes(spec)
    spec = spec.moved(project / PLAN)
    learners = {
        f"{package}/learners/{model.name}.py": templates.learner(template, str(model.task)) for model in spec.models
    }
    variables = templates.settings(template) | context(spec, slug, package, origin, project if before else None)
    unserved = _unserved(spec, package)
    found = fill(
        template,
        variables,
        lambda name: not any(name == other or name.startswith(f"{other}/") for other in unserved),
    )
    found |= learners | {PLAN: plan} | _derived(spec, package, new=before is None)
    if origin.kind == "vendor":
        from drivetrain.project import vendor

        name, wheel = vendor.wheel()
        found[f"{vendor.FOLDER}/{name}"] = wheel
    return found


def plan_bytes(spec: Spec) -> bytes:
    """The plan's file, byte for byte; written out when the plan never was a file."""
    if spec.path is not None:
        return Path(spec.path).read_bytes()
    from drivetrain.spec import dump

    return dump(spec).encode()


def _derived(spec: Spec, package: str, *, new: bool) -> dict[str, bytes]:
    """The questions that this plan sets off, to be answered, and the documents that follow from plan and evidence."""
    from drivetrain.checklist import initial, initial_yaml
    from drivetrain.review import documents

    answers = initial(spec) if new else None
    texts = {ANSWERS: initial_yaml(spec)} | documents(spec, package=package, answers=answers)
    return {name: text.encode() for name, text in texts.items()}


def _unserved(spec: Spec, package: str) -> list[str]:
    """Files and folders of the template that belong to a deployment which the plan does not name."""
    kinds = set(served(spec))
    service, batch = needs_service(spec), "batch" in kinds
    needed = {
        f"{package}/serve.py": service,
        f"{package}/client.py": service,
        "tests/test_service.py": service,
        "docs/service.md": service,
        f"{package}/batch.py": batch,
        # They steer what is served, and read its log.
        **{f"{package}/{module}.py": service or batch for module in ("rollout", "drift", "harvest")},
        "web": bool({"web", "device"} & kinds),
        **dict.fromkeys(DEVICE, "device" in kinds),
        f"{package}/device.py": "device" in kinds,
        "notebooks/app.ipynb": "voila" in kinds,
        "voila.json": "voila" in kinds,
        ".binder": "voila" in kinds,
        f"{package}/app.py": "gradio" in kinds,
        "deploy/space": "gradio" in kinds,
        f"{package}/replicas.py": "ray" in kinds,
        "deploy/Dockerfile": bool({"api", "kubernetes"} & kinds),
        ".dockerignore": bool({"api", "kubernetes"} & kinds),
        "deploy/compose.yaml": "api" in kinds,
        "deploy/kubernetes": "kubernetes" in kinds,
    }
    return [name for name, wanted in needed.items() if not wanted]
