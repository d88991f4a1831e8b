"""Golden copies of generated projects. `python tests/project_golden.py` writes them again, for `git diff` to be read.

`tests/golden/project/<plan>/` holds every file that was rendered; `tree.txt` beside it names all files, the verbatim
ones too (those are compared with the template itself). The same run writes what plain `cookiecutter` needs for the
default example: `template/cookiecutter.json` and `template/example/`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from drivetrain import load_spec, project
from drivetrain.project import record, template
from drivetrain.project.context import context
from drivetrain.project.origin import Origin
from drivetrain.project.record import PLAN
from drivetrain.project.render import ANSWERS, CHECKLIST, DERIVED

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden" / "project"
EXAMPLES = Path(project.__file__).resolve().parents[1] / "examples"
GIVEN = {PLAN, ANSWERS, CHECKLIST, record.FILE}
DEFAULT = "mail-sorting"
PLANS = {
    "mail-sorting": EXAMPLES / "mail-sorting" / PLAN,
    "clinic-triage": EXAMPLES / "clinic-triage" / PLAN,
    "bear-warning": GOLDEN / "bear-warning.yaml",
}
BY_HAND = {"slug": DEFAULT, "package": "{{ cookiecutter.slug | replace('-', '_') }}"}


def rendered(root: Path) -> dict[str, bytes]:
    """The files that the template's text became: neither those copied verbatim nor those that other rooms write."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in sorted(files.items())
        if path.suffix not in {".py", ".ipynb", ".yml"} and path.name != ".gitkeep" and name not in GIVEN
    }


def cookiecutter_json() -> str:
    """`cookiecutter.json` with the variables of the default example."""
    settings = {name: value for name, value in template.settings(template.load()).items() if name in KEPT}
    version = project_version()
    variables = context(load_spec(PLANS[DEFAULT]), DEFAULT, DEFAULT.replace("-", "_"), Origin("local", version))
    return json.dumps({**BY_HAND, **settings, **{**variables, **BY_HAND}}, indent=2, ensure_ascii=False) + "\n"


KEPT = {"_copy_without_render", "_jinja2_env_vars"}


def project_version() -> str:
    import drivetrain

    return drivetrain.__version__


def write() -> None:
    (template.folder() / "cookiecutter.json").write_text(cookiecutter_json(), encoding="utf-8")
    for name, plan in PLANS.items():
        with tempfile.TemporaryDirectory() as folder:
            made = project.new(plan, folder)
            shutil.rmtree(GOLDEN / name, ignore_errors=True)
            for file, data in rendered(made.path).items():
                (GOLDEN / name / file).parent.mkdir(parents=True, exist_ok=True)
                (GOLDEN / name / file).write_bytes(data)
            (GOLDEN / name / "tree.txt").write_text("".join(f"{file}\n" for file in made.files))
            if name == DEFAULT:
                for file in (ANSWERS, *sorted(DERIVED)):
                    target = template.folder() / "example" / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(made.path / file, target)


if __name__ == "__main__":
    write()
