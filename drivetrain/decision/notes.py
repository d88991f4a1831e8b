"""What is said beside the figures: how far they go, what was missed, and what looks better and may not be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain import policy
from drivetrain.decision.evaluate import OPTIMIZED, Floats
from drivetrain.decision.world import World


def missed(gap: float | None, values: Mapping[str, Floats], shares: Floats) -> list[str]:
    """What the optimized policy may miss, where that is not next to nothing: then many cases are worth the same."""
    mean = float(shares @ values[OPTIMIZED])
    spread = max((abs(mean - float(shares @ value)) for value in values.values()), default=0.0)
    if gap is None or gap <= 0.01 * max(spread, 1e-9 * (1 + abs(mean))):
        return []
    return [
        f"Up to {gap:.4g} a case more could be had: so many cases are worth the same that the constraints' "
        "prices cannot tell whom to take. Let the models read more, or decide a batch together (`serve: [batch]`), "
        "where a lot does."
    ]


def outdone(
    limits: Sequence[policy.Limit],
    values: Mapping[str, Floats],
    shares: Floats,
    parts: Callable[[str, policy.Limit], tuple[Floats, Floats]],
) -> list[str]:
    """Policies that look better than the optimized one because they break a hard limit that it keeps.

    Args:
        limits: The constraints.
        values: Policy -> what it is worth in each case, `(n,)`, more is better.
        shares: What each case counts for, `(n,)`.
        parts: Policy and limit -> numerator and denominator of the limit's measure, `(n,)` each.
    """

    def of(name: str, limit: policy.Limit) -> float:
        top, below = parts(name, limit)
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.divide(shares @ top, shares @ below))

    def breaks(name: str, limit: policy.Limit) -> bool:
        return of(name, limit) > limit.bound if limit.upper else of(name, limit) < limit.bound

    notes = []
    for name, value in values.items():
        if shares @ value <= shares @ values[OPTIMIZED]:
            continue
        for limit in limits:
            if limit.hard and breaks(name, limit) and not breaks(OPTIMIZED, limit):
                notes.append(
                    f"`{name}` looks better than the optimized policy and breaks a limit that this one keeps: "
                    f"{limit.name} would be {of(name, limit):.4g}, {'at most' if limit.upper else 'at least'} "
                    f"{limit.bound:g}."
                )
    return notes


FAR = 0.1
"""Share of what came of `today` by which the models may miss it without a word."""


def said(problem: policy.Problem, world: World, by_labels: bool, found: Mapping[str, Any]) -> list[str]:
    """How far the figures go, and what the log lacks to say more."""
    if not problem.outcomes:
        return ["Computed from the cases alone: the value uses nothing that is to be found out."]
    if by_labels:
        names = ", ".join(f"`{name}`" for name in problem.outcomes)
        return [f"Causal by the plan's claim that no lever moves {names}: logged labels score any policy."]
    notes = []
    log = world.log
    thin = [name for name, row in found.items() if not row["enough"] and not row["impossible"]]
    if problem.censored:
        names = ", ".join(f"`{name}`" for name in sorted(problem.censored))
        notes.append(
            f"Model-based: some {names} were not seen to their end (`event`), and a time that is not over is no label. "
            "These figures are what the models expect, which allow for it."
        )
    elif log is None:
        notes.append(
            "Model-based: a lever moves an outcome here, so these figures are what the models expect, not what was "
            "seen. Only a randomised trial makes them causal."
        )
    elif log.propensity is None:
        notes.append("Model-based: the log names no propensity, so past decisions cannot be weighed.")
    elif problem.horizon is not None or any(shock.weight for shock in problem.scenarios):
        notes.append(
            "Model-based: the log shows one period of the world as it was, and value spans several periods or "
            "scenarios. What it says about one period is given beside."
        )
    elif log.causal and thin and len(thin) == len(found):
        notes.append("Model-based: settings were randomised, but too few logged cases took those of any policy.")
        thin = []
    elif log.causal:
        notes.append("Causal: settings were randomised; figures are doubly robust means over the logged cases.")
    else:
        notes.append(
            f"Not causal: settings were set by {'people' if log.kind == 'human' else 'a rule'}, and what moved the "
            "setting may have moved the outcome. Only a randomised trial makes these figures causal."
        )
    if "today" in found and found["today"]["matched"] == 1:
        notes.append("`today` is what was logged in these cases, the lot included: its outcomes are simply there.")
        notes += _at_odds(found["today"]["estimates"])
    if (share := next((row["observed"] for row in found.values()), 1.0)) < 1:
        notes.append(
            f"What {1 - share:.0%} of the logged cases came to was not observed. The others stand in for them by the "
            "inverse of their chance to be observed, which is right where nothing but what is known decides that."
        )
    if wrong := [name for name, row in found.items() if row["impossible"]]:
        most = max(found[name]["mean_weight"] for name in wrong)
        notes.append(
            f"The propensities cannot be right: by them {', '.join(wrong)} would speak for {most:.4g} times as many "
            "cases as there are. Log the probability with which the setting that was used was drawn (of a range: its "
            "density)."
        )
    for name, row in found.items():
        if row["thin"] and row["enough"]:
            notes.append(
                f"For {1 - row['mean_weight']:.0%} of the cases the log has nothing like what `{name}` does; there its "
                "figure is what the models expect."
            )
    if log is not None and log.strange:
        notes.append(log.strange)
    if thin:
        notes.append(
            f"Model-based for {', '.join(thin)}: too few logged cases took the settings of that policy to say more."
        )
    return notes


def _at_odds(estimates: Mapping[str, Any]) -> list[str]:
    """What to say where the models are far from what came of `today`: then they are hardly right about the others."""
    models, came = estimates.get("direct"), estimates.get("dr")
    if models is None or came is None or came["low"] <= models["value"] <= came["high"]:
        return []
    if abs(models["value"] - came["value"]) <= FAR * abs(came["value"]):
        return []
    return [
        f"The models expect {models['value']:.4g} of `today`, and the log shows {came['value']:.4g} ({came['low']:.4g} "
        f"to {came['high']:.4g}). Figures that rest on the models alone are as far off: train longer, or look at how "
        "well the chances that they give are borne out (`make audit`)."
    ]
