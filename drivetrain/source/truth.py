"""What a cell says of an outcome that is several things at once: labels, or a mask."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def labels_in(value: Any, known: Sequence[str]) -> list[str]:
    """The labels in a cell: a list, or text with `;`, `,`, `|` or spaces between them.

    Args:
        value: The cell.
        known: The plan's labels; one with a space or a comma in it stays whole.
    """
    if not isinstance(value, str):
        return [str(one) for one in value]
    if value.strip() in known:
        return [value.strip()]
    parts = [part.strip() for part in re.split(r"[;|]" if re.search(r"[;|]", value) else r",", value)]
    found = [word for part in parts for word in ([part] if part in known else part.split())]
    return list(dict.fromkeys(found))


def areas(path: Path, classes: Sequence[str]) -> NDArray[np.float64]:
    """The share of a mask's pixels of each class, shape (k,); the value of a pixel is the number of its class.

    Raises:
        DataError: The mask is missing or no picture.
    """
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path) as mask:
            counts = np.bincount(np.asarray(mask.convert("L")).ravel(), minlength=len(classes))
    except FileNotFoundError as error:
        raise DataError(f"the mask `{path.name}` is missing.", "Check the masks.", str(path.parent.name)) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        what = f"the mask `{path.name}` cannot be read as a picture."
        raise DataError(what, "Replace or remove it.", str(path.parent.name)) from error
    return np.asarray(counts[: len(classes)] / counts.sum(), dtype=np.float64)
