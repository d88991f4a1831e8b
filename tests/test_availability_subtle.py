"""Faults that hide, and honest data that look like faults: each was once missed, or once blamed."""

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from drivetrain import availability
from drivetrain.availability import Finding
from drivetrain.availability.spelling import spelled
from drivetrain.spec import Spec, load_spec

ROWS = 2000
PLAN = """
drivetrain: 1
project: {{name: Offers}}
objective: {{statement: Fewer leave., value: "-50 * left - 5 * (offer {bought})", horizon: 120 days}}
levers: [{lever}]
data:
  - name: customers
    kind: table
    location: customers.csv
    columns: {{age: integer, region: category, offered: {{type: {logged}, role: logged}}{columns}}}
    outcomes: {{left: {{column: left, {label}, affected_by: [offer]}}}}
    needs: {{rows: 100}}
models: [{{name: leaving, task: table-{task}, predicts: left}}]
"""
OPTIONS = """{name: offer, type: options, options: [none, call], owner: shop, policies: {do_nothing: none},
           history: {kind: human, column: offered}}"""
LOT = OPTIONS.replace("human", "randomised").replace("offered}", "offered, propensity: p}")
RANGE = """{name: offer, type: range, minimum: 0, maximum: 50, owner: shop, policies: {do_nothing: 0},
           history: {kind: human, column: offered}}"""


