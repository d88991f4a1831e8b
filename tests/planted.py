"""Worlds with known faults, drawn anew for each seed: tables in the forms that people keep them in, and pictures."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageEnhance, ImageFont
from sklearn.datasets import load_sample_images

FORMS = ("comma", "semicolon", "tabs", "mark", "gzip", "parquet", "parts", "sqlite")
"""How a table may lie there: its delimiter, a byte order mark, compressed, in several files, in a database."""


def visits(seed: int, rows: int = 1600) -> pd.DataFrame:
    """A clean table: shops that are offered one of three things, and whether they order within thirty days."""
    random = np.random.default_rng(seed)
    size = random.lognormal(3, 0.8, rows).round(2)
    place = random.choice(["Harbour", "Old town", "Airport", "Hills"], rows, p=[0.35, 0.27, 0.2, 0.18])
    offer = random.choice(["none", "sample", "discount"], rows, p=[0.5, 0.3, 0.2])
    pull = 0.3 * np.log(size) - 1.2 - 0.4 * (place == "Hills")
    pull = pull + 0.5 * (offer == "sample") + 0.8 * (offer == "discount")
    start = np.datetime64("2025-01-06T08:00")
    table = pd.DataFrame(
        {
            "shop": [f"s{number:04d}" for number in random.integers(0, 500, rows)],
            "at": start + np.sort(random.integers(0, 200 * 24 * 60, rows)).astype("timedelta64[m]"),
            "size": size,
            "staff": random.poisson(6, rows) + 1,
            "place": place,
            "open_sunday": random.random(rows) < 0.4,
            "temperature": random.normal(12, 7, rows).round(1),
            "offer": offer,
            "chance": np.select([offer == "none", offer == "sample"], [0.5, 0.3], 0.2),
            "ordered": random.random(rows) < 1 / (1 + np.exp(-pull)),
        }
    )
    table.loc[random.random(rows) < 0.03, "temperature"] = np.nan
    return table


PLAN = """\
drivetrain: 1
project: {name: Visits}
objective: {statement: Sell more., value: "where(order, 20, 0) - cost(gift)", horizon: 60 days}
decision: {cases: visits}
levers:
  - name: gift
    type: options
    options: {none: {cost: 0}, sample: {cost: 1}, discount: {cost: 2}}
    history: {kind: randomised, column: offer, propensity: chance}
data:
  - name: visits
    kind: table
    location: LOCATION
    entity: shop
    time: at
    columns:
      shop: id
      at: time
      size: {type: number, minimum: 0}
      staff: {type: integer, minimum: 0}
      place: category
      open_sunday: boolean
      temperature: number
      offer: {type: category, role: logged}
      chance: {type: number, role: logged}
MORE
    outcomes: {order: {column: ordered, type: binary, delay: 30 days, affected_by: [gift]}}
    groups: [place]
    split: {by: SPLIT}
    rights: {licence: own, personal: false}
    needs: {rows: 1000, per_class: 100, per_setting: 50}
models: [{name: ordering, task: table-classification, predicts: order}]
"""


def lay(folder: Path, table: pd.DataFrame, form: str, *, split: str = "entity", more: str = "") -> None:
    """Write a table in one of the forms, and the plan for it."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    name = {"comma": "v.csv", "semicolon": "v.csv", "tabs": "v.tsv", "mark": "v.csv", "gzip": "v.csv.gz"}.get(form)
    if name:
        marks = {"semicolon": ";", "tabs": "\t"}
        table.to_csv(
            data / name, index=False, sep=marks.get(form, ","), encoding="utf-8-sig" if form == "mark" else "utf-8"
        )
        location = f"data/{name}"
    elif form == "parquet":
        table.to_parquet(data / "v.parquet", index=False)
        location = "data/v.parquet"
    elif form == "parts":
        third = len(table) // 3
        for number, start in enumerate((0, third, 2 * third)):
            end = len(table) if number == 2 else start + third
            table.iloc[start:end].to_csv(data / f"v-{number}.csv", index=False)
        location = '"data/v-*.csv"'
    else:
        with sqlite3.connect(data / "v.db") as connection:
            table.to_sql("visits", connection, index=False)
        connection.close()
        location = '"sqlite:///data/v.db#visits"'
    text = PLAN.replace("LOCATION", location).replace("SPLIT", split)
    (folder / "drivetrain.yaml").write_text(text.replace("MORE\n", indent(more, "      ")))


