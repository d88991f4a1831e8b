"""`serve: [gradio]`: the app in a real browser, and the files of a hosted Space."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import browsing
import pytest
import served
import yaml

from drivetrain import load_spec, project

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.full


@contextmanager
def gradio(folder: Path, package: str) -> Iterator[str]:
    """`make gradio`: its address."""
    served.with_package(folder, package)
    shutil.copyfile(served.SERVE.with_name("app.py"), folder / package / "app.py")
    with started([sys.executable, "-m", f"{package}.app"], folder) as address:
        yield address


@contextmanager
def started(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL,
        env={**(environment or os.environ), "GRADIO_SERVER_PORT": str(port)},
    )  # fmt: skip
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


def button(browser: Chrome, name: str) -> Any:
    [found] = [one for one in browsing.every(browser, "button") if one.text == name]
    return found


def decision(browser: Chrome) -> str:
    return str(browsing.one(browser, "[data-testid=textbox]").get_attribute("value"))


def submit(browser: Chrome, path: Path) -> str:
    """Clear what is there, upload a file, press the button, and read what it says."""
    button(browser, "Clear").click()
    browsing.until(browser, lambda b: not decision(b) and not browsing.every(b, "[aria-label='Clear']"))
    browsing.until(browser, lambda b: browsing.every(b, "input[type=file]"))[0].send_keys(str(path))
    browsing.until(browser, lambda b: browsing.every(b, "[data-testid=image] img, .image-frame img"))
    button(browser, "Submit").click()
    browsing.until(browser, decision)
    return decision(browser)


def test_an_uploaded_photo_gets_its_decision_and_a_wrong_file_a_reason(tmp_path: Path) -> None:
    lamp = served.lamp(tmp_path / "p")
    files = {
        "dark.png": served.png(20), "bright.png": served.png(240), "notes.jpg": b"no picture at all",
        "cut.png": served.png(20, (400, 400))[:90],
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with gradio(lamp, "night_lamp") as address:
        for dark in (False, True):
            with browsing.opened(address, dark=dark) as browser:
                browsing.until(browser, lambda b: browsing.every(b, "input[type=file]"))
                assert not browsing.barriers(browser)
                assert submit(browser, tmp_path / "dark.png") == "Decision: on. Expected value: 0.9964 points/photo"
                assert "dark\n100%\nbright\n0%" in browsing.text(browser, "body")
                assert not browsing.barriers(browser)
                assert "Decision: off" in submit(browser, tmp_path / "bright.png")
                if not dark:
                    assert "is not an image (PNG, JPEG" in submit(browser, tmp_path / "notes.jpg")
                    assert "is an image that cannot be decoded" in submit(browser, tmp_path / "cut.png")
                assert browsing.elsewhere(browser) == []


def test_before_anything_is_trained_it_says_what_to_do(tmp_path: Path) -> None:
    plan = served.LIGHT_PLAN.replace("serve: [api, voila]", "serve: [gradio]")
    (tmp_path / "drivetrain.yaml").write_text(plan)
    made = project.new(load_spec(tmp_path / "drivetrain.yaml"), tmp_path / "out").path
    done = subprocess.run([sys.executable, "-m", "night_lamp.app"], cwd=made, capture_output=True, text=True)
    assert (done.returncode, done.stderr.removeprefix("night-lamp/")) == (
        2, "artifacts/eye: there is no trained model here. Run `make train` first.\n"
    )  # fmt: skip


def test_the_files_of_a_space_make_one_that_runs(tmp_path: Path) -> None:
    """What its README says, done to an empty folder; its requirements, in an environment of its own."""
    from gradio_client import Client, handle_file

    plan = served.LIGHT_PLAN.replace("serve: [api, voila]", "serve: [gradio]")
    (tmp_path / "drivetrain.yaml").write_text(plan)
    (tmp_path / "dark.png").write_bytes(served.png(20))
    made = project.new(load_spec(tmp_path / "drivetrain.yaml"), tmp_path / "out", vendor=True).path
    trained = served.lamp(tmp_path / "trained", plan)
    for name in ("artifacts", "evidence"):
        shutil.copytree(trained / name, made / name, dirs_exist_ok=True)
    readme = (made / "deploy/space/README.md").read_text()
    [commands] = re.findall("```sh\n(.*?)```", readme, re.DOTALL)
    space = tmp_path / "space"
    space.mkdir()
    subprocess.run(["bash", "-euc", commands.replace("SPACE/", f"{space}/")], cwd=made, check=True)

    front = yaml.safe_load((space / "README.md").read_text().split("---")[1])
    # https://huggingface.co/docs/hub/spaces-config-reference
    assert front["sdk"] == "gradio"
    assert front["title"] == "Night lamp"
    assert (space / front["app_file"]).is_file()
    assert re.fullmatch(r"3\.\d+", front["python_version"])

    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
    alone = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    install = [python, "-m", "pip", "install", "-q", "-r", "requirements.txt"]
    subprocess.run(install, cwd=space, env=alone, check=True)
    assert subprocess.run([python, "-c", "import torch"], capture_output=True, env=alone).returncode == 1
    with started([str(python), front["app_file"]], space, alone) as address:
        client = Client(address, verbose=False)
        said, _, reasons = client.predict(handle_file(str(tmp_path / "dark.png")), api_name="/decide")
    assert said == "Decision: on. Expected value: 0.9964 points/photo"
    assert "expected to be worth" in reasons
