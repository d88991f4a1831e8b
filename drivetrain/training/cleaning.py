"""What people decided about suspicious cases, kept in `cleaning.csv` and applied the same way on every later run.

Nothing is ever deleted or overwritten in the data: a decision takes a case out of training or gives it another label.
The file belongs into version control. A line of it:

    outcome,case,was,decision,label
    digit,data/letters/3/0042.png,3,change,8

`case` is the file of an image, sound or series, relative to the plan; of other cases the SHA-256 of the model's inputs.
`was` is the label in the source. A decision stands as long as the source still says that; once the source itself was
corrected, there is nothing left to decide.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.artifact.tables import category
from drivetrain.errors import DataError, EnvironmentFault
from drivetrain.evidence import write_whole
from drivetrain.training.schema import MEDIA, classes, input_kind, inputs_of_kind, model_columns

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Model, Spec

FILE = "cleaning.csv"
FIELDS = ("outcome", "case", "was", "decision", "label")
DECISIONS = ("delete", "change")


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the file.

    Attributes:
        outcome: Whose label it is about.
        case: Which case, as `names` tells it.
        was: The label in the source.
        decision: `delete` or `change`.
        label: The label instead; empty for `delete`.
        line: Of the file, from 1; 0 for one that is not in it yet.
    """

    outcome: str
    case: str
    was: str
    decision: str
    label: str = ""
    line: int = 0

    @property
    def where(self) -> str:
        """Its place, for messages."""
        return f"{FILE}:{self.line}"


def read(root: Path) -> list[Decision]:
    """Every decision; none when there is no file.

    Raises:
        DataError: A line cannot be understood.
    """
    try:
        text = (root / FILE).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read ({error}).", "Restore it from version control.", FILE) from error
    lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if missing := [name for name in FIELDS if name not in (lines.fieldnames or ())]:
            raise DataError(f"has no column `{missing[0]}`.", f"Its first line is `{','.join(FIELDS)}`.", FILE)
        return [_decision({name: row.get(name) or "" for name in FIELDS}, lines.line_num) for row in lines]
    except csv.Error as error:
        raise DataError(f"is no CSV ({error}).", "Correct the line.", f"{FILE}:{lines.line_num}") from error


def _decision(row: dict[str, str], line: int) -> Decision:
    found = Decision(**{name: value.strip() for name, value in row.items()}, line=line)
    if found.decision not in DECISIONS:
        advice = f"Write {' or '.join(DECISIONS)}, or remove the line."
        raise DataError(f"the decision is `{found.decision}`.", advice, found.where)
    if found.decision == "change" and not found.label:
        raise DataError("there is no label to change it to.", "Write one, or `delete`.", found.where)
    return found


