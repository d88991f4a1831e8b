"""Tables, texts, ratings and sounds: each kind of fault is found and its rows or files are named."""

import base64
import io
import shutil
import wave
from pathlib import Path
from textwrap import dedent

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drivetrain import availability, evidence, sample
from drivetrain.availability import Finding
from drivetrain.availability.curve import labels_needed
from drivetrain.availability.samples import samples
from drivetrain.availability.words import language, near_texts
from drivetrain.spec import Spec, load_spec

HEAD = """\
drivetrain: 1
project: {name: Try}
objective: {statement: Try it.}
levers: [{name: l, type: options, options: [a, b], history: {kind: never}}]
data:
"""
RIGHTS = "  rights: {licence: own, personal: false}\n  needs: {rows: 10}\n"


def plan(folder: Path, data: str) -> Spec:
    (folder / "drivetrain.yaml").write_text(HEAD + dedent(data))
    return load_spec(folder)


def of(findings: list[Finding], id: str, field: str = "") -> list[Finding]:
    return [f for f in findings if f.id == id and f.where.endswith(field)]


def people(folder: Path, rows: int = 400, name: str = "t", **change: object) -> None:
    random = np.random.default_rng(5)
    columns = {
        "id": [f"p{number}" for number in range(rows)],
        "age": random.normal(45, 12, rows).round(1),
        "income": random.lognormal(10, 0.6, rows).round(2),
        "town": random.choice(["Bonn", "Köln", "Trier"], rows),
        "kind": random.choice(["a", "b"], rows),
    }
    for column, make in change.items():
        columns[column] = make(columns) if callable(make) else make
    (folder / "data").mkdir(exist_ok=True)
    pq.write_table(pa.table({n: pa.array(list(v)) for n, v in columns.items()}), folder / f"data/{name}.parquet")


PEOPLE = (
    """\
- name: people
  kind: table
  location: data/*.parquet
  entity: id
  columns: {age: number, income: number, town: category}
  outcomes: {kind: {column: kind, values: [a, b], affected_by: []}}
"""
    + RIGHTS
)


def test_a_clean_table_has_nothing_to_complain_about(tmp_path):
    people(tmp_path)
    assert not [str(f) for f in availability.check(plan(tmp_path, PEOPLE)) if f.level in ("fail", "warn", "unknown")]


def test_the_same_written_in_several_ways_is_named(tmp_path):
    def mixed(columns):
        towns = columns["town"].astype(object)
        towns[:5], towns[5:7] = "koln", "BONN "
        return towns

    people(tmp_path, town=mixed)
    (found,) = of(availability.check(plan(tmp_path, PEOPLE)), "DA503", "town")
    assert sorted(map(tuple, found.facts["variants"])) == [("BONN ", "Bonn"), ("Köln", "koln")]
    assert "rows 1-7" in found.affected


def test_numbers_far_from_all_others_are_named_and_long_tails_are_not(tmp_path):
    def age(columns):
        ages = columns["age"].copy()
        ages[[7, 9]] = [999, 420]
        return ages

    def income(columns):
        incomes = columns["income"].copy()
        incomes[50:60] = -1
        return incomes

    people(tmp_path, age=age)
    findings = availability.check(plan(tmp_path, PEOPLE))
    (found,) = of(findings, "DA504")
    assert (found.where, found.affected) == ("data.people.columns.age", ("row 8", "row 10"))
    people(tmp_path, income=income)
    (tmp_path / "drivetrain.yaml").write_text(
        (tmp_path / "drivetrain.yaml").read_text().replace("income: number", "income: {type: number, minimum: 0}")
    )
    (found,) = of(availability.check(load_spec(tmp_path)), "DA128", "income")
    assert found.affected == ("rows 51-60",)


def test_columns_that_say_nothing_are_named(tmp_path):
    people(tmp_path, age=[41.0] * 400, town=["Bonn"] * 400, income=pa.array([None] * 400, pa.float64()))
    findings = availability.check(plan(tmp_path, PEOPLE))
    assert sorted(f.where.rsplit(".", 1)[1] for f in of(findings, "DA502")) == ["age", "income", "town"]


