"""Plan and template to files, in a folder that is not the target."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.errors import ProjectError
from drivetrain.project import template as templates
from drivetrain.project import vendor
from drivetrain.project.context import context, needs_service, served
from drivetrain.project.names import check_models, check_slug

if TYPE_CHECKING:
    from drivetrain.project.origin import Origin
    from drivetrain.spec import Spec

PLAN = "drivetrain.yaml"
ANSWERS = "checklist.yaml"
CHECKLIST = "docs/bias_checklist.md"
# Written anew by each update, from the plan and the evidence; each says so in its first lines.
DERIVED = frozenset({"docs/onboarding.md", "docs/model_card.md", "docs/datasheet.md", CHECKLIST})


def render(
    spec: Spec,
    stage: Path,
    template: Path,
    origin: Origin,
    slug: str | None = None,
    package: str | None = None,
    beside: Path | None = None,
) -> Path:
    """Write the project of a plan below `stage`.

    Args:
        spec: The plan.
        stage: An empty folder; the project becomes `stage/<slug>`.
        template: Folder with `cookiecutter.json`.
        origin: Where drivetrain comes from; with `vendor` its wheel is put into the project.
        slug: Another folder name than the plan's.
        package: Another package name than the plan's.
        beside: The plan in a project that exists: its answers and evidence are what derived documents tell of.

    Returns:
        The project's folder.

    Raises:
        ProjectError: A name that cannot be one, a task without a learner, or a template that does not render.
    """
    slug, package = slug or spec.slug, package or spec.package
    check_slug(slug, package)
    check_models(model.name for model in spec.models)
    learners = {model.name: templates.learner(template, str(model.task)) for model in spec.models}
    variables = context(spec, slug, package, origin, beside.parent if beside else None)
    _generate(template, {**templates.settings(template), **variables}, stage)
    project = stage / slug
    for path in [path for path in project.rglob("*") if templates.litter(path.relative_to(project))]:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    for name in _unserved(spec, package):
        path = project / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for name, path in learners.items():
        shutil.copyfile(path, project / package / "learners" / f"{name}.py")
    (project / PLAN).write_bytes(plan_bytes(spec))
    _derive(spec, project, package, beside)
    if origin.kind == "vendor":
        (project / vendor.FOLDER).mkdir(exist_ok=True)
        vendor.wheel(project / vendor.FOLDER)
    _settle(project)
    return project


def plan_bytes(spec: Spec) -> bytes:
    """The plan's file, byte for byte; written out when the plan never was a file."""
    if spec.path is not None:
        return Path(spec.path).read_bytes()
    from drivetrain.spec import dump

    return dump(spec).encode()


def _derive(spec: Spec, project: Path, package: str, beside: Path | None) -> None:
    """The questions that this plan sets off, to be answered, and the documents that follow from plan and evidence."""
    from drivetrain.checklist import initial_yaml
    from drivetrain.review import documents

    (project / ANSWERS).write_text(initial_yaml(spec), encoding="utf-8", newline="\n")
    (project / "docs").mkdir(exist_ok=True)
    for name, text in documents(spec.moved(beside or project / PLAN), package=package).items():
        (project / name).write_text(text, encoding="utf-8", newline="\n")


def _generate(template: Path, variables: dict[str, object], stage: Path) -> None:
    from cookiecutter.generate import generate_files
    from jinja2 import TemplateError

    from drivetrain.bytecode import cache

    verbatim, options = variables.get("_copy_without_render"), variables.get("_jinja2_env_vars")
    variables = {
        **variables,
        # Caches of tools that ran in the template are no text; they are copied, and go when all is rendered.
        "_copy_without_render": [
            *(verbatim if isinstance(verbatim, list) else []),
            *(pattern for name in templates.LITTER for pattern in (name, f"*/{name}")),
        ],
        "_jinja2_env_vars": {**(options if isinstance(options, dict) else {}), "bytecode_cache": cache()},
    }
    try:
        with _unmarked(stage) as output:
            generate_files(str(template), {"cookiecutter": variables}, str(output), accept_hooks=False)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f"{getattr(error, 'name', None) or 'template'}{f':{line}' if line else ''}"
        raise ProjectError(f"the template cannot be rendered ({error.message}).", "Repair it.", where) from error
    except OSError:
        raise
    except Exception as error:  # an expression of a template can raise anything
        raise ProjectError(f"the template cannot be rendered ({error}).", "Repair it.", "template") from error


@contextmanager
def _unmarked(folder: Path) -> Iterator[Path]:
    """A path of `folder` that is no template: cookiecutter renders the whole path of each folder that it makes."""
    if not any(mark in str(folder) for mark in ("{{", "{%", "{#")):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="drivetrain-", ignore_cleanup_errors=True) as plain:
        link = Path(plain) / "stage"
        link.symlink_to(folder, target_is_directory=True)
        yield link


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
        "web": "web" in kinds,
        "notebooks/app.ipynb": "voila" in kinds,
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


def _settle(project: Path) -> None:
    """Give files the modes that new files have here, whatever the template's were; drop folders that became empty."""
    mask = os.umask(0)
    os.umask(mask)
    for folder, folders, files in os.walk(project, topdown=False):
        for name in files:
            os.chmod(os.path.join(folder, name), 0o666 & ~mask)
        if not files and not any(os.path.isdir(os.path.join(folder, name)) for name in folders):
            os.rmdir(folder)
