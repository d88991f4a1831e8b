"""Our training against the recipe that the fastai book writes by hand, on the same data, seeds and epochs.

python tests/bench/bench_train.py [--json FILE]

Three comparisons, each interleaved in one process, in CPU time of one thread: a whole training on small pictures;
loading pictures of 1,024 by 1,024 pixels; and a training on these against one that is fed from tensors in memory. Where
there is a GPU, all are measured on it as well, by the clock.

Torch's threads wait for each other by turning round, and the time of the process counts that as work: with two threads,
on two cores that others use as well, the transforms of a batch of eight took 20 ms an item instead of 2, on both sides.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
from projects import DIGITS, make, write_digits  # noqa: E402

from drivetrain import training  # noqa: E402  (makes torchvision importable for fastai)

# isort: split
from fastai.vision.all import (  # noqa: E402
    CategoryBlock,
    ColReader,
    ColSplitter,
    CrossEntropyLossFlat,
    DataBlock,
    ImageBlock,
    IntToFloatTensor,
    Resize,
    TensorImage,
    TransformBlock,
    accuracy,
    aug_transforms,
    default_device,
    defaults,
    resnet18,
    set_seed,
    vision_learner,
)

SEEDS = 5
LARGE = 120
"""Pictures of 1,024 by 1,024 pixels."""
ROUNDS = 15
"""Epochs of loading on each side, one after the other."""


class Done(Exception):
    """Leaves a run that need not be judged."""


def now() -> float:
    """CPU seconds; on a GPU the seconds of the clock, once it has done what it was given."""
    if not defaults.use_cuda:
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of the work."""
    started = now()
    made = work()
    return now() - started, made


def ours(spec: Any, seed: int) -> tuple[float, float]:
    """Our `train.py` up to the trained learner: seconds and accuracy."""
    train = importlib.import_module(f"{spec.package}.train")
    plan = spec.changed({"models.reader.training.seed": seed})
    model = plan.models[0]
    found: list[Any] = []
    try:
        with training.start(plan) as run:
            for job in run.jobs():
                started = now()
                learn = train.make_learner(plan, model, job.cases)
                run.watch(job, learn)
                train.fit(learn, model)
                seconds = now() - started
                found = [seconds, float(learn.validate()[1])]
                raise Done
    except Done:
        pass
    return found[0], found[1]


def recipe(cases: Any, model: Any, seed: int) -> tuple[float, float]:
    """What the book writes by hand: seconds and accuracy."""
    started = now()
    set_seed(seed, reproducible=True)
    learn = vision_learner(book_loaders(cases, model), resnet18, pretrained=False, metrics=[accuracy])
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(model.training.epochs, model.training.learning_rate)
        seconds = now() - started
        return seconds, float(learn.validate()[1])


def varied(model: Any) -> Any:
    vary = model.augment
    return aug_transforms(do_flip=vary.flip, max_rotate=vary.rotate, max_zoom=vary.zoom, max_lighting=vary.lighting,
                          max_warp=vary.warp, p_affine=vary.p, p_lighting=vary.p)  # fmt: skip


def book_loaders(cases: Any, model: Any) -> Any:
    """The loaders of the recipe."""
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_x=ColReader("image"),
        get_y=ColReader("digit"),
        splitter=ColSplitter("split", on="validation"),
        item_tfms=Resize(model.image.size, method=model.image.resize),
        batch_tfms=varied(model),
    )
    return block.dataloaders(cases, bs=model.training.batch_size, num_workers=0)


def small(folder: Path) -> list[dict[str, Any]]:
    """A whole training on digits of 32 by 32 pixels, five seeds each."""
    write_digits(folder / "data" / "letters", per_class=40)
    spec = make(folder, DIGITS.replace("Letters", "Small"))
    sys.path.insert(0, str(folder))
    cases = training.rows(spec, spec.models[0])
    cases = cases[cases["split"].isin(["train", "validation"])].reset_index(drop=True)
    recipe(cases, spec.models[0], 99)  # whatever is done once is done before the clock runs
    times, gaps = [], []
    for seed in range(SEEDS):
        mine = ours(spec, seed)
        book = recipe(cases, spec.models[0], seed)
        times.append(mine[0] / book[0])
        gaps.append(mine[1] - book[1])
    noise = max(2 * statistics.stdev(gaps) / SEEDS**0.5, 0.02)
    return [
        {"what": "training, our time over the book's recipe", "is": statistics.median(times), "most": 1.03},
        {
            "what": "accuracy over 5 seeds, ours less the recipe's, absolute",
            "is": abs(statistics.mean(gaps)),
            "most": noise,
        },
    ]