@pytest.fixture
def table(tmp_path):
    """A table of customers, and what the check says of it after some of its columns are changed."""
    rng = np.random.default_rng(7)
    honest = {
        "age": rng.integers(18, 90, ROWS),
        "region": rng.choice(["north", "south"], ROWS),
        "offered": rng.choice(["none", "call"], ROWS),
        "left": (rng.random(ROWS) < 0.3).astype(int),
    }

    def said(
        columns: str = "", lever: str = OPTIONS, label: str = "type: binary", **changed: object
    ) -> tuple[list[Finding], dict[str, np.ndarray]]:
        held = honest | {name: np.asarray(value) for name, value in changed.items()}
        with (tmp_path / "customers.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(held)
            rows.writerows(zip(*(value.tolist() for value in held.values()), strict=True))
        task = "regression" if "number" in label else "classification"
        bought = "== 'call'" if lever in (OPTIONS, LOT) else "* 1"
        logged = "category" if lever in (OPTIONS, LOT) else "number"
        text = PLAN.format(logged=logged, columns=columns, lever=lever, label=label, task=task, bought=bought)
        (tmp_path / "drivetrain.yaml").write_text(text)
        return availability.check(load_spec(tmp_path), cached=False), held

    said.rng, said.honest, said.folder = rng, honest, tmp_path  # type: ignore[attr-defined]
    return said


def bad(findings: list[Finding], id: str, at: str = "") -> list[Finding]:
    return [f for f in findings if f.id == id and f.level in ("warn", "fail") and at in f.where]


def parts(folder: Path) -> np.ndarray:
    from drivetrain.source.split import split_of

    return np.asarray(split_of(load_spec(folder), "customers"))


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_leak_in_one_part_of_the_split_alone_is_found(table, part):
    table()
    here = parts(table.folder) == ["train", "validation", "test"].index(part)
    note = np.where(here, table.honest["left"], table.rng.integers(0, 2, ROWS))
    (leak,) = bad(table(", note: integer", note=note)[0], "DA306")
    assert leak.level == "fail"
    assert f"in the part `{part}`" in leak.what


def test_a_column_that_repeats_the_label_in_most_rows_and_is_empty_in_the_others_is_a_leak(table):
    amount = np.round(table.rng.gamma(2, 100, ROWS), 2)
    copy = np.where(table.rng.random(ROWS) < 0.3, "", amount.astype(str))
    findings, _ = table(", copy: number", label="type: number", left=amount, copy=copy)
    (leak,) = bad(findings, "DA306")
    assert leak.level == "fail"
    assert "where it is filled in" in leak.what


def test_labels_that_rise_with_time_or_hang_on_who_it_is_are_no_leak(table):
    day = np.arange("2024-01-01", ROWS, dtype="datetime64[D]").astype(str)
    findings, _ = table(", day: time, who: id", label="type: number", left=np.arange(ROWS) * 1.5, day=day,
                        who=np.arange(ROWS) + 5000)  # fmt: skip
    assert not bad(findings, "DA306")


def test_a_date_that_is_filled_in_only_for_those_who_left_is_a_leak(table):
    closed = np.where(table.honest["left"] == 1, "2025-03-01", "")
    assert bad(table(", closed: time", closed=closed)[0], "DA306")[0].level == "fail"


@pytest.mark.parametrize(
    "ways",
    [("Yes", "yes ", "YES"), ("Málaga", "Ma\u0301laga"), ("New York", "new-york"), ("Rome", "Rome\u200b"),
     ("O'Neil", "O’Neil"), ("Ltd.", "Ltd"), ("type 1", "type-1", "Type1"), ("Straße", "STRASSE")],
)  # fmt: skip
def test_the_same_word_in_several_spellings_is_one(ways):
    assert len({spelled(way) for way in ways}) == 1


@pytest.mark.parametrize(
    "others", [("A", "A+", "A-"), ("1.0", "10"), ("-1", "1"), ("v1.2", "v12"), ("<5", ">5"), ("C", "C++"), ("+", "-")]
)
def test_grades_versions_and_signs_are_no_spellings_of_each_other(others):
    assert len({spelled(other) for other in others}) == len(others)


def test_an_age_of_420_is_far_from_ages_and_one_debt_of_a_billion_from_debts_that_mostly_are_0(table):
    age, debt = table.honest["age"].copy(), np.where(table.rng.random(ROWS) < 0.1, table.rng.gamma(2, 100, ROWS), 0)
    age[11], debt[5] = 420, 1e9
    findings, _ = table(", debt: number", age=age, debt=np.round(debt))
    assert [f.affected for f in bad(findings, "DA504", "age")] == [("row 12",)]
    assert [f.affected for f in bad(findings, "DA504", "debt")] == [("row 6",)]


def test_what_most_rows_hold_is_far_from_nothing(table):
    weight = np.where(table.rng.random(ROWS) < 0.1, table.rng.normal(1000, 10, ROWS), 0)
    assert not bad(table(", weight: number", weight=np.round(weight, 1))[0], "DA504")


def test_three_who_left_lie_high_in_some_column_by_chance(table):
    left = np.zeros(ROWS, int)
    left[[5, 900, 1700]] = 1
    noise = {f"x{k}": np.round(table.rng.normal(size=ROWS), 3) for k in range(30)}
    noise["x0"][left == 1] = 4  # the highest of all, as chance has it in one of many columns
    findings, _ = table("".join(f", {name}: number" for name in noise), left=left, **noise)
    assert not [f for f in bad(findings, "DA306") if f.where != "data.customers.columns.x0"]
    lucky = noise["x1"].argsort()[-3:]
    left = np.isin(np.arange(ROWS), lucky).astype(int)
    assert not bad(table("".join(f", {name}: number" for name in noise), left=left, **noise)[0], "DA306")


@pytest.mark.parametrize("draw", ["lognormal", "exponential", "weibull", "beta"])
def test_a_long_tail_is_not_far_from_itself(table, draw):
    numbers = {
        "lognormal": lambda: table.rng.lognormal(0, 2, ROWS),
        "exponential": lambda: table.rng.exponential(9, ROWS),
        "weibull": lambda: table.rng.weibull(0.5, ROWS),
        "beta": lambda: table.rng.beta(2, 8, ROWS),
    }[draw]()
    assert not bad(table(", spent: number", spent=numbers)[0], "DA504")


def test_the_oldest_tenth_was_never_called(table):
    offered = np.where(table.honest["age"] > 80, "none", table.honest["offered"])
    (never,) = bad(table(offered=offered)[0], "DA207")
    assert any(line.startswith("age = ") and "inf: call (0 of" in line for line in never.affected)


def test_a_price_that_was_never_tried_in_the_middle_or_never_high_in_the_south(table):
    price = np.round(table.rng.uniform(0, 50, ROWS), 2)
    findings, _ = table(lever=RANGE, offered=price)
    assert not bad(findings, "DA204")
    assert not bad(findings, "DA207")
    ends = np.where(price < 25, price / 5, 40 + price / 5)
    (gap,) = bad(table(lever=RANGE, offered=ends)[0], "DA204")
    assert "20 to 25" in gap.affected
    low = np.where(table.honest["region"] == "south", price * 0.4, price)
    (never,) = bad(table(lever=RANGE, offered=low)[0], "DA207")
    assert any(line.startswith("region = south: 45 to 50 (0 of") for line in never.affected)


def test_an_offer_of_one_in_forty_that_a_small_region_never_saw_is_chance(table):
    called = table.rng.random(ROWS) < 0.025
    region = np.where(np.arange(ROWS) < 35, "isles", table.honest["region"])
    called[:35] = False
    findings, _ = table(", p: {type: number, role: logged}", lever=LOT, region=region,
                        offered=np.where(called, "call", "none"), p=np.where(called, 0.025, 0.975))  # fmt: skip
    assert not bad(findings, "DA211")
    findings, _ = table(", p: {type: number, role: logged}", lever=LOT,
                        offered=np.where(called, "call", "none"), p=np.where(called, 0.1, 0.9))  # fmt: skip
    assert bad(findings, "DA211")[0].level == "fail"


def test_eleven_stars_of_five_are_outside_of_what_the_plan_allows(table):
    stars = table.rng.integers(1, 6, ROWS)
    stars[[3, 4]] = 11
    findings, _ = table(label="type: number, minimum: 1, maximum: 5", left=stars)
    assert [f.affected for f in bad(findings, "DA128", "outcomes.left")] == [("rows 4-5",)]


@pytest.mark.parametrize("form", ["%Y/%m/%d", "%d.%m.%Y", "%d %b %Y", "%B %d, %Y", "%d-%b-%Y", "%Y-%m-%d"])
def test_a_date_that_means_one_day_only_is_read_as_that_day(form):
    import datetime

    import pyarrow as pa

    from drivetrain.source.convert import convert, misfits

    days = [datetime.date(2023, 11, 28) + datetime.timedelta(days=37 * k) for k in range(60)]
    written = pa.chunked_array([pa.array([day.strftime(form) for day in days])])
    assert [moment.date() for moment in convert(written, "time", "here").to_pylist()] == days
    assert not misfits(written, "time")


@pytest.mark.parametrize("day", ["03/04/2025", "2025-W05"])
def test_a_date_that_may_be_two_days_or_none_is_refused_with_its_row(table, day):
    findings, _ = table(", day: time", day=np.full(ROWS, day))
    assert f"row 1 holds '{day}'" in bad(findings, "DA501")[0].what
    assert "not a time" in bad(findings, "DA501")[0].what


def test_labels_written_by_pandas_beside_gaps_are_truth_values(table):
    left = np.array([f"{label:.1f}" for label in table.honest["left"]])
    left[5] = ""
    findings, _ = table(left=left)
    assert not [f for f in findings if f.level == "fail"]
    assert [f.affected for f in bad(findings, "DA120")] == [("row 6",)]


def test_one_fault_of_a_column_is_said_once(table):
    findings, _ = table(left=np.full(ROWS, "perhaps"))
    said = [(f.id, f.where, f.what) for f in findings]
    assert len(said) == len(set(said))


# ---- files ----------------------------------------------------------------------------------------------------------

FILES = """
drivetrain: 1
project: {{name: Files}}
objective: {{statement: Tell a from b., value: "where(kind == 'a', 1, 0)"}}
levers: [{{name: show, type: options, options: [it, other], history: {{kind: never}}}}]
data:
  - {{name: things, kind: {kind}, location: things, needs: {{rows: 2}},
     outcomes: {{kind: {{column: folder, values: [a, b], affected_by: []}}}}}}
"""


def files(folder: Path, kind: str, held: dict[str, bytes]) -> Spec:
    for name, data in held.items():
        path = folder / "things" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "drivetrain.yaml").write_text(FILES.format(kind=kind))
    return load_spec(folder)


