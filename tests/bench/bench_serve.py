"""What the service adds to a bare network, how fast it answers beside a hand-written endpoint, and what a flood does.

python tests/bench/bench_serve.py [--json FILE] [--flood SECONDS]

Times within the service are processor times of one thread, so that they mean the same on a busy machine. Throughput and
waiting are wall times, ours and the bare endpoint's in turns within one run.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import importlib.util
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import projects  # noqa: E402
import served  # noqa: E402

PLAN = projects.DIGITS.replace("size: 32", "size: 64").replace("epochs: 3", "epochs: 1")
BARE = """\
import base64, io
import numpy as np, onnxruntime
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel

app = FastAPI()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession("artifacts/reader/model.onnx", options, providers=["CPUExecutionProvider"])

class Case(BaseModel):
    image: str

class Body(BaseModel):
    cases: list[Case]

@app.post("/predict")
def predict(body: Body):
    results = []
    for case in body.cases:
        image = Image.open(io.BytesIO(base64.b64decode(case.image))).convert("RGB").resize((64, 64))
        pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)[None] / 255
        [logits] = session.run(["logits"], {"image": pixels})
        powers = np.exp(logits[0] - logits[0].max())
        results.append({"probabilities": (powers / powers.sum()).tolist()})
    return {"results": results}

@app.get("/readyz")
def ready():
    return {}
"""
"""What a practitioner writes in ten minutes: no checks, no guard, no log."""


# Within the process


class Asked:
    """One request, handed to the application as uvicorn would hand it over."""

    def __init__(self, app: Any, path: str, body: bytes) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        self._app, self._body = app, body
        self._scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST"}
        self._scope |= {"scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b""}
        self._scope |= {"root_path": "", "headers": headers, "client": ("a", 1), "server": ("b", 2), "state": {}}

    async def __call__(self) -> None:
        said: list[Any] = []
        parts = [{"type": "http.request", "body": self._body, "more_body": False}]

        async def receive() -> Any:
            return parts.pop()

        async def send(message: Any) -> None:
            said.append(message)

        await self._app(dict(self._scope), receive, send)
        assert said[0]["status"] == 200, said


def application(project: Path) -> Any:
    """The project's `serve.py`, as a module."""
    os.chdir(project)
    found = importlib.util.spec_from_file_location(f"serve_{project.name}", served.SERVE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


def bare(project: Path, model: str, size: int, png: bytes) -> Callable[[], Any]:
    """Preprocessing and the network, nothing else."""
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = project / "artifacts" / model / "model.onnx"
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run() -> Any:
        image = Image.open(io.BytesIO(png)).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
        return session.run(["logits"], {"image": np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]})

    return run


async def within(project: Path, model: str, size: int, png: bytes, rounds: int) -> dict[str, float]:
    """Processor seconds of a bare run, of `/predict` and of `/decide`, asked in turns; the lower quartile of each."""
    module = application(project)
    module.service.start()
    body = served.body({"image": base64.b64encode(png).decode()})
    floor = bare(project, model, size, png)
    asked = {path: Asked(module.app, path, body) for path in ("/predict", "/decide")}
    found: dict[str, list[float]] = {"bare": [], "/predict": [], "/decide": []}
    for turn in range(rounds + 20):
        for name, times in found.items():
            begun = time.process_time()
            if name == "bare":
                floor()
            else:
                await asked[name]()
            if turn >= 20:
                times.append(time.process_time() - begun)
    module.service.desk.log.close()
    return {name: float(np.quantile(times, 0.25)) for name, times in found.items()}


def learner_time(project: Path, size: int, png: bytes) -> float:
    """How many times as long as a bare run one `learn.predict` takes, in turns on one thread, in processor time."""
    code = (
        "import sys; sys.path[:0] = ['.', sys.argv[1]]\n"
        "import time, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\nimport numpy as np\nfrom bench_serve import bare\n"
        "from drivetrain.training import load_learner\n"
        "png, size = Path('one.png'), int(sys.argv[2])\n"
        "floor = bare(Path.cwd(), 'reader', size, png.read_bytes())\n"
        "learn = load_learner(Path('artifacts/reader'))\n"
        "def predict():\n"
        "    with learn.no_bar(), learn.no_logging(): learn.predict(png)\n"
        "times = {floor: [], predict: []}\n"
        "for _ in range(50):\n"
        "    for step, taken in times.items():\n"
        "        begun = time.process_time()\n"
        "        step()\n"
        "        taken.append(time.process_time() - begun)\n"
        "print(np.quantile(times[predict][10:], 0.25) / np.quantile(times[floor][10:], 0.25))\n"
    )
    (project / "one.png").write_bytes(png)
    done = projects.python(project, "-c", code, str(HERE), str(size))
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


