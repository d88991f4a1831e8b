"""`docs/model_card.md`: a card in Hugging Face's format, from the plan and its evidence.

References:
    Mitchell et al. (2019), Model Cards for Model Reporting.
    The metadata that the Hub reads: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.review.gather import gather
from drivetrain.review.lines import table
from drivetrain.review.words import BETTER, decided_figures, group_name, interval, number, said, settings
from drivetrain.text import code, line, markdown, quoted

if TYPE_CHECKING:
    from drivetrain.review.gather import Review
    from drivetrain.spec import Spec

PIPELINES = {
    "image-classification": "image-classification",
    "image-multilabel": "image-classification",
    "image-segmentation": "image-segmentation",
    "text-classification": "text-classification",
    "table-classification": "tabular-classification",
    "table-regression": "tabular-regression",
    "audio-classification": "audio-classification",
    "image-text-classification": "image-classification",
    "series-classification": "tabular-classification",
}
"""Task of the plan -> what the Hub calls it; tasks that it has no name for are left out."""
WORDS = (
    "- *value*: what the models expect of the optimized policy; *gain over today*: what it adds to today's by them; "
    "*value by the log*: what logged cases say about it, doubly robust.",
    "- *setting rate*: share of cases that get the setting; *selection rate*: share that the model takes for positive; "
    "*calibration gap*: mean probability minus how often it came true.",
    "- Decisions are judged on all held-out cases, a model on those that no training and no calibration saw.",
)
METRICS = {"accuracy": "accuracy", "auroc": "roc_auc", "f1": "f1", "mae": "mae", "rmse": "rmse", "r2": "r_squared"}


def model_card(spec: Spec, review: Review | None = None, package: str = "") -> str:
    """The card: front matter that the Hub reads, then what people should know before they use the models.

    Args:
        spec: The plan; evidence beside it is read.
        review: The review of this plan, if it was built already.
        package: Name of the project's package; the plan's when it is not given.
    """
    held, name = review or gather(spec), package or spec.package
    parts = [
        _head(held), _details(held, name), _uses(spec, held), _risks(held), _training(held), _evaluation(held),
        _worth(held), _by_group(held), _start(name), _contact(held),
    ]  # fmt: skip
    return "\n".join(_front(held)) + "\n" + "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _front(held: Review) -> list[str]:
    models = held.plan.get("models", ())
    lines = ["---", "library_name: fastai", "license: unknown"]
    tags = ["drivetrain", *dict.fromkeys(model["task"] for model in models)]
    lines += ["tags:", *(f"  - {tag}" for tag in tags)]
    pipeline = next((PIPELINES[m["task"]] for m in models if m["task"] in PIPELINES), None)
    lines += [f"pipeline_tag: {pipeline}"] if pipeline else []
    results = [entry for model in models if (entry := _index(model, held))]
    if results:
        lines += ["model-index:", *(row for entry in results for row in entry)]
    return [*lines, "---", ""]


def _index(model: Mapping[str, Any], held: Review) -> list[str]:
    """A model's entry in the Hub's index of results; none before it was measured."""
    measured = _measured(model, held)
    metrics = [(name, measured[name]) for name in METRICS if isinstance(measured.get(name), int | float)]
    if not metrics:
        return []
    data = sorted({name for record in held.records if record.step == "train" for name in record.data})
    dataset = f"{line(held.name)}: {', '.join(data)}" + (" (sample data)" if held.synthetic else "")
    rows = [
        f'  - name: "{quoted(model["name"])}"',
        "    results:",
        "      - task:",
        f"          type: {PIPELINES.get(model['task'], 'other')}",
        "        dataset:",
        f'          name: "{quoted(dataset)}"',
        f'          type: "{quoted(data[0] if data else "own")}"',
        "          split: test",
        "        metrics:",
    ]
    for name, value in metrics:
        rows += [
            f"          - type: {METRICS[name]}",
            f"            value: {float(value)!r}",
            f"            name: {name}",
        ]
    return rows


def _measured(model: Mapping[str, Any], held: Review) -> Mapping[str, Any]:
    body = (held.train.get("models") or {}).get(model["name"]) or {}
    found = (body.get("metrics") or {}).get("held_out") or {}
    return found if isinstance(found, Mapping) else {}


def _head(held: Review) -> list[str]:
    lines = [
        f"# Model card: {markdown(held.name)}",
        "",
        "*Rendered from `drivetrain.yaml` and `evidence/`; `drivetrain update` and `drivetrain review` write it anew.*",
    ]
    if held.synthetic:
        lines += ["", "> **Every figure here was made from sample data and says nothing about the world.**"]
    stale = sorted({record.step for record in held.records if not record.fresh})
    if stale:
        lines += ["", f"> **Stale:** the plan has changed since {', '.join(stale)} ran."]
    return lines


def _details(held: Review, package: str) -> list[str]:
    lines = ["## Model details", "", markdown(held.summary) if held.summary else "", ""]
    rows = []
    for model in held.plan.get("models", ()):
        path = f"{package}/learners/{model['name']}.py"
        rows.append(
            [
                code(model["name"]), model["task"], markdown(said(model.get("predicts"))),
                markdown(said(model.get("architecture") or model.get("layers"))), f"[{markdown(path)}](../{path})",
            ]
        )  # fmt: skip
    if not rows:
        return [*lines, "The plan has no models yet."]
    lines += table(["model", "task", "predicts", "architecture or layers", "code"], rows)
    run = held.train.get("run")
    return (
        [*lines, "", f"Trained in run {code(run)}; `artifacts/` holds the files with their SHA-256."] if run else lines
    )


def _uses(spec: Spec, held: Review) -> list[str]:
    objective = held.plan.get("objective") or {}
    decision = held.plan.get("decision") or {}
    who = markdown(said(decision.get("who"), "nobody named yet"))
    when = markdown(said(decision.get("when"), "no time named yet"))
    lines = [
        "## Uses",
        "",
        "### Direct use",
        "",
        markdown(said(objective.get("statement"), "The objective is not written yet.")),
    ]
    lines += [
        "",
        f"The models supply predictions to one decision, made by {who} ({when}; mode {said(decision.get('mode'))}):",
        "",
    ]
    for lever in held.plan.get("levers", ()):
        what = settings(lever, spec.derived.settings(lever["name"]))
        lines.append(f"- **{markdown(lever['name'])}**: {markdown(what)}")
    return [
        *lines, "", "### Out-of-scope use", "",
        "Any other decision, other kinds of cases, and any use of the bare score: neither planned nor measured.",
    ]  # fmt: skip


def _risks(held: Review) -> list[str]:
    objective = held.plan.get("objective") or {}
    lines = ["## Bias, risks and limitations", ""]
    for entry in objective.get("affected") or []:
        recourse = markdown(said(entry.get("recourse"), "none is named"))
        lines.append(f"- {markdown(said(entry.get('who')))}: {markdown(said(entry.get('how')))}. Recourse: {recourse}")
    lines.append(f"- If it works really, really well: {markdown(said(objective.get('if_it_works_really_well')))}")
    for finding in held.audit.get("findings", ()):
        if finding["level"] in ("fail", "warn", "unknown"):
            lines.append(f"- {finding['id']} {markdown(finding['where'])}: {markdown(finding['what'])}")
    for item in held.items:
        if item["status"] == "no":
            lines.append(f"- Known gap, {markdown(item['title'])}: {markdown(item['note'])}")
    open_ = sum(item["status"] == "unknown" for item in held.items)
    return [*lines, f"- {open_} of {len(held.items)} questions of [bias_checklist.md](bias_checklist.md) are open."]


def _training(held: Review) -> list[str]:
    lines = ["## Training details", "", "The data are described in [datasheet.md](datasheet.md).", ""]
    for model in held.plan.get("models", ()):
        training = model.get("training") or {}
        lines.append(
            f"- **{markdown(model['name'])}**: {markdown(said(training.get('schedule')))}, "
            f"{said(training.get('epochs'))} epochs, batches of {said(training.get('batch_size'))}, "
            f"pretrained: {said(training.get('pretrained'))}, seed {said(training.get('seed'))}; "
            f"calibration: {markdown(said(model.get('calibration')))}"
        )
    return lines


def _evaluation(held: Review) -> list[str]:
    lines = ["## Evaluation", "", "On rows that no training saw."]
    for model in held.plan.get("models", ()):
        measured = _measured(model, held)
        figures = [(name, value) for name, value in measured.items() if isinstance(value, int | float)]
        lines += ["", f"### {markdown(model['name'])}", ""]
        if not figures:
            lines.append("Planned; not measured yet.")
            continue
        lines += table(
            ["figure", "value"], [[markdown(name.replace("_", " ")), number(value)] for name, value in figures]
        )
    return lines


def _worth(held: Review) -> list[str]:
    decide = held.decide
    if not decide.get("policies"):
        return []
    better = BETTER.get(str(decide.get("direction")), "")
    lines = [
        "### What its decisions are worth",
        "",
        f"{markdown(decide.get('measure'))} in {markdown(decide.get('unit'))}, {better}.",
        "",
    ]
    rows = [
        [markdown(str(row["name"]).replace("_", " ")), interval(row), markdown(row.get("label", ""))]
        for row in decide["policies"]
    ]
    return [*lines, *table(["policy", "95 % interval", "label"], rows)]


def _by_group(held: Review) -> list[str]:
    lines = ["### By group", ""]
    if not held.audit:
        return [*lines, "Not audited yet."]
    if held.audit.get("note"):
        return [*lines, f"{markdown(held.audit['note']).capitalize()}; by class in `evidence/audit.json`."]
    noted = [f for f in held.audit.get("findings", ()) if f["id"] == "DU201"]
    told = [f"- {markdown(f['where'])}: {markdown(f['what'])}" for f in noted]
    verdict = told or [
        "No group differs from the largest by more than chance explains, where there are enough rows to tell."
    ]
    where = "95 % intervals; intersections, differences and their tests are in `evidence/audit.json`."
    return [*lines, *verdict, "", *WORDS, "", where, "", *(row for block in _tables(held) for row in block)]


def _tables(held: Review) -> Iterator[list[str]]:
    """Decisions and errors by each group column; intersections are in `evidence/audit.json`."""
    decisions = held.audit.get("decisions") or {}
    for found in decisions.get("by_group", ()):
        if found["policy"] == "optimized":
            unit = markdown(decisions.get("unit") or "")
            yield from _groups(found, decided_figures(found), f"decisions, value in {unit}, more is better")
    for model in held.audit.get("models", ()):
        for found in model["by_group"]:
            yield from _groups(found, _errors(model), markdown(f"{model['model']}, {model['outcome']}"))


def _groups(found: Mapping[str, Any], figures: Sequence[str], about: str) -> Iterator[list[str]]:
    if len(found["columns"]) == 1 and found["groups"]:
        head = [f"{markdown(found['columns'][0])} ({about})", "rows", *map(markdown, figures)]
        rows = [
            [markdown(group_name(r["group"])), str(r["rows"]), *(interval(r["figures"].get(name)) for name in figures)]
            for r in found["groups"]
        ]
        yield [*table(head, rows), ""]


def _errors(model: Mapping[str, Any]) -> list[str]:
    """The figures that tell how a model treats a group."""
    if "classes" not in model:
        return list((model["overall"] or {}).get("figures", {}))
    rates = ["selection rate", "true positive rate", "false positive rate"] if model["positive"] is not None else []
    return ["accuracy", *rates, "calibration gap"]


def _start(package: str) -> list[str]:
    return [
        "## How to get started",
        "",
        "```sh",
        f"python -m {package}.serve     # POST /decide; artifacts are verified by hash, nothing is unpickled",
        "```",
    ]


def _contact(held: Review) -> list[str]:
    keeper = (held.plan.get("maintenance") or {}).get("owner")
    owners = ", ".join(map(markdown, held.owners)) or "nobody named yet"
    return ["## Contact", "", f"Owners: {owners}. Kept going by: {markdown(said(keeper, 'nobody named yet'))}."]
