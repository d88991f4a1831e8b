"""A project with made-up evidence, so that audit, checklist and review can be tried without training anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drivetrain import evidence
from drivetrain.spec import Spec, load_spec

RUN = "20261123T120000-ab12"

MAIL = """
drivetrain: 1
stage: model
project: {name: Mail sorting, summary: Route letters by digit, owners: [sorting-team]}
objective:
  statement: Route letters to the right district at the lowest handling cost.
  measure:
    {name: handling cost, unit: EUR/letter, direction: minimize, current: 0.30, target: 0.12, minimum_useful: 0.25}
  horizon: 1 day
  constants: {wrong_bin: {value: 4.00, low: 2.50, high: 6.00, unit: EUR/letter, source: redelivery costing 2025}}
  terms: {misrouted: "(bin != 'manual') & (bin != digit)"}
  value: "-cost(bin) - wrong_bin * misrouted"
  guardrails: [{name: misrouted share, measure: mean(misrouted), at_most: 0.01, by: [depot]}]
  affected:
    - {who: recipients, how: late mail, recourse: redelivery within a day}
    - {who: desk clerks, how: less work, recourse: works council}
  if_it_works_really_well: Manual desks close; who then reads what the model cannot?
decision:
  {unit: letter, cases: letters, who: sorting line, when: each letter, mode: automate, batch: {every: 1 day, cases: 40}}
levers:
  - name: bin
    type: options
    options: {manual: {cost: 0.30}}
    options_from: {outcome: digit, cost: 0.02}
    owner: line manager
    reversible: true
    policies:
      {do_nothing: manual, today: manual, simple_rule: {confident: digit, at_least: 0.5, else: manual}}
    history: {kind: constant}
data:
  - name: letters
    kind: images
    unit: one letter
    location: data/letters
    filename: "(?P<depot>[a-z]+)-\\\\d+\\\\.png"
    outcomes: {digit: {column: folder, values: ["0", "1", "2"], affected_by: []}}
    groups: [depot]
    rights: {licence: CC BY 4.0, personal: false}
    collected: {how: scanner at depot 3, from: 2025-01-01, to: 2025-06-30}
models:
  - {name: digit_reader, task: image-classification, predicts: digit, image: {size: 64, resize: squish}}
deployment: {serve: [api]}
"""


def project(root: Path, text: str = MAIL) -> Spec:
    """A project folder with this plan and nothing else."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "drivetrain.yaml").write_text(text.lstrip(), encoding="utf-8")
    return load_spec(root)


def letters(root: Path, number: int = 300, depots: tuple[str, ...] = ("north", "south"), seed: int = 0) -> None:
    """Empty files where letters would be: the audit needs their names only."""
    rng = np.random.default_rng(seed)
    for i in range(number):
        folder = root / "data" / "letters" / str(i % 3)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{depots[int(rng.integers(len(depots)))]}-{i}.png").touch()


def fingerprints(spec: Spec) -> dict[str, Any]:
    """What a step would record of the data that are there."""
    from drivetrain import source

    return {
        entry.name: source.fingerprint(spec, entry.name).as_json()
        for entry in spec.data
        if (spec.root / "data").exists()
    }


def trained(spec: Spec, frame: dict[str, Any], model: str = "digit_reader") -> None:
    """Predictions of a run, and the manifest of the model that came out of it."""
    runs = spec.root / "evidence" / "runs" / RUN
    runs.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(frame), runs / f"predictions-{model}.parquet")
    folder = spec.root / "artifacts" / model
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "model": model, "run": RUN}), encoding="utf-8")
    evidence.record(
        spec.root, "train", {"run": RUN}, reads={"data": spec.digest("data")},
        data=fingerprints(spec), artifacts={model: "1" * 64},
    )  # fmt: skip


def decided(spec: Spec, frame: dict[str, Any]) -> None:
    """Decisions, and the comparison of policies that goes with them."""
    (spec.root / "evidence").mkdir(exist_ok=True)
    pq.write_table(pa.table(frame), spec.root / "evidence" / "decisions.parquet")
    names = [name for name in frame if f"value_{name}" in frame]
    policies = []
    for name in names:
        v = np.asarray(frame[f"value_{name}"], float)
        half = 1.96 * v.std() / np.sqrt(len(v))
        policies.append(
            {"name": name, "value": v.mean(), "low": v.mean() - half, "high": v.mean() + half, "label": "model-based"}
        )
    result = {
        "unit": "EUR/letter", "direction": "minimize", "measure": "handling cost", "policies": policies,
        "differences": [{"name": "optimized", "against": "simple_rule", "value": 0.02, "low": 0.01, "high": 0.03}],
        "constraints": [], "notes": [],
    }  # fmt: skip
    evidence.record(
        spec.root, "decide", result, reads={"objective.value": spec.digest("objective.value")},
        data=fingerprints(spec),
    )  # fmt: skip


def mail(root: Path, text: str = MAIL, number: int = 300, seed: int = 1) -> tuple[Spec, dict[str, Any]]:
    """The mail project with letters, predictions that are right nine times out of ten, and decisions."""
    spec = project(root, text)
    letters(root, number)
    from drivetrain import source

    cases = source.cases(spec)
    rng = np.random.default_rng(seed)
    truth = np.array(cases["digit"].to_pylist())
    said = np.where(rng.random(len(truth)) < 0.9, truth, rng.choice(["0", "1", "2"], len(truth)))
    sure = rng.uniform(0.5, 1.0, len(truth))
    frame: dict[str, Any] = {"case": cases["case"].to_numpy(), "split": cases["split"].to_pylist(), "truth": truth}
    for name in ("0", "1", "2"):
        frame[f"p_{name}"] = np.where(said == name, sure, (1 - sure) / 2)
    trained(spec, frame)
    chosen = np.where(sure > 0.7, said, "manual")
    value = np.where(chosen == "manual", -0.30, np.where(chosen == truth, -0.02, -4.02))
    decided(
        spec,
        {
            "case": frame["case"], "split": frame["split"], "do_nothing": np.full(len(truth), "manual"),
            "value_do_nothing": np.full(len(truth), -0.30), "optimized": chosen, "value_optimized": value,
            "setting_do_nothing_bin": np.full(len(truth), "manual"), "setting_optimized_bin": chosen,
        },
    )  # fmt: skip
    return spec, frame | {"chosen": chosen, "value": value, "said": said, "depot": cases["depot"].to_pylist()}
