"""For plain `cookiecutter`: what `drivetrain new` would have added for the default example.

`drivetrain new` does not run this. It writes the plan, the learners and the checklist of the plan that it was given.
"""

import os
import re
import shutil
import sys
from pathlib import Path

# Where it was named by a relative path, that leads from the folder in which cookiecutter was started.
NAMED = Path(r"""{{ cookiecutter._repo_dir }}""")
STARTS = (Path(os.environ.get("PWD", ".")), *Path.cwd().parents)
TEMPLATE = next((start / NAMED for start in STARTS if (start / NAMED / "learners").is_dir()), NAMED)
PACKAGE = "{{ cookiecutter.package }}"
LEARNERS = {"digit_reader": "image_classification"}
# Of deployments that the default example does not name.
UNSERVED = [
    f"{PACKAGE}/batch.py",
    f"{PACKAGE}/app.py",
    f"{PACKAGE}/device.py",
    f"{PACKAGE}/replicas.py",
    "web",
    "docs/device.md",
    "deploy/device",
    "deploy/space",
    "deploy/kubernetes",
]


def main() -> None:
    """Add to the project, which is the folder that cookiecutter runs this in."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", PACKAGE):
        sys.exit(f"{PACKAGE!r} cannot name a Python package: small letters, digits and underscores, a letter first.")
    if not (TEMPLATE / "learners").is_dir():
        sys.exit(f"The template is not found from here as {str(NAMED)!r}. Name it by its whole path.")
    project = Path.cwd()
    for model, task in LEARNERS.items():
        shutil.copyfile(TEMPLATE / "learners" / f"{task}.py", project / PACKAGE / "learners" / f"{model}.py")
    for name in UNSERVED:
        path = project / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    example = TEMPLATE.parent / "drivetrain" / "examples" / "mail-sorting"
    shutil.copyfile(example / "drivetrain.yaml", project / "drivetrain.yaml")
    shutil.copytree(TEMPLATE / "example", project, dirs_exist_ok=True)


main()