def photos() -> list[Image.Image]:
    """Pieces of real photographs that show something and do not overlap."""
    found = []
    for photo in load_sample_images().images:
        whole = Image.fromarray(photo)
        for top in range(0, whole.height - 96, 96):
            for left in range(0, whole.width - 96, 96):
                piece = whole.crop((left, top, left + 96, top + 96))
                if np.asarray(piece.convert("L")).std() > 12:
                    found.append(piece.resize((224, 224), Image.Resampling.LANCZOS))
    return found


def phantom(random: np.random.Generator) -> Image.Image:
    """A chest X-ray as it were: each patient is laid out alike, and no two are the same."""
    side = 256
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]

    def some() -> float:
        return float(random.normal(0, 0.02))

    body = 120.0 * (((x + some()) / 0.85) ** 2 + ((y + some()) / 0.95) ** 2 < 1)
    for lung in (-0.4, 0.4):
        body -= 80 * (((x - lung + some()) / (0.28 + some())) ** 2 + ((y + 0.05) / (0.55 + some())) ** 2 < 1)
    for rib in range(8):
        body += 25 * (np.abs(y + 0.6 - 0.17 * rib + 0.15 * np.abs(x) + some()) < 0.015)
    rate = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    rate[0, 0] = 1
    cloud = np.real(np.fft.ifft2(np.fft.fft2(random.normal(size=(side, side))) / rate**1.6))
    body += 30 * (cloud - cloud.min()) / np.ptp(cloud) + 60 * (np.abs(x + some()) < 0.08)
    return Image.fromarray(np.clip(body, 0, 255).astype(np.uint8)).convert("RGB")


def cells(random: np.random.Generator) -> Image.Image:
    """Cells under a microscope."""
    slide = Image.new("RGB", (256, 256), (230, 200, 220))
    draw = ImageDraw.Draw(slide)
    for _ in range(40):
        x, y, r = random.uniform(0, 256), random.uniform(0, 256), random.uniform(6, 16)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(random.integers(80, 190, 3).tolist()))
        draw.ellipse((x - r / 3, y - r / 3, x + r / 3, y + r / 3), fill=(70, 30, 110))
    return slide


WORDS = [
    "invoice",
    "total",
    "harbour",
    "street",
    "customer",
    "ticket",
    "delivery",
    "pump",
    "valve",
    "report",
    "number",
    "price",
    "order",
    "claim",
]
Pen = ImageDraw.ImageDraw


def _sheet(width: int, height: int, colour: str = "white") -> tuple[Image.Image, Pen]:
    sheet = Image.new("RGB", (width, height), colour)
    return sheet, ImageDraw.Draw(sheet)


def form(random: np.random.Generator) -> Image.Image:
    """A paper form, filled in."""
    sheet, pen = _sheet(420, 594)
    pen.text((30, 20), "APPLICATION FOR A PERMIT", font=ImageFont.load_default(18), fill="black")
    for line in range(10):
        y = 70 + line * 48
        pen.text((30, y), f"{line + 1}. {WORDS[line]}", font=ImageFont.load_default(11), fill="black")
        pen.rectangle((140, y - 5, 390, y + 20), outline="black")
        if random.random() < 0.8:
            said = " ".join(random.choice(WORDS, int(random.integers(1, 3)))) + f" {random.integers(9999)}"
            pen.text((146, y), said, font=ImageFont.load_default(12), fill=(20, 20, 140))
    return sheet


