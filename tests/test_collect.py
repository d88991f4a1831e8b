"""Data that are still to be collected: licences beside every file, whatever the web sends, whoever pulls the plug."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openverse import Web, openverse, picture

from drivetrain import availability, source
from drivetrain.collect import Done, collect
from drivetrain.collect import fetch as fetching
from drivetrain.collect.fetch import Fetcher, Refused, Unavailable
from drivetrain.collect.journal import plain_name
from drivetrain.errors import DataError
from drivetrain.spec import Spec, load_spec


@pytest.fixture
def web(monkeypatch):
    with openverse() as server:
        monkeypatch.setenv("DRIVETRAIN_OPENVERSE", f"{server.url}/v1/images/")
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server


def plan(folder: Path, collecting: str, more: str = "") -> Spec:
    (folder / "drivetrain.yaml").write_text(
        dedent(f"""
        drivetrain: 1
        project: {{name: Bears}}
        objective: {{statement: Tell bears apart.}}
        levers: [{{name: alarm, type: options, options: [ring, wait]}}]
        data:
          - name: bears
            kind: images
            collect: {collecting}
            {more}
        """).lstrip()
    )
    return load_spec(folder)


SEARCH = (
    "{how: image-search, queries: {grizzly: [grizzly bear], teddy: [teddy bear]}, per_query: 3, licences: [cc0, by]}"
)


def records(folder: Path) -> list[dict[str, str]]:
    with (folder / "data/bears/records.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def fetched(spec: Spec) -> Done:
    (done,) = collect(spec, pause=0)
    return done


def test_pictures_are_found_and_lie_in_the_folder_of_their_class_with_licence_creator_and_credit(tmp_path, web: Web):
    web.add("grizzly bear", *[f"/img/{n}.jpg" for n in range(30)])
    web.add("teddy bear", *[f"/img/{n}.png" for n in range(40, 60)])
    spec = plan(tmp_path, SEARCH, "outcomes: {species: {column: query, affected_by: []}}")
    done = fetched(spec)
    assert done.complete
    assert (done.kept, done.fetched) == (6, 6)
    rows = records(tmp_path)
    assert {row["query"] for row in rows} == {"grizzly", "teddy"}
    for row in rows:
        file = tmp_path / "data/bears" / row["file"]
        assert file.parent.name == row["query"]
        assert row["licence"] == "by 4.0"
        assert row["creator"] == "Ana"
        assert row["attribution"].endswith("by Ana is licensed under CC BY 4.0.")
        assert row["url"].startswith(web.url)
        number, ending = row["url"].rsplit("/", 1)[-1].split(".")
        assert file.read_bytes() == picture(int(number), "PNG" if ending == "png" else "JPEG")
    assert web.queries[0] == {
        "q": "grizzly bear", "license": "cc0,by", "page": "1", "page_size": "20", "mature": "false"
    }  # fmt: skip
    assert sum(web.asked.values()) == 2 + 6, "no picture was fetched in vain"
    table = source.table(spec, "bears")
    assert sorted(table["species"].to_pylist()) == ["grizzly"] * 3 + ["teddy"] * 3


def test_a_second_run_asks_for_nothing_that_is_there(tmp_path, web: Web):
    web.add("grizzly bear", *[f"/img/{n}.jpg" for n in range(5)])
    web.add("teddy bear", *[f"/img/{n}.jpg" for n in range(40, 42)], "/img/gone.jpg")
    spec = plan(tmp_path, SEARCH)
    first = fetched(spec)
    assert not first.complete
    assert first.kept == 5
    assert "1 cannot be had: the server answers 404" in first.summary
    web.asked.clear()
    web.add("teddy bear", "/img/77.jpg")
    second = fetched(spec)
    assert second.complete
    assert second.fetched == 1
    assert set(web.asked) == {"/v1/images/", "/img/77.jpg"}
    (tmp_path / "data/bears" / records(tmp_path)[0]["file"]).unlink()
    assert fetched(spec).fetched == 1, "what somebody took away is fetched again"


def test_searches_that_bring_less_than_the_plan_asks_for_are_named(tmp_path, web: Web):
    web.add("grizzly bear", "/img/1.jpg", "/img/2.jpg", "/img/3.jpg")
    (done,) = collect(plan(tmp_path, SEARCH), pause=0)
    assert done.short == {"teddy: teddy bear": 0}
    assert "only 0 for teddy: teddy bear" in done.summary
    assert "search for other words" in done.summary


def test_more_pages_are_asked_for_as_long_as_they_are_needed(tmp_path, web: Web):
    web.add("grizzly bear", *[f"/img/{n}.jpg" for n in range(47)])
    done = fetched(plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 45, licences: [by]}"))
    assert done.kept == 45
    assert [q["page"] for q in web.queries] == ["1", "2", "3"]


def test_results_without_an_accepted_licence_are_left_out_whatever_the_server_filters(tmp_path, web: Web):
    web.add("grizzly bear", "/img/1.jpg", license="by-nc")
    web.add("grizzly bear", "/img/2.jpg", license="")
    web.add("grizzly bear", "/img/3.jpg", license="CC0")
    done = fetched(plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 3, licences: [cc0]}"))
    assert [row["url"] for row in records(tmp_path)] == [f"{web.url}/img/3.jpg"]
    assert done.refused == {"under another licence (by-nc)": 1, "without a licence": 1}
    assert not done.complete


HOSTILE = {
    "html.jpg": "web page",
    "html200.jpg": "web page",
    "bomb.png": "cannot be decoded",
    "gzip-bomb.jpg": "too large",
    "brotli.jpg": "packed",
    "file.jpg": "no address of the web (`file`)",
    "metadata.jpg": "no public server",
    "inside.jpg": "no public server",
    "loop.jpg": "redirects",
    "gone.jpg": "404",
    "cut.jpg": "",
    "half.jpg": "cannot be decoded",
    "endless.jpg": "too large",
    "huge.jpg": "too large",
    "trickle.jpg": "takes longer",
    "full.jpg": "asks to wait 86,400 s",
}


def test_whatever_the_web_sends_instead_of_a_picture_is_not_kept_and_the_rest_is(tmp_path, web: Web, monkeypatch):
    monkeypatch.setattr(fetching, "LONGEST", 0.5)
    monkeypatch.setattr(Fetcher.__init__, "__kwdefaults__", {"pause": 0, "longest": 0.5, "patience": 5})
    web.add("grizzly bear", *[f"/img/{name}" for name in HOSTILE])
    web.add(
        "grizzly bear", "file:///etc/passwd", "http://127.0.0.1:1/x.jpg", "http://localhost:9/y.jpg", "gopher://x/y"
    )
    web.add(
        "grizzly bear",
        "http://user:secret@127.0.0.1/x.jpg",
        "http://[",
        "http://2130706433:5/x.jpg",
        "http://10.0.0.1/",
    )
    web.add("grizzly bear", "/img/moved.jpg", "/img/busy.jpg", "/img/5.jpg")
    done = fetched(
        plan(tmp_path, "{how: image-search, queries: {'../../up': [grizzly bear]}, per_query: 100, licences: [by]}")
    )
    assert sorted(row["url"].rsplit("/", 1)[-1] for row in records(tmp_path)) == ["5.jpg", "busy.jpg", "moved.jpg"]
    reasons = " | ".join([*done.refused, *done.later])
    for why in HOSTILE.values():
        assert why in reasons
    assert sum(done.refused.values()) + sum(done.later.values()) == len(HOSTILE) + 8
    inside = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert inside == {"drivetrain.yaml", "data"}
    assert {row["file"].split("/")[0] for row in records(tmp_path)} == {"up"}
    assert not list(tmp_path.rglob("part-*")), "nothing half-written is left"


def test_text_of_a_stranger_stays_text_in_the_records(tmp_path, web: Web):
    web.add("grizzly bear", "/img/1.jpg", creator="=cmd|' /C calc'!A0", title='a "b",\nc', attribution=None)
    fetched(plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 1, licences: [by]}"))
    (row,) = records(tmp_path)
    assert row["creator"] == "'=cmd|' /C calc'!A0"
    assert row["title"] == 'a "b", c'
    assert row["attribution"].startswith('"a "b", c" by =cmd')


def test_the_same_picture_at_two_addresses_is_kept_once(tmp_path, web: Web):
    web.add("grizzly bear", "/img/1.jpg", "/other/1.jpg", "/img/2.jpg")
    done = fetched(plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 2, licences: [by]}"))
    assert (done.kept, done.twice) == (2, 1)


def test_a_server_that_asks_for_patience_gets_it(tmp_path, web: Web):
    (tmp_path / "urls.txt").write_text(f"{web.url}/img/busy.jpg\n")
    assert fetched(plan(tmp_path, "{how: url-list, file: urls.txt}")).complete
    times = [moment for moment, path in web.times if path == "/img/busy.jpg"]
    assert len(times) == 3
    assert all(b - a >= 0.3 for a, b in pairwise(times))


def test_a_server_is_left_a_pause_between_two_requests(tmp_path, web: Web):
    (tmp_path / "urls.txt").write_text("".join(f"{web.url}/img/{n}.jpg\n" for n in range(5)))
    collect(plan(tmp_path, "{how: url-list, file: urls.txt}"), pause=0.1)
    times = sorted(moment for moment, _ in web.times)
    assert min(b - a for a, b in pairwise(times)) >= 0.099


def test_a_list_with_columns_becomes_a_source_with_those_columns(tmp_path, web: Web):
    lines = ["url,species,licence", *[f"{web.url}/img/{n}.jpg,{'ab'[n % 2]},cc0" for n in range(6)]]
    (tmp_path / "urls.csv").write_text("\n".join([*lines, lines[1], f"{web.url}/img/gone.jpg,a,cc0"]) + "\n")
    spec = plan(tmp_path, "{how: url-list, file: urls.csv}")
    done = fetched(spec)
    assert (done.kept, done.asked) == (6, 7)
    assert {row["species"] for row in records(tmp_path)} == {"a", "b"}
    web.asked.clear()
    again = fetched(spec)
    assert not web.asked
    assert again.refused == {"the server answers 404": 1}, "it is still said, though not asked for again"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "is not there"),
        ("", "is empty"),
        ("name,link\na,b\n", "no column `url`"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_list_that_is_no_list_says_what_to_do(tmp_path, text, says):
    if text is not None:
        (tmp_path / "urls.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=says):
        collect(plan(tmp_path, "{how: url-list, file: urls.csv}"))
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").rglob("*.csv"))


def test_columns_that_people_added_to_the_records_stay(tmp_path, web: Web):
    web.add("grizzly bear", "/img/1.jpg", "/img/2.jpg")
    spec = plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 2, licences: [by]}")
    fetched(spec)
    path = tmp_path / "data/bears/records.csv"
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{head},fur", *[f"{line},brown" for line in lines]]) + "\n")
    web.add("grizzly bear", "/img/3.jpg")
    fetched(plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 3, licences: [by]}"))
    assert sorted(row["fur"] for row in records(tmp_path)) == ["", "brown", "brown"]


def test_a_server_that_does_not_speak_the_api_is_one_clear_line(tmp_path, web: Web, monkeypatch):
    monkeypatch.setenv("DRIVETRAIN_OPENVERSE", f"{web.url}/img/html.jpg")
    done = fetched(plan(tmp_path, SEARCH))
    assert not done.complete
    assert "search for `grizzly bear`: does not answer as Openverse does" in done.summary


def test_the_token_goes_to_the_search_and_to_nobody_else(tmp_path, web: Web, monkeypatch):
    monkeypatch.setenv("DRIVETRAIN_OPENVERSE_TOKEN", "hunter2")
    web.add("grizzly bear", "/img/1.jpg")
    done = fetched(plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 1, licences: [by]}"))
    assert [h.get("Authorization") for h in web.headers] == ["Bearer hunter2", None]
    assert "hunter2" not in done.summary + (tmp_path / "data/bears/records.csv").read_text()


def test_a_private_server_is_fetched_from_only_if_the_user_named_it(web: Web):
    fetcher = Fetcher(pause=0)
    with pytest.raises(Refused, match="no public server"):
        fetcher.get(f"{web.url}/img/1.jpg")
    assert not web.asked
    with pytest.raises(Unavailable, match="cannot be found"):
        fetcher.get("http://no-such-host.invalid/x.jpg")


def test_a_name_that_leads_elsewhere_a_moment_later_is_not_read(web: Web, monkeypatch):
    import socket

    real, asked = socket.getaddrinfo, []

    def lies(host, port, *more, **named):
        if host != "rebind.example":
            return real(host, port, *more, **named)
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lies)
    with pytest.raises(Refused, match="no public server"):
        Fetcher(pause=0).get(web.url.replace("127.0.0.1", "rebind.example") + "/img/1.jpg")
    assert len(asked) > 1, "the connection really went elsewhere"


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_a_class_never_names_a_way_out_of_its_folder(text):
    name = plain_name(text)
    assert "/" not in name
    assert "\\" not in name
    assert not name.startswith(".")
    assert len(name) <= 60


def test_nothing_is_fetched_before_somebody_decided_on_licences(tmp_path, web: Web):
    open_ = "{unknown: Which licences?, owner: Legal, due: 2027-01-31}"
    spec = plan(tmp_path, f"{{how: image-search, queries: {{g: [grizzly bear]}}, per_query: 2, licences: {open_}}}")
    with pytest.raises(DataError, match="under which licences"):
        collect(spec)
    assert not web.asked


def test_what_nobody_can_fetch_is_said_and_is_no_failure(tmp_path):
    (done,) = collect(plan(tmp_path, "{how: labelling, items: data/raw/*.jpg, labellers: 2}"))
    assert done.complete
    assert "people label it" in done.summary


def test_a_collected_source_passes_the_check_that_it_is_there(tmp_path, web: Web):
    web.add("grizzly bear", *[f"/img/{n}.jpg" for n in range(30)])
    spec = plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 20, licences: [by]}")
    before = [f for f in availability.check(spec) if f.id == "DA107"]
    assert [f.level for f in before] == ["unknown"]
    fetched(spec)
    assert [f.level for f in availability.check(spec) if f.id in ("DA101", "DA401")] == ["pass", "pass"]


def test_a_killed_run_goes_on_where_it_was(tmp_path, web: Web):
    web.add("grizzly bear", *[f"/img/{n}.jpg" for n in range(40)])
    plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 40, licences: [by]}")
    web.delay = 0.03
    command = [sys.executable, "-m", "drivetrain", "collect", "--pause", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 60
    while len(list((tmp_path / "data").rglob("*.jpg"))) < 10 and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len(list((tmp_path / "data").rglob("*.jpg")))
    assert 10 <= there < 40
    before = {path for path in web.asked if path.startswith("/img/")}
    web.asked.clear()
    web.delay = 0.0
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "40 of 40 files are there" in done.stdout
    assert sum(web.asked.values()) - 2 <= 40 - there + 8, "at most what was on its way is fetched again"
    assert len(records(tmp_path)) == 40
    assert before


def test_ctrl_c_keeps_what_was_fetched_and_writes_its_records(tmp_path, web: Web):
    web.add("grizzly bear", *[f"/img/{n}.jpg" for n in range(40)])
    plan(tmp_path, "{how: image-search, queries: {g: [grizzly bear]}, per_query: 40, licences: [by]}")
    web.delay = 0.05
    command = [sys.executable, "-m", "drivetrain", "collect", "--pause", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    limit = time.monotonic() + 60
    while len(list((tmp_path / "data").rglob("*.jpg"))) < 5 and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in said
    assert len(records(tmp_path)) == len(list((tmp_path / "data").rglob("*.jpg"))) >= 5
