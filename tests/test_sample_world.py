"""Synthetic data fit any plan: they pass its check, hold a known signal, and are the same for the same seed."""

import json
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain import availability, examples, sample, source
from drivetrain.errors import DataError
from drivetrain.spec import Spec, load_spec

CHURN = """
drivetrain: 1
project: {name: Retention}
objective:
  statement: Keep customers whom a call keeps.
  value: (1 - churned) * margin - cost(offer)
  guardrails: [{name: complaints, measure: "mean(complained, offer == 'call')", at_most: 0.04}]
levers:
  - name: offer
    type: options
    options: {nothing: {cost: 0}, call: {cost: 6}}
    limits: ["(offer == 'nothing') | consent"]
    policies: {do_nothing: nothing}
    history: {kind: randomised, data: customers, column: offered, propensity: p_offered, rows: test_cell}
data:
  - name: customers
    kind: table
    location: data/customers.parquet
    entity: customer
    time: week
    columns:
      tenure: {type: number, unit: months}
      months_left: {type: integer, unit: months}
      margin: {type: number, unit: EUR}
      consent: boolean
      region: {type: category, use: audit}
      offered: {type: category, role: logged}
      p_offered: {type: number, role: logged}
      test_cell: {type: boolean, role: logged}
      exit_reason: {type: category, known: after}
    outcomes:
      churned: {column: left, type: binary, delay: 90 days, affected_by: [offer]}
      complained: {column: complaint, type: binary, affected_by: [offer]}
    groups: [region]
    rights: {licence: own, personal: true, consent: contract}
    needs: {rows: 20000, per_setting: 2000, per_group: 500}
models:
  - {name: leaving, task: table-classification, predicts: churned}
"""

PRICING = """
drivetrain: 1
project: {name: Pricing}
objective: {statement: Earn., value: accept * (price - claims)}
decision: {cases: quotes}
levers:
  - name: price
    type: range
    minimum: 180
    maximum: 2400
    unit: EUR/year
    limits: ["abs(price / tariff - 1) <= 0.15"]
    policies: {do_nothing: {column: tariff}}
    history: {kind: randomised, data: quotes, column: quoted, propensity: density}
data:
  - name: quotes
    kind: table
    location: data/quotes.csv
    time: at
    columns:
      age: {type: number, unit: years}
      tariff: {type: number, unit: EUR/year}
      quoted: {type: number, role: logged}
      density: {type: number, role: logged}
    outcomes: {accept: {column: accepted, type: binary, affected_by: [price]}}
    join: [{data: policies, on: quote}]
    rights: {licence: own, personal: false}
    needs: {rows: 4000}
  - name: policies
    kind: table
    location: data/policies.csv
    outcomes: {claims: {column: eur, type: number, unit: EUR/year, minimum: 0, observed_when: accept, affected_by: []}}
    rights: {licence: own, personal: false}
    needs: {rows: 500}
models: [{name: demand, task: table-classification, predicts: accept, monotone: {price: decreasing}}]
"""

SHOP = """
drivetrain: 1
project: {name: Shelf}
objective: {statement: Sell., value: margin * buy}
decision: {cases: visits}
levers:
  - name: shelf
    type: ranking
    of: books
    slots: 3
    attention: [1, 0.7, 0.5]
    limits: ["(shelf == 0) | in_stock"]
    history: {kind: randomised, data: shown, column: place, propensity: p, rows: explored}
data:
  - name: visits
    kind: table
    location: data/visits.parquet
    entity: user
    time: at
    columns: {device: category}
    split: {by: time}
  - name: books
    kind: table
    location: data/books.csv
    entity: isbn
    columns: {margin: {type: number, unit: EUR}, in_stock: boolean}
  - name: stars
    kind: ratings
    location: data/ratings.csv
    ratings: {user: user, item: isbn}
    outcomes: {taste: {column: rating, type: number, minimum: 1, maximum: 5, affected_by: []}}
  - name: shown
    kind: table
    location: data/shown.parquet
    weight: weight
    columns:
      place: {type: integer, role: logged}
      p: {type: number, role: logged}
      explored: {type: boolean, role: logged}
    outcomes: {buy: {column: bought, type: binary, affected_by: [shelf]}}
    join: [{data: visits, on: visit}, {data: books, on: isbn}]
models:
  - {name: taste_model, task: ratings, predicts: taste}
  - {name: sales, task: table-classification, predicts: buy, inputs: [device, margin, shelf]}
"""