def invoice(random: np.random.Generator) -> Image.Image:
    """An invoice of one company: nothing but a few numbers differs."""
    sheet, pen = _sheet(480, 640)
    font = ImageFont.load_default(12)
    pen.rectangle((30, 30, 100, 80), fill=(180, 30, 30))
    pen.text((320, 40), "Pump & Valve Ltd", font=font, fill="black")
    pen.text((50, 130), f"Invoice {random.integers(10000, 99999)}", font=ImageFont.load_default(16), fill="black")
    for line in range(4):
        pen.text((50, 180 + line * 22), WORDS[line * 2], font=font, fill="black")
        pen.text((360, 180 + line * 22), f"{random.uniform(10, 9999):.2f}", font=font, fill="black")
    pen.line((50, 280, 430, 280), fill="black")
    for line in range(12):
        pen.text((50, 330 + line * 15), "Payment is due within thirty days of its date.", font=font, fill="black")
    return sheet


def screen(random: np.random.Generator) -> Image.Image:
    """One program's window, with other rows in it."""
    sheet, pen = _sheet(560, 360, "whitesmoke")
    pen.rectangle((0, 0, 560, 36), fill=(40, 60, 100))
    pen.text((12, 8), "Tickets", font=ImageFont.load_default(16), fill="white")
    pen.rectangle((0, 36, 110, 360), fill=(225, 229, 236))
    for line in range(9):
        y = 48 + line * 34
        pen.line((120, y + 25, 550, y + 25), fill=(200, 200, 200))
        said = " ".join(random.choice(WORDS, 5)) + f" {random.integers(999)}"
        pen.text((122, y), said, font=ImageFont.load_default(12), fill="black")
    return sheet


def product(random: np.random.Generator) -> Image.Image:
    """A bottle on white, as a catalogue shows it: what differs is its colour and its label."""
    sheet, pen = _sheet(300, 300)
    pen.rounded_rectangle((105, 85, 195, 280), 15, fill=tuple(random.integers(60, 220, 3).tolist()))
    pen.rectangle((132, 30, 168, 90), fill=(60, 60, 60))
    pen.rectangle((105, 140, 195, 240), fill="white", outline="black")
    pen.text((112, 148), str(random.choice(WORDS)).upper(), font=ImageFont.load_default(14), fill="black")
    pen.text((112, 172), str(random.choice(WORDS)), font=ImageFont.load_default(12), fill="black")
    pen.ellipse((135, 195, 165, 225), fill=tuple(random.integers(0, 255, 3).tolist()))
    return sheet


def plot(random: np.random.Generator) -> Image.Image:
    """Two lines on the same axes as in every other plot."""
    sheet, pen = _sheet(400, 300)
    pen.rectangle((40, 20, 380, 260), outline="black")
    for step in range(1, 6):
        pen.line((40, 20 + 40 * step, 380, 20 + 40 * step), fill=(210, 210, 210))
        pen.text((10, 14 + 40 * step), f"{5 - step}", font=ImageFont.load_default(11), fill="black")
    for colour in ((31, 119, 180), (255, 127, 14)):
        height = np.clip(140 - np.cumsum(random.normal(0, 8, 69)), 22, 258)
        pen.line([(40 + 5 * step, float(y)) for step, y in enumerate(height)], fill=colour, width=2)
    return sheet


LAID_OUT_ALIKE = {"form": form, "invoice": invoice, "screen": screen, "product": product, "plot": plot}
"""Kinds of pictures that resemble each other as a whole, and of which no two are the same."""


def encoded(picture: Image.Image, format: str, **how: object) -> bytes:
    """The bytes of a picture's file."""
    stream = io.BytesIO()
    picture.save(stream, format, **how)
    return stream.getvalue()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = 6
    return exif


def _deep(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)


