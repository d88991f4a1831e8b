"""Every plan of the gallery with every way of serving: `python tests/matrix`, or `make matrix`.

A project of a plan names several ways of serving at once. They are drawn so that every plan meets every way, and every
two ways meet in some project. Each project is generated, gets sample data, is checked, trained for one epoch, decided,
audited and reviewed, and is asked one real question in each of its ways. What ran is kept in `matrix/` until drivetrain
or its template changes, so that a run that was stopped goes on; with `--kept` what ran with earlier code counts too. At
the end stands `docs/reference/matrix.md`, which names the commits that ran.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

from asking import ASK, Cannot, Fell, python, say
from ruamel.yaml import YAML

from drivetrain.examples import names, path
from drivetrain.spec.deployment import Serve
from drivetrain.text import code as span
from drivetrain.text import markdown as plain

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "reference" / "matrix.md"
WAYS: tuple[str, ...] = get_args(Serve.model_fields["kind"].annotation)
PROJECTS = 3
"""Projects for each plan; each has a part of the ways of serving."""
STEPS = ("generated", "sampled", "checked", "trained", "decided", "audited", "reviewed")
AFTER_ONE_EPOCH = {
    "decided": "Ended with 1, as it should: after one epoch some guardrail does not hold.",
    "audited": "Ended with 1, as it should: after one epoch some group fares worse.",
}
"""Steps that may end with 1: they ran, and found a model of one epoch wanting."""

PAGE_TEXT = """\
# The matrix

Every plan of the gallery with every way of serving that a plan may name: generated, trained for one epoch on its sample
data, and asked one real question in each way, by its client, in a headless Chromium, as a file, or on a cluster of one
machine. `make matrix` makes this page. After one epoch the answers show that it runs, not that it is good.

{ran} of {cells} cells ran, in {projects} projects; {cannot} cannot be, and say why{fell}. Every two ways of serving
stood together in some project. One after the other the cells took {minutes} minutes. {commits}

## The steps

{steps}

## What was answered to the first case

{answers}

{notes}

"A person asked" is the answer `defer`: the case is unlike the training data, or today's policy is a logged column. What
stands before it is the recommendation.

Not tried: the container itself. There was no Docker daemon, so `kubernetes` holds the manifests against the published
schemas, runs the image's own command with the manifest's secret, and asks the paths of its probes.
"""


def grid(plans: list[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Plan and ways of serving of each project: every plan meets every way, every two ways meet."""
    lot, met, found = random.Random(0), set(), []
    for plan in plans:
        trials = [_parts(lot.sample(WAYS, len(WAYS))) for _ in range(300)]
        best = max(trials, key=lambda parts: len({pair for part in parts for pair in combinations(part, 2)} - met))
        met |= {pair for part in best for pair in combinations(part, 2)}
        found += [(plan, part) for part in best]
    missing = set(combinations(WAYS, 2)) - met
    assert len(plans) < 5 or not missing, f"never together in a project: {missing}"
    return found


def _parts(ways: list[str]) -> list[tuple[str, ...]]:
    return [tuple(sorted(ways[part::PROJECTS], key=WAYS.index)) for part in range(PROJECTS)]


def short(plan: Path, ways: tuple[str, ...]) -> None:
    """The plan served in these ways, and a training of one epoch on small pictures: the question is what runs."""
    yaml = YAML()
    yaml.width = 10_000
    tree = yaml.load(plan)
    tree["deployment"]["serve"] = list(ways)
    for model in tree["models"]:
        model["training"] = {"epochs": 1, "freeze_epochs": 0, "learning_rate": 0.003, "pretrained": False}
        if str(model["task"]).startswith(("image", "audio")):
            model["image"] = {"resize": "squish", "size": min(64, (model.get("image") or {}).get("size", 64))}
    yaml.dump(tree, plan)