def apply(plan: Spec, model: Model, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows without those that were taken out, and with the labels that were given instead.

    Args:
        plan: The plan; the file lies beside it.
        model: Whose rows they are.
        frame: Its rows, as read from the source.

    Returns:
        The rows; `attrs["cleaning"]` says how many were deleted and changed, and how many decisions found no case.

    Raises:
        DataError: A decision cannot be understood, or gives a label that the plan does not have.
    """
    import pandas as pd

    [outcome] = model.predicts or [""]
    decisions = [one for one in read(plan.root) if one.outcome == outcome]
    counts = {"deleted": 0, "changed": 0, "not_found": 0}
    if decisions:
        labels = _labels(plan, outcome)
        places: dict[tuple[str, str], list[int]] = {}
        for place, key in enumerate(zip(names(plan, model, frame), said(plan, outcome, frame), strict=True)):
            places.setdefault(key, []).append(place)
        gone, instead = set[int](), dict[int, Any]()
        for one in decisions:
            concerned = places.get((one.case, said_of(one.was, plan.outcome(outcome).type)), [])
            counts["not_found"] += not concerned
            if one.decision == "delete":
                gone.update(concerned)
            else:
                instead |= dict.fromkeys(concerned, _value(plan, outcome, one, labels))
        counts |= {"deleted": len(gone), "changed": len(instead.keys() - gone)}
        if instead:
            values = [instead.get(place, value) for place, value in enumerate(frame[outcome])]
            frame = frame.assign(**{outcome: pd.Series(values, frame.index, dtype=frame[outcome].dtype)})
        frame = frame.iloc[[place for place in range(len(frame)) if place not in gone]]
    frame.attrs["cleaning"] = counts
    return frame


def keep(
    plan: Spec, model: Model, cases: pd.DataFrame, delete: Iterable[int] = (), change: Iterable[tuple[int, Any]] = ()
) -> int:
    """Write down what was decided about some cases; the data stay as they are.

    Args:
        plan: The plan.
        model: Whose cases they are.
        cases: What was looked at, one row each.
        delete: Positions in `cases` of those to be left out of training.
        change: Positions, and the label that each has in truth.

    Returns:
        How many decisions the file holds now.

    Raises:
        DataError: A label is not one of the plan's; nothing was written.
    """
    [outcome] = model.predicts or [""]
    labels = _labels(plan, outcome)
    held = {(one.outcome, one.case, _now(one)): one for one in read(plan.root)}
    kind = plan.outcome(outcome).type
    keys, labelled = names(plan, model, cases), said(plan, outcome, cases)
    fresh = [(place, "delete", "") for place in delete]
    fresh += [(place, "change", said_of(label, kind)) for place, label in change]
    for place, decision, label in fresh:
        now = labelled[place]
        # A label that was changed before: what counts is what the source says.
        before = held.pop((outcome, keys[place], now), None)
        made = Decision(outcome, keys[place], before.was if before else now, decision, label)
        if decision == "change":
            _value(plan, outcome, made, labels)
            if label == made.was:
                continue  # changed back
        held[outcome, made.case, _now(made)] = made
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows([getattr(one, name) for name in FIELDS] for one in held.values())
    write_whole(plan.root / FILE, stream.getvalue())
    return len(held)


def suspects(learn: Any, cases: pd.DataFrame, most: int = 30) -> pd.DataFrame:
    """The cases that surprise a trained learner most, with their `loss`: the first place to look for wrong labels.

    Args:
        learn: A trained learner on `cases`.
        cases: Its rows, to train and to validate on.
        most: How many.
    """
    import numpy as np
    import pandas as pd

    found = []
    for loader in learn.dls.loaders:
        loader = loader.new(shuffle=False, drop_last=False)
        items = loader.dataset.items
        with learn.no_bar(), learn.no_logging():
            *_, losses = learn.get_preds(dl=loader, with_loss=True)
        each = np.asarray(losses, dtype=float).reshape(len(items), -1).mean(axis=1)
        found.append(pd.Series(each, index=items.index))
    worst = pd.concat(found).nlargest(most)
    return cases.loc[worst.index].assign(loss=worst)


def cleaner(plan: Spec, model: Model, cases: pd.DataFrame) -> Any:
    """The widget of fastai for pictures: keep, delete, or another label for each.

    Raises:
        EnvironmentFault: Widgets are not installed.
    """
    try:
        from fastai.vision.widgets import ImagesCleaner
    except ImportError as error:
        advice = "Install them (`pip install ipywidgets`), or write `delete` and `change` by hand."
        raise EnvironmentFault(f"there are no widgets in this notebook ({error}).", advice) from error
    outcome = plan.outcome((model.predicts or [""])[0])
    labels = [] if outcome.type in ("number", "mask") else classes(plan, (model.predicts or [""])[0], cases)
    found = ImagesCleaner(opts=labels, max_n=len(cases))
    found.set_fns([Path(path) for path in cases[inputs_of_kind(plan, model, "image")[0]]])
    return found


def names(plan: Spec, model: Model, frame: pd.DataFrame) -> list[str]:
    """What a decision calls each case: the file, or the SHA-256 of the model's inputs."""
    inputs = model_columns(plan, model)
    for name in inputs:
        if input_kind(plan, model, name) in MEDIA and name in frame:
            return [_relative(path, plan) for path in frame[name]]
    columns = [[category(value) or "" for value in frame[name]] for name in inputs]
    return [_digest(list(row)) for row in zip(*columns, strict=True)]


def said(plan: Spec, outcome: str, frame: pd.DataFrame) -> list[str]:
    """The label of each row, as text."""
    kind = plan.outcome(outcome).type
    if kind == "mask":
        return [_relative(path, plan) for path in frame[outcome]]
    return [said_of(value, kind) for value in frame[outcome]]


def said_of(value: Any, kind: str) -> str:
    """One label as text; 3, 3.0 and "3" are the same number."""
    if isinstance(value, (list, tuple)):
        return ";".join(map(str, value))
    if kind == "number" and isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return str(value)
    return category(value) or ""


def _relative(path: str | None, plan: Spec) -> str:
    return Path(os.path.relpath(path, plan.root)).as_posix() if path else ""


def _digest(values: list[str]) -> str:
    return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).hexdigest()[:24]


def _now(one: Decision) -> str:
    """The label that a case has after a decision."""
    return one.label if one.decision == "change" else one.was


def _labels(plan: Spec, outcome: str) -> list[str]:
    spec = plan.outcome(outcome)
    return ["false", "true"] if spec.type == "binary" else list(spec.values or [])


def _value(plan: Spec, outcome: str, one: Decision, known: list[str]) -> Any:
    """The new label as the rows hold it."""
    from drivetrain.source import labels_in

    kind, where = plan.outcome(outcome).type, one.where if one.line else FILE
    if kind == "mask":
        raise DataError("a mask has no label to change to.", "Correct the mask's file, or `delete` the case.", where)
    if kind == "number":
        try:
            return float(one.label)
        except ValueError:
            raise DataError(f"`{one.label}` is no number.", "Write one.", where) from None
    given = labels_in(one.label, known) if kind == "labels" else [one.label]
    if strange := [label for label in given if known and label not in known]:
        advice = f"There are: {', '.join(known[:12])}."
        raise DataError(f"the plan has no label `{strange[0]}` for `{outcome}`.", advice, where)
    return given if kind == "labels" else one.label
