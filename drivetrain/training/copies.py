"""Copies of large images, made once: upright, and no larger than a model needs.

A photograph of several megapixels is decoded and shrunk anew in every epoch, which takes longer than the training step
that follows; and fastai ignores the orientation that a camera wrote beside it. So each image is turned and shrunk once,
in parallel, and training reads the copies. They lie in `.drivetrain/copies/`, may be removed at any time, and hold
exactly the pixels that the service computes from the original. The originals are never touched.
"""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastai.data.transforms import ColReader

from drivetrain import evidence
from drivetrain.artifact import images
from drivetrain.errors import DataError
from drivetrain.training.schema import inputs_of_kind

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from drivetrain.spec import Model, Spec

FOLDER = ".drivetrain/copies"
VERSION = 1
"""Counts up whenever the pixels of a copy change."""


class Copies(ColReader):  # type: ignore[misc]
    """A `ColReader` of image files that gives a small copy of each instead.

    Args:
        column: The column with the files.
        settings: Of the copies, as `artifact.images.shrunk` takes them.
        files: File -> what to read instead.
    """

    def __init__(self, column: str, settings: dict[str, Any], files: dict[str, str]) -> None:
        super().__init__(column)
        self.settings, self.files = settings, files

    def _do_one(self, row: Any, column: str) -> Any:
        path = str(super()._do_one(row, column))
        return self.files.get(path) or _bytes(images.shrunk(_opened(path), self.settings))

    def __getstate__(self) -> dict[str, Any]:
        """An exported learner may be loaded where there are no copies: it then shrinks what it is given."""
        return self.__dict__ | {"files": {}}


def copies(plan: Spec, model: Model, cases: pd.DataFrame) -> Copies:
    """Make what is missing of the copies of some images, in parallel, and read these.

    Args:
        plan: The plan; copies lie beside it.
        model: Its `image` says how large they must be.
        cases: The rows whose images will be read.

    Raises:
        OSError: An image cannot be read.
        DataError: An image has values beyond 255.
    """
    [column] = inputs_of_kind(plan, model, "image")[:1]
    settings = wanted(model)
    folder = plan.root / FOLDER / f"{VERSION}-{settings['fit']}-{settings['edge']}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = list(dict.fromkeys(cases[column]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow lets other threads run while it decodes and resizes
        made = list(pool.map(lambda path: _copied(path, plan.root, folder, settings), paths))
    return Copies(column, settings, dict(zip(paths, made, strict=True)))


def wanted(model: Model) -> dict[str, Any]:
    """How large copies must be, so that shrinking them further loses nothing."""
    if model.image.resize == "random_resized_crop":  # a crop of a third of the area is enlarged to the whole
        return {"fit": "short", "edge": 2 * model.image.size}
    return {"fit": {"crop": "short", "pad": "long", "squish": "both"}[model.image.resize], "edge": model.image.size}


def _copied(path: str, root: Path, folder: Path, settings: dict[str, Any]) -> str:
    """The file to read instead of `path`: its copy, or itself where that would be the same."""
    if (copy := place(path, root, folder, ".bmp")).exists():
        return str(copy)
    image = _opened(path)
    if images.too_deep(image):
        advice = "Save it, and others like it, with 8 bits: which values matter is for you to say."
        where = os.path.relpath(path, root)
        raise DataError("a picture of more than 8 bits, of which all beyond 255 would be white.", advice, where)
    small = images.shrunk(image, settings)
    if small.size == image.size and images.upright(image) is image:
        return path
    with evidence.whole(copy) as part:
        small.save(part, "BMP")  # without loss, and read ten times as fast as PNG
    return str(copy)


def place(path: str, root: Path, folder: Path, suffix: str) -> Path:
    """Where in `folder` what is made of a file lies; another place once the file has changed."""
    status = os.stat(path)
    text = f"{os.path.relpath(path, root)}|{status.st_size}|{status.st_mtime_ns}"
    return folder / (hashlib.blake2b(text.encode(), digest_size=16).hexdigest() + suffix)


def _opened(path: str) -> Image:
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        return image.copy()


def _bytes(image: Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "BMP")
    return stream.getvalue()
