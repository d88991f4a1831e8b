"""Two runs side by side: which model predicts better, and which is worth more for the decision.

The two need not agree: a model that is right more often may be wrong where it is dear. The runs' policies are compared
case by case on the validation rows, in the objective's unit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain import evidence
from drivetrain.errors import EvidenceError

HIGHER = ("accuracy", "auroc", "r2", "concordance")
LOWER = ("mean_absolute_error", "area_error", "log_loss", "crps")
"""Figures that are shown, in this order; the first that both runs have says which predicts better."""


def runs(root: Path) -> list[str]:
    """Every finished run, the oldest first."""
    return sorted(path.parent.name for path in (root / evidence.FOLDER / "runs").glob("*/metrics.json"))


def chosen(root: Path, names: Sequence[str]) -> tuple[str, str]:
    """The two runs that are meant: by name or its beginning; without names the last two.

    Raises:
        EvidenceError: There are not two, or a name fits none or several.
    """
    known = runs(root)
    if len(known) < 2:
        advice = "Run `make train` again: every run is kept."
        raise EvidenceError(f"there {'is one run' if known else 'is no run'} yet.", advice, "evidence/runs")
    if not names:
        return known[-2], known[-1]
    found = [*names, known[-1]][:2]
    for place, name in enumerate(found):
        fitting = [one for one in known if one.startswith(name)]
        if name not in known and len(fitting) != 1:
            what = f"`{name}` is {'the beginning of several runs' if fitting else 'no run'}."
            raise EvidenceError(what, f"There are: {', '.join((fitting or known)[-8:])}.", "evidence/runs")
        found[place] = name if name in known else fitting[0]
    return found[0], found[1]


def compare(root: Path, first: str, second: str) -> dict[str, Any]:
    """What two runs measured.

    Args:
        root: The project's folder.
        first: A run.
        second: Another; differences are the second less the first.

    Returns:
        JSON data: `runs`, `models` (model -> figure -> both values), `worth` (both, their difference and its 95 %
        interval), `better_by_figures` and `better_by_worth` (0, 1, or None where they do not differ), `notes`.

    Raises:
        EvidenceError: A run's record cannot be read.
    """
    one, two = (_read(root, name) for name in (first, second))
    models: dict[str, dict[str, list[float]]] = {}
    for name in one["models"].keys() & two["models"].keys():
        seen = [run["models"][name]["metrics"]["validation"] for run in (one, two)]
        figures = [key for key in (*HIGHER, *LOWER) if all(isinstance(part.get(key), float) for part in seen)]
        models[name] = {key: [float(part[key]) for part in seen] for key in figures}
    worth = _worth(root, first, second, one, two)
    by_figures, by_worth = _by_figures(models), None
    if worth and not worth["low"] <= 0 <= worth["high"]:
        by_worth = int((worth["difference"] > 0) == (worth["better"] == "higher"))
    return {
        "runs": [first, second],
        "models": models,
        "worth": worth,
        "better_by_figures": by_figures,
        "better_by_worth": by_worth,
        "notes": list(_notes([first, second], worth, by_figures, by_worth)),
    }


def show(found: Mapping[str, Any]) -> None:
    """Print a comparison on stdout."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table("on validation rows", *found["runs"], "difference", box=None, pad_edge=False, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, figures in found["models"].items():
        for key, (one, two) in figures.items():
            table.add_row(f"{name}: {key.replace('_', ' ')}", f"{one:.4g}", f"{two:.4g}", f"{two - one:+.3g}")
    if worth := found["worth"]:
        both = [f"{value:.4g}" for value in worth["values"]]
        interval = f"{worth['difference']:+.3g} ({worth['low']:+.3g} to {worth['high']:+.3g})"
        table.add_row(f"{worth['measure']} ({worth['unit']}, {worth['better']} is better)", *both, interval)
    console.print(table)
    for note in found["notes"]:
        console.print(note, markup=False)


def _read(root: Path, name: str) -> dict[str, Any]:
    path = root / evidence.FOLDER / "runs" / name / "metrics.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        assert all("validation" in model["metrics"] for model in found["models"].values())
        return found
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        advice = "Take another run, or train again."
        raise EvidenceError("is no record of a run.", advice, f"evidence/runs/{name}/metrics.json") from error


def _worth(root: Path, first: str, second: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> Any:
    """Both values, and what the second is worth more, with a 95 % interval; None where either is not known."""
    import pyarrow.parquet as pq

    before, after = one.get("worth"), two.get("worth")
    if not before or not after or (before["measure"], before["unit"]) != (after["measure"], after["unit"]):
        return None
    values = [float(before["value"]), float(after["value"])]
    try:
        folder = root / evidence.FOLDER / "runs"
        tables = [pq.read_table(folder / name / "worth.parquet").to_pydict() for name in (first, second)]
        paired = tables[0]["case"] == tables[1]["case"]
    except (OSError, ValueError, KeyError):
        paired = False  # files with single cases stay on the machine that made them
    if paired:
        gaps = np.array(tables[1]["value"]) - np.array(tables[0]["value"])
        noise = float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else 0.0
    else:
        noise = float(np.hypot(before["standard_error"], after["standard_error"]))
    difference = values[1] - values[0]
    return {
        **{key: before[key] for key in ("measure", "unit", "better", "how")},
        "values": values,
        "difference": difference,
        "low": difference - 1.96 * noise,
        "high": difference + 1.96 * noise,
        "paired": paired,
    }


def _by_figures(models: Mapping[str, Mapping[str, Sequence[float]]]) -> int | None:
    """Which run predicts better by the first figure of each model; None when they differ or are equal."""
    found = set()
    for figures in models.values():
        for key, (one, two) in list(figures.items())[:1]:
            found.add(None if one == two else int((two > one) == (key in HIGHER)))
    return found.pop() if len(found) == 1 else None


def _notes(names: Sequence[str], worth: Any, by_figures: int | None, by_worth: int | None) -> Any:
    if worth is None:
        yield "What the runs are worth cannot be compared here: `make decide` says what each policy is worth, and why."
        return
    if by_worth is None:
        yield "Neither run is worth clearly more: the interval of the difference holds zero."
    else:
        yield f"{names[by_worth]} is worth more."
    if by_figures is not None and by_worth is not None and by_figures != by_worth:
        yield (
            f"They disagree: {names[by_figures]} predicts better, and {names[by_worth]} decides better. "
            "The objective is what counts; look at the cases where being wrong is dear."
        )
    if not worth["paired"]:
        yield "The runs were not judged on the same cases, so the interval is wider than it need be."
