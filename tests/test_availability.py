"""Is the data there? Planted faults are found and named; clean data fail nothing."""

import json
import os
import shutil
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from drivetrain import availability, evidence, examples, sample
from drivetrain.availability import Finding
from drivetrain.spec import Spec, load_spec


def of(findings: list[Finding], id: str) -> list[Finding]:
    return [finding for finding in findings if finding.id == id]


def levels(findings: list[Finding], id: str) -> list[str]:
    return [finding.level for finding in of(findings, id)]


def write_plan(folder: Path, text: str) -> Spec:
    (folder / "drivetrain.yaml").write_text(dedent(text).lstrip())
    return load_spec(folder)


@pytest.mark.parametrize("name", ["mail-sorting", "clinic-triage"])
def test_the_real_data_of_the_examples_are_there_and_enough(tmp_path, name):
    shutil.copy(examples.path(name), tmp_path)
    spec = load_spec(tmp_path)
    sample.write(spec)
    findings = availability.check(spec)
    assert {f.level for f in findings} <= {"pass", "note"}, [
        str(f) for f in findings if f.level not in ("pass", "note")
    ]


def test_data_that_are_not_there_are_one_clear_failure(tmp_path):
    shutil.copy(examples.path("mail-sorting"), tmp_path)
    findings = availability.check(load_spec(tmp_path))
    (gone,) = of(findings, "DA101")
    assert gone.level == "fail"
    assert "`data/letters` is not there" in gone.what
    assert "drivetrain sample" in gone.advice


PHOTOS = """
drivetrain: 1
project: {name: Photos}
objective: {statement: Tell a from b., value: "where(kind == 'a', 1, 0)"}
levers: [{name: show, type: options, options: [yes please, no], history: {kind: never}}]
data:
  - name: photos
    kind: images
    location: data/photos
    outcomes: {kind: {column: folder, values: [a, b], affected_by: []}}
    rights: {licence: own, personal: false}
    needs: {per_class: 40}
"""