TICKETS = """
drivetrain: 1
project: {name: Tickets}
objective: {statement: Route., value: "-(queue != team)"}
levers:
  - {name: queue, type: options, options: [desk], options_from: {outcome: team}, history: {kind: human, column: first}}
data:
  - name: tickets
    kind: text
    location: data/tickets/*.csv
    columns: {subject: text, body: text, first: {type: category, role: logged}}
    outcomes: {team: {column: closed_by, values: [billing, network, hardware], affected_by: [], shaped_by: [queue]}}
    rights: {licence: own, personal: false}
    needs: {per_class: 200}
models: [{name: router, task: text-classification, predicts: team, inputs: [subject, body]}]
"""

FILES = """
drivetrain: 1
project: {name: Files}
objective: {statement: Tell., value: "where(kind == 'a', 1, 0)"}
levers: [{name: act, type: options, options: ["on", "off"]}]
data:
  - name: things
    kind: KIND
    location: data/things
    outcomes: {kind: {column: folder, values: [a, b, needs care], affected_by: []}}
    rights: {licence: own, personal: false}
    needs: {per_class: 12}
"""

PLANS = {"churn": CHURN, "pricing": PRICING, "shop": SHOP, "tickets": TICKETS} | {
    kind: FILES.replace("KIND", kind) for kind in ("images", "audio", "text", "images+text", "series")
}


FLOOD = """
drivetrain: 1
project: {name: Flood}
objective: {statement: Roads close in time., value: "where(road == 'closed', -20, -300 * area(water, 'water'))"}
levers: [{name: road, type: options, options: [open, closed]}]
data:
  - name: tiles
    kind: images
    location: data/tiles.csv
    columns: {photo: image, shape: image, region: {type: integer, minimum: 1, maximum: 90}}
    outcomes: {water: {column: shape, type: mask, values: [land, water, cloud], affected_by: []}}
    groups: [region]
    rights: {licence: own, personal: false}
    needs: {rows: 40, per_group: 5}
models: [{name: map, task: image-segmentation, predicts: water}]
"""

PUMPS = r"""
drivetrain: 1
project: {name: Pumps}
objective: {statement: Pumps run., value: "where(mend == 'now', -200, -2000 * fails)"}
levers: [{name: mend, type: options, options: [later, now], history: {kind: rule, column: mended}}]
data:
  - name: pumps
    kind: series
    location: data/pumps
    filename: '(?P<pump>p\d+)-(?P<failed>0|1)-(?P<mended>later|now)-(?P<day>\d{4}-\d{2}-\d{2})'
    columns: {pump: id, day: time, mended: {type: category, role: logged, values: [later, now]}}
    entity: pump
    time: day
    outcomes: {fails: {column: failed, type: binary, affected_by: [mend]}}
    rights: {licence: own, personal: false}
    needs: {rows: 60, per_class: 10, per_setting: 10}
models: [{name: wear, task: series-classification, predicts: fails, encode: {method: gramian}}]
"""

LIFTS = """
drivetrain: 1
project: {name: Lifts}
objective: {statement: Lifts run., value: "-where(days < 30, 900, 0) - cost(visit)"}
decision: {cases: lifts}
levers:
  - name: visit
    type: integer
    minimum: 0
    maximum: 3
    cost: "120 * visit"
    history: {kind: randomised, data: lifts, column: visits, propensity: p, rows: lot}
data:
  - name: lifts
    kind: table
    location: data/lifts.csv
    entity: lift
    time: at
    weight: w
    columns:
      age: {type: number, unit: years}
      visits: {type: integer, role: logged}
      p: {type: number, role: logged}
      lot: {type: boolean, role: logged}
    outcomes: {days: {column: ran, type: number, minimum: 0, event: failed, bins: [0, 30, 365], affected_by: [visit]}}
    split: {by: entity, hold_out: {maker: [maker d]}}
    rights: {licence: own, personal: false}
    needs: {rows: 2000, events: 300, per_setting: 100}
    join: [{data: trips, on: lift, as_of: hour, window: 30 days}, {data: houses, on: {house: id}, how: inner}]
  - {name: trips, kind: table, location: data/trips.parquet, time: hour, columns: {rides: integer}}
  - {name: houses, kind: table, location: data/houses.csv, entity: id, columns: {floors: integer}}
models: [{name: wear, task: table-classification, predicts: days, rows: lot}]
"""

