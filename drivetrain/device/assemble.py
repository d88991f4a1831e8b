"""`make device`: the networks under the plan's limits, the runtime and the contract, whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain import artifact, evidence, policy, source
from drivetrain.artifact import images
from drivetrain.artifact.manifest import put
from drivetrain.decision import world
from drivetrain.decision.compare import Fitted, optimized, reference, worth
from drivetrain.decision.engine import JUDGED
from drivetrain.decision.evaluate import mean_of
from drivetrain.device import contract as contracts
from drivetrain.device.payoffs import payoffs
from drivetrain.device.smaller import quantise
from drivetrain.errors import DataError, EnvironmentFault, PolicyError

if TYPE_CHECKING:
    from drivetrain.decision import World
    from drivetrain.spec import Spec

MARGIN = 0.01
"""What 8 bits may cost: this share of what the policy gains over the better of `do_nothing` and `today`; of the mean
size of a case's value where neither is stated or nothing is gained. The upper end of the 95 % interval counts."""
CALIBRATION = 100
"""Pictures that the ranges of the activations come from."""
RUNS = 20
"""Runs of the network that the time is the median of."""
RUNTIME = Path("deploy/device/node_modules/onnxruntime-web/dist")
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Network:
    """A network that could go onto the device.

    Attributes:
        path: The file.
        megabytes: Its size, in millions of bytes.
        milliseconds: Preparation and network for one picture on one processor of this machine.
    """

    path: Path
    megabytes: float
    milliseconds: float

    def over(self, max_mb: float | None, max_ms: float | None) -> list[str]:
        """The limits that it breaks, in words."""
        found = []
        if max_mb is not None and self.megabytes > max_mb:
            found.append(f"{self.megabytes:.2f} MB, and the plan allows {max_mb:g}")
        if max_ms is not None and self.milliseconds > max_ms:
            found.append(f"{self.milliseconds:.0f} ms on this machine, and the plan allows {max_ms:g}")
        return found


