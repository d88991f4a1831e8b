"""What a source of the plan gives: rows with the plan's types, from files of any kind."""

import hashlib
import json
import os
import sqlite3
from pathlib import Path
from textwrap import dedent

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain import evidence, source
from drivetrain.errors import DataError
from drivetrain.source import digests as room
from drivetrain.spec import Spec, load_spec

HEAD = """\
drivetrain: 1
project: {name: Try}
objective: {statement: Try it.}
levers: [{name: l, type: options, options: [a, b]}]
"""


def plan(folder: Path, data: str, more: str = "") -> Spec:
    (folder / "drivetrain.yaml").write_text(HEAD + more + "data:\n" + dedent(data))
    return load_spec(folder)


def csv(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text).lstrip())


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" + name.encode())


IMAGES = """\
- name: photos
  kind: images
  location: data/photos
  filename: "(?P<depot>[a-z]+)-(?P<n>\\\\d+)\\\\.png"
  outcomes: {digit: {column: folder, values: ["0", "1"], affected_by: []}}
"""


def test_a_folder_of_images_is_a_table_of_its_files(tmp_path):
    touch(tmp_path, "data/photos/1/north-7.png", "data/photos/0/south-3.png", "data/photos/0/.hidden.png")
    touch(tmp_path, "data/photos/0/notes.txt", "data/photos/.cache/1/west-1.png", "data/photos/1/UPPER.PNG")
    rows = source.table(plan(tmp_path, IMAGES), "photos").to_pylist()
    assert [row["path"] for row in rows] == [
        "data/photos/0/south-3.png",
        "data/photos/1/UPPER.PNG",
        "data/photos/1/north-7.png",
    ]
    assert rows[0] == {
        "image": "data/photos/0/south-3.png",
        "path": "data/photos/0/south-3.png",
        "folder": "0",
        "stem": "south-3",
        "suffix": ".png",
        "depot": "south",
        "n": "3",
        "digit": "0",
    }
    assert rows[1]["depot"] is None


def test_a_table_has_the_types_of_the_plan_and_only_what_the_plan_names(tmp_path):
    csv(
        tmp_path,
        "data/t.csv",
        """
        age,calls,ok,region,who,day,y,unnamed
        1.5,2,yes,north,007,2025-01-31,1,a
        ,3,no,,17,2025-02-01 10:30:00,0,b
        NA,,,south,,,,c
        """,
    )
    spec = plan(
        tmp_path,
        """\
        - name: t
          kind: table
          location: data/t.csv
          entity: who
          time: day
          columns: {age: number, calls: integer, ok: boolean, region: category}
          outcomes: {bought: {column: y, type: binary, affected_by: []}}
        """,
    )
    rows = source.table(spec, "t")
    assert rows.schema.names == ["age", "calls", "ok", "region", "who", "day", "bought"]
    assert rows.column("age").to_pylist() == [1.5, None, None]
    assert rows.column("calls").to_pylist() == [2, 3, None]
    assert rows.column("ok").to_pylist() == [True, False, None]
    assert rows.column("region").to_pylist() == ["north", None, "south"]
    assert rows.column("who").to_pylist() == ["007", "17", None]
    assert rows.column("bought").to_pylist() == [True, False, None]
    assert [str(t) for t in rows.column("day").to_pylist()] == ["2025-01-31 00:00:00", "2025-02-01 10:30:00", "None"]


def test_csv_and_parquet_with_the_same_content_give_the_same_rows(tmp_path):
    csv(tmp_path, "a.csv", "k;x;y\n1;0.5;true\n2;;false\n")
    pq.write_table(pa.table({"k": [1.0, 2.0], "x": [0.5, None], "y": [True, False]}), tmp_path / "a.parquet")
    entry = (
        "- {name: t, kind: table, location: FILE, entity: k, columns: {x: number}, "
        "outcomes: {o: {column: y, type: binary, affected_by: []}}}\n"
    )
    rows = [source.table(plan(tmp_path, entry.replace("FILE", file)), "t") for file in ("a.csv", "a.parquet")]
    assert rows[0].to_pydict() == rows[1].to_pydict()


ODD = {"Größe (cm)": [3.5, 4.0], "Order No.": ["a", "b"], "Retoure?": ["ja", "nein"], "A b": [1, 2], "a_b": [3, 4]}
ODD_PLAN = """\
- name: orders
  kind: table
  location: FILE
  columns: {grosse_cm: number, a_b: integer}
  entity: order_no
  outcomes: {back: {column: retoure, values: [ja, nein], affected_by: []}}
"""


