"""What `decide` found, for people: a table in the objective's unit and a picture."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivetrain import evidence
from drivetrain.errors import EvidenceError

TITLES = {
    "do_nothing": "do nothing",
    "today": "today",
    "simple_rule": "simple rule",
    "accuracy_first": "accuracy-first",
    "optimized": "optimized",
}


def last(root: Path) -> Mapping[str, Any]:
    """The result that `decide` recorded last.

    Raises:
        EvidenceError: There is none.
    """
    found = evidence.read(root, "decide")
    if found is None:
        raise EvidenceError("no decision is recorded yet.", "Run `make decide`.", where="evidence/decide.json")
    return found.result


def show(result: Mapping[str, Any]) -> None:
    """Print the comparison of policies, the constraints and the notes to stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A file or a pipe has no width of its own, and a figure that is cut off is another figure.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)

    def say(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    against = {row["against"]: row for row in result["differences"]}
    less = ", less is better" if result["direction"] == "minimize" else ""
    say(f"{result['measure']} in {result['unit']}{less}; {result['cases']} cases that no model has seen\n")
    table = Table(box=None, padding=(0, 1))
    for heading in ("policy", "figure", "95 % interval", "optimized gains", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "policy" else "right", overflow="fold")
    for row in result["policies"]:
        gain = against.get(row["name"])
        table.add_row(
            Text(TITLES.get(row["name"], row["name"]), style="bold" if row["name"] == "optimized" else ""),
            number(row["value"]),
            interval(row),
            number(gain["value"]) if gain else "",
            interval(gain) if gain else "",
        )
    console.print(table)
    console.print()
    if found := result.get("reported"):
        said = ", ".join(
            f"{TITLES.get(row['name'], row['name'])} {number(row['value'])} ({interval(row)})"
            for row in found["policies"]
        )
        say(f"{found['formula']}, as the plan reports it: {said} ({found['label']})\n")
    for row in result["constraints"]:
        sign = "at most" if row["kind"] == "at_most" else "at least"
        figure = "concerns no case" if row["value"] is None else f"{number(row['value'])} ({interval(row)})"
        line = f"{row['name']}: {figure}, {sign} {number(row['bound'])}: {row['state']}"
        more = "more" if row["kind"] == "at_most" else "less"
        # Of a share, one more would be everybody.
        step, one = (0.01, "0.01") if abs(row["bound"]) < 1 else (1, "one")
        worth = f"{number(step * row.get('relaxed', row['price']))} {result['unit']} (model-based)"
        say(line + (f"; it binds: a limit of {one} {more} would be worth {worth}" if row["price"] else ""))
    for row in result.get("checked", ()):
        sign = "at most" if row["kind"] == "at_most" else "at least"
        met = "met" if row["met"] else "not met"
        say(f"{row['name']}: {number(row['value'])}, {sign} {number(row['bound'])}: {met} (checked, not optimised)")
    for row in result.get("scenarios", ()):
        share = f", {row['weight']:.0%} of the objective" if row["weight"] else ""
        said = ", ".join(f"{TITLES.get(name, name)} {number(value)}" for name, value in row["values"].items())
        say(f"if {row['name']}{share}: {said} ({row['label']})")
    if found := result.get("catastrophe"):
        chance = found["probability"].get("optimized", 0.0)
        say(f"{found['formula']}: {chance:.2%} of the cases under the optimized policy ({found['label']})")
        for region in found["regions"]:
            say(f"  {region['probability']:.1%} where {region['where']} ({region['share']:.0%} of the cases)")
    if result.get("logged"):
        _show_logged(console, result)
    for note in result["notes"]:
        say(note)


def _show_logged(console: Any, result: Mapping[str, Any]) -> None:
    """What past decisions say about each policy: one period, in the world as it was."""
    from rich.table import Table
    from rich.text import Text

    sign = -1 if result["direction"] == "minimize" else 1
    methods = {"direct": "direct", "ips": "IPS", "snips": "SNIPS", "dr": "DR"}
    table = Table(box=None, padding=(0, 1))
    for heading in ("the log says", *methods.values(), "95 % of DR", "overlap", "ESS"):
        table.add_column(heading, justify="left" if heading == "the log says" else "right", overflow="fold")
    for name, row in result["logged"].items():
        found = row["estimates"]
        ends = sorted(
            (value if value is None else sign * value for value in (found["dr"]["low"], found["dr"]["high"])),
            key=lambda value: (value is None, value),
        )
        table.add_row(
            Text(TITLES.get(name, name)),
            *(number(v if (v := found[method]["value"]) is None else sign * v) for method in methods),
            f"{number(ends[0])} to {number(ends[1])}",
            f"{row['matched']:.0%}",
            f"{row['effective_size']:,.0f}" + ("" if row["enough"] else "!"),
        )
    console.print(table)
    console.print(
        Text(
            "direct: the models alone; IPS, SNIPS: logged cases by inverse propensity, bare and self-normalised; "
            "DR: both, doubly robust; overlap: share of logged cases that did what the policy does; "
            "ESS: effective sample size"
            + ("; !: too small to say more" if any(not row["enough"] for row in result["logged"].values()) else "")
        ),
        soft_wrap=True,
    )
    console.print()


def show_what_if(result: Mapping[str, Any]) -> None:
    """Print what the policies would be worth if something were another."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    changes = ", ".join(f"{name} = {text}" for name, text in result["set"].items())
    console.print(Text(f"{result['measure']} in {result['unit']} with {changes} ({result['label']})\n"), soft_wrap=True)
    for name, value in result["values"].items():
        console.print(Text(f" {TITLES.get(name, name):16} {number(value)}"), soft_wrap=True)
    for row in result.get("scenarios", ()):
        said = ", ".join(f"{TITLES.get(name, name)} {number(value)}" for name, value in row["values"].items())
        console.print(Text(f"if {row['name']}: {said} ({row['label']})"), soft_wrap=True)
    for note in result.get("notes", ()):
        console.print(Text(note), soft_wrap=True)


def number(value: float | None) -> str:
    """Four significant digits, with a minus that lines up; a dash where there is no figure."""
    value = None if value is None else value + 0.0  # no minus before a nought
    return "–" if value is None else f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def interval(row: Mapping[str, Any]) -> str:
    """`low to high`."""
    return f"{number(row['low'])} to {number(row['high'])}"