# Over the wire


@contextlib.contextmanager
def serving(project: Path, *command: str) -> Iterator[tuple[int, int]]:
    """A server on a processor of its own: its port and its process."""
    port = served_port()
    line = [sys.executable, *command, "--port", str(port)]
    cores = sorted(os.sched_getaffinity(0))
    with subprocess.Popen(line, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        os.sched_setaffinity(process.pid, {cores[-1]})
        try:
            deadline = time.monotonic() + 60
            while not asyncio.run(answers(port)):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(20)


def served_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def answers(port: int) -> bool:
    try:
        return (await Connection.call(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 200
    except OSError:
        return False


class Connection:
    """HTTP/1.1 and no more than it takes: a client that costs little beside what it measures."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @classmethod
    async def call(cls, port: int, message: bytes) -> tuple[int, bytes]:
        one = await cls.open(port)
        try:
            return await one.ask(message)
        finally:
            one.close()

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        """Status and head of the answer."""
        self._writer.write(message)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(head[9:12]), head

    def close(self) -> None:
        self._writer.close()


def message(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def busy(port: int, sent: bytes, seconds: float, callers: int) -> list[float]:
    """Callers who ask again as soon as they are answered: how long each answer took."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def caller() -> None:
        one = await Connection.open(port)
        while (begun := time.perf_counter()) < until:
            status, _ = await one.ask(sent)
            assert status == 200
            times.append(time.perf_counter() - begun)
        one.close()

    await asyncio.gather(*(caller() for _ in range(callers)))
    return times


def beside_bare(project: Path, sent: bytes) -> dict[str, float]:
    """Answers a second and processor seconds an answer, ours and the bare endpoint's in turns."""
    (project / "bare.py").write_text(BARE, encoding="utf-8")
    found: dict[str, list[list[float]]] = {"ours": [], "bare": []}
    used: dict[str, list[float]] = {"ours": [], "bare": []}
    with (
        serving(project, "-m", "letters.serve") as ours,
        serving(project, "-m", "uvicorn", "bare:app", "--log-level", "warning") as plain,
    ):
        for turn in range(7):
            for name, (port, process) in (("ours", ours), ("bare", plain)):
                before = processor(process)
                times = asyncio.run(busy(port, sent, 2.0, 3))
                if turn:
                    found[name].append(times)
                    used[name].append((processor(process) - before) / len(times))
    rates = {name: [len(times) / 2.0 for times in turns] for name, turns in found.items()}
    return {
        "rate": statistics.median(a / b for a, b in zip(rates["ours"], rates["bare"], strict=True)),
        "cost": statistics.median(a / b for a, b in zip(used["ours"], used["bare"], strict=True)),
        "p99": float(np.quantile([seconds for turn in found["ours"] for seconds in turn], 0.99)),
        "bare_p99": float(np.quantile([seconds for turn in found["bare"] for seconds in turn], 0.99)),
    }


def processor(process: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> float:
    """MiB that a process holds."""
    line = next(x for x in Path(f"/proc/{process}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


# A flood


def flooded(project: Path, sent: bytes, seconds: float) -> dict[str, float]:
    """Five times what the service can answer, sent whatever it answers."""
    with serving(project, "-m", "letters.serve") as (port, process):
        alone = asyncio.run(busy(port, sent, 6.0, 1))
        capacity = len(asyncio.run(busy(port, sent, 3.0, 3))) / 3.0
        before = memory(process)
        found = asyncio.run(open_loop(port, sent, 5 * capacity, seconds))
        after = memory(process)
        recovered = asyncio.run(until_well(port, sent, float(np.quantile(alone, 0.99))))
    accepted = [took for took, status, _ in found if status == 200]
    refused = [hint for _, status, hint in found if status == 503]
    return {
        "sent": len(found) / seconds / capacity,
        "accepted": len(accepted) / seconds / capacity,
        "other": sum(status not in (200, 503) for _, status, _ in found),
        "hint": sum(refused) / max(1, len(refused)),
        "p99": float(np.quantile(accepted, 0.99)) / float(np.quantile(alone, 0.99)),
        "growth": after - before,
        "recovery": recovered,
    }


async def open_loop(port: int, sent: bytes, rate: float, seconds: float) -> list[tuple[float, int, bool]]:
    """Requests at a fixed rate: for each how long it took, its status, and whether it says when to come again."""
    found: list[tuple[float, int, bool]] = []
    free: list[tuple[float, Connection]] = []

    async def one() -> None:
        # The server closes what was idle for five seconds.
        while free and time.perf_counter() - free[-1][0] > 3:
            free.pop()[1].close()
        link = free.pop()[1] if free else await Connection.open(port)
        begun = time.perf_counter()
        try:
            status, head = await link.ask(sent)
        except (OSError, asyncio.IncompleteReadError):
            found.append((time.perf_counter() - begun, 0, False))
            return
        found.append((time.perf_counter() - begun, status, b"retry-after: " in head.lower()))
        free.append((time.perf_counter(), link))

    begun, tasks, count = time.perf_counter(), set(), 0
    while (now := time.perf_counter() - begun) < seconds:
        while count < now * rate:
            task = asyncio.create_task(one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            count += 1
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    for _, link in free:
        link.close()
    return found


async def until_well(port: int, sent: bytes, usual: float) -> float:
    """Seconds after the flood until five requests in a row are answered as before it."""
    begun, row = time.perf_counter(), 0
    link = await Connection.open(port)
    while row < 5 and time.perf_counter() - begun < 30:
        asked = time.perf_counter()
        status, _ = await link.ask(sent)
        row = row + 1 if status == 200 and time.perf_counter() - asked <= 3 * usual else 0
    link.close()
    return time.perf_counter() - begun


def measure(folder: Path, flood: float) -> list[dict[str, Any]]:
    """The figures beside what they should be."""
    import uvloop

    project = folder / "letters"
    projects.write_digits(project / "data" / "letters", 24)
    done = projects.train(projects.make(project, PLAN))
    assert done.returncode == 0, done.stderr
    served.write_policy(project)
    served.with_package(project, "letters")
    png = next((project / "data/letters/3").glob("*.png")).read_bytes()
    sent = message("/predict", served.body({"image": base64.b64encode(png).decode()}))
    wire = beside_bare(project, sent)
    storm = flooded(project, sent, flood)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})  # one thread, and onnxruntime takes no more
    learner = learner_time(project, 64, png)
    resnet = uvloop.run(within(project, "reader", 64, png, 150))
    tiny = uvloop.run(within(served.lamp(folder / "lamp"), "eye", 8, served.png(0), 600))
    os.sched_setaffinity(0, cores)
    return [
        {
            "what": "ResNet-18: /predict / (preprocessing + onnxruntime)",
            "is": resnet["/predict"] / resnet["bare"],
        }
        | {"most": 1.2},
        {
            "what": "ResNet-18: /decide, logged / the same",
            "is": resnet["/decide"] / resnet["bare"],
            "most": 1.2,
        },
        {"what": "tiny model: /predict above it, ms", "is": 1000 * (tiny["/predict"] - tiny["bare"]), "most": 0.5},
        {"what": "tiny model: /decide, logged, above it, ms", "is": 1000 * (tiny["/decide"] - tiny["bare"])},
        {"what": "learn.predict / /predict", "is": learner * resnet["bare"] / resnet["/predict"], "least": 4},
        {"what": "learn.predict / (preprocessing + onnxruntime)", "is": learner},
        {"what": "answers a second / a bare FastAPI endpoint's", "is": wire["rate"], "least": 0.9},
        {"what": "processor time an answer / the bare endpoint's", "is": wire["cost"]},
        {"what": "p99 of three callers, ms", "is": 1000 * wire["p99"]},
        {"what": "p99 of three callers at the bare endpoint, ms", "is": 1000 * wire["bare_p99"]},
        {"what": "flood: requests sent / capacity", "is": storm["sent"]},
        {"what": "flood: requests answered / capacity", "is": storm["accepted"]},
        {"what": "flood: p99 of the answered / p99 unloaded", "is": storm["p99"], "most": 3},
        {"what": "flood: neither 200 nor 503", "is": storm["other"], "most": 0},
        {"what": "flood: share of the refused with Retry-After", "is": storm["hint"], "least": 1},
        {"what": "flood: memory gained, MiB", "is": storm["growth"], "most": 20},
        {"what": "flood: seconds until all is as before", "is": storm["recovery"], "most": 1},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--flood", type=float, default=30.0, help="seconds of overload (default: 30)")
    options = parser.parse_args()
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.flood)
        os.chdir(here)
    for row in rows:
        print(f"{row['what']:<64} {row['is']:>10.4g}")
    if options.json:
        options.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
