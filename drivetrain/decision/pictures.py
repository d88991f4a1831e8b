"""Pictures of a decision, as PNG under `evidence/`: drawn from the recorded figures, so that they say the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain import evidence, policy
from drivetrain.decision.report import TITLES
from drivetrain.decision.world import World

COLOUR, QUIET, ALARM = "#1f5a8c", "#8a8f98", "#b3423a"
THRESHOLDS = 41


def draw(root: Path, problem: policy.Problem, result: Mapping[str, Any], world: World, decided: Any) -> dict[str, str]:
    """Draw what there is to draw.

    Args:
        root: The project.
        problem: The decision.
        result: The evidence of `decide`.
        world: The judged cases.
        decided: What `compare` found.

    Returns:
        Name of the picture -> its file below `root`. Pictures of an earlier run that are not drawn now are removed.
    """
    threshold = cost_of_error(problem, world)
    drawers: dict[str, Callable[[Any], None] | None] = {
        "policies": lambda axes: _policies(axes, result),
        "curve": (lambda axes: _curve(axes, result)) if result.get("curve") else None,
        "uplift": (lambda axes: _uplift(axes, result)) if result.get("uplift") else None,
        "threshold": (lambda axes: _threshold(axes, threshold, result)) if threshold else None,
        "tradeoff": (lambda axes: _tradeoff(axes, result)) if result.get("tradeoff") else None,
        "sensitivity": (lambda axes: _sensitivity(axes, result)) if result.get("sensitivity") else None,
    }
    del decided
    found = {}
    for name, drawer in drawers.items():
        path = root / evidence.FOLDER / f"decide-{name}.png"
        if drawer is None:
            path.unlink(missing_ok=True)
            continue
        _save(path, drawer)
        found[name] = f"{evidence.FOLDER}/{path.name}"
    return found


def _save(path: Path, drawer: Callable[[Any], None]) -> None:

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    drawer(axes)
    with evidence.whole(path) as part:
        figure.savefig(part, format="png", dpi=120)


def plain(text: str) -> str:
    """Text of a plan as text: a dollar sign would start a formula in matplotlib."""
    return text.replace("$", r"\$")


def _measure(result: Mapping[str, Any]) -> str:
    return plain(f"{result['measure']} ({result['unit']})")


def _better(result: Mapping[str, Any]) -> str:
    return "less is better" if result["direction"] == "minimize" else "more is better"


def _policies(axes: Any, result: Mapping[str, Any]) -> None:
    rows = result["policies"][::-1]
    for place, row in enumerate(rows):
        colour = COLOUR if row["name"] == "optimized" else QUIET
        value = row["value"]
        if value is None:
            continue
        low, high = (value if row[end] is None else row[end] for end in ("low", "high"))
        axes.plot([low, high], [place, place], color=colour, lw=2.5)
        axes.plot([value], [place], "o", color=colour, ms=7)
        axes.annotate(
            row["label"], (high, place), (6, 0), textcoords="offset points", va="center", color=colour, fontsize=8
        )
    axes.set_yticks(range(len(rows)), [TITLES.get(row["name"], row["name"]) for row in rows])
    axes.margins(x=0.18, y=0.12)
    axes.set_xlabel(f"{_measure(result)}; {_better(result)}; bars: 95 %")
    axes.set_title("What each policy is worth", loc="left")


def _curve(axes: Any, result: Mapping[str, Any]) -> None:
    curve = result["curve"]
    settings, values = curve["settings"], curve["values"]
    best = (np.argmin if result["direction"] == "minimize" else np.argmax)(values)
    if isinstance(settings[0], str):
        axes.bar(
            [plain(name) for name in settings],
            values,
            color=[COLOUR if i == best else QUIET for i in range(len(values))],
        )
        if len(settings) > 6:
            axes.tick_params(axis="x", rotation=60)
    else:
        axes.plot(settings, values, color=COLOUR)
        axes.plot([settings[best]], [values[best]], "o", color=COLOUR)
        axes.annotate(f"{settings[best]:g}", (settings[best], values[best]), (4, 6), textcoords="offset points")
    axes.set_xlabel(plain(curve["lever"]))
    axes.set_ylabel(_measure(result))
    what = "If there were so many places" if curve.get("places") else "If every case got the same setting"
    if curve.get("ranked"):
        what = "Every case alike, best ranked"
    axes.set_title(f"{what} ({curve['label']}; {_better(result)})", loc="left")


def _uplift(axes: Any, result: Mapping[str, Any]) -> None:
    found = result["uplift"]
    axes.plot(found["share"], found["gain"], color=COLOUR, label="those first whom it helps most")
    axes.plot([0, 1], [0, found["gain"][-1]], color=QUIET, ls="--", label="by chance")
    axes.axhline(0, color=QUIET, lw=0.8)
    axes.set_xlabel(plain(f"share of cases with {found['treatment']}, of those who may get it"))
    axes.set_ylabel(plain(f"gain per case ({result['unit']})"))
    axes.legend(frameon=False)
    axes.set_title(f"Qini curve ({found['label']})", loc="left")


def cost_of_error(problem: policy.Problem, world: World) -> dict[str, Any] | None:
    """Mean value of acting on the likeliest class where it is at least so probable, and as today elsewhere.

    For one options lever whose value does not move the outcome: what each threshold of confidence costs.
    """
    if len(problem.levers) != 1 or len(problem.outcomes) != 1 or world.models is not None:
        return None
    [lever], [outcome] = problem.levers, problem.outcomes
    belief = world.beliefs[outcome]
    if belief.probabilities is None or "do_nothing" not in problem.policies:
        return None
    name = "today" if "today" in problem.policies else "do_nothing"
    base = policy.reference(problem, name, world.columns, world.beliefs)
    likely = policy.reference(problem, "accuracy_first", world.columns, world.beliefs)
    sure = belief.probabilities.max(axis=2)[:, 0]
    levels = np.linspace(sure.min(), 1, THRESHOLDS)
    values = []
    for level in levels:
        action = {lever: np.where(sure >= level, likely[lever], base[lever])}
        worth = policy.realised(problem, problem.value, world.columns, world.truth, action)
        values.append(problem.sign * float(world.weights @ worth))
    return {"levels": levels.tolist(), "values": values, "otherwise": name}


def _threshold(axes: Any, found: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    axes.plot(found["levels"], found["values"], color=QUIET)
    best = (np.argmin if result["direction"] == "minimize" else np.argmax)(found["values"])
    axes.plot([found["levels"][best]], [found["values"][best]], "o", color=QUIET)
    row = next(row for row in result["policies"] if row["name"] == "optimized")
    if row["value"] is not None:
        axes.axhline(row["value"], color=COLOUR, ls="--", label="optimized policy")
        axes.legend(frameon=False)
    axes.set_xlabel(f"act on the likeliest class from this probability on, else as {TITLES[found['otherwise']]}")
    axes.set_ylabel(_measure(result))
    axes.set_title(f"What a threshold of confidence costs (causal; {_better(result)})", loc="left")


def _tradeoff(axes: Any, result: Mapping[str, Any]) -> None:
    found = result["tradeoff"]
    axes.plot([p["bound"] for p in found["points"]], [p["value"] for p in found["points"]], "o-", color=COLOUR)
    axes.axvline(found["bound"], color=ALARM, ls="--", lw=1, label="the plan's limit")
    axes.legend(frameon=False)
    some = f", by {found['cases']:,} cases drawn by lot" if found["cases"] < result["cases"] else ""
    axes.set_xlabel(plain(f"limit of {found['name']}{some}"))
    axes.set_ylabel(_measure(result))
    what = "What the limit costs" if found.get("binds", True) else "What a tighter limit would cost"
    axes.set_title(f"{what} ({found['label']}; {_better(result)})", loc="left")


def _sensitivity(axes: Any, result: Mapping[str, Any]) -> None:
    rows = result["sensitivity"][::-1]
    for place, row in enumerate(rows):
        axes.plot(row["gain"], [place, place], "o-", color=COLOUR, lw=3)
        (left, first), (right, last) = sorted(zip(row["gain"], (row["low"], row["high"]), strict=True))
        span = max(abs(value) for entry in rows for value in entry["gain"])
        if right - left < 0.05 * span:
            said = "makes no difference" if right - left < 0.001 * span else "makes little difference"
            text = f"{row['low']:g} to {row['high']:g} {said}"
            axes.annotate(text, (right, place), (0, 8), textcoords="offset points", ha="right", fontsize=8)
            continue
        for value, end, side in ((left, first, "right"), (right, last, "left")):
            axes.annotate(f"{end:g}", (value, place), (0, 8), textcoords="offset points", ha=side, fontsize=8)
    axes.axvline(0, color=ALARM, lw=0.8)
    axes.set_yticks(range(len(rows)), [plain(row["constant"]) for row in rows])
    axes.margins(x=0.1, y=0.3)
    against = TITLES.get(rows[0]["against"], rows[0]["against"])
    axes.set_xlabel(plain(f"gain of the optimized policy over {against} ({result['unit']})"))
    axes.set_title(f"If a constant were at its lowest or highest ({rows[0]['label']})", loc="left")