LOANS = """
drivetrain: 1
project: {name: Loans}
objective: {statement: Lend to people who can pay., value: "where(lend == 'yes', where(repaid, 30, -400), 0)"}
levers: [{name: lend, type: options, options: ["no", "yes"], history: {kind: human, column: lent}}]
data:
  - name: asks
    kind: table
    location: data/asks/*.csv
    columns:
      job: {type: category, values: [a, b, c, d, e, f, g, h]}
      lent: {type: category, role: logged, values: ["no", "yes"]}
    outcomes: {repaid: {column: repaid, type: binary, delay: 1 year, affected_by: [], observed_when: "lent == 'yes'"}}
    groups: [job]
    split: {column: part}
    rights: {licence: own, personal: false}
    needs: {rows: 500, per_class: 400, per_group: 300}
models: [{name: paying, task: table-classification, predicts: repaid}]
"""

SACKS = """
drivetrain: 1
project: {name: Sacks}
objective: {statement: Grind well., value: "where(grain > 2, -5, 4) - price / 10"}
levers:
  - name: price
    type: integer
    minimum: 0
    maximum: 10
    step: 2
    history: {kind: randomised, column: was, propensity: p}
  - {name: gap, type: options, options_from: {outcome: flour}, policies: {today: {column: set_to}}}
data:
  - name: sacks
    kind: table
    location: data/sacks.csv
    columns: {mill: category, was: {type: integer, role: logged}, p: {type: number, role: logged}, set_to: category}
    outcomes:
      grain: {column: mm, type: number, bins: [0, 1, 2, 3, 5], affected_by: []}
      flour: {column: flour, values: [fine, rough], affected_by: []}
models: [{name: sieve, task: table-classification, predicts: grain}]
"""

BATS = """
drivetrain: 1
project: {name: Bats}
objective: {statement: Spare the rare., value: "-where(mill == 'run', where(bat == 'rare', 80, 0), 6)"}
levers:
  - name: mill
    type: options
    options: [run, stop]
    policies: {simple_rule: {formula: "where(site == 'ridge', 'stop', 'run')"}}
data:
  - name: calls
    kind: images
    location: "data/calls/*/*.png"
    filename: "/(?P<site>[a-z]+)-"
    columns: {site: category}
    outcomes: {bat: {column: folder, values: [none, rare], affected_by: []}}
models: [{name: ear, task: image-classification, predicts: bat}]
"""

PLANS |= {"flood": FLOOD, "pumps": PUMPS, "lifts": LIFTS, "loans": LOANS, "sacks": SACKS, "bats": BATS}


def written(folder: Path, text: str, seed: int = 42) -> Spec:
    (folder / "drivetrain.yaml").write_text(dedent(text).lstrip())
    spec = load_spec(folder)
    sample.write(spec, seed=seed)
    return spec


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", PLANS)
def test_sample_data_pass_the_check_of_their_plan(tmp_path, name):
    spec = written(tmp_path, PLANS[name])
    failed = [str(f) for f in availability.check(spec) if f.level == "fail"]
    assert not failed
    assert all(source.fingerprint(spec, s.name).synthetic for s in spec.data)


TABLES = ["book-recommender", "churn-retention", "insurance-pricing", "support-tickets"]
OTHERS = [pytest.param(name, marks=pytest.mark.full) for name in examples.names() if name not in TABLES]


@pytest.mark.parametrize("name", [*TABLES, *OTHERS])
def test_sample_data_pass_the_check_of_every_plan_of_the_gallery(tmp_path, name):
    spec = written(tmp_path, examples.path(name).read_text(encoding="utf-8"))
    found = availability.check(spec)
    assert not [str(f) for f in found if f.level == "fail"]
    assert not [str(f) for f in found if f.id == "DA128" and f.level != "pass"], "values outside of the plan's limits"


