"""Which row trains, which is kept: exact shares, nothing on both sides, and joined sources follow the cases."""

from collections import Counter, defaultdict
from pathlib import Path
from textwrap import dedent

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain import source
from drivetrain.errors import DataError
from drivetrain.spec import Spec, load_spec

HEAD = """\
drivetrain: 1
project: {name: Try}
objective: {statement: Try it.}
levers: [{name: l, type: options, options: [a, b]}]
"""


def plan(folder: Path, data: str, more: str = "") -> Spec:
    (folder / "drivetrain.yaml").write_text(HEAD.replace("levers:", f"{more}levers:") + "data:\n" + dedent(data))
    return load_spec(folder)


def table(folder: Path, split: str = "{}", **columns: list) -> Spec:
    pq.write_table(pa.table(columns), folder / "t.parquet")
    keys = "".join(f"  {name}: {name}\n" for name in ("entity", "time") if name in columns)
    return plan(
        folder, f"- name: t\n  kind: table\n  location: t.parquet\n  columns: {{x: integer}}\n{keys}  split: {split}\n"
    )


def parts(spec: Spec, name: str | None = None) -> list[str]:
    return source.cases(spec, name)["split"].to_pylist()


@pytest.mark.parametrize("count", [5, 10, 99, 1000])
def test_random_shares_are_exact_and_the_same_each_time(tmp_path, count):
    spec = table(tmp_path, "{validation: 0.15, test: 0.25}", x=list(range(count)))
    first = parts(spec)
    sizes = Counter(first)
    assert sizes["test"] == int(count * 0.25 + 0.5)
    assert sizes["validation"] == int(count * 0.15 + 0.5)
    assert parts(spec) == first
    other = table(tmp_path, "{validation: 0.15, test: 0.25, seed: 43}", x=list(range(count)))
    assert count < 10 or parts(other) != first


def test_a_random_test_part_looks_like_the_rest(tmp_path):
    # 20,000 rows: the mean row number of the test differs from the middle by 5 standard errors at most.
    where = [row for row, part in enumerate(parts(table(tmp_path, x=list(range(20_000))))) if part == "test"]
    assert abs(sum(where) / len(where) - 9_999.5) < 5 * (20_000 / 12**0.5) / len(where) ** 0.5


def test_adding_files_leaves_nearly_all_others_in_their_part(tmp_path):
    data = "- {name: p, kind: images, location: p, outcomes: {c: {column: folder, values: [a], affected_by: []}}}\n"
    for number in range(200):
        path = tmp_path / f"p/a/{number:03d}5.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    spec = plan(tmp_path, data)
    before = dict(zip(source.cases(spec)["path"].to_pylist(), parts(spec), strict=True))
    for number in range(20):
        (tmp_path / f"p/a/{number:03d}4.png").write_bytes(b"x")
    after = dict(zip(source.cases(spec)["path"].to_pylist(), parts(spec), strict=True))
    assert sum(after[path] != part for path, part in before.items()) <= 15


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", None]), min_size=12, max_size=80))
def test_an_entity_is_never_on_two_sides(tmp_path_factory, entities):
    folder = tmp_path_factory.mktemp("e")
    found = parts(table(folder, x=list(range(len(entities))), entity=pa.array(entities, pa.string())))
    sides = defaultdict(set)
    for entity, part in zip(entities, found, strict=True):
        if entity is not None:
            sides[entity].add(part)
    assert all(len(side) == 1 for side in sides.values())
    if len(set(entities)) >= 4:
        assert {"train", "validation", "test"} <= set(found)


def test_a_split_by_time_keeps_the_latest_for_the_test_and_an_instant_on_one_side(tmp_path):
    time = [f"2025-01-{day:02d}" for day in (5, 1, 4, 2, 3, 5, 1, 4, 2, 3)]
    spec = table(tmp_path, "{by: time, validation: 0.2, test: 0.2}", x=list(range(10)), time=time)
    by_day = dict(zip(time, parts(spec), strict=True))
    assert [by_day[day] for day in sorted(by_day)] == ["train", "train", "train", "validation", "test"]
    with pytest.raises(DataError, match=r"1 rows have no `time` \(the first: row 2\)"):
        parts(table(tmp_path, "{by: time}", x=[1, 2], time=["2025-01-01", None]))


def test_a_column_may_say_the_split_itself(tmp_path):
    spec = table(tmp_path, "{column: part}", x=[1, 2, 3], part=["train", "Valid", "test"])
    assert parts(spec) == ["train", "validation", "test"]
    with pytest.raises(DataError, match="says 'dev', which is no part"):
        parts(table(tmp_path, "{column: part}", x=[1, 2], part=["train", "dev"]))


def test_values_that_are_held_out_are_held_out_whole_and_the_shares_are_of_the_rest(tmp_path):
    region = (["north"] * 20 + ["south"] * 80) * 2
    spec = table(tmp_path, "{hold_out: {region: [north]}}", x=list(range(200)), region=region)
    found = parts(spec)
    assert {part for part, where in zip(found, region, strict=True) if where == "north"} == {"hold_out"}
    assert Counter(found) == {"hold_out": 40, "test": 32, "validation": 32, "train": 96}


def test_rows_may_be_kept_together_by_any_column(tmp_path):
    clinic = [number % 10 for number in range(100)]
    found = parts(table(tmp_path, "{by: clinic}", x=list(range(100)), clinic=clinic))
    assert all(len({part for part, c in zip(found, clinic, strict=True) if c == k}) == 1 for k in range(10))
    assert Counter(found) == {"train": 60, "validation": 20, "test": 20}