def picture(seed: int, format: str = "JPEG") -> bytes:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (9, 12, 3), np.uint8)).resize((120, 90), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, format)
    return buffer.getvalue()


def test_zeros_behind_the_end_of_a_jpeg_are_no_hole_and_those_before_it_are(tmp_path):
    whole = picture(1)
    half = len(whole) // 2
    held = {"a/padded.jpg": whole + bytes(600), "b/whole.jpg": picture(2),
            "a/hole.jpg": whole[:half] + bytes(200) + whole[half + 200 :],
            "b/tail.jpg": whole[:half] + bytes(len(whole) - half)}  # fmt: skip
    findings = availability.check(files(tmp_path, "images", held), cached=False)
    (broken,) = bad(findings, "DA401")
    assert set(broken.facts["files"]) == {"things/a/hole.jpg", "things/b/tail.jpg"}


def test_a_bmp_without_its_last_bytes_is_cut_short(tmp_path):
    held = {"a/1.bmp": picture(1, "BMP"), "b/2.bmp": picture(2, "BMP")[:-1], "a/3.bmp": picture(3, "BMP")}
    (broken,) = bad(availability.check(files(tmp_path, "images", held), cached=False), "DA401")
    assert broken.facts["files"] == ["things/b/2.bmp"]


def test_a_plot_on_white_and_a_lamp_at_night_show_something_and_paper_does_not(tmp_path):
    held = {}
    for name, ground, ink in (("a/plot", 255, 0), ("b/paper", 253, 253), ("a/night", 2, 250), ("b/cap", 2, 2)):
        page = Image.new("RGB", (480, 320), (ground,) * 3)
        draw = ImageDraw.Draw(page)
        draw.line([(40, 20), (40, 290), (460, 290)], fill=(ink,) * 3, width=2)
        draw.line([(40 + 4 * k, 200 - 60 * np.sin(k / 9)) for k in range(100)], fill=(ink,) * 3, width=2)
        buffer = io.BytesIO()
        page.save(buffer, "PNG")
        held[f"{name}.png"] = buffer.getvalue()
    (blank,) = bad(availability.check(files(tmp_path, "images", held), cached=False), "DA405")
    assert set(blank.affected) == {"things/b/paper.png", "things/b/cap.png"}


