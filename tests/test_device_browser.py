"""Models on the phone itself, in a real browser: the service's answers, without a network, and nothing told is lost."""

from __future__ import annotations

import base64
import io
import json
import urllib.request
from pathlib import Path
from typing import Any

import browsing
import numpy as np
import phones
import pytest
import served

pytestmark = pytest.mark.full
JUDGE = """
const [files, done] = arguments;
(async () => {
  const device = await (await import("./device.js")).open(fetch.bind(window));
  const found = [];
  for (const file of files) {
    const bytes = Uint8Array.from(atob(file), (sign) => sign.charCodeAt(0));
    try { found.push(await device.judge(new Blob([bytes]))); } catch (error) { found.push({ refused: error.message }); }
  }
  return found;
})().then(done, (error) => done(String(error)));
"""


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = phones.phone(tmp_path_factory.mktemp("phone") / "p", "{kind: device, max_mb: 1, max_ms: 2000}")
    assert phones.built(folder)["met"]
    return folder


def predicted(address: str, file: bytes) -> dict[str, Any]:
    case = {"image": base64.b64encode(file).decode()}
    request = urllib.request.Request(f"{address}/decide", served.body(case), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        result: dict[str, Any] = json.load(answer)["results"][0]
        return result


def in_browser(browser: Any, files: list[bytes]) -> list[dict[str, Any]]:
    browser.set_script_timeout(240)
    found = browser.execute_async_script(JUDGE, [base64.b64encode(file).decode() for file in files])
    assert isinstance(found, list), found
    return found


def ready(browser: Any) -> None:
    browsing.until(browser, lambda b: "Answers come from this device" in browsing.text(b, "#device"))


def odd_files() -> list[bytes]:
    """A turned photo, transparency, greys, a palette, CMYK, one pixel: what people have on their phones."""
    from PIL import Image

    picture = phones.photo(np.random.default_rng(8), light=130).resize((61, 90))
    turned = Image.Exif()
    turned[274] = 6
    clear = picture.convert("RGBA")
    clear.putalpha(Image.fromarray(np.random.default_rng(2).integers(0, 256, (90, 61), dtype=np.uint8)))
    found = []
    for image, kind, options in [
        (picture, "JPEG", {"exif": turned}), (picture, "PNG", {"exif": turned}), (picture.convert("CMYK"), "JPEG", {}),
        (picture, "JPEG", {"progressive": True}), (picture.convert("L"), "JPEG", {}), (clear, "PNG", {}),
        (picture.convert("P"), "PNG", {}), (picture, "BMP", {}), (picture, "GIF", {}),
        (picture.resize((1, 1)), "PNG", {}), (picture.resize((40, 900)), "JPEG", {}),
    ]:  # fmt: skip
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        found.append(buffer.getvalue())
    return found


def test_the_browser_answers_as_the_service_does_on_a_hundred_photos_and_odd_ones(
    phone: Path, record_property: Any
) -> None:
    files = [file.read_bytes() for file in sorted((phone / "data/photos").rglob("*.*"))[::2][:100]] + odd_files()
    assert len(files) == 111
    with served.running(phone, "night_lamp") as (address, _), browsing.opened(f"{address}/") as browser:
        ready(browser)
        mine = in_browser(browser, files)
        theirs = [predicted(address, file) for file in files]
    gaps = []
    for here, there in zip(mine, theirs, strict=True):
        assert "refused" not in here, here
        a, b = here["predictions"]["sky"], there["predictions"]["sky"]
        assert a["classes"] == b["classes"]
        gaps.append(np.abs(np.subtract(a["probabilities"], b["probabilities"])).max())
        assert here["setting"] == there["setting"]
        assert here["value"] == pytest.approx(there["value"], abs=1e-3)
    record_property("figure", f"{max(gaps):.0e}")
    assert max(gaps) < 1e-3
    said = {round(entry["predictions"]["sky"]["probabilities"][0], 2) for entry in theirs}
    assert len(said) > 10, "the photos are told apart by degrees"


def test_without_a_network_the_page_opens_answers_and_keeps_what_it_is_told(phone: Path, tmp_path: Path) -> None:
    photo = tmp_path / "night.jpg"
    phones.photo(np.random.default_rng(1), light=0).save(photo)
    with served.running(phone, "night_lamp") as (address, service), browsing.opened(f"{address}/") as browser:
        ready(browser)
        service.kill()
        service.wait()
        browser.refresh()
        ready(browser)
        browsing.every(browser, "#fields input[type=file]")[1].send_keys(str(photo))
        browsing.one(browser, "#send").send_keys("\n")
        browsing.until(browser, lambda b: browsing.one(b, "#answer").is_displayed())
        assert browsing.text(browser, "#decision") == "Decision: on"
        assert "on this device" in browsing.text(browser, "#pace")
        browsing.choose(browser, "[name=sky]", "dark")
        browsing.one(browser, "#tell button").click()
        browsing.until(browser, lambda b: "kept on this device" in browsing.text(b, "#told"))
        browsing.until(browser, lambda b: browsing.text(b, "#queued").startswith("1 on this device"))
        assert not browsing.barriers(browser)
        browsing.media(browser, scheme="dark")
        assert not browsing.barriers(browser)
        browser.refresh()
        ready(browser)
        browsing.until(browser, lambda b: browsing.text(b, "#queued").startswith("1 on this device"))
        with served.running(phone, "night_lamp", port=address.rpartition(":")[2]):
            browsing.one(browser, "#sync").click()
            browsing.until(browser, lambda b: not browsing.one(b, "#waiting").is_displayed())
        entries = [
            json.loads(line) for path in (phone / "log").rglob("*.jsonl") for line in path.read_text().splitlines()
        ]
    told = [entry for entry in entries if entry.get("outcomes")]
    assert [entry["outcomes"] for entry in told] == [{"sky": "dark"}]
    assert told[0]["decision"] in {entry["decision"] for entry in entries if "setting" in entry}, (
        "the case is in the log"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no picture at all", "not an image"), (served.png(20)[:40], "cut off"), (b"", "not an image"),
        (b"\xff\xd8\xff\xd9", "cannot be decoded"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_explained_without_the_service(phone: Path, content: bytes, says: str) -> None:
    with served.running(phone, "night_lamp") as (address, service), browsing.opened(f"{address}/") as browser:
        ready(browser)
        service.kill()
        [found] = in_browser(browser, [content])
    assert says in found["refused"]


def test_a_token_guards_the_model_and_the_page_asks_for_it(phone: Path) -> None:
    with served.running(phone, "night_lamp", DRIVETRAIN_TOKEN="sesame") as (address, _):
        for path, code in (("eye.onnx", 401), ("contract.json", 401), ("device.js", 200)):
            try:
                status = urllib.request.urlopen(f"{address}/{path}", timeout=10).status
            except urllib.error.HTTPError as error:
                status = error.code
            assert status == code, path
        with browsing.opened(f"{address}/") as browser:
            browsing.until(browser, lambda b: browsing.one(b, "[name=token]").is_displayed())
            browsing.one(browser, "[name=token]").send_keys("sesame")
            browsing.one(browser, "#send").click()
            ready(browser)


def test_a_device_that_is_too_slow_says_so(phone: Path, tmp_path: Path) -> None:
    contract = phone / "artifacts/device/contract.json"
    before = contract.read_text(encoding="utf-8")
    contract.write_text(
        before.replace('"max_ms": 2000.0', '"max_ms": 0.001').replace('"max_ms": 2000', '"max_ms": 0.001')
    )
    photo = tmp_path / "day.jpg"
    phones.photo(np.random.default_rng(1), light=130).save(photo)
    try:
        with served.running(phone, "night_lamp") as (address, _), browsing.opened(f"{address}/") as browser:
            ready(browser)
            browsing.every(browser, "#fields input[type=file]")[1].send_keys(str(photo))
            browsing.one(browser, "#send").click()
            browsing.until(browser, lambda b: browsing.one(b, "#answer").is_displayed())
            assert "too slow" in browsing.text(browser, "#pace")
            assert browsing.text(browser, "#decision") == "Decision: off"
    finally:
        contract.write_text(before, encoding="utf-8")