def photographs(folder: Path) -> None:
    """Two classes of large pictures: the tone of their ground tells them apart."""
    rng = np.random.default_rng(0)
    for number in range(LARGE):
        path = folder / str(number % 2) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        rough = rng.integers(0, 160, (32, 32, 3)) + np.array([70, 0, 0] if number % 2 else [0, 0, 70])
        fine = Image.fromarray(rough.astype(np.uint8)).resize((1024, 1024), Image.Resampling.BICUBIC)
        pixels = np.asarray(fine).astype(int) + rng.integers(-12, 12, (1024, 1024, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def large(folder: Path) -> list[dict[str, Any]]:
    """Loading large pictures, and five epochs on them against tensors in memory."""
    photographs(folder / "data" / "letters")
    text = DIGITS.replace("Letters", "Large").replace("size: 32, resize: squish", "size: 128, resize: crop")
    text = text.replace('["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]', '["0", "1"]')
    text = (
        text.replace("batch_size: 20", "batch_size: 8")
        .replace("epochs: 3", "epochs: 5")
        .replace("learning_rate: 0.005", "learning_rate: 0.001")
    )
    spec = make(folder, text)
    sys.path.insert(0, str(folder))
    model = spec.models[0]
    cases = training.rows(spec, model)
    cases = cases[cases["split"].isin(["train", "validation"])].reset_index(drop=True)
    file = importlib.import_module(f"{spec.package}.learners.reader")
    resizing, loaders = clocked(lambda: file.get_dls(spec, model, cases))
    book = book_loaders(cases, model)
    ratios = []
    for _ in range(ROUNDS):
        mine, theirs = (clocked(lambda dls=dls: [None for _ in dls.train])[0] for dls in (loaders, book))
        ratios.append(theirs / mine)
    held = in_memory(book, model)
    kept, noise, one_epoch, five = [], [], [], []
    for seed in range(4):
        set_seed(seed, reproducible=True)
        mine = vision_learner(loaders, resnet18, pretrained=False, loss_func=CrossEntropyLossFlat(), metrics=[accuracy])
        set_seed(seed, reproducible=True)
        theirs = vision_learner(held, resnet18, pretrained=False, loss_func=CrossEntropyLossFlat(), metrics=[accuracy])
        seconds = []
        for learn in (mine, theirs):
            with learn.no_bar(), learn.no_logging():
                seconds.append(clocked(lambda learn=learn: learn.fit_one_cycle(5, 0.001))[0])
        right = [float(learn.validate()[1]) for learn in (mine, theirs)]
        kept.append(right[0] - right[1])
        noise.append(sum(share * (1 - share) for share in right) / len(loaders.valid_ds))
        one_epoch.append(seconds[0] / seconds[1])
        five.append((seconds[0] + resizing) / seconds[1])
    # Two standard errors of a difference of shares, and never less than one picture in twenty.
    allowed = max(0.05, 2 * (sum(noise) / len(noise) ** 2) ** 0.5)
    return [
        {
            "what": "1,024² JPEG at 128²: items a second, over the book's recipe",
            "is": statistics.median(ratios),
            "least": 4,
        },
        {"what": "five epochs with resizing, over tensors in memory", "is": statistics.median(five), "most": 1.25},
        {"what": "an epoch without resizing, over tensors in memory", "is": statistics.median(one_epoch), "most": 1.1},
        {"what": "accuracy, ours less that from memory, absolute", "is": abs(statistics.mean(kept)), "most": allowed},
    ]


def in_memory(book: Any, model: Any) -> Any:
    """Loaders that give the recipe's resized pictures from memory, with its transforms of whole batches."""
    sets = []
    for loader in (book.train, book.valid):
        loader = loader.new(shuffle=False, drop_last=False)
        sets.append([loader.do_item(number) for number in range(loader.n)])
    pictures = [TensorImage(item[0]) for part in sets for item in part]
    labels = [int(item[1]) for part in sets for item in part]
    cut = len(sets[0])
    block = DataBlock(
        blocks=(TransformBlock(batch_tfms=IntToFloatTensor), CategoryBlock(vocab=[0, 1])),
        get_x=lambda number: pictures[number],
        get_y=lambda number: labels[number],
        splitter=lambda _: (list(range(cut)), list(range(cut, len(labels)))),
        batch_tfms=varied(model),
    )
    return block.dataloaders(list(range(len(labels))), bs=model.training.batch_size, num_workers=0)


def main() -> None:
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, threads = [], torch.get_num_threads()
    for gpu in (False, True) if torch.cuda.is_available() else (False,):
        default_device(gpu)
        torch.set_num_threads(threads if gpu else 1)
        where = f", on {torch.cuda.get_device_name()}" if gpu else ""
        with tempfile.TemporaryDirectory() as folder:
            found = small(Path(folder) / "small") + large(Path(folder) / "large")
        rows += [{**row, "what": row["what"] + where} for row in found]
    for row in rows:
        print(f"{row['what']:<62} {row['is']:8.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