def test_masks_cover_what_the_pictures_show(tmp_path):
    from PIL import Image

    spec = written(tmp_path, FLOOD)
    rows = source.cases(spec).to_pandas()
    differs = []
    for photo, shape in zip(rows["photo"][:40], rows["shape"][:40], strict=True):
        mask = np.asarray(Image.open(tmp_path / shape))
        picture = np.asarray(Image.open(tmp_path / photo).convert("L"), float)
        assert set(np.unique(mask)) <= {0, 1, 2}
        assert 0.01 < (mask > 0).mean() < 0.7
        differs.append(picture[mask > 0].std() - picture[mask == 0].std())
    assert np.mean(differs) > 10, "stripes lie on the disc alone"


def test_what_a_folder_of_files_has_no_place_for_is_said_before_anything_is_written(tmp_path):
    plan = TICKETS.replace("location: data/tickets/*.csv", "location: data/tickets")
    with pytest.raises(DataError, match=r"have no place for `.*first`.*Name it in `filename`"):
        written(tmp_path, plan)
    assert [path.name for path in tmp_path.rglob("*")] == ["drivetrain.yaml"]


@pytest.mark.parametrize("name", ["churn", "pricing", "images", "audio", "flood", "pumps", "lifts"])
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path, name):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        folder.mkdir()
        written(folder, PLANS[name], seed)
    first, again, other = map(content, folders)
    assert first == again
    assert not {first[path] for path in first if path.startswith("data/")} & set(other.values())


def auc(score: np.ndarray, label: np.ndarray) -> float:
    rank = pd.Series(score).rank().to_numpy()
    positive = label.sum()
    return float((rank[label].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive)))


def test_settings_on_record_are_made_also_where_the_plan_does_not_call_their_columns_logged(tmp_path):
    plan = PRICING.replace("density: {type: number, role: logged}", "density: number")
    spec = written(tmp_path, plan)
    assert not [str(f) for f in availability.check(spec) if f.level == "fail"]


def test_a_lever_has_the_effect_that_the_truth_says(tmp_path):
    spec = written(tmp_path, CHURN)
    rows = source.cases(spec).to_pandas()
    cell = rows[rows.test_cell & rows.consent]
    called = cell.offered == "call"
    assert abs(called.mean() - 0.5) < 0.03, "drawn by lot among the allowed settings"
    np.testing.assert_allclose(cell.p_offered, 0.5)
    assert not rows[(rows.offered == "call") & ~rows.consent].size, "limits hold in the log"
    truth = json.loads((tmp_path / "data/sample-truth.json").read_text())["outcomes"]["churned"]
    assert truth["logit"]["levers"]["offer"]["settings"] == {"nothing": 0.0, "call": -0.9}
    effect = cell.churned[called].mean() - cell.churned[~called].mean()
    # The average effect that the written logits imply, computed on the same rows.
    score = sum(
        weight / 1.4 * standardised(rows[column])[cell.index] for column, weight in truth["logit"]["inputs"].items()
    )
    base = 1.4 * score + truth["logit"]["intercept"]
    lever = truth["logit"]["levers"]["offer"]
    assert lever["times"] == "0.5 - 1.5 tanh(0.7 score + 0.7 response)"
    response = sum(weight * standardised(rows[column])[cell.index] for column, weight in lever["response"].items())
    factor = 0.5 - 1.5 * np.tanh(0.7 * score + 0.7 * response)
    implied = (logistic(base - 0.9 * factor) - logistic(base)).mean()
    standard_error = np.sqrt(0.25 / called.sum() + 0.25 / (~called).sum())
    assert abs(effect - implied) < 4 * standard_error
    assert auc(score.to_numpy(), cell.churned.to_numpy()) > 0.7
    assert rows[rows.offered == "call"].complained.mean() < 0.04, "the guardrail can be kept"
    assert rows.exit_reason.notna().equals(rows.churned.astype(bool)), "known only after, so it gives the label away"


def logistic(x):
    return 1 / (1 + np.exp(-x))


def standardised(values):
    return (values.astype(float) - values.astype(float).mean()) / values.astype(float).std(ddof=0)


def test_a_price_lowers_demand_within_its_limits_and_claims_are_seen_only_where_sold(tmp_path):
    spec = written(tmp_path, PRICING)
    rows = source.cases(spec).to_pandas()
    relative = rows.quoted / rows.tariff
    assert relative.between(0.85 - 1e-3, 1.15 + 1e-3).mean() > 0.99
    assert rows.accept[relative < 0.95].mean() > rows.accept[relative > 1.05].mean() + 0.1
    assert rows.claims.notna().equals(rows.accept)
    # Within the limits all prices are equally likely: density times width is 1.
    width = np.minimum(2400, 1.15 * rows.tariff) - np.maximum(180, 0.85 * rows.tariff)
    assert abs((rows.density * width).median() - 1) < 0.05


