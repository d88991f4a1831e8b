"""Names that become folders, files and imports.

A plan's slug, package and model names end up in paths and in `import` statements, so they are checked here once more,
whatever read them: no separator, nothing that an operating system reserves, nothing that would hide a package that the
project itself imports.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterable

from drivetrain.errors import ProjectError
from drivetrain.spec.names import DEVICES, names_module

LONGEST = 64  # file systems stop at 255 bytes; the package stands twice in a path, and Windows counts the whole path.
_SLUG = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_MODULE = re.compile(r"[a-z][a-z0-9_]*")
# Folders of the project itself, and packages that its code imports: a package of that name would hide them.
_TAKEN = frozenset(
    [
        "artifacts",
        "data",
        "deploy",
        "docs",
        "evidence",
        "notebooks",
        "tests",
        "vendor",
        "anyio",
        "click",
        "cookiecutter",
        "dask",
        "drivetrain",
        "duckdb",
        "fastai",
        "fastapi",
        "fastcore",
        "gradio",
        "hatchling",
        "httpx",
        "ipywidgets",
        "jinja2",
        "matplotlib",
        "numpy",
        "onnx",
        "onnxruntime",
        "pandas",
        "pip",
        "pyarrow",
        "pydantic",
        "pytest",
        "ray",
        "rich",
        "ruamel",
        "scipy",
        "setuptools",
        "sklearn",
        "soundfile",
        "starlette",
        "torch",
        "torchvision",
        "uvicorn",
        "voila",
        "yaml",
    ]
)


def check_slug(slug: str, package: str) -> None:
    """Refuse a slug or package that cannot safely be a folder and an import.

    Raises:
        ProjectError: The first thing that is wrong, and what to write instead.
    """
    advice = "Set `project.slug` in the plan, for example `slug: mail-sorting`."
    if len(slug) > LONGEST:
        raise ProjectError(
            f"the slug has {len(slug)} characters; at most {LONGEST} are possible.", advice, "project.slug"
        )
    if not _SLUG.fullmatch(slug):
        raise ProjectError(
            f"{slug!r} cannot name a folder: small Latin letters, digits and single hyphens, a letter first.",
            advice,
            "project.slug",
        )
    if not _MODULE.fullmatch(package):
        raise ProjectError(f"{package!r} cannot name a Python package.", advice, "project.slug")
    if slug in DEVICES or package in DEVICES:
        raise ProjectError(f"{slug!r} is a name that Windows reserves.", advice, "project.slug")
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        raise ProjectError(f"{package!r} is a word of Python's own.", advice, "project.slug")
    if package in sys.stdlib_module_names or package in _TAKEN:
        raise ProjectError(
            f"a package named {package!r} would hide another one of that name, which the project needs.",
            f"Set `project.slug` in the plan, for example `slug: {slug}-project`.",
            "project.slug",
        )


def check_models(names: Iterable[str]) -> None:
    """Refuse model names that cannot name a learner's file.

    Raises:
        ProjectError: The first name that does not fit.
    """
    seen: set[str] = set()
    for name in names:
        where = f"models.{name}" if len(name) <= LONGEST else "models"
        if len(name) > LONGEST:
            raise ProjectError(f"a model's name has {len(name)} characters; at most {LONGEST} are possible.", "", where)
        if not _MODULE.fullmatch(name) or not names_module(name):
            raise ProjectError(
                f"{name!r} cannot name the file of a learner.",
                "Use small letters, digits and underscores, a letter first, and no word of Python's own.",
                where,
            )
        if name in seen:
            raise ProjectError(f"two models are named {name!r}.", "Give each its own name.", where)
        seen.add(name)