FILES: dict[str, Callable[[Image.Image], tuple[str, bytes]]] = {
    "photo": lambda p: (".jpg", encoded(p, "JPEG", quality=85)),
    "fine photo": lambda p: (".jpeg", encoded(p, "JPEG", quality=95, subsampling=0)),
    "progressive": lambda p: (".jpg", encoded(p, "JPEG", progressive=True)),
    "grey photo": lambda p: (".jpg", encoded(p.convert("L"), "JPEG")),
    "four inks": lambda p: (".jpg", encoded(p.convert("CMYK"), "JPEG")),
    "turned by EXIF": lambda p: (".jpg", encoded(p, "JPEG", exif=_turned())),
    "restart marks": lambda p: (".jpg", encoded(p, "JPEG", restart_marker_rows=1)),
    "a phone's two": lambda p: (".jpg", encoded(p, "MPO", save_all=True, append_images=[p.rotate(180)])),
    "PNG": lambda p: (".png", encoded(p, "PNG")),
    "PNG with palette": lambda p: (".png", encoded(p.convert("P"), "PNG")),
    "PNG with alpha": lambda p: (".png", encoded(p.convert("RGBA"), "PNG")),
    "PNG of 16 bits": lambda p: (".png", encoded(_deep(p), "PNG")),
    "PNG of one bit": lambda p: (".png", encoded(p.convert("1"), "PNG")),
    "GIF": lambda p: (".gif", encoded(p, "GIF")),
    "moving GIF": lambda p: (".gif", encoded(p, "GIF", save_all=True, append_images=[p.rotate(90), p.rotate(180)])),
    "WebP": lambda p: (".webp", encoded(p, "WEBP")),
    "BMP": lambda p: (".bmp", encoded(p, "BMP")),
    "TIFF": lambda p: (".tif", encoded(p, "TIFF")),
    "TIFF of 16 bits": lambda p: (".tiff", encoded(_deep(p), "TIFF")),
    "deflated TIFF": lambda p: (".tif", encoded(p, "TIFF", compression="tiff_deflate")),
    "TIFF of JPEG": lambda p: (".tif", encoded(p, "TIFF", compression="jpeg")),
}
"""A picture -> the ending and the bytes of a file, in the formats that people have."""
BARE = ("BMP", "TIFF", "TIFF of 16 bits")
"""Formats that keep pixels as they are: any bytes are a picture, and only a missing end can be noticed."""


def spoilt(data: bytes, how: str, random: np.random.Generator) -> bytes:
    """A file as accidents leave it."""
    kept = bytearray(data)
    middle = int(random.integers(len(data) // 4, 3 * len(data) // 4))
    if how == "cut anywhere":
        return data[: int(random.integers(1, len(data) - 12))]
    if how == "end is missing":
        return data[: -int(random.integers(13, 40))]
    if how == "a page that says no":
        return b"<!doctype html><title>403 Forbidden</title>"
    if how == "empty":
        return b""
    if how == "no head":
        kept[:64] = random.bytes(64)
    elif how == "rest never written":
        kept[middle:] = bytes(len(kept) - middle)
    elif how == "sector lost":
        kept[middle : middle + 256] = bytes(len(kept[middle : middle + 256]))
    elif how == "overwritten":
        kept[middle : middle + 128] = random.bytes(len(kept[middle : middle + 128]))
    return bytes(kept)


BROKEN = ("cut anywhere", "end is missing", "a page that says no", "empty", "no head")
HOLED = ("rest never written", "sector lost")


def changed(picture: Image.Image, how: str, random: np.random.Generator) -> tuple[str, bytes]:
    """The same picture in another form: ending and bytes."""
    width, height = picture.size
    if how == "compressed":
        return ".jpg", encoded(picture, "JPEG", quality=int(random.integers(15, 60)))
    if how == "resized":
        by = random.uniform(0.4, 1.8)
        return ".png", encoded(picture.resize((int(width * by), int(height * by)), Image.Resampling.BICUBIC), "PNG")
    if how == "darkened":
        return ".jpg", encoded(ImageEnhance.Brightness(picture).enhance(random.uniform(0.4, 0.85)), "JPEG", quality=90)
    across, down = round(width * 0.02), round(height * 0.02)
    boxes = (
        (across // 2, down // 2, width - across // 2, height - down // 2),
        (across, 0, width, height),
        (0, 0, width, height - down),
        (across, down, width, height),
    )
    return ".jpg", encoded(picture.crop(boxes[int(random.integers(4))]), "JPEG", quality=90)


CHANGES = ("compressed", "resized", "darkened", "cropped")
