"""`contract.json`: what the page must do so that it answers as the service does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivetrain import artifact
from drivetrain.errors import ArtifactError, SpecError
from drivetrain.spec.duration import seconds

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.deployment import Serve

FORMAT = 1
FOLDER = "artifacts/device"
NAME = "contract.json"
RUNTIME = "onnxruntime-web"
OUTCOMES = frozenset({"category", "binary", "labels"})
"""Types of outcomes whose distribution the page computes."""
PIXELS = 50_000_000
"""Pictures with more pixels are refused, as the service refuses them."""


def entry(spec: Spec) -> Serve:
    """What the plan says about the device.

    Raises:
        SpecError: The plan serves no device, or another runtime.
    """
    serves = (spec.deployment.serve if spec.deployment else None) or []
    found = next((serve for serve in serves if serve.kind == "device"), None)
    if found is None:
        raise SpecError("names no `device`.", "Add it: `serve: [device]`.", "deployment.serve")
    if found.runtime not in (None, RUNTIME):
        what = f"the runtime `{found.runtime}` is not one that the project's page can start."
        raise SpecError(what, f"Write `runtime: {RUNTIME}`, or leave it out.", "deployment.serve")
    return found


def runnable(spec: Spec) -> dict[str, dict[str, Any]]:
    """Model -> its verified manifest, in dependency order; each of them one that the page can run.

    Raises:
        ArtifactError: A model is missing or was changed.
        SpecError: A model reads more than one picture, or predicts what the page cannot compute.
    """
    found = {}
    for name in spec.derived.model_order():
        manifest = artifact.read_manifest(spec.root / "artifacts" / name)
        if reason := _unfit(manifest):
            advice = "Serve it with `web`, whose page asks the service, and take `device` out of `deployment.serve`."
            raise SpecError(f"cannot run on the device: {reason}.", advice, f"models.{name}")
        found[name] = manifest
    if not found:
        raise ArtifactError("the plan has no model.", "Add one, then run `make train`.", "models")
    return found


def _unfit(manifest: Mapping[str, Any]) -> str:
    """Why the page cannot run a model; empty when it can."""
    if "arms" in manifest:
        return "it is one network for each setting of a lever"
    if manifest["preprocessing"]["kind"] != "image":
        return f"the page prepares pictures only, and it reads {manifest['preprocessing']['kind']}"
    strange = [f"{name} is a {e['type']}" for name, e in manifest["outcomes"].items() if e["type"] not in OUTCOMES]
    return strange[0] + ", and the page computes categories, binary outcomes and labels" if strange else ""


def model(manifest: Mapping[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    """What the page is told of one model.

    Args:
        manifest: Of the artifact; what the service obeys.
        network: `file`, `sha256`, `bytes`, `quantised`, `why`: the network that was chosen for the device.
    """
    same = ("task", "predicts", "run", "outcomes", "preprocessing", "temperature", "out_of_domain", "synthetic")
    return {"name": manifest["model"], **network, **{key: manifest.get(key) for key in same}}


def contract(spec: Spec, models: list[dict[str, Any]], decide: Mapping[str, Any] | str) -> dict[str, Any]:
    """The whole contract.

    Args:
        spec: The plan.
        models: `model` of each, in dependency order.
        decide: The policy as a table; or why there is none, in words.
    """
    serve = entry(spec)
    return {
        "format": FORMAT,
        "project": spec.slug,
        "stage": str(spec.stage),
        "runtime": RUNTIME,
        "pixels": PIXELS,
        "tall_first": tall_first(),
        "max_ms": serve.max_ms,
        "offline": serve.offline is not False,
        "sync_seconds": seconds(serve.sync) if serve.sync else 0,
        "models": models,
        "decide": None if isinstance(decide, str) else decide,
        "no_decision": decide if isinstance(decide, str) else "",
    }


def tall_first() -> bool:
    """Whether the Pillow of this machine takes the height first where it shrinks much more than the width.

    Version 13 does, and the order decides how halves are rounded; asked of it, since a version number promises less.
    """
    import numpy as np
    from PIL.Image import Resampling, fromarray

    picture = fromarray(np.random.default_rng(1).integers(0, 256, (64, 16), dtype=np.uint8))
    both = picture.resize((12, 8), Resampling.BILINEAR)
    low = picture.resize((16, 8), Resampling.BILINEAR).resize((12, 8), Resampling.BILINEAR)
    narrow = picture.resize((12, 64), Resampling.BILINEAR).resize((12, 8), Resampling.BILINEAR)
    assert low.tobytes() != narrow.tobytes()
    return both.tobytes() == low.tobytes()
