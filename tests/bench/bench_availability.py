"""What the check costs: wall time as a ratio to the floor or the peer, interleaved, medians, in one run.

Each figure comes from a process of its own that has imported what it needs and checked something tiny before its clock
starts; its memory is the most that the process ever held.

python tests/bench/bench_availability.py [--json FILE] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUNS = 3
PICTURES, FEW = 10_000, 2_000
ROWS, FEWER = 2_000_000, 400_000
HASHES = 1_000_000
QUICK = 20
"""Times less of everything with --quick, to see that it runs."""


def pictures(folder: Path, count: int) -> None:
    """JPEGs of 256 x 256 with soft shapes and some grain, as cameras make them: 5 to 20 kB each."""
    from PIL import Image

    random = np.random.default_rng(1)
    grain = [random.normal(0, 5, (256, 256, 1)).astype(np.float32) for _ in range(16)]
    for number in range(count):
        cells = int(random.integers(4, 40))
        coarse = Image.fromarray(random.integers(0, 255, (cells, cells, 3), dtype=np.uint8))
        soft = np.asarray(coarse.resize((256, 256), Image.Resampling.BICUBIC), np.float32) + grain[number % 16]
        path = folder / "data/photos" / "ab"[number % 2] / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(soft, 0, 255).astype(np.uint8)).save(path, quality=80)
    (folder / "drivetrain.yaml").write_text(
        "drivetrain: 1\nproject: {name: Photos}\nobjective: {statement: Tell a from b.}\n"
        "levers: [{name: show, type: options, options: [it, other]}]\n"
        "data:\n- {name: photos, kind: images, location: data/photos, needs: {per_class: 10},\n"
        "   outcomes: {kind: {column: folder, values: [a, b], affected_by: []}}}\n"
    )


def table(folder: Path, count: int, ending: str) -> None:
    """Twenty columns: id, time, ten numbers, five categories, a truth value, a lever's setting and a label."""
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    random = np.random.default_rng(2)
    columns = {"id": pa.array(np.arange(count)), "day": pa.array(np.arange(count) // 1000, pa.int64())}
    start = np.datetime64("2025-01-01T00:00:00")
    columns["day"] = pa.array(start + random.integers(0, 300 * 86400, count).astype("timedelta64[s]"))
    for number in range(10):
        columns[f"n{number}"] = pa.array(np.round(random.normal(50, 10, count), 3))
    for number in range(5):
        words = pa.array([f"word {letter}" for letter in "abcdefgh"[: number + 3]])
        columns[f"c{number}"] = words.take(pa.array(random.integers(0, number + 3, count)))
    columns["flag"] = pa.array(random.random(count) < 0.3)
    columns["offered"] = pa.array(["none", "call"]).take(pa.array(random.integers(0, 2, count)))
    columns["sold"] = pa.array(random.random(count) < 0.2)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    rows = pa.table(columns)
    if ending == "csv":
        csv.write_csv(rows, folder / "data/rows.csv")
    else:
        pq.write_table(rows, folder / "data/rows.parquet")
    declared = [f"n{n}: number" for n in range(10)] + [f"c{n}: category" for n in range(5)]
    (folder / "drivetrain.yaml").write_text(
        "drivetrain: 1\nproject: {name: Rows}\n"
        "objective: {statement: Sell., value: \"where(sold, 1, 0) - cost(offer)\"}\ndecision: {cases: rows}\n"
        "levers: [{name: offer, type: options, options: {none: {cost: 0}, call: {cost: 1}},\n"
        "  history: {kind: randomised, data: rows, column: offered, propensity: 0.5}}]\n"
        f"data:\n- {{name: rows, kind: table, location: data/rows.{ending}, entity: id, time: day, groups: [c0],\n"
        f"   columns: {{id: id, day: time, {', '.join(declared)}, flag: boolean,\n"
        "     offered: {type: category, role: logged}},\n"
        "   outcomes: {sold: {column: sold, type: binary, affected_by: [offer]}}, needs: {per_class: 100}}\n"
    )  # fmt: skip


def by_check(folder: Path) -> float:
    """Seconds of the whole check, pool included, with no cache."""
    from drivetrain import availability
    from drivetrain.spec import load_spec

    shutil.rmtree(folder / ".drivetrain", ignore_errors=True)
    return by_check_again(folder, lambda: availability.watched(load_spec(folder)))


def by_check_again(folder: Path, check: Callable[[], object] | None = None) -> float:
    """Seconds of the check as it stands, cache included."""
    from drivetrain import availability
    from drivetrain.spec import load_spec

    with tempfile.TemporaryDirectory() as small:  # imports what the check needs
        pictures(Path(small), 4)
        availability.watched(load_spec(Path(small)))
    begun = time.perf_counter()
    check() if check else availability.watched(load_spec(folder))
    return time.perf_counter() - begun


def by_pillow(folder: Path, colours: str = "L", side: int = 32) -> float:
    """Seconds of one process that decodes every file with Pillow's draft, as small as there is or as it is told."""
    from PIL import Image

    paths = sorted((folder / "data/photos").rglob("*.jpg"))
    Image.open(paths[0]).load()
    begun = time.perf_counter()
    for path in paths:
        with Image.open(path) as picture:
            picture.draft(colours, (side, side))
            picture.load()
    return time.perf_counter() - begun


def by_decoding(folder: Path, workers: int = 1) -> float:
    """Seconds of reading every file and decoding it strictly, as the check does, and nothing else."""
    from drivetrain.workers import pool

    paths = sorted(map(str, (folder / "data/photos").rglob("*.jpg")))
    parts = [paths[start : start + 256] for start in range(0, len(paths), 256)]
    decode_all(paths[:4])
    begun = time.perf_counter()
    with pool(workers, quick=True) as executor:
        for _ in executor.map(decode_all, parts) if executor else map(decode_all, parts):
            pass
    return time.perf_counter() - begun


def decode_all(paths: list[str]) -> None:
    """Read and decode files strictly at the smallest scale."""
    import simplejpeg

    for path in paths:
        data = Path(path).read_bytes()
        simplejpeg.decode_jpeg(
            data, colorspace="GRAY", fastdct=True, min_height=32, min_width=32, min_factor=1, strict=True
        )


def by_cleanvision(folder: Path) -> float:
    """Seconds of cleanvision looking for all it knows."""
    from cleanvision import Imagelab

    begun = time.perf_counter()
    Imagelab(data_path=str(folder / "data/photos"), verbose=False).find_issues(n_jobs=2, verbose=False)
    return time.perf_counter() - begun


def by_duckdb(folder: Path) -> float:
    """Seconds of DuckDB's SUMMARIZE."""
    import duckdb

    (path,) = (folder / "data").glob("rows.*")
    begun = time.perf_counter()
    duckdb.sql(f"SUMMARIZE SELECT * FROM '{path}'").fetchall()
    return time.perf_counter() - begun


def by_columns(folder: Path) -> float:
    """Seconds of Great Expectations asking of each column alone what the check asks of it, as people use it."""
    return by_expectations(folder, whole=False)


def by_expectations(folder: Path, *, whole: bool = True) -> float:
    """Seconds of Great Expectations asking what the check asks, as far as it can.

    Of each column whether it is filled in, varies, is in range, has quartiles to judge outliers by, has known values;
    whether rows are there twice; and whether each setting of the lever occurs in each context, which takes an
    expectation for each. It has none for the rest: splits, leaks, propensities, spelling.
    """
    import great_expectations as gx
    import pandas as pd

    (path,) = (folder / "data").glob("rows.*")
    begun = time.perf_counter()
    frame = pd.read_parquet(path)
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    asked = gx.ExpectationSuite("s")
    for name in frame.columns:
        asked.add_expectation(gx.expectations.ExpectColumnValuesToNotBeNull(column=name))
        asked.add_expectation(gx.expectations.ExpectColumnUniqueValueCountToBeBetween(column=name, min_value=2))
        if name.startswith("n"):
            quartiles = {"quantiles": [0.25, 0.5, 0.75], "value_ranges": [[0, 99], [0, 99], [0, 99]]}
            asked.add_expectation(
                gx.expectations.ExpectColumnQuantileValuesToBeBetween(column=name, quantile_ranges=quartiles)
            )
            asked.add_expectation(
                gx.expectations.ExpectColumnValuesToBeBetween(column=name, min_value=-99, max_value=199)
            )
        elif name.startswith("c"):
            words = [f"word {letter}" for letter in "abcdefgh"]
            asked.add_expectation(gx.expectations.ExpectColumnValuesToBeInSet(column=name, value_set=words))
    asked.add_expectation(gx.expectations.ExpectColumnValuesToBeUnique(column="id"))
    if whole:
        asked.add_expectation(gx.expectations.ExpectCompoundColumnsToBeUnique(column_list=list(frame.columns)))
    for context in contexts(frame) if whole else ():
        asked.add_expectation(
            gx.expectations.ExpectColumnDistinctValuesToContainSet(
                column="offered", value_set=["none", "call"], row_condition=context, condition_parser="pandas"
            )
        )
    batch.get_batch({"dataframe": frame}).validate(asked)
    return time.perf_counter() - begun


def contexts(frame: Any) -> list[str]:
    """Conditions for each value of a category, and for each tenth of a number."""
    found = [f'{name} == "{value}"' for name in frame if name.startswith("c") for value in frame[name].unique()]
    for name in frame:
        if name.startswith("n"):
            edges = [-1e9, *frame[name].quantile([0.2, 0.4, 0.6, 0.8]), 1e9]
            found += [f"{name} >= {low} and {name} < {high}" for low, high in pairwise(edges)]
    return found


def by_near(folder: Path, count: int) -> float:
    """CPU seconds of the whole search for near copies, as the check makes it, but for the files, which are not there.

    Hashes and thumbs of `count` pictures (power falls with the square of the frequency, as in photographs), one in a
    hundred of them in a single cluster; whoever opens a file is told at once whether two belong to it.
    """
    from drivetrain.availability import alike, images

    random = np.random.default_rng(3)
    facts, many = np.zeros(count, images.record()), count // 100
    rate = np.hypot(np.fft.fftfreq(16)[:, None], np.fft.fftfreq(16)[None])
    rate[0, 0] = np.inf
    for start in range(0, count, 5_000):
        waves = np.fft.fft2(random.normal(size=(min(5_000, count - start), 16, 16))) / rate
        soft = np.real(np.fft.ifft2(waves)).reshape(len(waves), -1)
        soft = 128 + 40 * soft / soft.std(1, keepdims=True)
        facts["thumb"][start : start + len(soft)] = np.clip(soft, 0, 255)
    facts["hash"] = random.integers(0, 2**64, count, dtype=np.uint64)
    facts["digest"], facts["spread"] = np.arange(count), 40
    facts["width"] = facts["height"] = 256
    facts["thumb"][:many] = np.clip(facts["thumb"][0] + random.normal(0, 2, (many, 256)), 0, 255)
    flips = np.zeros(many, np.uint64)
    for _ in range(3):
        flips |= np.uint64(1) << random.integers(0, 64, many).astype(np.uint64)
    facts["hash"][:many] = facts["hash"][0] ^ flips
    square = random.integers(0, 255, (96, 96))

    def compare(pairs: list[tuple[str, str]]) -> list[float]:
        return [float(int(one) < many and int(other) < many) for one, other in pairs]

    def look(paths: list[str]) -> NDArray[np.uint8]:
        grain = np.random.default_rng(len(paths)).normal(0, 9, (len(paths), 96, 96))
        return np.clip(square + grain, 0, 255).astype(np.uint8)

    begun = time.process_time()
    pairs = alike.near_pairs(images.Seen(facts, {}), [str(place) for place in range(count)], compare, look)
    spent = time.process_time() - begun
    assert np.bincount(alike.groups(count, pairs)).max() >= 0.99 * many, "the cluster must be found"
    return spent


MEASURES: dict[str, Callable[[Path], float]] = {
    "check": by_check,
    "again": by_check_again,
    "pillow": by_pillow,
    "draft": lambda folder: by_pillow(folder, "RGB", 224),
    "decoding": by_decoding,
    "shared": lambda folder: by_decoding(folder, 2),
    "cleanvision": by_cleanvision,
    "duckdb": by_duckdb,
    "columns": by_columns,
    "expectations": by_expectations,
    "near": lambda folder: by_near(folder, int(os.environ["COUNT"])),
}


def most_held() -> float:
    """The most memory that this process held, in kilobytes; ru_maxrss would count what its parent held as well."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return float(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def measured(name: str, folder: Path, **more: str) -> tuple[float, float]:
    """Seconds and megabytes of one measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | more)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    seconds, kilobytes = map(float, done.stdout.split()[-2:])
    return seconds, kilobytes / 1024


def medians(names: list[str], folder: Path, runs: int = RUNS) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds and largest megabytes of several measures, taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    memory = dict.fromkeys(names, 0.0)
    for _ in range(runs):
        for name in names:
            spent, held = measured(name, folder)
            seconds[name].append(spent)
            memory[name] = max(memory[name], held)
    return {name: statistics.median(spent) for name, spent in seconds.items()}, memory


def measure(scale: int) -> list[dict[str, object]]:
    """The figures beside what they should be."""
    rows: list[dict[str, object]] = []

    def row(what: str, value: float, **goal: float) -> None:
        rows.append({"what": what, "is": value, **goal})

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pictures(folder / "all", PICTURES // scale)
        time_, _ = medians(["pillow", "draft", "decoding", "shared", "check", "again"], folder / "all")
        row("check of 10,000 JPEGs of 256² / one process, Pillow's draft", time_["check"] / time_["pillow"], most=0.5)
        row("one process that decodes strictly and does nothing else / the same", time_["decoding"] / time_["pillow"])
        row("two that decode strictly and do nothing else / the same", time_["shared"] / time_["pillow"])
        row("check of them / one process, Pillow's draft for 224² in colour", time_["check"] / time_["draft"])
        row("the same again, nothing changed / the first time", time_["again"] / time_["check"], most=0.1)
        pictures(folder / "few", FEW // scale)
        time_, _ = medians(["cleanvision", "check"], folder / "few", 1)
        row("cleanvision / check, 2,000 JPEGs", time_["cleanvision"] / time_["check"], least=30)
        for ending in ("parquet", "csv"):
            table(folder / ending, ROWS // scale, ending)
            time_, memory = medians(["duckdb", "check"], folder / ending)
            name = "Parquet" if ending == "parquet" else "CSV"
            row(f"check of 2 M x 20 {name} / DuckDB's SUMMARIZE", time_["check"] / time_["duckdb"], most=1.5)
            row(f"check of 2 M x 20 {name}, MB", memory["check"], most=500)
        table(folder / "fewer", FEWER // scale, "parquet")
        time_, _ = medians(["expectations", "columns", "check"], folder / "fewer", 1)
        row("Great Expectations, asked of each column alone / check", time_["columns"] / time_["check"], least=5)
        row(
            "Great Expectations, asked the same as far as it can / check",
            time_["expectations"] / time_["check"],
            least=5,
        )
    ten, _ = measured("near", Path(), COUNT=str(HASHES // scale // 10))
    whole, held = measured("near", Path(), COUNT=str(HASHES // scale))
    row("near copies among 10^6 pictures, whole step, per item / 10^5", whole / 10 / ten, most=2)
    row("near copies among 10^6 pictures, whole step, MB", held, most=1000)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", nargs=2)
    asked = parser.parse_args()
    if asked.measure:
        name, folder = asked.measure
        spent = MEASURES[name](Path(folder))
        print(f"\n{spent} {most_held()}")
        return
    rows = measure(QUICK if asked.quick else 1)
    for one in rows:
        goal = next((f"at {word} {one[word]}" for word in ("most", "least") if word in one), "for reference")
        print(f"{one['what']!s:<62} {float(str(one['is'])):8.3f}  {goal}")
    if asked.json:
        asked.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
