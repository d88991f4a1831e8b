"""Every task of the plan language: its signal is learned, and what is served is what was learned.

One project trains all of them; the tests load what it left behind in a process that has not seen the training.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from projects import TEMPLATE, make, train
from sklearn import metrics
from trainable import MEDIA, ROWS, plan, visits, write

from drivetrain import artifact, audit, evidence
from drivetrain.errors import DataError
from drivetrain.spec import Spec
from drivetrain.spec.models import Task

pytestmark = pytest.mark.train


class Trained:
    """The projects with rows and with media, each trained when it is first asked for."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._specs: dict[str, Spec] = {}

    def __call__(self, model: str) -> Spec:
        kind, models = ("media", MEDIA) if model in MEDIA else ("rows", ROWS)
        if kind not in self._specs:
            folder = self._factory.mktemp(kind)
            write(folder)
            # Learners refer to their package, so the two projects need packages of their own.
            spec = make(folder, plan(models).replace("name: Shapes", f"name: {kind}"))
            done = train(spec)
            assert done.returncode == 0, done.stderr
            self._specs[kind] = spec
            sys.path.insert(0, str(folder))
        return self._specs[kind]

    def result(self, model: str) -> Any:
        found = evidence.read(self(model).root, "train")
        assert found is not None
        return found.result["models"][model]

    def forget(self) -> None:
        for spec in self._specs.values():
            sys.path.remove(str(spec.root))
            for name in [name for name in sys.modules if name.split(".")[0] == spec.package]:
                del sys.modules[name]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    found = Trained(tmp_path_factory)
    yield found
    found.forget()


def load(trained: Trained, name: str) -> artifact.Predictor:
    spec = trained(name)
    return artifact.load(spec.root / "artifacts" / name, root=spec.root)


def held_out(trained: Trained, name: str) -> pd.DataFrame:
    from drivetrain.training import rows

    frame = rows(trained(name), trained(name).model(name))
    return frame[frame["split"] == "test"].reset_index(drop=True)


