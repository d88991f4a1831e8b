"""The service around an engine: requests in, answers out, and nothing that a stranger sends ends in a 500."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from drivetrain import load_spec
from drivetrain.errors import DrivetrainError, ServiceError
from drivetrain.serving import openapi
from drivetrain.serving.answers import Decision, Decisions, Predictions, Receipts
from drivetrain.serving.cases import of_form, parse_body
from drivetrain.serving.engine import Engine
from drivetrain.serving.limits import Limits, Refused
from drivetrain.serving.log import Log
from drivetrain.serving.metrics import CONTENT_TYPE, Metrics

Answer = TypeVar("Answer")
_LOG = logging.getLogger("drivetrain.serving")


class Service:
    """What a project's `serve.py` builds its endpoints on.

    Nothing is read before the service starts, so that a fault in a plan or an artifact is told once, clearly, and by
    whoever starts it.

    Args:
        folder: The project's folder; None is the nearest one, from the working directory upwards.
        limits: How much one request may ask for.

    Attributes:
        app: The FastAPI application; endpoints are added to it as to any other.
        metrics: Counters, for `GET /metrics`.
    """

    def __init__(self, folder: Path | None = None, limits: Limits | None = None) -> None:
        self._folder, self.limits = folder, limits or Limits()
        self.metrics = Metrics()
        self._engine: Engine | None = None
        self._log: Log | None = None
        self._waiting = 0
        # One thread asks the models: onnxruntime uses the processor's cores by itself, and a queue in front of it can
        # be measured and bounded.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="models")
        self.app = self._application()

    @property
    def engine(self) -> Engine:
        """The loaded engine.

        Raises:
            Refused: The service has not started yet (503).
        """
        if self._engine is None:
            raise Refused("the models are not loaded yet.", status=503)
        return self._engine

    def start(self) -> Engine:
        """Load and verify everything; a second call gives what the first one loaded.

        Raises:
            DrivetrainError: The plan, a model or the policy is missing, was changed, or does not fit.
        """
        if self._engine is None:
            spec = load_spec(self._folder)
            self._engine = Engine.open(spec, self.limits)
            self._log = Log(spec.root / "log")
            for name, run in self._engine.runs.items():
                self.metrics.model.labels(name, run, spec.stage).set(1)
        return self._engine

    async def predict(self, cases: list[dict[str, Any]]) -> Predictions:
        """Classes and probabilities of each case."""
        return {"results": await self._ask(self.engine.predict, cases)}

    async def decide(self, cases: list[dict[str, Any]]) -> Decisions:
        """A setting, or `defer`, for each case; every decision is in the log before it is answered."""
        return {"results": await self._ask(self._decide, cases)}

    async def feedback(self, cases: list[dict[str, Any]]) -> Receipts:
        """Outcomes of earlier decisions; each is in the log before it is acknowledged."""
        return {"results": await self._ask(self._feedback, cases)}

    def health(self) -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "alive"}

    def readiness(self) -> dict[str, Any]:
        """Whether the models are loaded, and which."""
        engine = self.engine
        return {"status": "ready", "project": engine.spec.slug, "stage": engine.spec.stage, "runs": engine.runs}

    def figures(self) -> Response:
        """Everything counted so far, as Prometheus reads it."""
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    def main(self, arguments: list[str] | None = None) -> None:
        """Serve until told to stop: `--host`, `--port`.

        Raises:
            DrivetrainError: A port in use, or anything that `start` refuses.
        """
        parser = argparse.ArgumentParser(description="Serve the project's models and its policy.")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one")
        options = parser.parse_args(arguments)
        listening = _listen(options.host, options.port)
        try:
            spec = self.start().spec
        except BaseException:
            listening.close()
            raise
        import uvicorn

        port = listening.getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        print(f"Serving {spec.slug} (stage {spec.stage}) at http://{host}:{port}. Ctrl-C stops it.", flush=True)
        config = uvicorn.Config(self.app, log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listening])

    async def read(self, request: Request) -> list[dict[str, Any]]:
        """The cases of a request: JSON, or a form with one file.

        Raises:
            Refused: It is too large, of another type, or not of the documented shape.
        """
        body = await _body(request, self.limits.body_bytes)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return parse_body(body, self.limits)
        if kind == "multipart/form-data":
            return [of_form(self.engine.fields, *await _form(request, body))]
        raise Refused("send application/json, or multipart/form-data with one file.", status=415)

    def _decide(self, cases: list[dict[str, Any]]) -> list[Decision]:
        answers = self.engine.decide(cases)
        self._append([_record("decision", **_loggable(answer)) for answer in answers])
        for answer in answers:
            self.metrics.decisions.labels(answer["setting"]).inc()
            if not answer["in_domain"]:
                self.metrics.outside.inc()
        return answers

    def _feedback(self, cases: list[dict[str, Any]]) -> list[Any]:
        outcomes = self.engine.feedback(cases)
        self._append([_record("feedback", **outcome) for outcome in outcomes])
        self.metrics.feedback.inc(len(outcomes))
        return [{"decision": outcome["decision"], "recorded": True} for outcome in outcomes]

    def _append(self, records: list[dict[str, Any]]) -> None:
        assert self._log is not None
        try:
            self._log.write(records)
        except ServiceError as error:
            # What cannot be recorded is not answered: a decision nobody can look up later is none.
            raise Refused(error.what, where=error.where, status=503) from error

    async def _ask(self, work: Callable[[list[dict[str, Any]]], Answer], cases: list[dict[str, Any]]) -> Answer:
        if self._waiting >= self.limits.pending:
            self.metrics.refused.inc()
            raise Refused("too many requests are waiting; come again in a second.", status=503)
        self._waiting += 1
        self.metrics.waiting.set(self._waiting)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, cases)
        finally:
            self._waiting -= 1
            self.metrics.waiting.set(self._waiting)

    def _application(self) -> FastAPI:
        @contextlib.asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            try:
                self.start()
            except DrivetrainError as error:
                raise RuntimeError(error.message) from None
            yield
            self._worker.shutdown()
            if self._log is not None:
                self._log.close()

        # FastAPI's own pages load their scripts from another host; the description itself is at /openapi.json.
        app = FastAPI(title="Decisions", lifespan=lifespan, docs_url=None, redoc_url=None)
        app.state.service = self
        app.add_exception_handler(Refused, _on_refused)
        app.add_exception_handler(DrivetrainError, _on_error)
        app.add_exception_handler(RequestValidationError, _on_invalid)
        app.middleware("http")(self._measured)
        app.openapi = lambda: openapi.describe(app, read_cases, self._folder)  # type: ignore[method-assign]
        return app

    async def _measured(self, request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        begun = perf_counter()
        response = await call(request)
        route = request.scope.get("route")
        # A path that no route knows is a stranger's text: it must not become a label.
        endpoint = getattr(route, "path", "unknown")
        self.metrics.requests.labels(endpoint, str(response.status_code)).inc()
        self.metrics.seconds.labels(endpoint).observe(perf_counter() - begun)
        return response


async def read_cases(request: Request) -> list[dict[str, Any]]:
    """The cases of a request; endpoints take them as `cases: Cases`."""
    service: Service = request.app.state.service
    return await service.read(request)


Cases = Annotated[list[dict[str, Any]], Depends(read_cases)]


async def _body(request: Request, most: int) -> bytes:
    """The whole body, read no further than it may go."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise Refused(f"the body has {int(announced):,} bytes; at most {most:,}.", status=413)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise Refused(f"the body has more than {most:,} bytes.", status=413)
        parts.append(part)
    return b"".join(parts)


