"""One real question for each way of serving, asked as its users ask it: a client, a browser, a file, a cluster.

Each function takes a trained project and gives what was answered, in a few words. It raises `Fell` with what was said
where it was not answered.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import browsing

LONGEST = 900
"""Seconds that one command, or one wait, may take: a loaded machine is no fault of what is tried."""
SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".wav", b"fLaC": ".flac"}


class Fell(Exception):
    """Something of a cell did not run."""


class Cannot(Exception):
    """A plan cannot be served in this way, and says why."""


def say(project: Path, *command: str, codes: tuple[int, ...] = (0,), **environment: str) -> str:
    """Run a command in the project as a person would type it, and give what it printed."""
    process = subprocess.Popen(
        command, cwd=project, env={**os.environ, "NO_COLOR": "1", **environment}, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        printed, faults = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise Fell(f"`{' '.join(command)}` did not end within {LONGEST} s") from None
    finally:
        _kill(process)
    if process.returncode not in codes:
        raise Fell(f"`{' '.join(command)}` ended with {process.returncode}: {(faults or printed).strip()[-1500:]}")
    return printed


@contextmanager
def running(project: Path, ready: str, *command: str, **environment: str) -> Iterator[str]:
    """A server in a process of its own, from the line on that says it is ready; gives that line."""
    process = subprocess.Popen(
        command, cwd=project, env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", **environment}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()], daemon=True).start()
    said: list[str] = []
    until = time.monotonic() + LONGEST
    try:
        while not said or ready not in said[-1]:
            try:
                said.append(lines.get(timeout=0.5))
            except queue.Empty:
                if process.poll() is not None or time.monotonic() > until:
                    raise Fell(f"`{' '.join(command)}` did not start: {''.join(said).strip()[-1500:]}") from None
        yield said[-1]
    finally:
        _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str) -> None:
    """Wait until an address answers with 200."""
    until, last = time.monotonic() + LONGEST, ""
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError as error:
            last = str(error)
            time.sleep(0.3)
    raise Fell(f"{url} did not answer within {LONGEST} s: {last}")


def package(project: Path) -> str:
    return next(project.glob("*/learners")).parent.name


def python(project: Path, module: str, *arguments: str, codes: tuple[int, ...] = (0,), **environment: str) -> str:
    command = [sys.executable, "-m", f"{package(project)}.{module}", *arguments]
    return say(project, *command, codes=codes, **environment)


CASES = """
import json, sys
from drivetrain import load_spec
from drivetrain.serving import case_of_number
print(json.dumps([case_of_number(load_spec(), number) for number in range(int(sys.argv[1]))]))
"""


def cases(project: Path, number: int = 1) -> list[dict[str, Any]]:
    """The first rows of the case table, as they would be sent."""
    found: list[dict[str, Any]] = json.loads(say(project, sys.executable, "-c", CASES, str(number)))
    return found


def files_of(found: dict[str, Any], folder: Path) -> dict[str, Path]:
    """The media of a case as files."""
    made = {}
    for name, value in found.items():
        if isinstance(value, str) and len(value) > 100:
            with contextlib.suppress(ValueError):
                content = base64.b64decode(value, validate=True)
                suffix = next((suffix for start, suffix in SUFFIXES.items() if content.startswith(start)), None)
                if suffix:
                    made[name] = folder / f"{name}{suffix}"
                    made[name].write_bytes(content)
    return made


def _client(project: Path, url: str, **environment: str) -> str:
    said = python(project, "client", "--url", url, "0", **environment)
    first = said.splitlines()[0].partition(": ")[2]
    if "defer" in first:
        first = re.search(r"recommended +(.*)", said)[1] + ", a person asked"  # type: ignore[index]
    return first


@contextmanager
def service(project: Path, **environment: str) -> Iterator[str]:
    """The project's own service, and its address."""
    command = [sys.executable, "-m", f"{package(project)}.serve", "--port", "0"]
    with running(project, "http://", *command, **environment) as said:
        yield said.partition(" at ")[2].partition(". ")[0]


def api(project: Path) -> str:
    """The client asks the service."""
    with service(project) as address:
        return _client(project, address)