def asked(predictor: artifact.Predictor, frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {name: frame[name].tolist() for name in predictor.inputs}


def test_there_is_a_learner_for_every_task() -> None:
    files = {path.stem.replace("_", "-") for path in (TEMPLATE / "learners").glob("*.py")}
    assert files == set(get_args(Task))


@pytest.mark.parametrize("name", [*ROWS, *(pytest.param(name, marks=pytest.mark.full) for name in MEDIA)])
def test_the_service_gives_what_the_learner_gives(name: str, trained: Trained) -> None:
    from drivetrain.training import load_learner

    predictor = load(trained, name)
    frame = held_out(trained, name)
    arms = predictor.manifest.get("arms", {}).get("settings", {None: None})
    for setting in arms:
        rows = frame if setting is None else frame[frame["sort"] == setting].reset_index(drop=True)
        learn = load_learner(trained(name).root / "artifacts" / name, setting)
        with learn.no_bar(), learn.no_logging():
            learned = learn.get_preds(dl=learn.dls.test_dl(rows))[0].numpy()
        logits = predictor.logits(asked(predictor, rows))
        entry = predictor.manifest["outcomes"][predictor.manifest["predicts"][0]]
        if entry["type"] == "number" and "edges" not in entry:
            served, unit = logits[:, 0], frame[predictor.manifest["predicts"][0]].std()
        elif entry["type"] == "mask":
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            served, unit = powers / powers.sum(axis=1, keepdims=True), 1.0
        else:
            served, unit = next(iter(predictor.predict(asked(predictor, rows)).values())).probabilities, 1.0
        assert np.abs(served - learned.reshape(served.shape)).max() / unit <= 1e-4


@pytest.mark.parametrize(
    ("name", "figure", "margin"),
    [
        ("listener", "accuracy", 0.3),
        pytest.param("tagger", "auroc", 0.15, marks=pytest.mark.full),
        pytest.param("reader", "accuracy", 0.3, marks=pytest.mark.full),
        pytest.param("ear", "accuracy", 0.3, marks=pytest.mark.full),
        pytest.param("eye", "accuracy", 0.3, marks=pytest.mark.full),
    ],
)
def test_it_is_better_than_knowing_only_the_shares(name: str, figure: str, margin: float, trained: Trained) -> None:
    found = trained.result(name)["metrics"]["held_out"]
    shares = {"auroc": 0.5, "accuracy": 0.5 if name != "reader" else 0.25}[figure]
    assert found[figure] >= shares + margin


@pytest.mark.parametrize(
    ("name", "figure", "share"),
    [
        ("shelf", "mean_absolute_error", 0.5),
        ("fan", "log_loss", 0.6),
        pytest.param("ruler", "mean_absolute_error", 0.8, marks=pytest.mark.full),
        pytest.param("tracer", "area_error", 0.9, marks=pytest.mark.full),
    ],
)
def test_its_error_is_a_share_of_the_baselines(name: str, figure: str, share: float, trained: Trained) -> None:
    found, rival = trained.result(name)["metrics"], trained.result(name)["baseline"]["metrics"]
    assert found["held_out"][figure] <= share * rival["held_out"][figure]


def test_the_baseline_of_what_was_liked_is_how_often_the_item_was(trained: Trained) -> None:
    from drivetrain.training import rows

    frame = rows(trained("fan"), trained("fan").model("fan"))
    train, held = frame[frame["split"] == "train"], held_out(trained, "fan")
    overall = (train["again"] == "true").mean()
    likes = train.assign(yes=train["again"] == "true").groupby("book")["yes"].agg(["sum", "count"])
    said = held["book"].map((likes["sum"] + overall) / (likes["count"] + 1)).fillna(overall)
    found = trained.result("fan")["baseline"]["metrics"]["held_out"]["log_loss"]
    assert found == pytest.approx(metrics.log_loss(held["again"] == "true", said))


@pytest.mark.parametrize(("form", "deviance"), [("poisson", "mean_poisson_deviance"), ("gamma", "mean_gamma_deviance")])
def test_the_loss_of_a_form_is_half_its_deviance(form: str, deviance: str) -> None:
    import torch

    from drivetrain.training.numbers import DevianceLoss

    rng = np.random.default_rng(0)
    mean, y = rng.gamma(2, 30, 200), rng.poisson(40, 200) + (form == "gamma")
    found = DevianceLoss(form)(torch.tensor(mean)[:, None], torch.tensor(y, dtype=torch.float64))
    assert float(found) == pytest.approx(getattr(metrics, deviance)(y, mean) / 2)
    assert float(DevianceLoss(form)(torch.tensor(y * 1.0), torch.tensor(y * 1.0))) == pytest.approx(0, abs=1e-12)


def test_numbers_come_with_a_spread_that_covers(trained: Trained) -> None:
    for name in ("purse", "phone"):
        figures = trained.result(name)["metrics"]["held_out"]
        # 300 held-out rows: three standard errors of a share of 0.9 are 0.05; counts are coarse, so they cover more.
        assert 0.84 <= figures["coverage_90"] <= 0.99, name
        assert figures["crps"] < trained.result(name)["baseline"]["metrics"]["held_out"]["crps"] * 1.1, name


def test_the_mean_of_a_number_is_that_of_the_law(trained: Trained) -> None:
    predictor = load(trained, "purse")
    found = predictor.predict({"region": ["north", "south"], "age": [40, 40]})["spent"]
    assert found.quantiles is not None
    law = np.array([60, 120]) * np.exp(0.3**2 / 2)
    np.testing.assert_allclose(found.quantiles.mean(axis=1), law, rtol=0.15)
    assert (np.diff(found.quantiles, axis=1) >= 0).all()
    assert (found.quantiles >= 0).all()


def test_censored_rows_are_not_taken_for_short_ones(trained: Trained) -> None:
    found = load(trained, "bed").predict({"region": ["south"], "age": [45]})["stay"]
    assert found.quantiles is not None
    # The law: an exponential with mean 4, of which the bins see the part below 8.
    law = 1 - np.exp(-np.array([1.0, 2.0, 4.0]) / 4)
    said = (found.quantiles[0] <= np.array([[1.0], [2.0], [4.0]])).mean(axis=1)
    np.testing.assert_allclose(said, law, atol=0.12)
    frame = visits()
    south = frame[frame["region"] == "south"]
    naive = (south["stay"] <= 2).mean()
    assert said[1] < naive - 0.1  # who takes every end of watching for an end of staying is far off
    figures = trained.result("bed")["metrics"]["held_out"]
    assert figures["censored"] > 50
    assert figures["log_loss"] < trained.result("bed")["baseline"]["metrics"]["held_out"]["log_loss"]
    assert figures["concordance"] > 0.55


def test_each_setting_has_a_learner_of_its_own(trained: Trained) -> None:
    predictor = load(trained, "door")
    assert predictor.inputs == ("region", "age", "sort")
    young, old = (
        predictor.predict({"region": ["north"] * 2, "age": [age] * 2, "sort": ["use", "leave"]})["came"].probabilities
        for age in (25, 65)
    )
    assert young[0, 1] > young[1, 1] + 0.3  # sorting helps the young
    assert old[0, 1] < old[1, 1] - 0.3  # and drives the old away
    with pytest.raises(DataError, match="case 1: sort"):
        predictor.predict({"region": ["north"] * 2, "age": [25] * 2, "sort": ["use", "other"]})


@pytest.mark.full
def test_images_with_texts_use_both(trained: Trained) -> None:
    predictor = load(trained, "reader")
    frame = held_out(trained, "reader")
    cases = asked(predictor, frame)
    truth = frame["kind"].to_numpy()

    def right(changed: dict[str, list[Any]]) -> float:
        return float(np.mean(np.array(predictor.predict(cases | changed)["kind"].likeliest) == truth))

    whole = right({})
    other_pictures = right({"image": cases["image"][1:] + cases["image"][:1]})
    other_texts = right({"caption": cases["caption"][1:] + cases["caption"][:1]})
    assert whole >= other_pictures + 0.2
    assert whole >= other_texts + 0.2


@pytest.mark.full
def test_a_text_is_read_the_same_beside_a_longer_one(trained: Trained) -> None:
    predictor = load(trained, "reader")
    cases = asked(predictor, held_out(trained, "reader"))
    alone = {name: values[:1] for name, values in cases.items()}
    longer = cases["caption"][1] + " and a letter" * 60
    beside = {"image": cases["image"][:2], "caption": [cases["caption"][0], longer]}
    first, second = (predictor.logits(given)[0] for given in (alone, beside))
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_who_never_rated_is_out_of_domain(trained: Trained) -> None:
    predictor = load(trained, "shelf")
    scores = predictor.scores({"user": ["u1", "nobody", "nobody"], "book": ["b1", "b1", "nothing"]})
    assert scores.tolist() == [0, 1, 2]
    assert predictor.manifest["out_of_domain"]["score"] == "unknown"


def test_strange_cases_score_above_usual_ones(trained: Trained) -> None:
    predictor = load(trained, "purse")
    usual = predictor.scores({"region": ["north", "south"], "age": [30, 60]})
    strange = predictor.scores({"region": ["north"], "age": [900]})
    threshold = predictor.manifest["out_of_domain"]["threshold"]
    assert usual.max() <= threshold < strange[0]


@pytest.mark.full
def test_a_sound_may_come_as_bytes_path_or_samples(trained: Trained) -> None:
    predictor = load(trained, "ear")
    path = sorted((trained("ear").root / "data/sounds/high").iterdir())[0]
    by_path, by_bytes = (predictor.predict({"audio": [value]})["pitch"] for value in (path, path.read_bytes()))
    np.testing.assert_array_equal(by_path.probabilities, by_bytes.probabilities)
    assert by_path.likeliest == ["high"]
    with pytest.raises(DataError, match="case 0: audio"):
        predictor.predict({"audio": [b"no sound"]})


@pytest.mark.full
def test_a_series_may_come_as_file_or_as_values(trained: Trained) -> None:
    predictor = load(trained, "eye")
    path = sorted((trained("eye").root / "data/motions/turn").iterdir())[0]
    values = pd.read_csv(path).to_dict("list")
    first, second = (predictor.predict({"motions": [value]})["move"] for value in (path, values))
    np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-6)
    with pytest.raises(DataError, match="channel `y`"):
        predictor.predict({"motions": [{"x": [1.0, 2.0]}]})


