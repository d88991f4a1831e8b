"""The service as a process: killed, tampered with, in somebody's way, asked by hand."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import served

from drivetrain.serving.log import read

pytestmark = pytest.mark.full


def loan(**changes: Any) -> dict[str, Any]:
    return {"amount": 1000.0, "income": 3000.0, "home": "own"} | changes


class Caller(threading.Thread):
    """Somebody who asks, tells what came of it, and remembers what was acknowledged."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._host = urlsplit(address).netloc
        self.decided: list[str] = []
        self.told: list[str] = []

    def run(self) -> None:
        try:
            connection = http.client.HTTPConnection(self._host, timeout=10)
            while True:
                for answer in self._post(connection, "/decide", [loan(), loan(amount=500.0)]):
                    self.decided.append(answer["decision"])
                case = {"decision": self.decided[-1], "repaid": True}
                for answer in self._post(connection, "/feedback", [case]):
                    self.told.append(answer["decision"])
        except (OSError, http.client.HTTPException):
            return

    def _post(self, connection: http.client.HTTPConnection, path: str, cases: list[Any]) -> list[dict[str, Any]]:
        connection.request("POST", path, served.body(*cases), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status == 503:
            time.sleep(0.01)
            return []
        assert answer.status == 200, content
        results: list[dict[str, Any]] = json.loads(content)["results"]
        return results


def test_killed_under_load_twenty_times_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p")
    decided: set[str] = set()
    told: set[str] = set()
    for _ in range(20):
        with served.running(project, "small_loans") as (address, process):
            callers = [Caller(address) for _ in range(4)]
            for caller in callers:
                caller.start()
            time.sleep(0.7)
            process.send_signal(signal.SIGKILL)
            process.wait()
            for caller in callers:
                caller.join(10)
                decided |= set(caller.decided)
                told |= set(caller.told)
    records = list(read(project / "log"))
    assert len(decided) > 1000
    assert len(told) > 500
    assert decided <= {record["decision"] for record in records if record["kind"] == "decision"}
    assert told <= {record["decision"] for record in records if record["kind"] == "feedback"}


def test_asked_to_stop_it_answers_what_it_took_and_ends(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p")
    with served.running(project, "small_loans") as (address, process):
        callers = [Caller(address) for _ in range(2)]
        for caller in callers:
            caller.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) in (0, 130)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def fails(project: Path, *arguments: str) -> str:
    """What the service says when it cannot start: one line on stderr, exit code 2."""
    done = subprocess.run(
        [sys.executable, "-m", "small_loans.serve", *arguments], cwd=project, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_fault_at_the_start_is_one_line_and_exit_code_two(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p")
    served.with_package(project, "small_loans")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port} is in use" in fails(project, "--port", port)
    model = project / "artifacts/payer/model.onnx"
    content = model.read_bytes()
    model.write_bytes(content + b"\0")
    assert "artifacts/payer/model.onnx: the file is not the one that was trained" in fails(project, "--port", "0")
    model.write_bytes(content)
    policy = project / "artifacts/policy.json"
    policy.write_text(policy.read_text().replace('"yes"', '"no"'))
    assert "policy.json: was changed after it was made" in fails(project, "--port", "0")
    policy.unlink()
    assert "make decide" in fails(project, "--port", "0")


def test_started_by_uvicorn_it_says_the_same(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p")
    served.with_package(project, "small_loans")
    (project / "artifacts/policy.json").unlink()
    command = [sys.executable, "-m", "uvicorn", "small_loans.serve:app", "--port", "0"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "artifacts/policy.json: is missing. Run `make decide`." in done.stderr


def test_the_examples_of_the_guide_work_as_they_stand(tmp_path: Path) -> None:
    """Every `curl` of docs/service.md, against a real service."""
    project = served.lamp(tmp_path / "p", served.staged(served.LIGHT_PLAN, "limited"))
    photo = project / "data/photos/dark/0.png"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(served.png(0))
    guide = (served.SERVE.parent.parent / "docs/service.md").read_text(encoding="utf-8")
    examples = re.findall(r"```bash\n(.*?)```", guide, re.DOTALL)
    assert sum("curl" in example for example in examples) >= 6
    with served.running(project, "night_lamp", DRIVETRAIN_TOKEN="s3cret") as (address, _):
        given = f"set -euo pipefail\nTOKEN=s3cret SERVICE={address} OUTCOME=sky VALUE='\"dark\"'\n"
        script = given + "\n".join(examples).replace("{{ cookiecutter.package }}", "night_lamp")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=project, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        client = [sys.executable, "-m", "night_lamp.client", "--url", address, str(photo)]
        token = {**os.environ, "DRIVETRAIN_TOKEN": "s3cret"}
        asked = subprocess.run(client, cwd=project, env=token, capture_output=True, text=True, check=True)
        stranger = subprocess.run(client, cwd=project, capture_output=True, text=True)
        form = ["curl", "-s", "-H", "Authorization: Bearer s3cret", "-F", f"image=@{photo}", f"{address}/decide"]
        sent = subprocess.run(form, capture_output=True, text=True, check=True)
    assert "recommended     on" in asked.stdout
    assert (stranger.returncode, stranger.stdout) == (2, "")
    assert "refused (401)" in stranger.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"recommendation":"on"' in done.stdout.replace('": ', '":')
    assert '"recorded":true' in done.stdout.replace('": ', '":')
    assert '"status":"waiting"' in done.stdout.replace('": ', '":')
    assert "drivetrain_decisions_total" in done.stdout
    assert '"recommendation":"on"' in sent.stdout.replace('": ', '":')


def test_the_client_asks_with_files_and_rows_and_says_what_is_wrong(tmp_path: Path) -> None:
    project = served.lamp(tmp_path / "p")
    photos = project / "data/photos/dark"
    photos.mkdir(parents=True)
    for number in range(3):
        (photos / f"{number}.png").write_bytes(served.png(5 * number))
    with served.running(project, "night_lamp") as (address, _):

        def ask(*cases: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "night_lamp.client", "--url", address, *cases]
            return subprocess.run(command, cwd=project, capture_output=True, text=True)

        done = ask("data/photos/dark/1.png", "2")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("on\n") == 2
        assert "points/photo" in done.stdout
        for case, message in (("drivetrain.yaml", "not an image"), ("none.png", "cannot be read"), ("99", "row 99")):
            done = ask(case)
            assert (done.returncode, done.stdout) == (2, "")
            assert message in done.stderr
            assert "Traceback" not in done.stderr


@pytest.mark.parametrize("reader", ["head -c 9", "true", "sed -n 1q"])
def test_a_step_whose_reader_has_gone_ends_quietly(tmp_path: Path, reader: str) -> None:
    """`python -m … | head`: no complaint, whether little or much was left to say."""
    project = served.lamp(tmp_path / "p")
    served.with_package(project, "night_lamp")
    photo = project / "data/photos/dark/0.png"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(served.png(0))
    for cases in ("0", "0 " * 300):
        command = f"set -o pipefail; {sys.executable} -m night_lamp.client --request {cases} | {reader}"
        done = subprocess.run(["bash", "-c", command], cwd=project, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_slow_sender_holds_nobody_up(tmp_path: Path) -> None:
    project = served.lender(tmp_path / "p")
    with served.running(project, "small_loans") as (address, _):
        host, port = urlsplit(address).netloc.split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(60)]
        for one in slow:
            one.sendall(
                b"POST /decide HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
            )
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        began = time.monotonic()
        for _ in range(20):
            connection.request("POST", "/decide", served.body(loan()), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
        assert time.monotonic() - began < 5
        for one in slow:
            one.close()


def test_pictures_travel_as_files_and_as_text(tmp_path: Path) -> None:
    project = served.lamp(tmp_path / "p")
    with served.running(project, "night_lamp") as (address, _):
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        case = {"image": base64.b64encode(served.png(0)).decode()}
        connection.request("POST", "/predict", served.body(case), {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["results"][0]["predictions"]["sky"]["most_likely"] == "dark"
