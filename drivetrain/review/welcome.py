"""`docs/onboarding.md`: one page for somebody's first hour, from the plan and its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from drivetrain.review.facts import (
    allowed,
    audited_by,
    compared,
    explored,
    falls_back,
    gained,
    label_from,
    past,
    recognised,
    rival,
    stops,
)  # fmt: skip
from drivetrain.review.formulas import acts, conditions_of, costs, in_words, stands_for
from drivetrain.review.gates import closed
from drivetrain.review.gather import gather
from drivetrain.review.glossary import glossary
from drivetrain.review.picture import mermaid
from drivetrain.review.quiz import quiz
from drivetrain.review.words import BETTER, limit, said, settings
from drivetrain.text import code, markdown

if TYPE_CHECKING:
    from drivetrain.review.gather import Review
    from drivetrain.spec import Spec


MOST_LACKING = 8


def onboarding(spec: Spec, review: Review | None = None, package: str = "") -> str:
    """The page, as Markdown.

    Args:
        spec: The plan; evidence and answers beside it are read.
        review: The review of this plan, if it was built already.
        package: Name of the project's package; the plan's when it is not given.
    """
    held, name = review or gather(spec), package or spec.package
    parts = [
        _head(held), _want(held), _pull(spec, held), _know(held), _models(held, name), _wrong(held), _stop(held),
        _owners(held), _hour(held, name), _quiz(spec, held), _glossary(),
    ]  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(held: Review) -> list[str]:
    return [
        f"# Welcome to {markdown(held.name)}",
        "",
        "*Rendered from `drivetrain.yaml`, `checklist.yaml` and `evidence/`; `drivetrain update` writes it anew.*",
        "",
        markdown(held.summary or "One page for the first hour."),
        "",
        *_stage(held),
        "",
        "```mermaid",
        mermaid(held.picture).rstrip(),
        "```",
    ]


def _stage(held: Review) -> list[str]:
    """Where the project stands, and what it lacks."""
    lacking, done = closed(held.gates, held.stage), [record.step for record in held.records]
    asked = sum(missing.kind == "checklist" for missing in lacking)
    rest = [missing for missing in lacking if missing.kind != "checklist"]
    met = [gate.stage for gate in takewhile(lambda gate: gate.met, held.gates)]
    so_far = f"met so far: {', '.join(met)}" if met else "no gate is met yet"
    measured = f"Measured so far: {', '.join(done)}." if done else "Nothing was measured yet."
    lines = [f"We aim at the gate of stage **{held.stage}**; {so_far}. {measured}"]
    if held.synthetic:
        lines += ["", "**What was measured was measured on sample data, and says nothing about the world.**"]
    if not lacking:
        return [*lines, "", "The gate lacks nothing that can be checked here."]
    lines += ["", "The gate lacks:", ""]
    if asked:
        plural = "answer" if asked == 1 else "answers"
        lines.append(
            f"- {asked} {plural} in `checklist.yaml`: the questions are in [bias_checklist.md](bias_checklist.md)"
        )
    for missing in rest[:MOST_LACKING]:
        owes = f"{missing.owner or 'nobody owns it'}{f', by {missing.due}' if missing.due else ''}"
        lines.append(f"- {markdown(f'{missing.where}: {missing.what} ({owes})')}")
    if len(rest) > MOST_LACKING:
        lines.append(f"- and {len(rest) - MOST_LACKING} more: `python -m drivetrain review` lists them all")
    return lines


def _want(held: Review) -> list[str]:
    objective = held.plan.get("objective") or {}
    measure = objective.get("measure") or {}
    lines = ["## What we want", "", f"> {_said(objective.get('statement'), 'The objective is not written yet.')}", ""]
    if measure:
        better = BETTER.get(str(measure.get("direction")), "")
        lines.append(
            f"We count **{_said(measure.get('name'))}** in **{_said(measure.get('unit'))}** ({better}): today "
            f"{_said(measure.get('current'))}, target {_said(measure.get('target'))}; it is useful from "
            f"{_said(measure.get('minimum_useful'))} on."
        )
    value, names = objective.get("value"), conditions_of(held)
    shown = f"{code(value)}. That is: {markdown(in_words(value, names))}." if isinstance(value, str) else _said(value)
    lines += ["", f"What one case is worth, once we know what happened (more is better): {shown}"]
    meanings = stands_for(held) if isinstance(value, str) else []
    if meanings:
        lines += ["", "| there | stands for |", "| --- | --- |"]
        lines += [f"| {markdown(name)} | {markdown(means)} |" for name, means in meanings]
    rails = objective.get("guardrails") or []
    if rails:
        lines += ["", "Whatever we gain, these must hold:", ""]
        for rail in rails:
            told = markdown(f"{in_words(str(rail.get('measure')), names)} is {limit(rail)}")
            lines.append(f"- {_said(rail.get('name'))}: {told}")
    return lines


def _pull(spec: Spec, held: Review) -> list[str]:
    lines, names = ["## What we can pull", ""], conditions_of(held)
    for lever in held.plan.get("levers", ()):
        policies = lever.get("policies", {})
        lines += [
            f"- **{markdown(lever['name'])}**, owned by {_said(lever.get('owner'), 'nobody yet')}: "
            f"{markdown(settings(lever, spec.derived.settings(lever['name'])))}",
            f"  - today: {markdown(acts(lever, policies.get('today'), names))}",
            f"  - if nobody acts: {markdown(acts(lever, policies.get('do_nothing'), names))}",
            f"  - in a case unlike any seen before: {markdown(falls_back(lever, names))}; and a person looks at it",
            f"  - the simple rule to beat: {markdown(acts(lever, policies.get('simple_rule'), names))}",
            f"  - in the data it {markdown(past(lever))}",
            f"  - costs of a setting: {markdown(costs(lever, names))}",
            f"  - can be taken back: {_said(lever.get('reversible'))}",
        ]
        lines += [f"  - {markdown(sentence)}" for sentence in allowed(lever, names)]
        options = lever.get("options")
        for name, option in options.items() if isinstance(options, Mapping) else ():
            if isinstance(option, Mapping) and option.get("means"):
                lines.append(f"  - {markdown(name)} means: {_said(option['means'])}")
    if len(lines) == 2:
        lines.append("Nothing yet: nobody can act on a prediction until there is a lever.")
    else:
        lines += ["", f"A case unlike any seen before: {_lower(markdown(recognised(held)))}"]
        lines += ["", markdown(line)] if (line := explored(held)) else []
    decision = held.plan.get("decision") or {}
    if decision:
        who = "a person decides, with this beside it" if decision.get("mode") == "assist" else "it decides by itself"
        lines += ["", f"When: {_said(decision.get('when'))}. Where: {_said(decision.get('who'), 'nobody yet')}; {who}."]
    things = held.plan.get("uncontrollable", ())
    if things:
        lines += ["", f"Not in our hands: {', '.join(_said(thing.get('name')) for thing in things)}."]
    return lines


def _know(held: Review) -> list[str]:
    lines = ["## What we know", ""]
    for source in held.plan.get("data", ()):
        place = code(source["location"]) if isinstance(source.get("location"), str) else "still to be collected"
        rights = source.get("rights") or {}
        lines.append(
            f"- **{markdown(source['name'])}** ({source['kind']}): one row is {_said(source.get('unit'))}; {place}; "
            f"licence {_said(rights.get('licence'))}; people in it: {_said(rights.get('personal'))}"
        )
        for name, outcome in (source.get("outcomes") or {}).items():
            moved = outcome.get("affected_by")
            mover = "no lever moves it, as far as we believe" if moved == [] else f"moved by {_said(moved)}"
            label = markdown(label_from(source, outcome))
            lines.append(f"  - outcome **{markdown(name)}** ({outcome.get('type')}): {mover}; {label}")
    if len(lines) == 2:
        return [*lines, "No data yet."]
    return [*lines, "", markdown(audited_by(held))]


def _models(held: Review, package: str) -> list[str]:
    lines = ["## What the models do", ""]
    for model in held.plan.get("models", ()):
        path, shown = f"{package}/learners/{model['name']}.py", compared(held, model["name"])
        lines.append(
            f"- **{markdown(model['name'])}** ({model['task']}) predicts {_said(model.get('predicts'))}, and must beat "
            f"{markdown(rival(model))}{f' ({markdown(shown)})' if shown else ''}. "
            f"Its code is short, and ours: [{markdown(path)}](../{path})"
        )
    if len(lines) == 2:
        lines.append("There are none yet.")
    return [
        *lines, "",
        "A prediction is not the goal. `make decide` turns predictions into the setting with the best expected value, "
        "and compares that policy with doing nothing, today's policy, a simple rule, and accuracy first: acting as if "
        f"the likeliest came true. {_worth(held)}",
    ]  # fmt: skip


def _worth(held: Review) -> str:
    """What decisions were worth, and which limits they kept."""
    gain = gained(held)
    if not gain:
        return "That was not measured yet."
    rails = [
        f"{row['name']} {'is kept' if row.get('met') else 'is NOT kept'}" for row in held.decide.get("constraints", ())
    ]
    kept = f"; {', '.join(rails)}" if rails else ""
    return f"Measured{' on sample data' if held.synthetic else ''}: {markdown(gain + kept)}."


def _stop(held: Review) -> list[str]:
    return [
        "## When we stop", "",
        *(f"- {markdown(line)}" for line in stops(held)),
        "- Stage by stage, [rollout.md](rollout.md) says when to go back.",
    ]  # fmt: skip


def _wrong(held: Review) -> list[str]:
    objective = held.plan.get("objective") or {}
    lines = [
        "## What could go wrong",
        "",
        f"- If it works really, really well: {_said(objective.get('if_it_works_really_well'))}",
    ]
    for entry in objective.get("affected") or []:
        recourse = _said(entry.get("recourse"), "none is named")
        lines.append(f"- {_said(entry.get('who'))}: {_said(entry.get('how'))}. Recourse: {recourse}")
    for mode in (held.plan.get("deployment") or {}).get("failure_modes") or []:
        lines.append(f"- {_said(mode.get('failure'))}; one would see it in {_said(mode.get('report'))}")
    lines += [
        f"- **Nobody knows yet**: {markdown(u.question)} ({markdown(u.owner)} finds out by {u.due})"
        for u in held.unknowns
    ]
    return [
        *lines,
        "- [bias_checklist.md](bias_checklist.md) asks the rest; [rollout.md](rollout.md) says how it goes live.",
    ]


def _owners(held: Review) -> list[str]:
    lines = ["## Who owns what", "", "| what | who |", "| --- | --- |"]
    rows: list[tuple[str, Any]] = [("the project", list(held.owners))]
    rows += [(f"lever {lever['name']}", lever.get("owner")) for lever in held.plan.get("levers", ())]
    rows += [(f"data {source['name']}", source.get("owner")) for source in held.plan.get("data", ())]
    rows.append(("deciding", (held.plan.get("decision") or {}).get("who")))
    rows.append(("keeping it going", (held.plan.get("maintenance") or {}).get("owner")))
    lines += [f"| {markdown(what)} | {_cell(who)} |" for what, who in rows]
    return lines


def _hour(held: Review, package: str) -> list[str]:
    models = [model["name"] for model in held.plan.get("models", ())]
    made = f"`artifacts/{models[0]}/manifest.json` is there" if models else "a line per model says how good it is"
    steps = [
        ("make install", 'python -m pip install -e ".[dev]"', "`python -m drivetrain doctor` names no failure"),
        (
            "make sample",
            "python -m drivetrain sample",
            "only without data of your own: it lists the files that it wrote",
        ),
        (
            "make check",
            f"python -m {package}.check_data",
            "`evidence/check.json` is there, and no line begins with `fail`",
        ),
        ("make train", f"python -m {package}.train", f"{made}, and a new folder lies in `evidence/runs/`"),
        (
            "make decide",
            f"python -m {package}.decide",
            "a table compares the policies; `artifacts/policy.json` is there",
        ),
        (
            "make audit",
            f"python -m {package}.audit",
            "figures by class, each with an interval; `evidence/audit.json` is there",
        ),
        ("make review", "python -m drivetrain review", "`review.html` opens in a browser and shows the figures"),
        ("make test", "python -m pytest", "the last line says `passed`"),
    ]
    lines = [
        "## The first hour",
        "",
        "In this order, in the project's folder; the second column works on Windows too.",
        "",
    ]
    lines += ["| command | the same, typed out | it worked when |", "| --- | --- | --- |"]
    lines += [f"| `{short}` | `{typed}` | {sign} |" for short, typed, sign in steps]
    return [*lines, "", "Then change one number in `drivetrain.yaml`, run `make decide` again, and see what moved."]


def _quiz(spec: Spec, held: Review) -> list[str]:
    lines = [
        "## Twelve questions",
        "",
        "Try to answer each before you open it; then you know what this project is about.",
    ]
    for place, (question, answer) in enumerate(quiz(spec, held), 1):
        lines += [
            "",
            f"<details><summary>{place}. {markdown(question)}</summary>",
            "",
            *(f"- {markdown(a)}" for a in answer),
        ]
        lines += ["", "</details>"]
    return lines


def _glossary() -> list[str]:
    lines = ["## Words", "", "| word | means |", "| --- | --- |"]
    return lines + [f"| {markdown(term)} | {markdown(meaning)} |" for term, meaning in glossary().items()]


def _said(value: Any, otherwise: str = "not said yet") -> str:
    if isinstance(value, Mapping) and "unknown" in value:
        return f"**{markdown(said(value))}**"
    if isinstance(value, int | float):
        return said(value)
    return markdown(said(value, otherwise))


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _cell(value: Any) -> str:
    return markdown(said(value, "nobody yet"))