@pytest.mark.parametrize("file", ["odd.csv", "odd*.parquet", "sqlite:///odd.db"])
def test_a_column_whose_name_no_formula_could_hold_is_called_by_the_nearest_one_that_can(tmp_path, file):
    lines = [";".join(map(str, row)) for row in zip(*ODD.values(), strict=True)]
    (tmp_path / "odd.csv").write_text("\n".join([";".join(ODD), *lines]) + "\n", encoding="utf-8-sig")
    for name in ("odd1", "odd2"):
        pq.write_table(pa.table(ODD).slice(int(name[-1]) - 1, 1), tmp_path / f"{name}.parquet")
    with sqlite3.connect(tmp_path / "odd.db") as shop:
        # SQLite takes names without regard to case; `A b` and `a_b` still differ.
        shop.execute(f"CREATE TABLE orders ({', '.join(chr(34) + name + chr(34) for name in ODD)})")
        shop.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", zip(*ODD.values(), strict=True))
    shop.close()
    rows = source.table(plan(tmp_path, ODD_PLAN.replace("FILE", file)), "orders").to_pydict()
    assert rows == {"grosse_cm": [3.5, 4.0], "order_no": ["a", "b"], "back": ["ja", "nein"], "a_b": [3, 4]}


def test_of_two_columns_that_would_be_called_alike_neither_is_guessed(tmp_path):
    csv(tmp_path, "odd.csv", "Order No.,order-no,Retoure?,a b,grosse_cm\nx,y,ja,1,2\n")
    with pytest.raises(DataError, match=r"no one column `order_no`: `Order No\.` and `order-no` would be called so"):
        source.table(plan(tmp_path, ODD_PLAN.replace("FILE", "odd.csv")), "orders")


def test_several_files_of_a_glob_are_one_table_in_the_order_of_their_names(tmp_path):
    csv(tmp_path, "data/b.csv", "x,y\n3,c\n")
    csv(tmp_path, "data/a.csv", "y,x\na,1\nb,2\n")
    spec = plan(tmp_path, "- {name: t, kind: table, location: data/*.csv, columns: {x: integer, y: text}}\n")
    assert source.table(spec, "t").to_pydict() == {"x": [1, 2, 3], "y": ["a", "b", "c"]}


def test_a_column_may_change_its_type_between_files(tmp_path):
    pq.write_table(pa.table({"x": [1, 2]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": ["3"]}), tmp_path / "b.parquet")
    spec = plan(tmp_path, "- {name: t, kind: table, location: '*.parquet', columns: {x: number}}\n")
    assert source.table(spec, "t")["x"].to_pylist() == [1.0, 2.0, 3.0]


def test_a_folder_of_texts_gives_their_content(tmp_path):
    csv(tmp_path, "data/mails/spam/1.txt", "Buy now\n")
    csv(tmp_path, "data/mails/ham/2.txt", "Lunch?\n")
    spec = plan(
        tmp_path,
        "- {name: m, kind: text, location: data/mails, "
        "outcomes: {c: {column: folder, values: [ham, spam], affected_by: []}}}\n",
    )
    rows = source.table(spec, "m")
    assert rows["text"].to_pylist() == ["Lunch?\n", "Buy now\n"]
    assert rows["c"].to_pylist() == ["ham", "spam"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, ["`data/photos` is not there", "drivetrain sample"]),
        ({"data/photos/readme.txt": "x"}, ["holds no file that ends in", ".png"]),
    ],
)
def test_a_folder_that_is_missing_or_empty_says_what_to_do(tmp_path, files, says):
    for name, text in files.items():
        csv(tmp_path, name, text)
    with pytest.raises(DataError) as error:
        source.cases(plan(tmp_path, IMAGES))
    for words in says:
        assert words in error.value.message
    assert str(tmp_path) not in error.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("age,y\nten,1\n11,0\n", "column `age`: row 1 holds 'ten', which is not a number"),
        ('age,y\n"39,88",1\n', "Numbers have a point before their decimals, and nothing between thousands: 1234.5."),
        ("age,y\n1,1\n2,maybe\n3,perhaps\n", "row 2 holds 'maybe' and 1 more, which is not true or false"),
        ("aeg,y\n1,1\n", "there is no column `age`. Did you mean `aeg`?"),
        ("age,y\n1,1,2\n", "cannot be read as CSV"),
        ("age,age,y\n1,1,2\n", "has the column `age` twice"),
        ("", "is empty"),
        ("age,y\n", "holds no row"),
    ],
)
def test_a_faulty_table_is_named_with_its_row_and_column(tmp_path, text, says):
    csv(tmp_path, "t.csv", text)
    spec = plan(
        tmp_path,
        "- {name: t, kind: table, location: t.csv, columns: {age: number}, "
        "outcomes: {o: {column: y, type: binary, affected_by: []}}}\n",
    )
    with pytest.raises(DataError) as error:
        source.table(spec, "t")
    assert says in error.value.message


def test_a_broken_parquet_file_is_named(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"t\.parquet: cannot be read as Parquet"):
        source.table(plan(tmp_path, "- {name: t, kind: table, location: t.parquet, columns: {x: number}}\n"), "t")


def test_the_fingerprint_changes_with_any_byte_and_name_and_with_nothing_else(tmp_path):
    touch(tmp_path, "data/photos/0/south-3.png", "data/photos/1/north-7.png")
    spec = plan(tmp_path, IMAGES)
    first = source.fingerprint(spec, "photos")
    lines = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(tmp_path).as_posix()}\n"
        for path in sorted((tmp_path / "data/photos").rglob("*.png"))
    )
    assert first.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert (first.files, first.synthetic) == (2, False)
    touch(tmp_path, "data/photos/readme.md")
    assert source.fingerprint(spec, "photos") == first
    (tmp_path / "data/photos/0/south-3.png").write_bytes(b"y")
    assert source.fingerprint(spec, "photos").sha256 != first.sha256