def web(project: Path) -> str:
    """Somebody with a phone fills in the page."""
    [found] = cases(project)
    with (
        tempfile.TemporaryDirectory() as folder,
        service(project) as address,
        browsing.opened(f"{address}/") as browser,
    ):
        return _sent(browser, found, Path(folder))


def _sent(browser: Any, found: dict[str, Any], folder: Path) -> str:
    """Fill in the page for phones, send it, and read the answer."""
    files = files_of(found, folder)
    browsing.until(browser, lambda b: browsing.every(b, "#fields [name], #fields [data-media]"))
    for name, value in found.items():
        if name in files:
            browsing.every(browser, f"[data-media='{name}']")[-1].send_keys(str(files[name]))
        elif value is not None:
            for field in browsing.every(browser, f"#fields [name='{name}']"):  # on the device none but what it reads
                _fill(browser, field, value)
    browsing.one(browser, "#send").click()
    browsing.until(browser, lambda b: browsing.text(b, "#said") != "Asking …", LONGEST)
    if not browsing.one(browser, "#answer").is_displayed():
        raise Fell(f"the page said: {browsing.text(browser, '#said')}")
    return _on_page(browser)


def _fill(browser: Any, field: Any, value: Any) -> None:
    said = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, list):
        said = ", ".join(map(str, value))
    if field.tag_name == "select":
        field.find_element("xpath", f".//option[@value='{said}' or text()='{said}']").click()
    elif field.get_attribute("type") == "datetime-local":
        browser.execute_script("arguments[0].value = arguments[1]", field, said[:19])
    else:
        field.send_keys(said)


def voila(project: Path) -> str:
    """The notebook as an application, in a browser."""
    [found], port = cases(project), free_port()
    command = [sys.executable, "-m", "voila", "notebooks/app.ipynb", "--no-browser", f"--port={port}"]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(project, "http://", *command),
        browsing.opened(f"http://127.0.0.1:{port}/", (1200, 900)) as browser,
    ):
        files = files_of(found, Path(folder))
        browsing.until(browser, lambda b: browsing.every(b, "button.mod-primary"), LONGEST)
        for button in browsing.every(browser, "button.widget-upload"):
            name = button.text.strip().removeprefix("Upload: ").partition(" (")[0]
            browsing.upload(browser, button, files[name])
            browsing.until(browser, lambda b, button=button: "(1)" in button.text)
        for row in browsing.every(browser, ".widget-dropdown, .widget-text, .widget-textarea"):
            value = found.get(row.find_element("css selector", "label").text.partition(" (")[0])
            if value is not None:
                _fill(browser, row.find_element("css selector", "input, textarea, select"), value)
        browsing.one(browser, "button.mod-primary").click()

        def verdict(b: Any) -> str:
            return next((w.text for w in browsing.every(b, ".widget-label") if re.match("Decision|This", w.text)), "")

        said = browsing.until(browser, verdict, LONGEST)
        if not said.startswith("Decision: "):
            raise Fell(f"the page said: {said}")
        return re.sub(r"defer \(recommended: (.*?)\)", r"\1, a person asked", said[10:]).partition(", expected")[0]


def gradio(project: Path) -> str:
    """The Gradio application, asked over its own protocol."""
    from gradio_client import Client, handle_file

    [found], port = cases(project), free_port()
    command = [sys.executable, "-m", f"{package(project)}.app"]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(project, "http://", *command, GRADIO_SERVER_PORT=str(port), GRADIO_ANALYTICS_ENABLED="False"),
    ):
        files = files_of(found, Path(folder))
        client = Client(f"http://127.0.0.1:{port}/", verbose=False)
        [endpoint] = client.view_api(print_info=False, return_format="dict")["named_endpoints"].values()
        values = []
        for parameter in endpoint["parameters"]:
            name = parameter["label"].partition(" (")[0]
            value = found.get(name)
            shown = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            values.append(handle_file(str(files[name])) if name in files else shown)
        said = client.predict(*values, api_name="/decide")[0]
        if said.startswith("This cannot be decided"):
            raise Fell(f"the application said: {said}")
        answer = re.sub(r"\. Expected value.*", "", said)
        return re.sub(r"^Decision: |^Ask a person\. Recommended: ", "", answer) + (
            ", a person asked" if answer.startswith("Ask") else ""
        )