SHOP = """\
- name: visits
  kind: table
  location: visits.parquet
  entity: user
  time: at
  columns: {device: category}
  split: {by: time, validation: 0.2, test: 0.2}
- {name: books, kind: table, location: books.csv, columns: {margin: number}}
- name: shown
  kind: table
  location: shown.parquet
  columns: {place: integer}
  join: [{data: visits, on: visit}, {data: books, on: {isbn: number}}]
"""


def shop(folder: Path) -> Spec:
    days = [f"2025-01-{day + 1:02d}" for day in range(10)]
    pq.write_table(
        pa.table({"visit": list(range(10)), "user": [1, 2] * 5, "at": days, "device": ["pc"] * 10}),
        folder / "visits.parquet",
    )
    (folder / "books.csv").write_text("number,margin\n1,0.5\n2,1.5\n")
    pq.write_table(
        pa.table({"visit": [0.0, 9.0, 9.0, 5.0, 99.0, None], "isbn": ["1", "2", "3", "1", "1", "2"], "place": [1] * 6}),
        folder / "shown.parquet",
    )
    return plan(folder, SHOP, "decision: {cases: visits}\n")


def test_a_source_that_is_tied_to_the_cases_follows_their_split(tmp_path):
    spec = shop(tmp_path)
    cases = {row["visit"]: row["split"] for row in source.cases(spec).to_pylist()}
    rows = source.cases(spec, "shown").to_pylist()
    assert [row["split"] for row in rows] == [cases["0"], cases["9"], cases["9"], cases["5"], "", ""]
    assert (cases["0"], cases["9"]) == ("train", "test")
    assert [row["margin"] for row in rows] == [0.5, 1.5, None, 0.5, 0.5, 1.5]
    assert [row["device"] for row in rows] == ["pc", "pc", "pc", "pc", None, None]
    # A book that a test case shows is not trained on.
    assert {row["number"]: row["split"] for row in source.cases(spec, "books").to_pylist()}["2"] == "test"


def test_an_inner_join_drops_what_has_no_match_and_several_matches_give_several_rows(tmp_path):
    pq.write_table(pa.table({"k": ["a", "b", "c", None], "x": [1, 2, 3, 4]}), tmp_path / "l.parquet")
    pq.write_table(pa.table({"k": ["b", "a", "b", None], "y": [1, 2, 3, 4]}), tmp_path / "r.parquet")
    data = """\
    - {name: l, kind: table, location: l.parquet, columns: {x: integer}, join: [{data: r, on: k, how: HOW}]}
    - {name: r, kind: table, location: r.parquet, columns: {y: integer}}
    """
    inner = source.cases(plan(tmp_path, data.replace("HOW", "inner"), "decision: {cases: l}\n")).to_pylist()
    assert [(row["k"], row["x"], row["y"]) for row in inner] == [("a", 1, 2), ("b", 2, 1), ("b", 2, 3)]
    assert [row["case"] for row in inner] == [0, 1, 2]
    left = source.cases(plan(tmp_path, data.replace("HOW", "left"), "decision: {cases: l}\n")).to_pylist()
    assert [(row["x"], row["y"]) for row in left] == [(1, 2), (2, 1), (2, 3), (3, None), (4, None)]
    assert left[1]["split"] == left[2]["split"]


EVENT = st.tuples(st.sampled_from("ab"), st.integers(0, 12), st.integers(0, 99))


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=12), st.lists(EVENT, min_size=1, max_size=12), st.booleans())
def test_as_of_takes_the_latest_row_strictly_before_and_within_the_window(tmp_path_factory, quotes, orders, window):
    folder = tmp_path_factory.mktemp("as_of")
    for name, rows, value in (("quotes", quotes, "q"), ("orders", orders, "o")):
        who, hour, amount = zip(*rows, strict=True)
        time = pa.array([h * 3_600_000_000 for h in hour], pa.timestamp("us"))
        pq.write_table(
            pa.table({"who": who, "at" if name == "quotes" else "placed": time, value: amount}),
            folder / f"{name}.parquet",
        )
    spec = plan(
        folder,
        f"""\
        - name: quotes
          kind: table
          location: quotes.parquet
          time: at
          columns: {{q: integer}}
          split: {{by: random}}
          join: [{{data: orders, on: who, as_of: placed{", window: 3 hours" if window else ""}}}]
        - {{name: orders, kind: table, location: orders.parquet, columns: {{o: integer}}}}
        """,
        "decision: {cases: quotes}\n",
    )
    wanted = []
    for who, hour, _ in quotes:
        before = [
            (h, place)
            for place, (w, h, _) in enumerate(orders)
            if w == who and h < hour and (not window or hour - h <= 3)
        ]
        wanted.append(orders[max(before)[1]][2] if before else None)
    assert source.cases(spec)["o"].to_pylist() == wanted


def test_a_join_on_a_column_that_is_not_there_is_named(tmp_path):
    pq.write_table(pa.table({"k": ["a"], "x": [1]}), tmp_path / "l.parquet")
    pq.write_table(pa.table({"key": ["a"], "y": [1]}), tmp_path / "r.parquet")
    data = """\
    - {name: l, kind: table, location: l.parquet, columns: {x: integer}, join: [{data: r, on: k}]}
    - {name: r, kind: table, location: r.parquet, columns: {y: integer}}
    """
    with pytest.raises(DataError, match=r"r\.parquet: there is no column `k`"):
        source.cases(plan(tmp_path, data, "decision: {cases: l}\n"))