def drive(base: Path, plan: str, ways: tuple[str, ...], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One project from the plan to its answers: a record for each step and each way, what it said where it fell.

    What did not fall before, with the same code, is not done again as long as the project is there.
    """
    records: list[dict[str, Any]] = []
    folder = base / f"{plan}-{'-'.join(ways)}"
    project = folder / plan
    known = {record["cell"]: record for record in before if record["state"] != "fell" and project.is_dir()}
    if not known:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(path(plan), folder / "plan.yaml")
        short(folder / "plan.yaml", ways)

    def cell(name: str, does: Any) -> bool:
        if name in known:
            records.append(known[name])
            return True
        begun = time.monotonic()
        try:
            said, state = does(), "ran"
        except Cannot as reason:
            said, state = str(reason), "cannot"
        except Fell as fault:
            said, state = str(fault), "fell"
        except Exception as fault:  # whatever it is: it belongs into the table, and the others run on
            said, state = f"{type(fault).__name__}: {fault}", "fell"
        seconds = round(time.monotonic() - begun, 1)
        records.append({"plan": plan, "ways": ways, "cell": name, "state": state, "said": said, "seconds": seconds})
        print(
            f"{plan:<18} {name:<11} {seconds:>6.1f} s  {state:<6} {said if state == 'fell' else said[:300]}", flush=True
        )
        return state == "ran"

    def judged(module: str, name: str) -> str:
        try:
            python(project, module)
        except Fell as fault:
            measured = (project / f"evidence/{module}.json").exists()
            if "ended with 1:" in str(fault) and "Traceback" not in str(fault) and measured:
                return AFTER_ONE_EPOCH[name]
            raise
        return ""

    ours = [sys.executable, "-m", "drivetrain"]
    does = {
        "generated": lambda: say(folder, *ours, "new", "plan.yaml", "-o", ".") and "",
        "sampled": lambda: say(project, *ours, "sample") and "",
        "checked": lambda: python(project, "check_data") and "",
        "trained": lambda: python(project, "train") and "",
        "decided": lambda: judged("decide", "decided"),
        "audited": lambda: judged("audit", "audited"),
        "reviewed": lambda: say(project, *ours, "review") and "",
    }
    for name in STEPS:
        if not cell(name, does[name]):
            return records
    for way in sorted(ways, key="ray".__eq__):  # Ray gives up on a machine that others keep busy: it comes last
        cell(way, lambda way=way: ASK[way](project))
    agree([record for record in records if record["cell"] in ASK])
    if not _fell(records):
        shutil.rmtree(folder)
    return records


def agree(asked: list[dict[str, Any]]) -> None:
    """One case gets one answer, however it is asked; a batch decides over all its cases and may differ."""
    alike = [record for record in asked if record["state"] == "ran" and record["cell"] != "batch"]
    [(usual, _)] = Counter(record["said"] for record in alike).most_common(1) or [("", 0)]
    for record in alike:
        if record["said"] != usual:
            record |= {"state": "fell", "said": f"answered {record['said']}, where others answered {usual}"}


def _fell(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record["state"] == "fell"]


def code() -> str:
    """A hash of what is tried."""
    found = hashlib.sha256()
    for folder in (ROOT / "drivetrain", ROOT / "template"):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def commit() -> str:
    """The commit that is tried, and whether something was changed since."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=, with changes", "--abbrev=8", "--exclude=*"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def page(records: list[dict[str, Any]]) -> str:
    """The table, and why something is not in it."""
    done = {(record["plan"], record["cell"]): [] for record in records}
    for record in records:
        done[record["plan"], record["cell"]].append(record)
    plans = list(dict.fromkeys(record["plan"] for record in records))
    notes: list[str] = []

    def note(text: str) -> int:
        if text not in notes:
            notes.append(text)
        return notes.index(text) + 1

    def shown(plan: str, name: str) -> str:
        found = done.get((plan, name), [])
        if not found:
            return "not reached"
        said = next((record["said"] for record in found if record["said"]), "")
        if any(record["state"] == "fell" for record in found):
            return f"fell ({note(said.strip().splitlines()[-1])})"  # the rest names folders of the machine
        if found[0]["state"] == "cannot":
            return f"cannot ({note(said)})"
        if name in AFTER_ONE_EPOCH and said:
            return f"ran ({note(said)})"
        return f"`{said}`" if said else "ran"

    projects = {(record["plan"], tuple(record["ways"])): record["commit"] for record in records}
    ran_at = Counter(projects.values()).most_common()
    steps = [f"| {plan} | {' | '.join(shown(plan, name) for name in STEPS)} |" for plan in plans]
    answers = [f"| {plan} | {' | '.join(shown(plan, way) for way in WAYS)} |" for plan in plans]
    return PAGE_TEXT.format(
        ran=sum(record["state"] == "ran" for record in records), cells=len(records), projects=len(projects),
        cannot=sum(record["state"] == "cannot" for record in records),
        fell=f"; {len(_fell(records))} fell" if _fell(records) else "",
        minutes=round(sum(record["seconds"] for record in records) / 60),
        commits="Commits: " + ", ".join(f"`{name}` ({count} projects)" for name, count in ran_at) + ".",
        steps="\n".join([f"| plan | {' | '.join(STEPS)} |", f"|---|{'---|' * len(STEPS)}", *steps]),
        notes="\n".join(f"{number}. {reason(text)}" for number, text in enumerate(notes, 1)),
        answers="\n".join([f"| plan | {' | '.join(WAYS)} |", f"|---|{'---|' * len(WAYS)}", *answers]),
    )  # fmt: skip


def reason(text: str) -> str:
    """A message as Markdown; what stands between backticks is code there too."""
    parts = re.split(r"(\s*`[^`]*`\s*)", text)  # every second one is code, with the blanks around it
    return "".join(
        re.sub(r"`(.*)`", lambda found: span(found[1]), part) if place % 2 else plain(part)
        for place, part in enumerate(parts)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Run every plan of the gallery with every way of serving.")
    parser.add_argument("plans", nargs="*", help="only these; the page is then left as it is")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="projects at a time (%(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / "matrix", help="where it works (%(default)s)")
    parser.add_argument("--kept", action="store_true", help="what ran with earlier code need not run again")
    options = parser.parse_args()
    now = options.folder / f"results-{code()[:16]}"
    now.mkdir(parents=True, exist_ok=True)
    if not (now / "commit").exists():
        (now / "commit").write_text(commit(), encoding="utf-8")
    earlier = sorted(options.folder.glob("results-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    folders = [now, *(folder for folder in earlier if options.kept and folder != now)]

    def project(entry: tuple[str, tuple[str, ...]]) -> list[dict[str, Any]]:
        plan, ways = entry
        name = f"{plan}-{'-'.join(ways)}.json"
        tried = {at: json.loads((at / name).read_text(encoding="utf-8")) for at in folders if (at / name).exists()}
        at = next((at for at, records in tried.items() if not _fell(records)), now)
        records = tried.get(at, [])
        if not records or _fell(records):
            records = drive(options.folder.resolve(), plan, ways, records)
            (now / name).write_text(json.dumps(records, indent=1), encoding="utf-8")
        return [{**record, "commit": (at / "commit").read_text(encoding="utf-8")} for record in records]

    wanted = [entry for entry in grid(names()) if not options.plans or entry[0] in options.plans]
    with ThreadPoolExecutor(options.jobs) as workers:
        records = [record for found in workers.map(project, wanted) for record in found]
    if not options.plans:
        PAGE.write_text(page(records), encoding="utf-8")
    fell = _fell(records)
    for record in fell:
        print(f"\n{record['plan']}, {record['cell']} (of {', '.join(record['ways'])}): {record['said']}")
    print(f"{len(records) - len(fell)} of {len(records)} cells did what they should.")
    return int(bool(fell))


if __name__ == "__main__":
    raise SystemExit(main())