def photo(path: Path, seed: int, ending: str = ".jpg", size: int = 96) -> Path:
    """A picture with some structure: three soft blobs on a slope."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    picture = np.zeros((size, size, 3))
    for _ in range(5):
        cx, cy, width = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.05, 0.3)
        blob = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / width**2)
        picture += blob[..., None] * random.uniform(20, 200, 3)
    picture += random.uniform(0, 100) * x[..., None] + random.normal(0, 4, picture.shape)
    path = path.with_suffix(ending)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def clean_photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(120):
        photo(folder / f"data/photos/{'ab'[number % 2]}/{number:03d}", number, ".png" if number % 10 == 9 else ".jpg")
    write_plan(folder, PHOTOS)
    return folder


@pytest.fixture
def photos(clean_photos, tmp_path):
    shutil.copytree(clean_photos, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_clean_photos_fail_nothing(photos):
    findings = availability.check(load_spec(photos))
    assert not [str(f) for f in findings if f.level in ("fail", "warn")]
    assert levels(findings, "DA401") == ["pass"]


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    match how:
        case "cut":
            data = data[:middle]
        case "cut at the end":
            data = data[: len(data) - 40]
        case "empty":
            data = bytearray()
        case "garbage":
            data = bytearray(np.random.default_rng(1).bytes(len(data)))
        case "text":
            data = bytearray(b"<html>404 not found</html>")
        case "zeros in the middle":
            data[middle : middle + 200] = bytes(200)
        case "noise in the middle":
            data[middle : middle + 64] = np.random.default_rng(2).bytes(64)
    path.write_bytes(data)


DAMAGES = ["cut", "cut at the end", "empty", "garbage", "text", "zeros in the middle", "noise in the middle"]


def test_every_unreadable_picture_is_named_and_the_run_goes_on(photos):
    planted = []
    for number, how in enumerate(DAMAGES * 2):
        ending = ".png" if number >= len(DAMAGES) else ".jpg"
        path = sorted((photos / "data/photos").rglob(f"*{ending}"))[number % len(DAMAGES)]
        damage(path, how)
        planted.append(path.relative_to(photos).as_posix())
    (found,) = of(availability.check(load_spec(photos)), "DA401")
    assert found.level == "fail"
    assert sorted(found.facts["files"]) == sorted(planted)


def test_every_exact_copy_is_named_with_the_picture_it_copies(photos):
    for number in range(0, 20, 2):
        shutil.copy(photos / f"data/photos/a/{number:03d}.jpg", photos / f"data/photos/a/copy{number}.jpg")
    (found,) = of(availability.check(load_spec(photos)), "DA307")
    assert found.level == "fail", "among ten copies some are on the other side of the split"
    assert len(found.affected) == 10
    for number in range(0, 20, 2):
        pair = {f"data/photos/a/{number:03d}.jpg", f"data/photos/a/copy{number}.jpg"}
        assert any(pair == set(line.split(" = ")) for line in found.affected)


def test_a_copy_with_another_label_is_a_wrong_label(photos):
    shutil.copy(photos / "data/photos/a/000.jpg", photos / "data/photos/b/000.jpg")
    (found,) = of(availability.check(load_spec(photos)), "DA308")
    assert found.level == "fail"
    assert set(found.facts["files"]) == {"data/photos/a/000.jpg", "data/photos/b/000.jpg"}


def test_odd_pictures_are_named(photos):
    folder = photos / "data/photos/a"
    Image.new("RGB", (96, 96), (3, 3, 3)).save(folder / "dark.jpg")
    Image.new("RGB", (96, 96), (255, 255, 255)).save(folder / "white.png")
    Image.open(folder / "000.jpg").convert("L").save(folder / "grey.png")
    Image.open(folder / "002.jpg").crop((0, 0, 96, 8)).save(folder / "strip.png")
    (folder / "004.jpg").rename(folder / "004.png")
    findings = availability.check(load_spec(photos))
    assert set(of(findings, "DA405")[0].affected) == {"data/photos/a/dark.jpg", "data/photos/a/white.png"}
    assert set(of(findings, "DA403")[0].affected) >= {"data/photos/a/grey.png"}
    assert of(findings, "DA404")[0].facts["files"] == ["data/photos/a/strip.png"]
    assert of(findings, "DA402")[0].facts["files"] == ["data/photos/a/004.png"]


def test_classes_that_are_thin_missing_or_unheard_of_are_named(photos):
    shutil.rmtree(photos / "data/photos/b")
    for number in range(3):
        photo(photos / f"data/photos/c/{number}", 900 + number)
    findings = availability.check(load_spec(photos))
    assert of(findings, "DA121")[0].affected == ("b",)
    assert of(findings, "DA122")[0].facts["classes"] == ["c"]
    assert len(of(findings, "DA122")[0].affected) == 3
    for path in sorted((photos / "data/photos/a").iterdir())[:30]:
        path.unlink()
    thin = of(availability.check(load_spec(photos)), "DA123")[0]
    assert (thin.level, thin.facts["need"], thin.facts["counts"]["a"]) == ("fail", 40, 30)


CUSTOMERS = """
drivetrain: 1
project: {name: Customers}
objective: {statement: Keep them., value: "(1 - left) * margin - cost(offer)", horizon: 90 days}
levers:
  - name: offer
    type: options
    options: {nothing: {cost: 0}, call: {cost: 6}, letter: {cost: 1}}
    history: {kind: randomised, column: offered}
data:
  - name: customers
    kind: table
    location: data/customers.csv
    entity: customer
    time: week
    columns:
      age: number
      region: {type: category, values: [north, south]}
      margin: {type: number, minimum: 0}
      reason: category
      offered: {type: category, role: logged}
    outcomes: {left: {column: left_90d, type: binary, delay: 30 days, affected_by: [offer]}}
    groups: [region]
    split: {by: entity}
    rights: {licence: own, personal: true, consent: contract}
    needs: {rows: 500, per_class: 50, per_setting: 50}
