"""A real browser, without a screen: pages are opened, typed into and looked at as a person would."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

if TYPE_CHECKING:  # `make test` collects these tests and has no browser
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

MODULES = Path(__file__).parent / "browser" / "node_modules"
"""What `tests/tools.sh` installs."""
AXE = MODULES / "axe-core" / "axe.min.js"
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync",
)  # fmt: skip


@contextmanager
def opened(address: str, size: tuple[int, int] = (412, 900), dark: bool = False) -> Iterator[Chrome]:
    """A page in a browser of its own, of the size of a phone."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for switch in (*SWITCHES, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"):
            options.add_argument(switch)
        if dark:
            options.add_argument("--force-dark-mode")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        try:
            browser.get(address)
            yield browser
        finally:
            browser.quit()


def until(browser: Chrome, holds: Callable[[Chrome], Any], seconds: float = 60) -> Any:
    """Wait until something holds, and give it."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, poll_frequency=0.1).until(holds)


def one(browser: Chrome, css: str) -> WebElement:
    """An element that must be there."""
    return browser.find_element("css selector", css)


def every(browser: Chrome, css: str) -> list[WebElement]:
    """All elements of a kind; none is fine."""
    return browser.find_elements("css selector", css)


def text(browser: Chrome, css: str) -> str:
    """What a person reads in an element."""
    return one(browser, css).text


def choose(browser: Chrome, css: str, choice: str) -> None:
    """Take one choice of a list."""
    from selenium.webdriver.support.ui import Select

    Select(one(browser, css)).select_by_visible_text(choice)


_SEEN: WeakKeyDictionary[Any, list[dict[str, Any]]] = WeakKeyDictionary()


def events(browser: Chrome) -> list[dict[str, Any]]:
    """What happened in the browser since its start: requests, windows, and what became of them."""
    seen = _SEEN.setdefault(browser, [])
    seen += [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return seen


def upload(browser: Chrome, button: WebElement, path: Path) -> None:
    """Press a button that opens the operating system's window to choose a file, and choose one."""
    browser.execute_cdp_cmd("Page.enable", {})
    browser.execute_cdp_cmd("Page.setInterceptFileChooserDialog", {"enabled": True})
    before = len(events(browser))
    button.click()
    asked = until(browser, lambda b: [e for e in events(b)[before:] if e["method"] == "Page.fileChooserOpened"])
    node = asked[-1]["params"]["backendNodeId"]
    browser.execute_cdp_cmd("DOM.setFileInputFiles", {"files": [str(path)], "backendNodeId": node})


def elsewhere(browser: Chrome) -> list[str]:
    """Addresses beyond the page's own service that the browser asked, but for those that the page's policy stopped."""
    own, asked, stopped = urlsplit(browser.current_url).netloc, {}, set()
    for event in events(browser):
        params = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            asked[params["requestId"]] = params["request"]["url"]
        elif event["method"] == "Network.webSocketCreated":
            asked[params["requestId"]] = params["url"]
        elif event["method"] == "Network.loadingFailed" and params.get("blockedReason") == "csp":
            stopped.add(params["requestId"])
    return sorted(
        address
        for request, address in asked.items()
        if request not in stopped and urlsplit(address).scheme in ("http", "https", "ws", "wss")
        if urlsplit(address).netloc != own
    )


def barriers(browser: Chrome) -> list[str]:
    """What keeps people out of the page, of the grave kinds, as axe-core finds it."""
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    grave = [entry for entry in found["violations"] if entry["impact"] in ("serious", "critical")]
    return [f"{entry['id']}: {node['html']}" for entry in grave for node in entry["nodes"]]


def errors(browser: Chrome) -> list[str]:
    """What the browser complained of, but for answers that refuse a request."""
    return [entry["message"] for entry in browser.get_log("browser") if "422" not in entry["message"]]


def media(browser: Chrome, *, kind: str = "screen", scheme: str = "light") -> None:
    """Show the page as a printer would, or to somebody who likes it dark."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})


def width(browser: Chrome, pixels: int) -> None:
    """Show the page on a screen of another width; 0: as wide as it was."""
    size = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    command = "setDeviceMetricsOverride" if pixels else "clearDeviceMetricsOverride"
    browser.execute_cdp_cmd(f"Emulation.{command}", size if pixels else {})


def unfold(browser: Chrome) -> None:
    """Open everything that is folded."""
    browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
