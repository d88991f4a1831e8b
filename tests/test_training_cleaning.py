"""Train first, then clean: what people decide about cases is written down, and applied on every later run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from projects import make
from trainable import MEDIA, ROWS, plan, write

from drivetrain.errors import DataError
from drivetrain.spec import Spec

pytestmark = pytest.mark.train
NEW = {"tagger": "red;round", "ruler": "0.5", "listener": "glad", "purse": "3", "bed": "1.5", "door": "true",
       "shelf": "2", "ear": "low"}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    folder = tmp_path_factory.mktemp("cleaned")
    write(folder)
    return make(folder, plan(MEDIA | ROWS))


@pytest.fixture(autouse=True)
def nothing_decided(project: Spec) -> None:
    (project.root / "cleaning.csv").unlink(missing_ok=True)


def frame_of(project: Spec, name: str) -> pd.DataFrame:
    from drivetrain.training import rows

    return rows(project, project.model(name))


@pytest.mark.parametrize("name", [*NEW, "eye", "tracer", "reader", "phone"])
def test_a_case_is_left_out_and_another_gets_its_label(name: str, project: Spec) -> None:
    from drivetrain.training import cleaning

    model = project.model(name)
    [outcome] = model.predicts or []
    before = frame_of(project, name)
    change = [(4, NEW[name])] if name in NEW else []
    assert cleaning.keep(project, model, before, [3], change) == 1 + len(change)
    after = frame_of(project, name)
    assert len(after) == len(before) - 1
    assert set(before["case"]) - set(after["case"]) == {before["case"][3]}
    assert after[outcome].dtype == before[outcome].dtype
    known = after.set_index("case")[outcome]
    for case, was in before.set_index("case")[outcome].drop(before["case"][[3, 4]]).items():
        assert known[case] == was
    if change:
        expected = {"tagger": ["red", "round"], "ruler": 0.5, "purse": 3.0, "bed": 1.5, "shelf": 2.0}
        assert known[before["case"][4]] == expected.get(name, NEW[name])
    assert str(project.root) not in (project.root / "cleaning.csv").read_text()


def test_bins_and_other_outcomes_follow(project: Spec) -> None:
    from drivetrain.training import cleaning

    before = frame_of(project, "bed")
    cleaning.keep(project, project.model("bed"), before, [], [(0, 7)])
    after = frame_of(project, "bed")
    assert after.loc[0, "stay bin 3"] > 0
    assert len(frame_of(project, "purse")) == len(before)  # the same rows, of another outcome


def test_a_label_that_is_changed_back_needs_no_decision(project: Spec) -> None:
    from drivetrain.training import cleaning

    model = project.model("ear")
    cleaning.keep(project, model, frame_of(project, "ear"), [], [(4, "low")])
    cleaning.keep(project, model, frame_of(project, "ear"), [], [(4, "high")])
    assert cleaning.read(project.root) == []
    assert frame_of(project, "ear").attrs["cleaning"] == {"deleted": 0, "changed": 0, "not_found": 0}


def test_once_the_source_is_corrected_there_is_nothing_left_to_decide(project: Spec) -> None:
    (project.root / "cleaning.csv").write_text(
        "outcome,case,was,decision,label\npitch,data/sounds/high/107.wav,low,change,high\npitch,gone.wav,low,delete,\n"
    )
    assert frame_of(project, "ear").attrs["cleaning"] == {"deleted": 0, "changed": 0, "not_found": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ear,x\n", "cleaning.csv: has no column `outcome`"),
        ("outcome,case,was,decision,label\npitch,a,b,zap,\n", "cleaning.csv:2: the decision is `zap`"),
        ("outcome,case,was,decision,label\npitch,a,b,change,\n", "cleaning.csv:2: there is no label"),
        ("outcome,case,was,decision,label\n\npitch,a,high,change,wow\n", "cleaning.csv:3: the plan has no label `wow`"),
        ('outcome,case,was,decision,label\n"pitch,a\n', "is no CSV"),
        ("\x00", "cleaning.csv"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(text: str, message: str, project: Spec) -> None:
    (project.root / "cleaning.csv").write_text(text)
    with pytest.raises(DataError, match=message.replace(".", r"\.")):
        frame_of(project, "ear")


def test_a_label_that_is_none_writes_nothing(project: Spec) -> None:
    from drivetrain.training import cleaning

    with pytest.raises(DataError, match="no label `wow`"):
        cleaning.keep(project, project.model("ear"), frame_of(project, "ear"), [3], [(4, "wow")])
    assert not Path(project.root / "cleaning.csv").exists()