@pytest.mark.full
def test_the_area_of_a_mask_is_foretold(trained: Trained) -> None:
    found = load(trained, "tracer").predict({"image": held_out(trained, "tracer")["image"].tolist()})["outline"]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-9)
    assert found.classes == ("ground", "shape")


def test_a_manifest_holds_no_path_of_this_machine(trained: Trained) -> None:
    for name in ROWS:
        root = trained(name).root
        assert str(root) not in (root / "artifacts" / name / "manifest.json").read_text()


def by_group(trained: Trained, model: str, outcome: str, *columns: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What the audit says of each group: rows and figures."""
    [entry] = [m for m in audited(trained, model)["models"] if (m["model"], m["outcome"]) == (model, outcome)]
    [table] = [t for t in entry["by_group"] if t["columns"] == list(columns)]
    return {tuple(row["group"].values()): row | {"entry": entry} for row in table["groups"]}


def audited(trained: Trained, model: str) -> dict[str, Any]:
    root = trained(model).root
    found = evidence.read(root, "audit")
    return dict(found.result) if found else audit.run(trained(model))


class TestTheAudit:
    """Figures of what training really writes, against scikit-learn on what is really served."""

    @pytest.mark.parametrize("region", ["north", "south"])
    def test_a_number_by_group(self, region: str, trained: Trained) -> None:
        frame = held_out(trained, "purse")
        frame = frame[frame["region"] == region]
        said = load(trained, "purse").predict(asked(load(trained, "purse"), frame))["spent"]
        row = by_group(trained, "purse", "spent", "region")[(region,)]
        figures = {name: figure["value"] for name, figure in row["figures"].items()}
        assert row["rows"] == len(frame)
        assert figures["absolute error"] == pytest.approx(
            metrics.mean_absolute_error(frame["spent"], said.quantiles.mean(axis=1))
        )
        expected = metrics.root_mean_squared_error(frame["spent"], said.quantiles.mean(axis=1))
        assert figures["root mean squared error"] == pytest.approx(expected)
        low, high = np.quantile(said.quantiles, [0.05, 0.95], axis=1)
        assert figures["inside the 90 % range"] == pytest.approx(frame["spent"].between(low, high).mean())

    def test_numbers_are_audited_in_bands(self, trained: Trained) -> None:
        found = by_group(trained, "purse", "spent", "age")
        assert len(found) == 4
        assert sum(row["rows"] for row in found.values()) == 300
        assert min(row["rows"] for row in found.values()) > 50

    def test_the_classes_of_a_model_with_a_learner_per_setting(self, trained: Trained) -> None:
        frame = held_out(trained, "door")
        predictor = load(trained, "door")
        said = predictor.predict(asked(predictor, frame.assign(sort=frame["sorted_as"])))["came"].probabilities[:, 1]
        for (region,), row in by_group(trained, "door", "came", "region").items():
            at = (frame["region"] == region).to_numpy()
            truth, chosen = frame["came"].astype(str).str.lower().eq("true").to_numpy()[at], said[at] > 0.5
            assert row["figures"]["true positive rate"]["value"] == pytest.approx(metrics.recall_score(truth, chosen))
            assert row["figures"]["selection rate"]["value"] == pytest.approx(chosen.mean())
            assert row["figures"]["calibration gap"]["value"] == pytest.approx((said[at] - truth).mean(), abs=1e-6)

    def test_censored_rows_are_left_out_and_counted(self, trained: Trained) -> None:
        table = visits()
        test = table[table["part"] == "test"]
        [entry] = [m for m in audited(trained, "bed")["models"] if m["model"] == "bed"]
        assert (entry["rows"], entry["censored"]) == (test["ended"].sum(), (~test["ended"]).sum())
        assert any(f["id"] == "DU104" for f in audited(trained, "bed")["findings"])

    def test_ratings(self, trained: Trained) -> None:
        frame = held_out(trained, "shelf")
        said = load(trained, "shelf").predict(asked(load(trained, "shelf"), frame))["taste"].quantiles.mean(axis=1)
        [entry] = [m for m in audited(trained, "shelf")["models"] if m["model"] == "shelf"]
        found = entry["overall"]["figures"]["root mean squared error"]["value"]
        assert found == pytest.approx(metrics.root_mean_squared_error(frame["taste"], said))

    @pytest.mark.fuzz
    def test_each_label_and_each_area(self, trained: Trained) -> None:
        frame, tagger = held_out(trained, "tagger"), load(trained, "tagger")
        said = tagger.predict(asked(tagger, frame))["tags"]
        for place, label in enumerate(said.classes):
            truth = np.array([label in labels for labels in frame["tags"]])
            for (few,), row in by_group(trained, "tagger", f"tags: {label}", "few").items():
                at = (frame["few"] == (few == "true")).to_numpy()
                expected = metrics.accuracy_score(truth[at], said.probabilities[at, place] > 0.5)
                assert row["figures"]["accuracy"]["value"] == pytest.approx(expected)
        [area] = [m for m in audited(trained, "tracer")["models"] if m["outcome"] == "outline: area of shape"]
        measured = trained.result("tracer")["metrics"]["held_out"]["area_error_by_class"]["shape"]
        assert area["overall"]["figures"]["absolute error"]["value"] == pytest.approx(measured)
