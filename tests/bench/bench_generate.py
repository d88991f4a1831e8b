"""What generating a project costs beside cookiecutter and copier: CPU time of whole commands as installed, in one run.

All three make the same 25 files of `reference_template/`, which is frozen. `drivetrain new` reads and checks the plan,
adds the learner, the checklist and its record, and verifies every file; the peers only render.

python tests/bench/bench_generate.py [--runs N] [--json FILE]        needs: pip install copier
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEMPLATE, PLAN = HERE / "reference_template", HERE / "reference_plan.yaml"
COMMANDS = ("drivetrain", "cookiecutter", "copier")
GOALS = {
    "new / cookiecutter": 0.5,
    "new / copier": 0.4,
    "first new, cache cold / cookiecutter": 1.0,
    "new --dry-run / new": 1.0,
}


def cpu(command: list[str], folder: Path, cache: Path) -> float:
    """User and system seconds of one command, its children included, that writes into a new folder."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "HOME": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as after an installation: bytecode beside every module
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def for_copier(frozen: Path, folder: Path) -> Path:
    """The same template with the same variables, as copier wants it."""
    source = folder / "copier"
    shutil.copytree(frozen / "{{ cookiecutter.slug }}", source / "{{ cookiecutter.slug }}")
    variables = json.loads((frozen / "cookiecutter.json").read_text(encoding="utf-8"))
    variables["package"] = variables["slug"].replace("-", "_")
    settings = {
        "_templates_suffix": "",
        "_envops": {"trim_blocks": True, "lstrip_blocks": True},
        "cookiecutter": {"type": "yaml", "default": json.dumps(variables)},
    }
    (source / "copier.yml").write_text(json.dumps(settings), encoding="utf-8")
    return source


def measure(runs: int) -> list[dict[str, object]]:
    """The ratios beside their goals: medians of interleaved runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm, frozen = folder / "warm", folder / "template"
        shutil.copytree(TEMPLATE, frozen, ignore=shutil.ignore_patterns("*cache*"))  # what tools may have left
        drivetrain, cookiecutter, copier = (str(Path(sys.executable).with_name(name)) for name in COMMANDS)
        new = [drivetrain, "new", str(PLAN), "--template", str(frozen), "-o", "out"]
        commands = {
            "new": new,
            "dry": [*new, "--dry-run"],
            "cookiecutter": [cookiecutter, str(frozen), "--no-input", "-o", "out"],
            "copier": [copier, "copy", "--defaults", "--quiet", str(for_copier(frozen, folder)), "out"],
        }
        times: dict[str, list[float]] = {name: [] for name in [*commands, "cold"]}
        for command in commands.values():  # compiles Python's own caches and fills the one for templates
            cpu(command, folder, warm)
        for run in range(runs):
            for name, command in commands.items():
                times[name].append(cpu(command, folder, warm))
            times["cold"].append(cpu(new, folder, folder / f"cold-{run}"))
    seconds = {name: statistics.median(values) for name, values in times.items()}
    found = {
        "new / cookiecutter": seconds["new"] / seconds["cookiecutter"],
        "new / copier": seconds["new"] / seconds["copier"],
        "first new, cache cold / cookiecutter": seconds["cold"] / seconds["cookiecutter"],
        "new --dry-run / new": seconds["dry"] / seconds["new"],
    }
    print("  ".join(f"{name} {value:.3f} s" for name, value in seconds.items()), file=sys.stderr)
    return [{"what": f"{what}, CPU time", "is": round(ratio, 3), "most": GOALS[what]} for what, ratio in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = measure(options.runs)
    for row in rows:
        print(f"{row['what']:<50} {row['is']:>6}  at most {row['most']}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