def batch(project: Path) -> str:
    """A table of cases in, a table of decisions out."""
    requested = cases(project, 200)
    shutil.rmtree(project / "new", ignore_errors=True)
    (project / "new").mkdir()
    for number, found in enumerate(requested):
        (project / "new" / str(number)).mkdir()
        for name, path in files_of(found, project / "new" / str(number)).items():
            found[name] = f"{number}/{path.name}"
    with (project / "new" / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(requested[0]))
        writer.writeheader()
        writer.writerows(requested)
    python(project, "batch", "new/cases.csv", "-o", "new/decisions.csv")
    with (project / "new" / "decisions.csv").open(newline="", encoding="utf-8") as file:
        decided = list(csv.DictReader(file))
    if len(decided) != len(requested) or any(row["status"] == "invalid" for row in decided):
        raise Fell(f"of {len(requested)} cases it decided {decided}")
    first = decided[0]["setting"]
    return f"{decided[0]['recommendation']}, a person asked" if first == "defer" else first


def device(project: Path) -> str:
    """A photo is decided by the page itself: its model is in the browser."""
    runtime = project / "deploy/device/node_modules/onnxruntime-web"
    shutil.copytree(browsing.MODULES / "onnxruntime-web", runtime, dirs_exist_ok=True)
    try:
        python(project, "device", codes=(0, 1))  # 1: over a limit of the plan
    except Fell as fault:
        if "ended with 2" not in str(fault):
            raise
        raise Cannot(str(fault).partition("ended with 2: ")[2]) from None
    [found] = cases(project)
    with (
        tempfile.TemporaryDirectory() as folder,
        service(project) as address,
        browsing.opened(f"{address}/") as browser,
    ):
        browsing.until(browser, lambda b: "come from this device" in browsing.text(b, "#device"), LONGEST)
        return _sent(browser, found, Path(folder))


def _on_page(browser: Any) -> str:
    said = browsing.text(browser, "#decision")
    if said.startswith("Decision: "):
        return said.removeprefix("Decision: ")
    if "no recommendation" in browsing.text(browser, "#worth"):
        raise Fell(f"the page said: {said} {browsing.text(browser, '#reasons')}")
    return re.sub(r"^Recommended: (.*)\.$", r"\1, a person asked", browsing.text(browser, "#worth"))


RAY = """
import ray
from ray import serve

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=None)
import PACKAGE.replicas as ours

serve.start(http_options={"port": PORT})
serve.run(ours.app)
print("ready", flush=True)
input()
"""


def ray(project: Path) -> str:
    """The client asks replicas on Ray Serve."""
    port = free_port()
    program = RAY.replace("PORT", str(port)).replace("PACKAGE", package(project))
    path = os.pathsep.join([str(project), *filter(None, sys.path)])
    patience = {"RAY_raylet_start_wait_time_s": "60"}
    with running(project, "ready\n", sys.executable, "-c", program, PYTHONPATH=path, RAY_DEDUP_LOGS="0", **patience):
        return _client(project, f"http://127.0.0.1:{port}")


def kubernetes(project: Path) -> str:
    """What the manifests say, done here: the image's command with its secret, the probes' paths, then the client."""
    import kubernetes_validate
    import yaml

    for path in sorted((project / "deploy/kubernetes").glob("*.yaml")):
        kubernetes_validate.validate(yaml.safe_load(path.read_text(encoding="utf-8")), "1.31", strict=True)
    manifest = yaml.safe_load((project / "deploy/kubernetes/deployment.yaml").read_text(encoding="utf-8"))
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    command = json.loads(re.search(r"^CMD (.*)$", (project / "deploy/Dockerfile").read_text(), re.MULTILINE)[1])  # type: ignore[index]
    port, token = free_port(), {container["env"][0]["name"]: "sesame"}
    command = [
        {"python": sys.executable, "8000": str(port), "0.0.0.0": "127.0.0.1"}.get(word, word) for word in command
    ]
    with running(project, "running on", *command, **token):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            wait_for(f"http://127.0.0.1:{port}{container[probe]['httpGet']['path']}")
        return _client(project, f"http://127.0.0.1:{port}", **token)


ASK: dict[str, Callable[[Path], str]] = {
    "api": api, "web": web, "voila": voila, "gradio": gradio, "batch": batch, "device": device, "ray": ray,
    "kubernetes": kubernetes,
}  # fmt: skip
