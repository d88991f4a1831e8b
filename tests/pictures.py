"""The screenshots of the documentation, from a real run of this version: `python tests/pictures.py`.

One project of the mail-sorting example is made, checked, trained, decided, audited, reviewed and served; its pages are
opened in a headless Chromium. Needs what `make test-rest` installs.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import browsing

from drivetrain import examples

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDE, PHONE = (1000, 1000), (412, 980)


def project(folder: Path) -> Path:
    """A project that serves the phone page too, with everything measured."""
    text = examples.path("mail-sorting").read_text(encoding="utf-8")
    plan = folder / "drivetrain.yaml"
    plan.write_text(re.sub(r"serve: \[.*?\]", "serve: [api, web]", text), encoding="utf-8")
    drivetrain = [sys.executable, "-m", "drivetrain"]
    subprocess.run([*drivetrain, "new", str(plan), "-o", str(folder)], check=True)
    made = folder / "mail-sorting"
    subprocess.run([*drivetrain, "sample"], cwd=made, check=True, stdout=subprocess.DEVNULL)
    for step in ("check_data", "train", "decide", "audit"):
        subprocess.run([sys.executable, "-m", f"mail_sorting.{step}"], cwd=made, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*drivetrain, "review"], cwd=made, check=False, stdout=subprocess.DEVNULL)
    return made


def keep(browser: Chrome, name: str) -> None:
    """Write what the browser shows to the documentation's pictures, in few colours."""
    from PIL import Image

    browser.execute_script("document.documentElement.style.scrollbarWidth = 'none'")
    shown = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    shown.quantize(64, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)
    print(IMAGES / name)


def main() -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory() as name:
        made = project(Path(name))
        for page, image in (("evidence/check.html", "check-page.png"), ("review.html", "review-page.png")):
            with browsing.opened((made / page).as_uri(), WIDE) as browser:
                keep(browser, image)
        letter = min((made / "data" / "letters" / "7").glob("*.png"))
        command = [sys.executable, "-u", "-m", "mail_sorting.serve", "--port", "0"]
        with subprocess.Popen(
            command, cwd=made, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as service:
            try:
                lines = iter(service.stdout or ())
                address = next(found[0] for line in lines if (found := re.search(r"http://[\d.]+:\d+", line)))
                with browsing.opened(f"{address}/", PHONE) as browser:
                    files = browsing.until(browser, lambda b: browsing.every(b, "#fields input[type=file]"))
                    files[-1].send_keys(os.fspath(letter))
                    browsing.one(browser, "#send").click()
                    browsing.until(browser, lambda b: browsing.one(b, "#answer").is_displayed())
                    keep(browser, "phone-page.png")
            finally:
                service.terminate()


if __name__ == "__main__":
    main()