def test_cells_of_another_type_in_one_file_are_all_named(tmp_path):
    people(tmp_path, 100, "a")
    people(tmp_path, 100, "b", age=lambda c: ["unknown" if k in (3, 4, 90) else str(v) for k, v in enumerate(c["age"])])
    findings = availability.check(plan(tmp_path, PEOPLE))
    (found,) = of(findings, "DA501", "age")
    assert found.level == "fail"
    assert found.affected == ("data/b.parquet: rows 4-5", "data/b.parquet: row 91")
    assert of(findings, "DA123"), "the other columns are still looked at"


def test_keys_that_are_there_twice_and_keys_without_a_match_are_named(tmp_path):
    people(tmp_path)
    ids = [f"p{number}" for number in range(390)] + ["p0", "p1"]
    (tmp_path / "towns.csv").write_text("id,size\n" + "".join(f"{i},{k}\n" for k, i in enumerate(ids)))
    plan(
        tmp_path,
        PEOPLE.replace("  entity: id\n", "  join: [{data: sizes, on: id}]\n")
        + "- {name: sizes, kind: table, location: towns.csv, columns: {size: integer}}\n",
    )
    (tmp_path / "drivetrain.yaml").write_text(
        (tmp_path / "drivetrain.yaml").read_text().replace("levers:", "decision: {cases: people}\nlevers:")
    )
    findings = availability.check(load_spec(tmp_path))
    (twice,) = of(findings, "DA505")
    assert twice.affected == ("data.sizes: rows 1-2", "data.sizes: rows 391-392")
    (alone,) = of(findings, "DA506")
    assert alone.affected == ("rows 391-400",)


TEXTS = (
    """\
- name: mails
  kind: text
  location: data/mails.csv
  columns: {body: text}
  outcomes: {kind: {column: kind, values: [a, b], affected_by: []}}
"""
    + RIGHTS
)
SMALL = "the order was late and we have not seen it since please help me with this problem".split(" ")  # noqa: SIM905


def mail(seed: int, count: int = 40) -> list[str]:
    random = np.random.default_rng(seed)
    words = [f"word{number}" for number in range(400)]
    return [str(random.choice(SMALL if k % 2 else words)) for k in range(count)]


def write_mails(folder: Path, texts: list[str], kinds: list[str] | None = None) -> Spec:
    import csv

    (folder / "data").mkdir(exist_ok=True)
    with (folder / "data/mails.csv").open("w", newline="") as stream:
        rows = zip(texts, kinds or ["a", "b"] * (len(texts) // 2), strict=True)
        csv.writer(stream).writerows([["body", "kind"], *rows])
    return plan(folder, TEXTS)


def test_texts_that_are_empty_foreign_or_copied_are_named(tmp_path):
    texts = [" ".join(mail(seed)) for seed in range(300)]
    clean = availability.check(write_mails(tmp_path, texts))
    assert not [str(f) for f in clean if f.level in ("fail", "warn", "unknown")]
    texts[10:12] = ["...", " "]
    texts[20:25] = [
        "Die Lieferung ist nicht da und ich bin mit dem Service nicht zufrieden, bitte helfen Sie mir."
    ] * 1 + [
        f"Ich habe die Ware nicht bekommen und das ist für mich ein Problem, das Sie lösen müssen, Nummer {k}."
        for k in range(4)
    ]
    planted = []
    for k in range(20):
        words = mail(100 + k)
        words[3 + k % 30] = "changed"
        texts[200 + k] = " ".join(words)
        planted.append((100 + k, 200 + k))
    texts[250] = texts[50].upper()
    findings = availability.check(write_mails(tmp_path, texts))
    assert of(findings, "DA601")[0].affected == ("rows 11-12",)
    assert of(findings, "DA602")[0].affected == ("rows 21-25",)
    assert of(findings, "DA603")[0].affected == ("row 51", "row 251")
    lines = set(of(findings, "DA604")[0].affected)
    found = {(a, b) for a, b in planted if f"row {a + 1} ~ row {b + 1}" in lines}
    assert len(found) >= 0.9 * len(planted)
    strangers = [line for line in lines if line not in {f"row {a + 1} ~ row {b + 1}" for a, b in planted}]
    assert all("row 2" in line for line in strangers), "only the German texts are alike as well"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_a_text_with_a_few_words_changed_is_found_and_strangers_are_not(seed, changes):
    random = np.random.default_rng(seed)
    texts = [" ".join(mail(int(s), 60)) for s in random.integers(0, 2**31, 12)]
    words = texts[0].split()
    for _ in range(changes):
        words[int(random.integers(0, len(words)))] = "other"
    pairs = near_texts([*texts, " ".join(words)])
    assert pairs.tolist() == [[0, 12]]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The delivery was late and I have not heard from you since then.", "English"),
        ("Die Lieferung kam zu spät und ich habe von Ihnen nichts mehr gehört.", "German"),
        ("La livraison est en retard et je ne suis pas content avec vous.", "French"),
        ("El pedido no ha llegado y no se lo que pasa con la tienda.", "Spanish"),
        ("Доставка опоздала, и я ничего не знаю.", "Cyrillic"),
        ("配送が遅れています。", "Japanese"),
        ("ok", ""),
    ],
)
def test_languages_are_told_apart(text, name):
    assert language(text) == name


