"""Times that were not over when somebody looked: a least value, and no label that could score a policy."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain import availability, policy
from drivetrain.decision.compare import label_of
from drivetrain.decision.notes import said
from drivetrain.spec import load_spec, load_text

PLAN = """\
drivetrain: 1
project: {name: Pumps}
objective:
  statement: Pumps are serviced before they fail.
  measure: {name: cost, unit: EUR/pump, direction: minimize, current: 300}
  value: "-(cost(service) + where((days_left < 90) & (service == 'wait'), 900, 0))"
decision: {unit: pump, cases: pumps}
levers:
  - name: service
    type: options
    options: {wait: {cost: 0}, visit: {cost: 180}}
    policies: {do_nothing: wait, today: wait}
    history: {kind: never}
data:
  - name: pumps
    kind: table
    location: pumps.csv
    columns: {hours: number, failed: {type: boolean, known: after}}
    outcomes: {days_left: {column: days, type: number, minimum: 0, EVENT bins: [0, 90, 180, 365], affected_by: []}}
models: [{name: clock, task: table-regression, predicts: days_left, inputs: [hours]}]
"""


@pytest.mark.parametrize(("event", "label"), [("event: failed,", "model-based"), ("", "causal")])
def test_only_what_was_seen_to_its_end_scores_a_policy(event, label):
    assert label_of(policy.problem(load_text(PLAN.replace("EVENT", event)))) == label


def test_the_report_says_why_its_figures_are_those_of_the_models():
    problem = policy.problem(load_text(PLAN.replace("EVENT", "event: failed,")))
    [note] = said(problem, type("World", (), {"log": None})(), False, {})
    assert note.startswith("Model-based: some `days_left` were not seen to their end")


@pytest.mark.parametrize(("event", "says"), [("event: failed,", "cannot be compared"), ("", "the data say")])
def test_the_check_does_not_take_a_time_that_is_not_over_for_a_label(tmp_path, event, says):
    r = np.random.default_rng(1)
    rows = "\n".join(f"{r.uniform(0, 9e3):.1f},{r.integers(0, 300)},{r.random() < 0.5}" for _ in range(400))
    (tmp_path / "pumps.csv").write_text(f"hours,days,failed\n{rows}\n")
    (tmp_path / "drivetrain.yaml").write_text(PLAN.replace("EVENT", event))
    [found] = [one for one in availability.check(load_spec(tmp_path)) if one.id == "DA213"]
    assert says in str(found)
