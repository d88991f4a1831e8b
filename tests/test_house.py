"""The house: rooms in their order, light imports, lint and types."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "drivetrain"

ORDER = [
    {"errors", "findings", "evidence", "intervals", "stages", "text", "bytecode", "workers"},
    {"spec"},
    {"source"},
    {"artifact"},
    {"policy"},
    {
        "rules",
        "interview",
        "sample",
        "collect",
        "availability",
        "training",
        "decision",
        "audit",
        "serving",
        "checklist",
        "examples",
    },
    {"review", "device"},
    {"project"},
    {"doctor", "explain"},
    {"commands"},
    {"cli", "__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    """Rooms that a module imports, wherever in the module the import stands."""
    rooms: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("drivetrain.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "drivetrain":
            rooms |= {alias.name for alias in node.names} & RANK.keys()
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("drivetrain."):
            rooms.add(str(node.module).split(".")[1])
    return rooms


def test_every_room_is_in_the_plan_of_the_house():
    rooms = {
        p.name.removesuffix(".py") for p in PACKAGE.iterdir() if (p.suffix == ".py" or (p / "__init__.py").exists())
    } - {"__init__", "__main__"}
    assert rooms <= RANK.keys(), f"rooms without a place: {rooms - RANK.keys()}"


def test_imports_point_one_way():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = room_of(path)
        if room in ("__init__", "__main__"):
            continue
        for other in imported_rooms(ast.parse(path.read_text(encoding="utf-8"))) - {room}:
            first_floor = RANK[room] == RANK[other] == 0
            if RANK[other] >= RANK[room] and not first_floor:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_the_direction_test_sees_imports_of_every_form():
    code = "import drivetrain.cli\nfrom drivetrain import review\ndef f():\n    from drivetrain.project.update import x"
    assert imported_rooms(ast.parse(code)) == {"cli", "review", "project"}


def loaded_by(code: str) -> set[str]:
    command = f"{code}; import sys; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {
    "torch",
    "fastai",
    "torchvision",
    "duckdb",
    "pyarrow",
    "rich",
    "cookiecutter",
    "onnxruntime",
    "pandas",
    "scipy",
}


@pytest.mark.parametrize("code", ["import drivetrain", "import drivetrain.cli", "from drivetrain import load_spec"])
def test_importing_is_light(code):
    assert not loaded_by(code) & HEAVY


def test_importing_the_package_loads_not_even_numpy_or_pydantic():
    assert not loaded_by("import drivetrain") & {"numpy", "pydantic", "ruamel", "click"}


def test_generating_a_project_loads_neither_what_builds_typed_plans_nor_cookiecutter(tmp_path):
    """Each would cost more than all the rest; `tests/bench/bench_generate.py` measures it."""
    code = f"from drivetrain import project, examples; project.new(examples.path('mail-sorting'), {str(tmp_path)!r})"
    assert not loaded_by(code) & {*HEAVY, "numpy", "pydantic", "ruamel", "email"}


def test_the_public_names_are_a_dozen_at_most_and_all_there():
    import drivetrain

    assert len(drivetrain.__all__) <= 12
    for name in drivetrain.__all__:
        assert getattr(drivetrain, name) is not None


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]])
def test_lint_and_types(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