RATINGS = (
    """\
- name: stars
  kind: ratings
  location: data/stars.csv
  ratings: {user: user, item: item}
  outcomes: {taste: {column: rating, type: number, minimum: 1, maximum: 5, affected_by: []}}
"""
    + RIGHTS
)


def test_ratings_that_are_thin_double_or_skewed_are_named(tmp_path):
    random = np.random.default_rng(0)
    pairs = {(u, int(i)) for u in range(80) for i in random.choice(60, 20, replace=False)}
    rows = [f"u{u},i{i},{random.integers(1, 6)}" for u, i in sorted(pairs)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/stars.csv").write_text("\n".join(["user,item,rating", *rows]) + "\n")
    clean = availability.check(plan(tmp_path, RATINGS))
    assert not [str(f) for f in clean if f.level in ("fail", "warn", "unknown")]
    more = [f"v{k},i{k % 2},5" for k in range(4000)] + [rows[0], f"{rows[5].rsplit(',', 1)[0]},1", ",i3,4"]
    (tmp_path / "data/stars.csv").write_text("\n".join(["user,item,rating", *rows, *more]) + "\n")
    findings = availability.check(load_spec(tmp_path))
    thin = {f.facts["role"]: f for f in of(findings, "DA701")}
    assert (thin["user"].level, thin["user"].facts["thin"], thin["item"].level) == ("warn", 4000, "pass")
    assert of(findings, "DA702")[0].level == "warn"
    assert of(findings, "DA703")[0].facts["rows"] == 4
    assert of(findings, "DA704")[0].affected == (f"row {len(rows) + 4003}",)


def sound(path: Path, samples: np.ndarray, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def test_sounds_whose_names_the_pattern_does_not_fit_are_named(tmp_path):
    text = "- name: calls\n  kind: audio\n  location: data/calls\n  filename: '(?P<site>[a-z]+)-'\n" + RIGHTS
    for number, name in enumerate(["pond-1", "pond-2", "3", "mill-4"]):
        sound(tmp_path / f"data/calls/{name}.wav", 0.4 * np.sin(np.arange(800) * (0.1 + 0.05 * number)))
    [misfit] = of(availability.check(plan(tmp_path, text)), "DA407")
    assert misfit.affected == ("data/calls/3.wav",)
    assert "`site` is missing there" in misfit.what


def test_sounds_that_are_broken_silent_clipped_or_copied_are_named(tmp_path):
    text = (
        "- name: calls\n  kind: audio\n  location: data/calls\n"
        "  outcomes: {kind: {column: folder, values: [a, b], affected_by: []}}\n" + RIGHTS
    )
    random, time = np.random.default_rng(0), np.arange(8000) / 8000
    for number in range(60):
        tone = 0.4 * np.sin(2 * np.pi * (200 + 10 * number) * time) + 0.02 * random.standard_normal(8000)
        sound(tmp_path / f"data/calls/{'ab'[number % 2]}/{number:02d}.wav", tone)
    clean = availability.check(plan(tmp_path, text))
    assert not [str(f) for f in clean if f.level in ("fail", "warn", "unknown")]
    folder = tmp_path / "data/calls/a"
    for name, damage in {
        "00": lambda data: data[: len(data) // 2],
        "02": lambda data: b"",
        "04": lambda data: b"<html>" * 100,
        "06": lambda data: data[:30],
    }.items():
        path = folder / f"{name}.wav"
        path.write_bytes(damage(path.read_bytes()))
    sound(folder / "08.wav", 1e-5 * random.standard_normal(8000))
    sound(folder / "10.wav", 4 * np.sin(2 * np.pi * 300 * time))
    sound(folder / "12.wav", 0.3 * np.sin(2 * np.pi * 300 * time[:800]) + 0.01 * random.standard_normal(800))
    shutil.copy(folder / "14.wav", folder / "copy.wav")
    findings = availability.check(load_spec(tmp_path))
    named = {id: set(of(findings, id)[0].facts["files"]) for id in ("DA801", "DA802", "DA803", "DA805", "DA307")}
    assert named == {
        "DA801": {f"data/calls/a/{name}.wav" for name in ("00", "02", "04", "06")},
        "DA802": {"data/calls/a/08.wav"},
        "DA803": {"data/calls/a/10.wav"},
        "DA805": {"data/calls/a/12.wav"},
        "DA307": {"data/calls/a/14.wav", "data/calls/a/copy.wav"},
    }
    with wave.open(str(folder / "both.wav"), "wb") as stream:
        stream.setparams((2, 2, 8000, 8000, "NONE", ""))
        stream.writeframes((random.standard_normal(16000) * 2000).astype("<i2").tobytes())
    findings = availability.check(load_spec(tmp_path))
    (odd,) = of(findings, "DA804")
    assert odd.affected == ("data/calls/a/both.wav",)
    assert odd.facts["channels"] == {"1": 57, "2": 1}
    drawn = {one["id"]: one["pictures"] for one in samples(load_spec(tmp_path), load_spec(tmp_path).data[0], findings)}
    colours = {}
    for id in ("DA802", "DA803", "DA805"):
        shown = base64.b64decode(drawn[id][0][0]["data"].removeprefix("data:image/png;base64,"))
        colours[id] = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB")).reshape(-1, 3).tolist()
    red = [190, 30, 30]
    assert colours["DA803"].count(red) > 1000, "cut off: a block of it"
    assert red not in colours["DA802"]
    assert colours["DA802"].count([255, 255, 255]) > 0.95 * len(colours["DA802"]), "silent: a line"


LEVER = """\
drivetrain: 1
project: {name: Lots}
objective: {statement: Keep them., value: 1 - left}
levers:
  - name: offer
    type: options
    options: [nothing, call]
    limits: ["(offer == 'nothing') | consent"]
    history: {kind: randomised, column: offered, propensity: p}
data:
  - name: people
    kind: table
    location: data/people.parquet
    columns: {age: number, consent: boolean, offered: {type: category, role: logged}, p: {type: number, role: logged}}
    outcomes: {left: {column: gone, type: binary, affected_by: [offer]}}
    rights: {licence: own, personal: false}
    needs: {rows: 10}
"""


def offers(folder: Path, lie: str = "") -> Spec:
    random = np.random.default_rng(3)
    age, consent = random.normal(45, 12, 4000), random.random(4000) < 0.7
    chance = np.where(consent, np.where(age > 45, 0.7, 0.2), 0.0)
    if lie == "fair":
        chance = np.where(consent, 0.5, 0.0)
    called = random.random(4000) < chance
    p = np.where(called, chance, 1 - chance)
    if lie == "constant":
        p = np.where(consent, 0.5, 1.0)
    if lie == "zero":
        p[:3] = [0.0, -1.0, 1.5]
    columns = {"age": age, "consent": consent, "offered": np.where(called, "call", "nothing"), "p": p}
    (folder / "data").mkdir(exist_ok=True)
    pq.write_table(pa.table(columns | {"gone": random.random(4000) < 0.3}), folder / "data/people.parquet")
    (folder / "drivetrain.yaml").write_text(LEVER)
    return load_spec(folder)


def test_propensities_that_match_pass_and_others_fail(tmp_path):
    assert [f.level for f in of(availability.check(offers(tmp_path)), "DA211")] == ["pass"]
    (found,) = of(availability.check(offers(tmp_path, "constant")), "DA211")
    assert found.level == "fail"
    assert any("age = " in line and "`call`" in line for line in found.affected)
    (wrong,) = of(availability.check(offers(tmp_path, "zero")), "DA210")
    assert wrong.affected == ("rows 1-3",)


def test_a_lot_that_depends_on_what_was_known_is_none(tmp_path):
    offers(tmp_path)
    (tmp_path / "drivetrain.yaml").write_text(
        LEVER.replace(", propensity: p", "").replace(", p: {type: number, role: logged}", "")
    )
    (found,) = of(availability.check(load_spec(tmp_path)), "DA212")
    assert found.level == "fail"
    assert any(line.startswith("age = ") for line in found.affected)


@pytest.mark.parametrize(("chance", "level"), [(0.2, "pass"), (1 / 21, "fail")])
def test_a_fee_drawn_in_steps_of_five_has_the_chance_of_one_step(tmp_path, chance, level):
    random = np.random.default_rng(0)
    rows = {"age": random.normal(45, 12, 2000), "gone": random.random(2000) < 0.3}
    (tmp_path / "data").mkdir()
    pq.write_table(
        pa.table(rows | {"paid": random.choice([20, 25, 30, 35, 40], 2000)}), tmp_path / "data/people.parquet"
    )
    (tmp_path / "drivetrain.yaml").write_text(
        """
drivetrain: 1
project: {name: Gym}
objective: {statement: Members stay., value: "fee * (1 - gone)"}
levers:
  - name: fee
    type: integer
    minimum: 20
    maximum: 40
    step: 5
    policies: {do_nothing: "30", today: {column: paid}}
    history: {kind: randomised, column: paid, propensity: CHANCE}
data:
  - name: people
    kind: table
    location: data/people.parquet
    columns: {age: number, paid: {type: integer, role: logged}}
    outcomes: {gone: {column: gone, type: binary, affected_by: [fee]}}
""".replace("CHANCE", str(chance))
    )
    (found,) = of(availability.check(load_spec(tmp_path)), "DA211")
    assert found.level == level
    assert ("leave 5" in found.what) == (level == "fail")


def test_a_fair_lot_among_those_for_whom_it_was_drawn_is_one_though_limits_close_it_for_others(tmp_path):
    offers(tmp_path, "fair")
    plan = (tmp_path / "drivetrain.yaml").read_text()
    asked = "propensity: {unknown: Was it logged?, owner: Ann, due: 2027-01-01}"
    (tmp_path / "drivetrain.yaml").write_text(plan.replace("propensity: p", asked))
    (found,) = of(availability.check(load_spec(tmp_path)), "DA212")
    assert found.level == "pass"


def test_honest_lots_hardly_ever_raise_an_alarm(tmp_path):
    """200 honest experiments; at five standard errors and about 20 figures each, one alarm in 10,000 is expected."""
    spec = offers(tmp_path)
    alarms = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        age, consent = random.normal(45, 12, 1000), random.random(1000) < 0.7
        chance = np.where(consent, 0.3, 0.0)
        called = random.random(1000) < chance
        rows = {"age": age, "consent": consent, "offered": np.where(called, "call", "nothing"), "gone": age > 40}
        pq.write_table(pa.table(rows | {"p": np.where(called, chance, 1 - chance)}), tmp_path / "data/people.parquet")
        alarms += any(f.level == "fail" for f in of(availability.check(spec), "DA211"))
    assert alarms == 0


def test_the_learning_curve_says_how_many_more_labels_are_needed(tmp_path):
    rows = np.array([100.0, 200, 400, 800, 1600])
    truth = 0.02 + 2.0 * rows**-0.5
    low, middle, high = labels_needed(rows, truth, np.full(5, 0.001), 0.05)
    wanted = (2.0 / 0.03) ** 2
    assert low < wanted < high
    assert abs(np.log(middle / wanted)) < 0.3
    assert np.isinf(labels_needed(rows, truth, np.full(5, 0.0005), 0.01)[1]), (
        "below the floor, no number of labels helps"
    )


def coverage(curves: int) -> float:
    """Share of intervals that hold the truth, for curves whose floor, scale and rate are drawn anew."""
    rows = np.array([100.0, 200, 400, 800, 1600, 3200])
    covered = 0
    for seed in range(curves):
        random = np.random.default_rng(seed)
        floor, scale, rate = random.uniform(0, 0.03), random.uniform(1, 3), random.uniform(0.4, 0.6)
        error = floor + scale * rows**-rate
        noise = 0.02 * error
        target = floor + 0.7 * (error[-1] - floor)
        wanted = (scale / (target - floor)) ** (1 / rate)
        low, _, high = labels_needed(rows, error + noise * random.standard_normal(6), noise, target)
        covered += low <= wanted <= high
    return covered / curves


def test_the_interval_of_the_learning_curve_covers_the_truth():
    # 100 curves: 95 % less three standard errors of the share.
    assert coverage(100) >= 0.95 - 3 * (0.95 * 0.05 / 100) ** 0.5


@pytest.mark.full
def test_the_interval_of_the_learning_curve_covers_the_truth_in_2000_worlds():
    assert coverage(2000) >= 0.95 - 3 * (0.95 * 0.05 / 2000) ** 0.5


def test_the_check_reads_the_curve_from_the_evidence_of_training(tmp_path):
    people(tmp_path)
    spec = plan(tmp_path, PEOPLE)
    rows = np.array([50, 100, 200, 400])
    points = [{"rows": int(n), "error": float(0.02 + 1.5 * n**-0.5), "standard_error": 0.002} for n in rows]
    curve = {"metric": "error rate", "target": 0.06, "points": points}
    evidence.record(tmp_path, "train", {"models": {"reader": {"learning_curve": curve}}}, reads={}, data={})
    (found,) = of(availability.check(spec), "DA190")
    assert found.level == "warn"
    assert "more labels (95 % interval" in found.what
    low, _, high = found.facts["needed"]
    assert low <= (1.5 / 0.04) ** 2 <= high


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Pictures, some of them broken, and a table beside."""
    folder = tmp_path_factory.mktemp("mixed")
    people(folder)
    text = (
        "- {name: things, kind: images, location: data/things, "
        "outcomes: {what: {column: folder, values: [x, y], affected_by: []}}}\n"
    )
    spec = plan(folder, text)
    sample.write(spec)
    (folder / "drivetrain.yaml").write_text(
        HEAD.replace("levers:", "decision: {cases: people}\nlevers:") + PEOPLE + text
    )
    for path in sorted((folder / "data/things/x").iterdir())[:5]:
        path.write_bytes(path.read_bytes()[:-30])
    return folder


def test_two_processes_find_what_one_finds(mixed):
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    spec = load_spec(mixed)
    alone = availability.check(spec, cached=False)
    assert any(f.id == "DA401" and f.level == "fail" for f in alone)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert availability.check(spec, executor=executor, cached=False) == alone


@pytest.mark.full
def test_a_dask_cluster_finds_what_one_process_finds(mixed):
    from distributed import LocalCluster

    from drivetrain.availability.report import pool

    spec = load_spec(mixed)
    alone = availability.check(spec, cached=False)
    local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with local as cluster, pool(None, cluster.scheduler_address) as executor:
        assert availability.check(spec, executor=executor, cached=False) == alone


@pytest.mark.full
def test_no_scheduler_at_the_address_is_one_clear_message(mixed):
    from drivetrain.errors import EnvironmentFault

    with pytest.raises(EnvironmentFault, match=r"no Dask scheduler answers at `tcp://127\.0\.0\.1:1`"):
        availability.run(load_spec(mixed), ["--dask", "tcp://127.0.0.1:1"])


def test_a_logged_probability_that_never_changes_is_no_reason_to_take_it_out(tmp_path):
    people(tmp_path, p=[0.5] * 400)
    data = PEOPLE.replace("columns: {", "columns: {p: {type: number, role: logged}, ", 1)
    assert "role: logged" in data
    assert not of(availability.check(plan(tmp_path, data)), "DA502")