def build(spec: Spec) -> dict[str, Any]:
    """Write `artifacts/device/` and record it as evidence `device`.

    A network within the plan's limits goes as it is, so that the device answers exactly as the service does. Another
    one is quantised to 8 bits where that brings it within the limits and keeps the objective's value within `MARGIN`;
    elsewhere it stays as it is, and the evidence says so.

    Args:
        spec: The plan, beside its `evidence/` and `artifacts/`.

    Returns:
        The evidence: for each model what was chosen, and why; `met`: whether every limit is.

    Raises:
        DrivetrainError: A model or the policy is missing or was changed, a model cannot run in a browser, or
            onnxruntime-web was not fetched.
    """
    serve, manifests = contracts.entry(spec), contracts.runnable(spec)
    written = policy.read(spec.root / "artifacts" / "policy.json")
    digests = {name: artifact.digest(spec.root / "artifacts" / name) for name in manifests}
    if policy.fits(written, spec) or any(written.artifacts.get(name) != digests[name] for name in manifests):
        raise PolicyError("was made from another plan or other models.", "Run `make decide` again.", "policy.json")
    runtime = _runtime(spec.root)
    problem = policy.problem(spec)
    target = spec.root / contracts.FOLDER
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=".device-", dir=target.parent))
    try:
        rows = _pictures(spec, manifests)
        chosen, told = [], []
        for name, manifest in manifests.items():
            network, row = _choose(spec, name, manifests, rows[name], staged, (serve.max_mb, serve.max_ms))
            sha256 = evidence.file_digest(network)
            told.append(row)
            facts = {"file": network.name, "sha256": sha256, "bytes": network.stat().st_size}
            chosen.append(contracts.model(manifest, facts | {"quantised": row["quantised"], "why": row["why"]}))
        table = payoffs(spec, problem, written)
        body = contracts.contract(spec, chosen, table)
        evidence.write_whole(
            staged / contracts.NAME, json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        )
        (staged / "runtime").mkdir()
        for file in runtime:
            shutil.copyfile(file, staged / "runtime" / file.name)
        put(staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    result = {
        "models": told,
        "decides": isinstance(table, dict),
        "why_not": table if isinstance(table, str) else "",
        "met": all(not row["over"] for row in told),
        "margin": MARGIN,
    }
    found = source.fingerprint(spec, spec.case_source.name)
    evidence.record(
        spec.root,
        "device",
        result,
        reads={path: spec.digest(path) for path in ("objective", "levers", "models", "deployment.serve")},
        data={spec.case_source.name: {"sha256": found.sha256, "synthetic": found.synthetic}},
        artifacts=digests | {f"device/{contracts.NAME}": evidence.file_digest(target / contracts.NAME)},
    )
    return result


def _runtime(root: Path) -> list[Path]:
    """The files of onnxruntime-web that the page loads."""
    files = [root / RUNTIME / name for name in RUNTIME_FILES]
    if any(not file.is_file() for file in files):
        raise EnvironmentFault(
            "onnxruntime-web is not there.",
            "Run `npm install --prefix deploy/device` (`make device` does), which needs Node.js.",
            "deploy/device",
        )
    return files


def _pictures(spec: Spec, manifests: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Model -> pictures of the validation cases, to measure time and ranges with."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = source.cases(spec)
    table = table.filter(pc.is_in(table["split"], value_set=pa.array(["validation"])))
    if not table.num_rows:
        raise DataError("no case is in the validation part.", "Look at the split: make check.", spec.case_source.name)
    rows = np.random.default_rng(42).permutation(table.num_rows)[:CALIBRATION]
    found = {}
    for name, manifest in manifests.items():
        column = manifest["preprocessing"]["column"]
        found[name] = [spec.root / str(value) for value in table[column].take(pa.array(rows)).to_pylist() if value]
    return found


def _choose(
    spec: Spec,
    name: str,
    manifests: Mapping[str, Any],
    pictures: Sequence[Path],
    staged: Path,
    limits: tuple[float | None, float | None],
) -> tuple[Path, dict[str, Any]]:
    """The network that goes onto the device, in `staged`, and what is to be said of it."""
    settings = manifests[name]["preprocessing"]
    trained = spec.root / "artifacts" / name / "model.onnx"
    path = staged / f"{name}.onnx"
    shutil.copyfile(trained, path)
    plain = _measured(path, settings, pictures[0])
    row: dict[str, Any] = {
        "model": name,
        "quantised": False,
        "megabytes": plain.megabytes,
        "milliseconds": plain.milliseconds,
        "over": plain.over(*limits),
        "why": "It is within the plan's limits as it was trained, so the device answers exactly as the service does.",
    }
    if limits == (None, None):
        row["why"] = "The plan names no limits (`max_mb`, `max_ms`): it goes as it was trained."
    if not row["over"]:
        return path, row
    ready = np.stack([images.prepare(images.read(one, None, one.name), settings, one.name) for one in pictures])
    small = staged / f"{name}.8bit.onnx"
    quantise(trained, ready, small)
    eight = _measured(small, settings, pictures[0])
    cost = _cost(spec, list(manifests), name, small)
    row["eight_bits"] = {"megabytes": eight.megabytes, "milliseconds": eight.milliseconds, **cost}
    said = f"As it was trained: {'; '.join(row['over'])}. "
    kept = f"8 bits cost {cost['loss']:.4g} {cost['unit']} (at most {cost['high']:.4g}; allowed {cost['allowed']:.4g})"
    if cost["high"] <= cost["allowed"] and not eight.over(*limits):
        small.replace(path)
        row |= {"quantised": True, "over": [], "why": f"{said}{kept}."}
        return path, row | {"megabytes": eight.megabytes, "milliseconds": eight.milliseconds}
    small.unlink()
    worse = "and that is too much" if cost["high"] > cost["allowed"] else f"but {'; '.join(eight.over(*limits))}"
    row["why"] = f"{said}{kept}, {worse}: it stays as it was trained."
    return path, row


def _measured(path: Path, settings: Mapping[str, Any], picture: Path) -> Network:
    """Size and time of one network, on one thread as in a browser."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    times = []
    for _ in range(RUNS):
        begun = perf_counter()
        ready = images.prepare(images.read(picture, None, picture.name), settings, picture.name)
        session.run(["logits"], {"image": ready[None]})
        times.append(perf_counter() - begun)
    return Network(path, path.stat().st_size / MB, 1000 * float(np.median(times)))


def _cost(spec: Spec, names: Sequence[str], name: str, network: Path) -> dict[str, Any]:
    """What the objective loses when one model answers with another network, on cases that no model has seen.

    Both networks are asked about the same cases, and the written policy acts on either answer; what came of it is
    judged as `decide` judges it.
    """
    problem = policy.problem(spec)
    written = policy.read(spec.root / "artifacts" / "policy.json")
    problem = replace(problem, seen=written.seen)
    made = Fitted({entry.constraint: entry.price for entry in written.prices}, written.threshold, None)
    table = source.cases(spec)

    def worlds(file: Path | None) -> World:
        folder = spec.root / "artifacts"
        predictors = [
            artifact.load(folder / one, root=spec.root, network=file if one == name else None) for one in names
        ]
        return world(spec, problem, table, list(predictors), JUDGED)

    own, other = worlds(None), worlds(network)
    actions = optimized(problem, made, own), optimized(problem, made, other)
    # Either action is judged in the world as the trained model sees it, or by what came true.
    values = [own.by_case(worth(problem, problem.value, own, action)) for action in actions]
    figure = mean_of(values[0] - values[1], own.shares)
    same = np.all([np.asarray(actions[0][lever]) == np.asarray(actions[1][lever]) for lever in problem.levers], axis=0)
    return {
        "loss": figure.value,
        "low": figure.low,
        "high": figure.high,
        "allowed": MARGIN * _scale(problem, own, values[0]),
        "unit": problem.unit,
        "cases": own.count,
        "decided_alike": float(same.mean()),
    }


def _scale(problem: policy.Problem, judged: World, values: Any) -> float:
    """What a loss is measured by: what the policy gains, or the mean size of a case's value where that is nothing."""
    rivals = [
        float(judged.shares @ judged.by_case(worth(problem, problem.value, judged, reference(problem, one, judged))))
        for one in ("do_nothing", "today")
        if one in problem.policies
    ]
    gain = float(judged.shares @ values) - max(rivals, default=float("-inf"))
    return gain if rivals and gain > 0 else float(judged.shares @ np.abs(values))
