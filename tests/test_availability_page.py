"""The page of the check: pictures that show what the findings say, and nothing that a stranger wrote is markup."""

from __future__ import annotations

import html
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from test_availability import PHOTOS, photo, write_plan

from drivetrain import availability
from drivetrain.availability import page
from drivetrain.availability.page import overlap
from drivetrain.findings import Finding
from drivetrain.spec import load_spec


class Tags(HTMLParser):
    """Tags and addresses of a page, and that every tag is closed in its order."""

    EMPTY = frozenset({"meta", "img", "br", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "action")]
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


TABLE = """
drivetrain: 1
project: {name: "<script>alert(1)</script>"}
objective: {statement: Sell., value: "where(sold, 1, 0) - cost(offer)"}
decision: {cases: rows}
levers:
  - name: offer
    type: options
    options: {none: {cost: 0}, call: {cost: 1}}
    history: {kind: human, data: rows, column: offered}
data:
  - name: rows
    kind: table
    location: rows.parquet
    columns: {shop: category, age: {type: number, minimum: 0}, offered: {type: category, role: logged}}
    groups: [shop]
    outcomes: {sold: {column: sold, type: binary, affected_by: [offer]}}
    rights: {licence: own, personal: false}
    needs: {per_class: 300}
"""


@pytest.fixture
def shops(tmp_path):
    random = np.random.default_rng(0)
    count = 1200
    shop = random.choice(["north", "<img src=x onerror=alert(2)>", "`}}{{7*7}}"], count)
    offered = np.where(shop == "north", "none", random.choice(["none", "call"], count))
    age = random.normal(40, 5, count)
    age[7] = 4000.0
    table = {"shop": shop, "age": age, "offered": offered, "sold": random.random(count) < 0.2}
    pq.write_table(
        pa.table({name: pa.array(values.tolist()) for name, values in table.items()}), tmp_path / "rows.parquet"
    )
    return write_plan(tmp_path, TABLE)


def test_what_plan_and_data_say_is_text_and_the_page_needs_nothing_else(shops):
    text = page.html(shops, availability.check(shops))
    tags = Tags(text)
    assert not {"script", "iframe", "object", "form", "link"} & set(tags.seen)
    assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", text)
    assert "{{7*7}}" in text
    assert not tags.addresses, "no picture, no link: nothing is fetched"
    assert "default-src 'none'" in text


def test_the_map_says_never_where_a_setting_was_never_pulled(shops):
    findings = availability.check(shops)
    by = {one["column"]: one for one in overlap([f for f in findings if f.where.startswith("levers.")])}
    cells = {row["name"]: dict(zip(by["shop"]["settings"], row["cells"], strict=True)) for row in by["shop"]["rows"]}
    assert cells["north"]["call"]["never"]
    assert cells["north"]["none"]["heat"] == 100
    assert sum(cell["pulled"] for row in cells.values() for cell in row.values()) == 1200
    assert ">never</td>" in page.html(shops, findings)


def test_classes_and_groups_have_bars_with_what_is_needed(shops):
    text = page.html(shops, availability.check(shops))
    assert "Rows of each class of sold" in text
    assert "The line marks what is needed: 300" in text
    assert "Rows of each group of shop" in text


def test_rows_that_a_finding_is_about_are_shown_as_they_stand(shops):
    text = page.html(shops, availability.check(shops))
    shown = text[text.index("Samples of what is wrong") :]
    assert "<td>8</td><td>4000</td>" in shown


def test_nothing_is_copied_from_data_about_people(shops):
    private = write_plan(shops.root, TABLE.replace("personal: false", "personal: true, consent: contract"))
    text = page.html(private, availability.check(private))
    assert "Samples of what is wrong" not in text
    assert "<td>4000</td>" not in text
    assert "no sample of them is copied" in text


def test_pictures_that_are_wrong_are_there_to_be_seen(tmp_path):
    for number in range(60):
        photo(tmp_path / f"data/photos/{'ab'[number % 2]}/{number:03d}", number)
    folder = tmp_path / "data/photos"
    (folder / "a/broken.jpg").write_bytes(b"GIF89a nonsense")
    shutil.copy(folder / "a/000.jpg", folder / "b/copy.jpg")
    Image.new("RGB", (96, 96)).save(folder / "a/black <b>.jpg")
    spec = write_plan(tmp_path, PHOTOS)
    done = availability.run(spec)
    assert done == 1
    text = (tmp_path / "evidence/check.html").read_text()
    tags = Tags(text)
    assert tags.addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in tags.addresses)
    assert "nothing to show" in text
    assert "black &lt;b&gt;.jpg" in text
    assert len(text) < 2_000_000


def test_a_long_name_may_be_broken_between_its_words_and_stays_text(tmp_path):
    spec = write_plan(tmp_path, PHOTOS)
    name = "data/photos/left_ventricle-final.version<b>&amp;_of_today.jpg"
    text = page.html(spec, [Finding("DA401", "fail", "data.photos", "one.", affected=[name])])
    shown = re.search("<li>(data.*?)</li>", text)[1]
    assert "left_<wbr>ventricle-<wbr>final.<wbr>version&lt;b&gt;" in shown
    assert html.unescape(shown.replace("<wbr>", "")) == name


def test_a_finding_names_the_first_files_and_says_how_many_more(tmp_path):
    spec = write_plan(tmp_path, PHOTOS)
    many = Finding("DA401", "fail", "data.photos", "many.", affected=[f"f{n}.jpg" for n in range(1000)])
    text = page.html(spec, [many])
    assert "f49.jpg" in text
    assert "f50.jpg" not in text
    assert "and 950 more; the evidence names all" in text


def test_the_command_writes_the_page_where_it_is_asked_to(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from drivetrain.cli import main

    for number in range(40):
        photo(tmp_path / f"data/photos/{'ab'[number % 2]}/{number:03d}", number, size=48)
    write_plan(tmp_path, PHOTOS)
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(main, ["check", "--page", "out/here.html", "--workers", "1"])
    assert "With pictures: out/here.html" in found.output
    assert Path("out/here.html").read_text().startswith("<!doctype html>")
    refused = CliRunner().invoke(main, ["check", "--page", "drivetrain.yaml/x.html"])
    assert refused.exit_code == 2
    assert "cannot be written" in refused.output
    assert load_spec(tmp_path)
