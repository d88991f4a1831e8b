"""A plan's models on the device itself: in the browser of a phone, without a network.

What `make device` puts into `artifacts/device/` is what the project's page loads: the networks under the plan's limits,
onnxruntime-web, and `contract.json`, which says how a picture becomes the network's input and its outputs a decision.
The service obeys the same entries: they are copied from the artifacts' manifests.
"""

from __future__ import annotations

from drivetrain.device.assemble import build
from drivetrain.device.contract import FOLDER
from drivetrain.device.text import text

__all__ = ["FOLDER", "build", "text"]