def test_files_that_did_not_change_are_hashed_once_and_a_swap_under_the_same_date_is_noticed(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    files = [tmp_path / f"{number}.bin" for number in range(3)]
    for file in files:
        file.write_bytes(random.bytes(3_000_000))
    names = [str(file) for file in files]
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    read: list[str] = []

    def reading(path: Path) -> str:
        read.append(path.name)
        return evidence.file_digest(path)

    monkeypatch.setattr(room, "file_digest", reading)
    monkeypatch.setattr(room, "SETTLED", 0)
    assert room.digests(tmp_path, "a", names) == (hashes, 9_000_000)
    assert room.digests(tmp_path, "a", names) == (hashes, 9_000_000)
    assert read == ["0.bin", "1.bin", "2.bin"]
    before = files[1].stat()
    files[1].write_bytes(random.bytes(3_000_000))
    os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    hashes[1] = hashlib.sha256(files[1].read_bytes()).hexdigest()
    assert room.digests(tmp_path, "a", names)[0] == hashes
    assert read[3:] == ["1.bin"]
    (tmp_path / ".drivetrain/cache/digests-a.npz").write_bytes(b"no notes at all")
    monkeypatch.setattr(room, "SETTLED", 10**18)
    for _ in range(2):
        assert room.digests(tmp_path, "a", names)[0] == hashes
    assert len(read) == 10, "files that are still being written are not taken as settled"


def test_sample_data_are_told_from_real_data_even_when_they_are_moved(tmp_path):
    touch(tmp_path, "data/photos/0/south-3.png")
    spec = plan(tmp_path, IMAGES)
    digest = hashlib.sha256((tmp_path / "data/photos/0/south-3.png").read_bytes()).hexdigest()
    made = {"synthetic": True, "files": {"data/other.png": digest}}
    (tmp_path / "data/sample.json").write_text(json.dumps(made))
    assert source.fingerprint(spec, "photos").synthetic
    (tmp_path / "data/sample.json").write_text(json.dumps(made | {"synthetic": False}))
    assert not source.fingerprint(spec, "photos").synthetic
    (tmp_path / "data/sample.json").write_text("{")
    with pytest.raises(DataError, match="cannot be told from real data"):
        source.fingerprint(spec, "photos")


NUMBERS = st.lists(st.one_of(st.none(), st.floats(allow_nan=False, width=64)), min_size=1, max_size=30)


@settings(deadline=None)  # a busy machine is no fault
@given(NUMBERS)
def test_a_number_written_to_csv_comes_back_exactly(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("numbers")
    (folder / "t.csv").write_text("x,k\n" + "".join(f"{'' if x is None else repr(x)},1\n" for x in numbers))
    spec = plan(folder, "- {name: t, kind: table, location: t.csv, columns: {x: number}}\n")
    assert source.table(spec, "t")["x"].to_pylist() == numbers


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), min_size=1), min_size=1))
def test_any_text_written_to_csv_comes_back(tmp_path_factory, texts):
    import csv as lines

    folder = tmp_path_factory.mktemp("texts")
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as stream:
        lines.writer(stream, lineterminator="\n").writerows([["x", "k"], *[[text, "1"] for text in texts]])
    spec = plan(folder, "- {name: t, kind: table, location: t.csv, columns: {x: text}}\n")
    assert source.table(spec, "t")["x"].to_pylist() == texts


def test_a_large_csv_file_gives_the_same_rows_from_disk(tmp_path, monkeypatch):
    csv(tmp_path, "t.csv", "k,x,y\n" + "".join(f"k{i},{i / 7},{i % 2}\n" for i in range(3000)))
    spec = plan(
        tmp_path,
        "- {name: t, kind: table, location: t.csv, entity: k, columns: {x: number}, "
        "outcomes: {o: {column: y, type: binary, affected_by: []}}}\n",
    )
    small = source.cases(spec).to_pydict()
    monkeypatch.setattr("drivetrain.source.tables.IN_MEMORY", 100)
    assert source.cases(spec).to_pydict() == small


@pytest.mark.parametrize("most", [1 << 26, 100], ids=["in memory", "from disk"])
def test_a_cell_longer_than_what_is_parsed_at_once_is_read(tmp_path, monkeypatch, most):
    monkeypatch.setattr("drivetrain.source.tables.IN_MEMORY", most)
    csv(tmp_path, "t.csv", "k,x\n" + "".join(f"k{i},{'word ' * (500_000 if i == 5 else 1)}\n" for i in range(9)))
    spec = plan(tmp_path, "- {name: t, kind: table, location: t.csv, columns: {k: id, x: text}}\n")
    assert [len(text) for text in source.table(spec, "t")["x"].to_pylist()] == [5] * 5 + [2_500_000] + [5] * 3