def test_keys_of_joined_sources_match_and_places_matter(tmp_path):
    spec = written(tmp_path, SHOP)
    shown = source.cases(spec, "shown").to_pandas()
    assert shown.device.notna().all()
    assert shown.margin.notna().all()
    assert (shown.split != "").all()
    assert shown.buy[shown.place == 1].mean() > shown.buy[shown.place == 0].mean() + 0.15
    stars, books = source.table(spec, "stars").to_pandas(), source.table(spec, "books").to_pandas()
    assert set(stars.isbn) <= set(books.isbn)
    assert not stars.duplicated(["user", "isbn"]).any()
    assert stars.taste.between(1, 5).all()
    assert stars.groupby("isbn").taste.mean().std() > 0.3, "some books are better than others"


def test_words_tell_the_class_of_a_text(tmp_path):
    spec = written(tmp_path, TICKETS)
    rows = source.cases(spec).to_pandas()
    train, test = rows[rows.split == "train"], rows[rows.split == "test"]
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    words = CountVectorizer().fit(train.body)
    model = MultinomialNB().fit(words.transform(train.body), train.team)
    assert model.score(words.transform(test.body), test.team) > 0.75
    assert len(list((tmp_path / "data/tickets").glob("*.csv"))) == 3


def test_pictures_show_their_class(tmp_path):
    from PIL import Image
    from sklearn.linear_model import LogisticRegression

    spec = written(tmp_path, FILES.replace("KIND", "images").replace("per_class: 12", "per_class: 60"))
    rows = source.cases(spec).to_pandas()
    pixels = np.stack([np.asarray(Image.open(tmp_path / path).resize((12, 12)), float).ravel() for path in rows.image])
    train = (rows.split != "test").to_numpy()
    model = LogisticRegression(max_iter=500).fit(pixels[train] / 255, rows.kind[train])
    assert model.score(pixels[~train] / 255, rows.kind[~train]) > 0.8


NAMES = ["(?P<depot>[a-z]+)-\\d+\\.png", "^(?P<year>20[0-2]\\d)_(?P<who>[A-Z]{2})_(\\d{4})\\.jpe?g$", "\\d+"]


@pytest.mark.parametrize("pattern", NAMES)
def test_file_names_fit_the_pattern_of_the_plan(tmp_path, pattern):
    text = FILES.replace("KIND", "images").replace(
        "    location: data/things\n", f"    location: data/things\n    filename: '{pattern}'\n"
    )
    if pattern.startswith("^"):
        text = text.replace("column: folder", "column: who").replace("[a, b, needs care]", "[AA, BB, CC]")
        text = text.replace("kind == 'a'", "kind == 'AA'")
    spec = written(tmp_path, text)
    rows = source.cases(spec).to_pandas()
    assert not rows.path.duplicated().any()
    for group in ("depot", "year", "who"):
        if f"<{group}>" in pattern:
            values = rows["kind" if group == "who" else group]
            assert values.notna().all()
            assert values.nunique() == 3


def test_files_that_no_number_tells_apart_get_one_and_lie_in_the_folder_of_their_class(tmp_path):
    spec = written(tmp_path, BATS)
    rows = source.cases(spec).to_pandas()
    assert set(rows.bat) == {"none", "rare"}
    assert (rows.path.map(lambda path: Path(path).parent.name) == rows.bat).all()
    assert "ridge" in set(rows.site)  # the one that the plan speaks of


def test_settings_keep_to_the_steps_of_a_lever_and_to_its_names_and_numbers_to_their_bins(tmp_path):
    rows = source.cases(written(tmp_path, SACKS)).to_pandas()
    assert set(rows.was) == {0, 2, 4, 6, 8, 10}
    np.testing.assert_allclose(rows.p, 1 / 6, atol=1e-6)
    assert set(rows.set_to) == {"fine", "rough"}
    assert rows.grain.between(0, 5, inclusive="neither").mean() > 0.95
    assert 0.1 < (rows.grain > 2).mean() < 0.9


