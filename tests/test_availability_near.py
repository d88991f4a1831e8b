"""Near duplicates: the same picture compressed, resized, darkened or cropped is found, and strangers are not."""

import io
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_images

from drivetrain import availability
from drivetrain.availability.near import candidates, clusters
from drivetrain.spec import load_spec

PLAN = """
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
    needs: {per_class: 20}
"""


def tiles() -> list[Image.Image]:
    """Pieces of two real photographs that do not overlap; those that show nothing (sky, blur) left out."""
    found = []
    for photo in load_sample_images().images:
        picture = Image.fromarray(photo)
        for top in range(0, picture.height - 70, 70):
            for left in range(0, picture.width - 70, 70):
                tile = picture.crop((left, top, left + 70, top + 70)).resize((224, 224), Image.Resampling.BICUBIC)
                if np.asarray(tile.convert("L")).std() > 10:
                    found.append(tile)
    return found


def compressed(picture: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=40)
    return Image.open(io.BytesIO(stream.getvalue()))


CHANGES = {
    "compressed": compressed,
    "resized": lambda p: p.resize((p.width * 5 // 8, p.height * 5 // 8), Image.Resampling.BICUBIC),
    "darkened": lambda p: ImageEnhance.Brightness(p).enhance(0.6),
    "cropped": lambda p: p.crop((2, 2, p.width - 3, p.height - 3)),
    "cropped on one side": lambda p: p.crop((4, 0, p.width, p.height)),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Real tiles, each in one changed form beside."""
    folder = tmp_path_factory.mktemp("near")
    (folder / "drivetrain.yaml").write_text(PLAN)
    pairs = set()
    for number, tile in enumerate(tiles()):
        label = "ab"[number % 2]
        place = folder / f"data/photos/{label}"
        place.mkdir(parents=True, exist_ok=True)
        tile.save(place / f"{number:03d}.jpg", quality=92)
        if number % 2 == 0 or number % 3 == 0:
            name = list(CHANGES)[number % len(CHANGES)]
            CHANGES[name](tile).save(place / f"{number:03d}-{name.replace(' ', '-')}.jpg", quality=90)
            pairs.add(
                (f"data/photos/{label}/{number:03d}", f"data/photos/{label}/{number:03d}-{name.replace(' ', '-')}")
            )
    return folder, {tuple(sorted((f"{a}.jpg", f"{b}.jpg"))) for a, b in pairs}


def test_near_copies_of_photographs_are_found_and_hardly_anything_else(planted, record_property):
    folder, pairs = planted
    (found,) = [f for f in availability.check(load_spec(folder)) if f.id == "DA309"]
    reported = {tuple(sorted(pair)) for pair in found.facts["pairs"]}
    assert len(pairs) >= 40
    recall, precision = len(reported & pairs) / len(pairs), len(reported & pairs) / len(reported)
    record_property("figure", f"{recall:.1%} at {precision:.1%}")
    assert recall >= 0.9
    assert precision >= 0.99
    assert found.level == "fail", "some are on the other side of the split"


def test_a_near_copy_with_another_label_is_named(planted, tmp_path):
    shutil.copytree(planted[0], tmp_path, dirs_exist_ok=True)
    first = sorted((tmp_path / "data/photos/a").glob("*.jpg"))[0]
    changed = CHANGES["darkened"](Image.open(first))
    changed.save(tmp_path / "data/photos/b/wrong.png")
    (found,) = [f for f in availability.check(load_spec(tmp_path)) if f.id == "DA310"]
    assert {"data/photos/b/wrong.png", first.relative_to(tmp_path).as_posix()} <= set(found.facts["files"])


def brute(hashes: np.ndarray, distance: int) -> set[tuple[int, int]]:
    return {
        (a, b)
        for a, b in combinations(range(len(hashes)), 2)
        if (int(hashes[a]) ^ int(hashes[b])).bit_count() <= distance
    }


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60))
def test_hashes_that_differ_in_five_bits_or_fewer_are_always_found(seed, count):
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    copies = hashes[random.integers(0, count, count)]
    for _ in range(5):
        copies = copies ^ (np.uint64(1) << random.integers(0, 64, count, dtype=np.uint64))
    every = np.concatenate([hashes, copies])
    found = {tuple(pair) for pair in candidates(every, 5).tolist()}
    truth = brute(every, 5)
    assert found <= truth
    groups = clusters(len(every), np.array(sorted(found), np.int64).reshape(-1, 2))
    assert all(groups[a] == groups[b] for a, b in truth), "linked, be it through others"


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=60))
def test_clusters_are_what_chains_of_pairs_connect(count, pairs):
    pairs = [(a % count, b % count) for a, b in pairs]
    reached = {item: {item} for item in range(count)}
    for _ in range(count):
        for a, b in pairs:
            both = reached[a] | reached[b]
            for item in both:
                reached[item] = both
    wanted = [min(reached[item]) for item in range(count)]
    assert clusters(count, np.array(pairs, np.int64).reshape(-1, 2)).tolist() == wanted


def test_unchanged_files_are_not_read_again(planted, tmp_path, monkeypatch):
    shutil.copytree(planted[0], tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    spec = load_spec(tmp_path)
    first = availability.check(spec)
    from drivetrain.availability import images

    read: list[str] = []
    real = images.decoded
    monkeypatch.setattr(images, "decoded", lambda data: (read.append("x"), real(data))[1])
    assert availability.check(spec) == first
    assert not read
    changed = sorted((tmp_path / "data/photos/a").glob("*.jpg"))[3]
    changed.write_bytes(changed.read_bytes()[:-50])
    again = availability.check(spec)
    assert len(read) <= 1
    (broken,) = [f for f in again if f.id == "DA401"]
    assert broken.facts["files"] == [changed.relative_to(tmp_path).as_posix()]
    assert availability.check(spec) == again, "that a file cannot be read is remembered as well"


def test_what_was_read_before_a_stop_is_kept(planted, tmp_path, monkeypatch):
    shutil.copytree(planted[0], tmp_path, dirs_exist_ok=True)
    from drivetrain.availability import images, watch

    monkeypatch.setattr(watch, "FILES", 10)
    spec, seen = load_spec(tmp_path), []

    def stop(name: str, done: int, total: int) -> None:
        seen.append(done)
        if done >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        availability.check(spec, progress=stop)
    read: list[str] = []
    real = images.decoded
    monkeypatch.setattr(images, "decoded", lambda data: (read.append("x"), real(data))[1])
    availability.check(spec)
    total = len(list(Path(tmp_path / "data/photos").rglob("*.jpg")))
    assert len(read) == total - 50


def test_a_check_that_is_stopped_says_once_what_is_kept(planted, tmp_path, monkeypatch):
    from drivetrain.availability import images
    from drivetrain.cli import main

    def stop(data: bytes) -> None:
        raise KeyboardInterrupt

    shutil.copytree(planted[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(images, "decoded", stop)
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 130
    said = [line for line in done.stderr.splitlines() if line.strip() and "%" not in line and "/" not in line]
    assert said[-1] == "Stopped. What was read so far is kept: the next check goes on from there."
    assert done.stderr.count("Stopped") == 1
    assert "Aborted" not in done.output


def test_of_two_strangers_only_the_closer_one_is_the_same_as_a_third():
    """A small picture of a form hardly shows the numbers in which two forms differ."""
    from drivetrain.availability.alike import near_pairs
    from drivetrain.availability.images import Seen, record

    facts = np.zeros(3, record())
    facts["thumb"] = np.random.default_rng(0).integers(0, 255, 256)
    facts["digest"], facts["width"], facts["height"], facts["spread"] = [1, 2, 3], 600, 800, 40
    scores = {("page", "small"): 0.97, ("other", "small"): 0.8, ("other", "page"): 0.0}

    def compare(pairs: list[tuple[str, str]]) -> list[float]:
        return [scores[tuple(sorted(pair))] for pair in pairs]

    seen = Seen(facts, {})
    assert near_pairs(seen, ["page", "small", "other"], compare, lambda paths: np.zeros((len(paths), 96, 96))) == [
        (0, 1, 0.97)
    ]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 200), st.integers(0, 9))
def test_no_picture_that_resembles_another_is_left_out_for_speed(seed, count, noise):
    from drivetrain.availability.thumbs import NEAREST, RESEMBLING, normal, resembling

    random = np.random.default_rng(seed)
    few = random.normal(size=(1 + count // 4, 256))
    thumbs = few[random.integers(0, len(few), count)] * 30 + random.normal(size=(count, 256)) * 3 * noise + 128
    thumbs = np.clip(thumbs, 0, 255).astype(np.uint8)
    found = resembling(thumbs, random.integers(0, 2**64, count, dtype=np.uint64), np.arange(count))
    named = {tuple(pair) for pair in [*found.pairs.tolist(), *found.crowd.tolist()]}
    exact = normal(thumbs) @ normal(thumbs).T
    for one in range(count):
        others = [other for other in range(count) if other != one and exact[one, other] > RESEMBLING + 0.05]
        if len(others) <= NEAREST:
            assert all((min(one, other), max(one, other)) in named for other in others)


def test_copies_of_two_strangers_are_no_copies_of_each_other():
    """Two small pictures of two pages may fit; each is a copy of its own page, and the pages differ."""
    from drivetrain.availability.alike import near_pairs
    from drivetrain.availability.images import Seen, record

    random = np.random.default_rng(0)
    facts, form = np.zeros(4, record()), random.integers(30, 220, 256)
    facts["thumb"][:2], facts["thumb"][2:] = form, form + random.integers(-9, 9, 256)
    facts["digest"], facts["width"], facts["height"], facts["spread"] = [1, 2, 3, 4], 600, 800, 40
    pages = ["first", "first small", "second", "second small"]
    alike = {("first", "first small"): 0.98, ("second", "second small"): 0.99}
    # However the small ones are held against anything, little is to be seen in them; only the pages tell.
    scores = {(a, b): alike.get((a, b), 0.85) for a, b in combinations(pages, 2)} | {("first", "second"): 0.0}

    def compare(pairs: list[tuple[str, str]]) -> list[float]:
        return [scores[tuple(sorted(pair))] for pair in pairs]

    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 0, 3]):
        names, seen = [pages[place] for place in order], Seen(facts[order], {})
        pairs = near_pairs(seen, names, compare, lambda paths: np.zeros((len(paths), 96, 96)))
        assert {tuple(sorted((names[a], names[b]))) for a, b, _ in pairs} == set(alike)