def test_text_files_that_are_not_utf_8_are_named_and_the_others_are_looked_at(tmp_path):
    held = {f"{'ab'[k % 2]}/{k}.txt": f"the letter {k} is about the order that was late".encode() for k in range(12)}
    held |= {"a/old.txt": "für alle Fälle".encode("latin-1"), "b/raw.txt": b"\xff\x00\x81" * 50, "b/empty.txt": b" "}
    findings = availability.check(files(tmp_path, "text", held), cached=False)
    assert bad(findings, "DA606")[0].facts["files"] == ["things/a/old.txt", "things/b/raw.txt"]
    assert [f.affected for f in bad(findings, "DA601")] == [("things/b/empty.txt",)]


def test_an_ogg_file_with_a_broken_page_or_without_its_last_one_cannot_be_read(tmp_path):
    import soundfile

    rng = np.random.default_rng(3)
    buffer = io.BytesIO()
    soundfile.write(buffer, rng.normal(0, 0.1, 30_000).astype(np.float32), 16_000, format="OGG", subtype="VORBIS")
    data = buffer.getvalue()
    half = len(data) // 2
    held = {"a/whole.ogg": data, "b/cut.ogg": data[:-1], "a/half.ogg": data[:half],
            "b/hole.ogg": data[:half] + bytes(200) + data[half + 200 :]}  # fmt: skip
    (broken,) = bad(availability.check(files(tmp_path, "audio", held), cached=False), "DA801")
    assert {line.split(": ")[0] for line in broken.affected} == {
        "things/b/cut.ogg",
        "things/a/half.ogg",
        "things/b/hole.ogg",
    }


def test_a_link_that_leads_nowhere_is_a_picture_that_cannot_be_read(tmp_path):
    spec = files(tmp_path, "images", {"a/1.jpg": picture(1), "b/2.jpg": picture(2)})
    (tmp_path / "things/a/lost.jpg").symlink_to("/nowhere/lost.jpg")
    (tmp_path / "things/a/notes").symlink_to("/nowhere/notes")
    (broken,) = bad(availability.check(spec, cached=False), "DA401")
    assert broken.facts["files"] == ["things/a/lost.jpg"]


def test_a_folder_that_nobody_may_read_is_one_clear_failure(tmp_path, monkeypatch):
    spec = files(tmp_path, "images", {"a/1.jpg": picture(1), "b/2.jpg": picture(2)})
    scan = os.scandir

    def closed(folder: str) -> Any:  # tests may run as root, who may read everything
        if str(folder).endswith("b"):
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", closed)
    (closed_,) = bad(availability.check(spec, cached=False), "DA101")
    assert "the folder `b` cannot be read (Permission denied)" in closed_.what


def test_a_folder_may_be_called_like_a_pattern(tmp_path):
    files(tmp_path, "images", {"[2024]/a/1.jpg": picture(1), "[2024]/b/2.jpg": picture(2)})
    text = (tmp_path / "drivetrain.yaml").read_text().replace("location: things", "location: 'things/[2024]'")
    (tmp_path / "drivetrain.yaml").write_text(text)
    assert not bad(availability.check(load_spec(tmp_path), cached=False), "DA101")