async def _form(request: Request, body: bytes) -> tuple[dict[str, str], tuple[str, bytes] | None]:
    """The texts of a form and its one file."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        parser = MultiPartParser(request.headers, stream(), max_files=1, max_fields=200, max_part_size=len(body) + 1)
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused(f"the form cannot be read ({error.message}).", status=400) from None
    except (KeyError, ValueError, AssertionError):
        raise Refused("the form cannot be read.", status=400) from None
    texts: dict[str, str] = {}
    file: tuple[str, bytes] | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            file = (name, await value.read())
        else:
            texts[name] = value
    await form.close()
    return texts, file


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, or a message that says who is in the way."""
    if not 0 <= port <= 65535:
        raise ServiceError(f"{port} is no port.", "Give a number from 0 to 65535.", "--port")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        # A port that a stopped server has just left is free; one that a running server listens on is not.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        if error.errno in (98, 48, 10048):
            what, advice = f"port {port} is in use.", f"Stop what listens there, or take another: --port {port + 1}."
        else:
            what, advice = f"cannot listen there ({error.strerror or error}).", "Give another --host or --port."
        raise ServiceError(what, advice, f"{host}:{port}") from error
    return listening


def _record(kind: str, **entries: Any) -> dict[str, Any]:
    return {"kind": kind, "time": datetime.now(UTC).isoformat(timespec="microseconds"), **entries}


def _loggable(answer: Decision) -> Mapping[str, Any]:
    return {
        **{key: answer[key] for key in ("decision", "setting", "recommendation", "value", "stage", "runs")},
        "reasons": answer["reasons"],
        "probabilities": {name: found["probabilities"] for name, found in answer["predictions"].items()},
    }


def _on_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {"Retry-After": "1"} if error.status == 503 else {}
    return JSONResponse({"detail": error.message}, error.status, headers)


def _on_error(_: Request, error: Exception) -> Response:
    """A case that the models cannot take."""
    assert isinstance(error, DrivetrainError)
    return JSONResponse({"detail": error.message}, 422)


def _on_invalid(_: Request, error: Exception) -> Response:
    """A parameter of an endpoint that the team added. The input is not echoed: it may be anything."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"detail": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 422)
