"""The built wheel in a clean environment for each extra: `python tests/installs.py`, or `make installs`.

Each environment gets the wheel with one extra, nothing else, and does something that needs that extra. What it weighs
and how long an import takes is written into `docs/reference/installs.md`.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "installs.md"
NEW = "drivetrain new --example churn-retention -o . && cd churn-retention"
TRIES = {
    "": (f"{NEW} && drivetrain validate && drivetrain review", "makes a project, judges its plan, holds its review"),
    "data": (f"{NEW} && drivetrain sample && drivetrain check", "writes sample data and checks them"),
    "data,train": (
        f"{NEW} && sed -i 's/epochs: 8/epochs: 1/' drivetrain.yaml && drivetrain sample "
        "&& python -m churn_retention.train && python -m churn_retention.decide",
        "trains two models and decides",
    ),
    "serve": ("python -c 'from drivetrain.serving import Service, Engine'", "loads the service, without PyTorch"),
    "serve,optimize": (
        "python -c 'import numpy as np; from drivetrain.decision import optimize; "
        'print(optimize(np.ones((2, 2)), -np.ones((1, 2, 2)), None, np.full(2, .5), ["a"]).choice)\'',
        "decides several cases together",
    ),
    "app": ("python -c 'import gradio, voila, ipywidgets'", "loads Gradio and Voilà"),
    "scale": ("python -c 'import ray.serve, distributed'", "loads Ray Serve and Dask"),
}
PAGE_TEXT = """\
# What an installation weighs

Each row is a clean environment with the built wheel, one extra, and the versions of `constraints.txt`, which then did
what stands beside it. `make installs` makes this page: here on {system}, Python {python}.

| pip install | MB | packages | what it did |
|---|---|---|---|
{rows}

`import drivetrain` takes {import_ms:.0f} ms of processor time beyond starting Python ({bare_ms:.0f} ms), and
`drivetrain --help` {help_ms:.0f} ms: what is heavy is loaded when it is first needed.
"""


def run(command: str | list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command; what it said where it fails."""
    done = subprocess.run(
        command, cwd=folder, shell=isinstance(command, str), env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{command}: ended with {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")


def wheel(folder: Path) -> Path:
    """The wheel, built from the checkout."""
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], folder)
    [made] = folder.glob("*.whl")
    return made


def size(folder: Path) -> float:
    """Megabytes of the files below a folder."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) / 1e6


def cpu_ms(command: list[str], environment: dict[str, str]) -> float:
    """Median processor time of a command, in milliseconds."""
    found = []
    for _ in range(9):
        before = os.times()
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        found.append(1000 * spent)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="Try the wheel with each extra in a clean environment.")
    parser.add_argument("extras", nargs="*", help="only these; the page is then left as it is")
    asked = parser.parse_args().extras
    rows, figures = [], {}
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        made = wheel(base)
        for extra, (does, words) in TRIES.items():
            if asked and extra not in asked:
                continue
            home = base / (extra.replace(",", "-") or "bare")
            venv.create(home, with_pip=True)
            packages = home / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
            empty = size(packages)
            target = f"{made}[{extra}]" if extra else str(made)
            pip = [str(home / "bin/python"), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), target]
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            run(pip, home, environment)
            weight, count = size(packages) - empty, len(list(packages.glob("*.dist-info"))) - 1
            environment["PATH"] = f"{home / 'bin'}{os.pathsep}{environment['PATH']}"
            (home / "work").mkdir()
            run(does, home / "work", environment)
            shown = f"drivetrain[{extra}]" if extra else "drivetrain"
            rows.append(f"| `{shown}` | {weight:.0f} | {count} | {words} |")
            print(rows[-1], flush=True)
            if not extra:
                python = str(home / "bin/python")
                bare = cpu_ms([python, "-c", "pass"], environment)
                figures = {
                    "bare_ms": bare,
                    "import_ms": cpu_ms([python, "-c", "import drivetrain"], environment) - bare,
                    "help_ms": cpu_ms([str(home / "bin/drivetrain"), "--help"], environment) - bare,
                }
            subprocess.run(["rm", "-rf", str(home)], check=True)
    if not asked:
        system = f"{platform.system()} {platform.machine()}, PyTorch for the CPU"
        text = PAGE_TEXT.format(system=system, python=platform.python_version(), rows="\n".join(rows), **figures)
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
