"""Make torchvision importable beside a CPU build of torch.

On Linux, the torchvision of the Python package index is built for CUDA. Beside a CPU build of torch its operators are
not registered, and the import ends with `operator torchvision::nms does not exist`, although fastai never calls them.
Declaring the missing schemas is enough for the import to succeed.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_declared: list[Any] = []  # torch forgets a library's schemas when the library object is collected


def make_importable() -> bool:
    """Import torchvision, with the missing schemas declared if that is what its import needs.

    Returns:
        True when the remedy was applied (now or earlier in this process), False when torchvision imports by itself.

    Raises:
        ImportError: torch or torchvision is not installed.
        RuntimeError: torchvision fails for a reason that this remedy does not know.
    """
    if _declared:
        return True
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    else:
        return False
    _forget_half_imported()
    _declare_missing()
    importlib.import_module("torchvision")
    return True


def _forget_half_imported() -> None:
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]


def _declare_missing() -> None:
    import torch

    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    _declared.append(library)
