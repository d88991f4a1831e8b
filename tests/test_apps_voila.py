"""`serve: [voila]`: the notebook as an application, driven in a real browser as somebody with a file would."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import browsing
import pytest
import served

from drivetrain import load_spec, project

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.full


def with_notebook(folder: Path) -> Path:
    """What the plan's `serve: [voila]` adds to a trained project."""
    made = project.new(load_spec(folder), folder / "generated").path
    for name in ("voila.json", "notebooks/app.ipynb"):
        (folder / name).parent.mkdir(exist_ok=True)
        (made / name).rename(folder / name)
    return folder


@contextmanager
def voila(folder: Path) -> Iterator[str]:
    """`make app`, without the browser that it would open: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", "notebooks/app.ipynb", "--no-browser", f"--port={port}"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/none", timeout=5)
            except urllib.error.HTTPError:
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def shown(browser: Chrome) -> str:
    """What stands in the page's labels, from one look at it."""
    labels = "Array.from(document.querySelectorAll('.widget-label'), label => label.innerText.trim())"
    found: str = browser.execute_script(f"return {labels}.filter(Boolean).join('\\n')")
    return found


def answered(browser: Chrome) -> bool:
    return "Decision" in shown(browser) or "cannot" in shown(browser)


def classify(browser: Chrome, path: Path) -> str:
    """Upload a file, press the button, and read what it says."""
    [upload] = browsing.every(browser, "button.widget-upload")
    browsing.upload(browser, upload, path)
    browsing.until(browser, lambda b: "(1)" in upload.text and not answered(b))
    browsing.one(browser, "button.mod-primary").click()
    browsing.until(browser, answered)
    return shown(browser)


def black(width: int, height: int) -> bytes:
    """A black PNG of any size, without Pillow: 50,000 x 50,000 pixels weigh a few kilobytes."""
    from struct import pack

    def chunk(kind: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_an_uploaded_photo_gets_its_decision_and_a_wrong_file_a_reason(tmp_path: Path) -> None:
    from PIL import Image

    lamp = with_notebook(served.lamp(tmp_path / "p"))
    buffer = io.BytesIO()
    Image.effect_noise((4200, 4200), 20).save(buffer, "PNG")  # large as a camera's: Tornado takes 10 MiB by default
    files = {
        "dark.png": served.png(20), "bright.png": served.png(240), "notes.jpg": b"no picture at all",
        "cut.png": served.png(20, (400, 400))[:90], "bomb.png": black(50_000, 50_000), "large.png": buffer.getvalue(),
        "more.png": os.urandom(80 << 20),
    }  # fmt: skip
    assert len(files["large.png"]) > 10 << 20
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with voila(lamp) as address, browsing.opened(address) as browser:
        browsing.until(browser, lambda b: browsing.every(b, "button.mod-primary"))
        assert not browsing.barriers(browser)
        browsing.one(browser, "button.mod-primary").click()
        browsing.until(browser, lambda b: "`image` is missing" in shown(b))

        said = classify(browser, tmp_path / "dark.png")
        assert "Decision: on, expected value 0.99" in said
        assert "sky: dark\n99.8%" in said
        assert browsing.one(browser, "img[alt='What you sent']").get_property("naturalWidth") == 8
        assert not browsing.barriers(browser)
        said = classify(browser, tmp_path / "bright.png")
        assert "Decision: off" in said
        assert "(bright.png)" in said, "an answer names the file that it was given for"
        for name, reason in (
            ("notes.jpg", "is not an image (PNG, JPEG, WEBP, BMP, GIF)"),
            ("cut.png", "is an image that cannot be decoded"),
            ("bomb.png", "far too many pixels"),
            ("more.png", "is not an image"),
        ):
            said = classify(browser, tmp_path / name)
            assert reason in said, said
            assert "Decision" not in said
            assert not browsing.every(browser, "img[alt='What you sent']")
        assert "Decision: " in classify(browser, tmp_path / "large.png")
        assert browsing.elsewhere(browser) == []


def test_a_table_is_typed_in_and_what_is_no_number_is_explained(tmp_path: Path) -> None:
    lender = with_notebook(served.lender(tmp_path / "p", served.LOAN_PLAN.replace("serve: [api]", "serve: [voila]")))
    with voila(lender) as address, browsing.opened(address) as browser:
        browsing.until(browser, lambda b: browsing.every(b, "button.mod-primary"))
        typed = {
            field.find_element("css selector", "label").text: field
            for field in browsing.every(browser, ".widget-text, .widget-dropdown")
        }
        assert set(typed) == {"amount (EUR)", "income", "home"}
        typed["amount (EUR)"].find_element("css selector", "input").send_keys("much")
        browsing.one(browser, "button.mod-primary").click()
        browsing.until(browser, lambda b: "amount: is a text, not a number" in shown(b))
        for name, value in (("amount (EUR)", "\b\b\b\b1000"), ("income", "3000")):
            typed[name].find_element("css selector", "input").send_keys(value)
        browsing.choose(browser, ".widget-dropdown select", "own")
        browsing.one(browser, "button.mod-primary").click()
        browsing.until(browser, lambda b: "Decision: yes" in shown(b))
        assert "repaid: true\n99.3%" in shown(browser)  # 1 / (1 + exp(-5))
        assert not browsing.barriers(browser)


def test_before_anything_is_trained_the_page_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "drivetrain.yaml").write_text(served.LIGHT_PLAN)
    made = project.new(load_spec(tmp_path / "drivetrain.yaml"), tmp_path / "out").path
    with voila(made) as address, browsing.opened(address) as browser:
        browsing.until(browser, lambda b: "make train" in browsing.text(b, "body"))
        assert "there is no trained model here" in browsing.text(browser, "body")
