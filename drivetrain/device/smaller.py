"""A network with weights and activations of 8 bits: a quarter of the size."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import ArtifactError, EnvironmentFault

Images = NDArray[np.float32]


def quantise(network: Path, images: Images, target: Path) -> None:
    """Write a network whose weights and activations are integers of 8 bits.

    Static quantisation with a scale per channel; the ranges of the activations are those of the given pictures. One bit
    of the weights is left unused, so that no processor's 16-bit sums overflow and every device computes the same.

    Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html

    Args:
        network: The trained network.
        images: Prepared pictures (n, channels, height, width) that it was not trained on.
        target: The file to write.

    Raises:
        EnvironmentFault: The packages for it are not installed.
        ArtifactError: The network cannot be quantised.
    """
    try:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise EnvironmentFault("onnx is not installed.", "Install the extra: drivetrain[train].") from error

    class Reader:
        """What onnxruntime asks for one picture after another."""

        def __init__(self) -> None:
            self._rest: Iterator[dict[str, Images]] = iter([{"image": image[None]} for image in images])

        def get_next(self) -> dict[str, Images] | None:
            return next(self._rest, None)

    with tempfile.TemporaryDirectory(prefix="drivetrain-") as folder, _quiet():
        plain = Path(folder) / "plain.onnx"
        try:
            quant_pre_process(str(network), str(plain), skip_symbolic_shape=True)
            options: dict[str, Any] = {"per_channel": True, "reduce_range": True, "quant_format": QuantFormat.QDQ}
            types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
            quantize_static(str(plain), str(target), Reader(), **options, **types)
        except Exception as error:  # onnxruntime raises its own kinds, which share no public base
            raise ArtifactError(f"the network cannot be quantised ({error}).", where=network.parent.name) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's advice to people who call it by hand."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
