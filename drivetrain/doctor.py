"""Is this environment able to train and to serve?

Packages are looked up by their metadata first, then imported in a process of their own: a package that is there and
does not fit the others shows only on import, and may take its process down.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

from drivetrain.findings import Finding

EXTRAS = {
    "data": "read and check data",
    "train": "train models",
    "serve": "serve them",
    "app": "show them in a browser",
    "scale": "use more than one machine",
}
"""Extra -> what it is for, as the end of `needed to …`."""
PROBES = {
    "data": ("pyarrow", "duckdb", "PIL"),
    "train": ("numpy", "pandas", "torch", "torchvision", "drivetrain.training", "fastai.vision.all", "onnx"),
    "serve": ("onnxruntime", "fastapi", "uvicorn"),
}
"""Extra -> modules to import, in this order."""
TIMEOUT = 120.0
"""Seconds for the imports of one extra: a cold disk is slow."""
_PROBE = """
import importlib, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        found[name] = None
    except BaseException as error:
        found[name] = f"{type(error).__name__}: {error}"
print("\\n" + json.dumps(found))
"""


def examine() -> list[Finding]:
    """Everything worth knowing about this environment, one finding each."""
    present = [extra for extra in EXTRAS if not _missing(extra)]
    probed = [extra for extra in PROBES if extra in present]
    with ThreadPoolExecutor() as pool:
        imported = dict(zip(probed, pool.map(lambda extra: _imports(PROBES[extra]), probed), strict=True))
    findings = [_python(), *(_extra(extra) for extra in EXTRAS), *_conflicts()]
    for extra, result in imported.items():
        findings += _broken(extra, result)
    if "train" in imported:
        findings += [_torchvision(imported["train"]), _accelerator()]
    return findings


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    advice = "" if good else "Install Python 3.11 or newer."
    return Finding(
        "DE001", "pass" if good else "fail", "Python", f"Python {version}.", advice, facts={"version": version}
    )


def _extra(extra: str) -> Finding:
    """Whether the packages of an extra are there, in the versions that are asked for."""
    where, wanted = f"extra {extra}", _requirements(extra)
    versions = {name: _version(name) for name, _ in wanted}
    facts = {"versions": versions}
    if missing := _missing(extra):
        what = f"not installed, needed to {EXTRAS[extra]}: {', '.join(missing)}."
        return Finding("DE101", "warn", where, what, f'pip install "drivetrain[{extra}]"', missing, facts)
    old = [f"{name} {versions[name]} (needs {least})" for name, least in wanted if _older(versions[name], least)]
    if old:
        what = f"too old: {', '.join(old)}."
        return Finding("DE102", "fail", where, what, f'pip install --upgrade "drivetrain[{extra}]"', old, facts)
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Finding("DE103", "pass", where, f"{listed}.", facts=facts)


def _conflicts() -> Iterator[Finding]:
    """Installed packages whose own requirements the others do not meet, as far as our extras reach."""
    from packaging.requirements import InvalidRequirement, Requirement

    todo = [name for extra in EXTRAS for name, _ in _requirements(extra)]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for text in requirements:
            try:
                wanted = Requirement(text)
            except InvalidRequirement:
                continue
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
                continue
            version = _version(wanted.name)
            todo.append(wanted.name)
            if version is not None and not wanted.specifier.contains(version, prereleases=True):
                what = f"{name} {_version(name)} needs {wanted.name}{wanted.specifier}, but {version} is installed."
                advice = f'pip install "{wanted.name}{wanted.specifier}"'
                yield Finding("DE104", "fail", name, what, advice, facts={"package": name, "needs": str(wanted)})


def _broken(extra: str, result: dict[str, str | None]) -> Iterator[Finding]:
    for name, error in result.items():
        # Bare torchvision fails beside a CPU build of torch; with the remedy of the training room it does not.
        if error is None or (name == "torchvision" and result.get("fastai.vision.all", error) is None):
            continue
        what = f"`import {name}` fails: {error.splitlines()[0][:300]}"
        yield Finding("DE105", "fail", f"extra {extra}", what, _remedy(error), facts={"module": name, "error": error})


def _remedy(error: str) -> str:
    """What to do about an import that fails, for the faults that people met."""
    if "numpy.dtype size changed" in error or "binary incompatibility" in error:
        # Met on hosted notebooks, where pandas and numpy come with the image and one of them gets upgraded.
        package = "pandas" if "pandas" in error else "the package named above"
        return f"It was built for another numpy: reinstall {package} after numpy, then restart the notebook's kernel."
    if "torchvision::" in error:
        return "torch and torchvision are of different builds: install both from the same index."
    if "GLIBC" in error or "shared object" in error:
        return "A system library is missing or too old for this wheel: install it, or an older version of the package."
    return "Reinstall the package, together with what it needs, in a fresh environment."


def _torchvision(result: dict[str, str | None]) -> Finding:
    if result.get("fastai.vision.all") is not None:
        what = "torchvision or fastai cannot be imported."
        return Finding("DE201", "fail", "torchvision", what, "Install torch and torchvision from the same index.")
    if result.get("torchvision") is None:
        return Finding("DE202", "pass", "torchvision", "imports by itself.")
    what = (
        "is built for CUDA beside a CPU build of torch, so its operators are missing and a plain import fails. "
        "drivetrain.training declares them on import; fastai needs no more."
    )
    advice = "In your own scripts, import drivetrain.training before fastai or torchvision."
    return Finding("DE203", "note", "torchvision", what, advice, facts={"error": result["torchvision"]})


def _accelerator() -> Finding:
    code = (
        "import json, torch; print(json.dumps([torch.__version__, torch.cuda.device_count(), torch.get_num_threads()]))"
    )
    done = _run([sys.executable, "-c", code])
    if done is None:
        return Finding("DE301", "warn", "torch", "torch does not start.", "Reinstall it.")
    version, gpus, threads = json.loads(done)
    gpu, thread = "GPU" if gpus < 2 else "GPUs", "thread" if threads == 1 else "threads"
    what = f"torch {version}, {gpus or 'no'} {gpu}, {threads} {thread} on {os.cpu_count()} cores."
    return Finding("DE302", "pass", "torch", what, facts={"gpus": gpus, "threads": threads, "cores": os.cpu_count()})


def _imports(modules: tuple[str, ...]) -> dict[str, str | None]:
    """Module -> None, or why it cannot be imported; each after the ones before it, in one process."""
    done = _run([sys.executable, "-c", _PROBE, *modules])
    if done is None:
        return dict.fromkeys(modules, "the process died or took too long")
    found: dict[str, str | None] = json.loads(done)
    return found


def _run(command: list[str]) -> str | None:
    """The last line that a process prints; None when it fails."""
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True, env=environment)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[-1] if lines else None


def _requirements(extra: str) -> list[tuple[str, str]]:
    """Packages of an extra with the least version, from this distribution's own metadata."""
    found = []
    for text in metadata.requires("drivetrain") or []:
        match = re.match(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?>=([0-9.]+).*extra == ['\"](\w+)['\"]", text)
        if match and match[3] == extra:
            found.append((match[1], match[2]))
    return found


def _missing(extra: str) -> list[str]:
    return [name for name, _ in _requirements(extra) if _version(name) is None]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _older(version: str | None, least: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return version is not None and Version(version) < Version(least)
    except InvalidVersion:
        return False