models: [{name: leaving, task: table-classification, predicts: left}]
"""


def customers(folder: Path, rows: int = 1500, **change: object) -> Spec:
    random = np.random.default_rng(7)
    columns = {
        "customer": random.integers(0, 400, rows),
        "week": [f"2025-{1 + day // 28:02d}-{1 + day % 28:02d}" for day in random.integers(0, 300, rows)],
        "age": random.normal(45, 12, rows).round(1),
        "region": random.choice(["north", "south"], rows),
        "margin": random.gamma(2, 50, rows).round(2),
        "reason": random.choice(["price", "moving", "other"], rows),
        "offered": random.choice(["nothing", "call", "letter"], rows),
    }
    risk = 1 / (1 + np.exp(-(45 - columns["age"]) / 12 - 0.5 * (columns["offered"] == "nothing")))
    columns["left_90d"] = (random.uniform(size=rows) < risk).astype(int)
    for name, make in change.items():
        columns[name] = make(columns) if callable(make) else make
    (folder / "data").mkdir(exist_ok=True)
    from pyarrow import csv

    csv.write_csv(
        pa.table({name: pa.array(list(values)) for name, values in columns.items()}), folder / "data/customers.csv"
    )
    return write_plan(folder, CUSTOMERS)


def test_a_clean_table_fails_nothing(tmp_path):
    findings = availability.check(customers(tmp_path))
    assert not [str(f) for f in findings if f.level in ("fail", "unknown")]
    assert levels(findings, "DA204") == ["pass"]
    assert levels(findings, "DA301") == ["pass"]


def test_a_setting_that_was_never_pulled_is_named(tmp_path):
    spec = customers(tmp_path, offered=lambda c: np.where(c["offered"] == "letter", "call", c["offered"]))
    (found,) = of(availability.check(spec), "DA204")
    assert (found.level, found.affected) == ("fail", ("letter",))


def test_a_setting_that_was_never_pulled_in_a_context_is_named(tmp_path):
    def never_in_the_south(columns):
        return np.where((columns["region"] == "south") & (columns["offered"] == "call"), "nothing", columns["offered"])

    found = of(availability.check(customers(tmp_path, offered=never_in_the_south)), "DA207")[0]
    assert found.level == "warn"
    assert any(line.startswith("region = south: call (0 of ") for line in found.affected)


def test_a_column_that_gives_the_label_away_is_named(tmp_path):
    def reason(columns):
        return [word if left else None for word, left in zip(columns["reason"], columns["left_90d"], strict=True)]

    found = of(availability.check(customers(tmp_path, reason=reason)), "DA306")
    assert (found[0].level, found[0].where) == ("fail", "data.customers.columns.reason")
    assert found[0].facts["skill"] == 1.0


@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_a_number_that_gives_the_label_away_is_named(tmp_path, noise):
    def margin(columns):
        wrong = np.random.default_rng(3).uniform(size=len(columns["age"])) < noise
        return np.where((columns["left_90d"] == 1) ^ wrong, 10, 500) + columns["margin"] / 100

    found = of(availability.check(customers(tmp_path, margin=margin)), "DA306")
    assert (found[0].level, found[0].where) == ("fail", "data.customers.columns.margin")


def test_an_entity_on_both_sides_is_named(tmp_path):
    spec = customers(tmp_path)
    text = (tmp_path / "drivetrain.yaml").read_text().replace("by: entity", "by: random")
    (tmp_path / "drivetrain.yaml").write_text(text)
    (found,) = of(availability.check(load_spec(tmp_path)), "DA301")
    assert found.level == "fail"
    import pandas as pd

    from drivetrain import source

    cases = source.cases(load_spec(tmp_path)).to_pandas()
    shared = cases.groupby("customer")["split"].nunique()
    assert found.facts["entities"] == int((shared > 1).sum())
    assert isinstance(cases, pd.DataFrame)
    assert spec.slug == "customers"


def test_rows_that_were_copied_are_named(tmp_path):
    spec = customers(tmp_path)
    path = tmp_path / "data/customers.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, *lines[1:21]]) + "\n")
    (found,) = of(availability.check(spec), "DA307")
    assert found.level == "warn", "an entity's copies stay on its side of the split"
    assert found.affected == ("rows 1-20", "rows 1501-1520")


def test_a_column_that_became_known_after_the_decision_is_named_with_its_rows(tmp_path):
    def entered(columns):
        return ["2024-12-01" if row % 10 else "2026-01-15" for row in range(len(columns["week"]))]

    customers(tmp_path, entered=entered)
    text = (tmp_path / "drivetrain.yaml").read_text()
    text = text.replace(
        "reason: category", "reason: {type: category, known_at: entered}\n      entered: {type: time, use: audit}"
    )
    text = text.replace("predicts: left}", "predicts: left, inputs: [age, reason, offer]}")
    (tmp_path / "drivetrain.yaml").write_text(text)
    (found,) = of(availability.check(load_spec(tmp_path)), "DA303")
    assert (found.level, found.where) == ("fail", "data.customers.columns.reason")
    assert found.affected == tuple(f"row {row}" for row in range(1, 1500, 10))


def test_a_time_after_the_decision_cannot_have_been_known_before(tmp_path):
    customers(tmp_path, closed=lambda c: ["2026-02-01"] * len(c["week"]))
    text = (
        (tmp_path / "drivetrain.yaml")
        .read_text()
        .replace("      age: number\n", "      age: number\n      closed: time\n")
    )
    (tmp_path / "drivetrain.yaml").write_text(text)
    (found,) = of(availability.check(load_spec(tmp_path)), "DA304")
    assert (found.level, found.affected) == ("fail", ("rows 1-1500",))


def test_what_the_plan_does_not_say_is_unknown_and_never_passes(tmp_path):
    customers(tmp_path)
    text = (tmp_path / "drivetrain.yaml").read_text()
    text = text.replace("    rights: {licence: own, personal: true, consent: contract}\n", "")
    text = text.replace("    needs: {rows: 500, per_class: 50, per_setting: 50}\n", "")
    text = text.replace(", history: {kind: randomised, column: offered}", "").replace(
        "    history: {kind: randomised, column: offered}\n", ""
    )
    (tmp_path / "drivetrain.yaml").write_text(text)
    findings = availability.check(load_spec(tmp_path))
    for id in ("DA102", "DA103", "DA110", "DA201"):
        assert levels(findings, id) == ["unknown"], id


def test_the_check_is_kept_as_evidence_with_every_affected_row(tmp_path, capsys):
    spec = customers(tmp_path, margin=lambda c: np.where(np.arange(len(c["age"])) % 10 == 0, -1, c["margin"]))
    assert availability.run(spec, ["--workers", "1"]) == 0
    kept = evidence.read(tmp_path, "check")
    assert kept is not None
    (outside,) = [f for f in kept.result["findings"] if f["id"] == "DA128"]
    assert len(outside["affected"]) == 150
    assert kept.result["level"] == "warn"
    assert not evidence.stale(kept, spec.digest)
    shown = capsys.readouterr().out
    assert "and 145 more" in shown
    changed = (tmp_path / "drivetrain.yaml").read_text().replace("rows: 500", "rows: 501")
    (tmp_path / "drivetrain.yaml").write_text(changed)
    assert evidence.stale(kept, load_spec(tmp_path).digest) == ["data.customers.needs"]
    assert json.loads((tmp_path / "evidence/check.json").read_text())["step"] == "check"


def test_the_team_adds_its_own_checks_and_a_broken_one_hides_nothing(tmp_path):
    @availability.own_check(level="warn")
    def nobody_is_older_than_the_firm(cases):
        """Nobody is older than 70."""
        old = sum(age > 70 for age in cases["age"].to_pylist())
        return f"{old} are older than 70" if old else None

    @availability.own_check("customers")
    def broken(cases):
        return cases["no such column"]

    spec = customers(tmp_path)
    findings = availability.check(spec, own=[nobody_is_older_than_the_firm, broken])
    assert levels(findings, "DA900") == ["warn"]
    assert "are older than 70" in of(findings, "DA900")[0].what
    (off,) = of(findings, "DA901")
    assert off.level == "fail"
    assert "`broken` broke off: KeyError" in off.what


def test_a_source_that_cannot_be_read_does_not_end_the_check_of_the_others(tmp_path):
    customers(tmp_path)
    text = (tmp_path / "drivetrain.yaml").read_text()
    text = text.replace(
        "data:\n", "data:\n  - {name: gone, kind: table, location: gone.csv, columns: {x: number}}\n", 1
    )
    (tmp_path / "drivetrain.yaml").write_text(text.replace("objective:", "decision: {cases: customers}\nobjective:"))
    findings = availability.check(load_spec(tmp_path))
    assert {f.where: f.level for f in of(findings, "DA101")} == {"data.gone": "fail", "data.customers": "pass"}


def test_a_lever_with_a_range_is_compared_with_what_was_tried(tmp_path):
    prices = np.random.default_rng(1).uniform(200, 900, 500)
    pq.write_table(pa.table({"price": prices, "bought": prices < 500}), tmp_path / "q.parquet")
    spec = write_plan(
        tmp_path,
        """
        drivetrain: 1
        project: {name: Prices}
        objective: {statement: Earn., value: offer_price * accept}
        levers:
          - {name: offer_price, type: range, minimum: 100, maximum: 800, history: {kind: rule, column: price}}
        data:
          - name: quotes
            kind: table
            location: q.parquet
            columns: {price: {type: number, role: logged}}
            outcomes: {accept: {column: bought, type: binary, affected_by: [offer_price]}}
        """,
    )
    (found,) = of(availability.check(spec), "DA209")
    assert found.level == "warn"
    assert "minimum 100 (observed 20" in found.what
    assert "maximum" not in found.what


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_files_with_odd_names_are_looked_at_or_named(photos):
    folder = os.fsencode(photos / "data/photos/a")
    data = (photos / "data/photos/a/000.jpg").read_bytes()
    for name in (b"\xff\xfe.jpg", "new\nline ü.jpg".encode(), b"x = y ~ z: w.JPG"):
        with open(os.path.join(folder, name), "wb") as stream:
            stream.write(data)
    os.symlink("/nonexistent", os.path.join(folder, b"dangling.jpg"))
    os.mkfifo(os.path.join(folder, b"pipe.jpg"))
    findings = availability.check(load_spec(photos))
    (unread,) = of(findings, "DA401")
    assert unread.facts["files"] == ["data/photos/a/dangling.jpg", "data/photos/a/\\xff\\xfe.jpg"]
    (again,) = of(findings, "DA307")
    assert len(again.facts["files"]) == 3


@pytest.mark.parametrize(("edges", "level"), [("[0, 10, 40]", "pass"), ("[0, 10, 20]", "warn"), ("[5, 10]", "warn")])
def test_numbers_beyond_the_bins_are_told(tmp_path, edges, level):
    plan = f"""
    drivetrain: 1
    project: {{name: Stays}}
    objective: {{statement: Free beds., value: "where(bed == 'yes', -days, 0)"}}
    levers: [{{name: bed, type: options, options: ["yes", "no"]}}]
    data:
      - name: stays
        kind: table
        location: s.parquet
        outcomes: {{days: {{column: days, type: number, minimum: 0, bins: {edges}, affected_by: []}}}}
    """
    days = np.concatenate([np.arange(0, 20, 0.1), [30.0] * 10])
    pq.write_table(pa.table({"days": days}), tmp_path / "s.parquet")
    [found] = of(availability.check(write_plan(tmp_path, plan)), "DA134")
    assert found.level == level
    last = json.loads(edges)[-1]
    assert found.facts["share"] == pytest.approx((days > last).mean())
    assert f"below 0 or above {last}" in found.what