ATOMS = st.sampled_from(
    ["a", "\\d", "\\w", "[a-f]", "(?:x|yz)", "\\.", "b*", "c{2,3}", "(?P<g>[0-9]{3})?", "[^/]", "-+"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ATOMS, min_size=1, max_size=8, unique=True), st.integers(1, 9999))
def test_a_name_is_found_by_the_pattern_that_it_was_made_from(atoms, number):
    import re

    from drivetrain.sample.naming import fitting

    pattern = "".join(atoms)
    assert re.search(pattern, fitting(pattern, number, {}, np.random.default_rng(0)))


def test_what_rows_look_back_at_lies_within_the_window_before_them(tmp_path: Path) -> None:
    plan = """
    drivetrain: 1
    project: {name: Beds}
    objective: {statement: s}
    levers: []
    decision: {cases: beds}
    data:
      - name: probes
        kind: table
        location: data/probes.parquet
        columns: {bed_id: id, measured: time, soil: {type: number, minimum: 3, maximum: 9}}
      - name: beds
        kind: table
        location: data/beds.csv
        time: day
        columns: {bed: id, day: time, moisture: number}
        outcomes: {kg: {column: kg, type: number, affected_by: []}}
        join: [{data: probes, on: {bed: bed_id}, as_of: measured, window: 2 days}]
        needs: {max_age: 400 days}
    """
    (tmp_path / "drivetrain.yaml").write_text(dedent(plan))
    spec = load_spec(tmp_path)
    sample.write(spec)
    soil = source.cases(spec)["soil"]
    assert soil.null_count == 0, "each bed has a reading of the two days before"
    assert len(set(soil.to_pylist())) > len(soil) / 2


HULLS = """
drivetrain: 1
project: {name: Hulls}
objective: {statement: s, value: "where((weld == 'no') & (thickness < 4), -900, 0)"}
levers: [{name: weld, type: options, options: ["no", "yes"]}]
decision: {cases: echoes}
data:
  - name: echoes
    kind: audio
    location: data/echoes
    filename: "/(?P<ship>[a-z]+)_(?P<taken>\\\\d{4}-\\\\d{2}-\\\\d{2})"
    columns: {ship: id, taken: time}
    time: taken
    join: [{data: plates, on: {stem: recording}}, {data: docks, on: ship, as_of: entered, window: 30 days}]
  - name: plates
    kind: table
    location: data/plates.csv
    columns: {recording: id, age: number}
    outcomes: {thickness: {column: mm, type: number, bins: [0, 4, 8, 12], affected_by: []}}
  - {name: docks, kind: table, location: data/docks.csv, time: entered, columns: {ship: id, berth: integer}}
models: [{name: ear, task: audio-classification, predicts: thickness}]
"""


def test_tables_are_joined_to_files_by_the_names_that_the_files_really_have_and_look_back_from_their_dates(tmp_path):
    spec = written(tmp_path, HULLS)
    rows = source.cases(spec).to_pandas()
    assert rows.thickness.notna().all()
    assert rows.ship.notna().all()  # the pattern wants a folder before the ship, and gets one
    assert (rows.path.map(lambda path: Path(path).stem) == rows.stem).all()
    assert rows.berth.notna().all()
    assert not [str(finding) for finding in availability.check(spec) if finding.level == "fail"]


def test_a_row_that_has_not_ended_holds_less_than_it_comes_to(tmp_path):
    ended = source.cases(written(tmp_path, LIFTS)).to_pandas().groupby("failed")["days"].median()
    assert ended[False] < 0.7 * ended[True]


def test_all_that_is_rated_is_rated_some_times(tmp_path):
    plan = """
    drivetrain: 1
    project: {name: Films}
    objective: {statement: s}
    levers: []
    decision: {cases: views}
    data:
      - name: views
        kind: ratings
        location: data/views.csv
        ratings: {user: member, item: film}
        outcomes: {stars: {column: stars, type: number, minimum: 1, maximum: 5, affected_by: []}}
        join: [{data: films, on: {film: title}}]
      - {name: films, kind: table, location: data/films.csv, columns: {title: id, minutes: number}}
    """
    spec = written(tmp_path, plan)
    assert not [
        str(finding) for finding in availability.check(spec) if finding.id == "DA112" and finding.level != "pass"
    ]
