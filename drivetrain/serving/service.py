"""The web service: requests in, answers out, and nothing that a stranger sends ends in a 500."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic_core import to_json

from drivetrain.errors import DrivetrainError, ServiceError
from drivetrain.serving import openapi, reading
from drivetrain.serving.approvals import Standing
from drivetrain.serving.cases import of_form, parse_body
from drivetrain.serving.desk import Desk
from drivetrain.serving.direct import route_class
from drivetrain.serving.engine import Engine
from drivetrain.serving.gate import Gate
from drivetrain.serving.limits import Limits, Refused
from drivetrain.serving.metrics import CONTENT_TYPE, Metrics
from drivetrain.serving.worker import Worker
from drivetrain.spec.check import find

TOKEN = "DRIVETRAIN_TOKEN"
"""Environment variable with the token that callers must show; without it anybody who reaches the port may ask."""
PAGES = Path(__file__).parent / "pages"
SELF_ONLY = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; media-src blob:",
    "X-Content-Type-Options": "nosniff",
}


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
        self._desk: Desk | None = None
        self._worker = Worker(self.limits.pending)
        self._pages = _pages()
        self.app = self._application()

    @property
    def desk(self) -> Desk:
        """Models, policy and log.

        Raises:
            Refused: The service has not started yet (503).
        """
        if self._desk is None:
            raise Refused("the models are not loaded yet.", status=503)
        return self._desk

    @property
    def engine(self) -> Engine:
        """The loaded models and policy."""
        return self.desk.engine

    def start(self) -> Engine:
        """Load and verify everything; a second call gives what the first one loaded.

        Raises:
            DrivetrainError: The plan, a model or the policy is missing, was changed, or does not fit.
        """
        if self._desk is None:
            self._desk = Desk(self._folder, self.limits, self.metrics)
            # What has just been loaded stays: nobody needs to look through it for garbage again and again.
            gc.collect()
            gc.freeze()
        return self._desk.engine

    async def predict(self, cases: list[dict[str, Any]]) -> Response:
        """Classes and probabilities of each case."""
        return await self._answer(self.desk.predict, cases)

    async def decide(self, cases: list[dict[str, Any]]) -> Response:
        """A setting, or `defer`, for each case; every decision is in the log before it is answered."""
        return await self._answer(self.desk.decide, cases)

    async def feedback(self, cases: list[dict[str, Any]]) -> Response:
        """Outcomes of earlier decisions; each is in the log before it is acknowledged."""
        return await self._answer(self.desk.feedback, cases)

    async def approve(self, cases: list[dict[str, Any]]) -> Response:
        """What people chose for waiting decisions; each is in the log before it is acknowledged."""
        return await self._answer(self.desk.approve, cases)

    async def _answer(self, work: Callable[[list[dict[str, Any]]], Any], cases: list[dict[str, Any]]) -> Response:
        """Have cases worked on, and their results written as JSON, by the thread that asks the models."""

        def written() -> bytes:
            # What is no number is null: JSON has no other word for it.
            return to_json({"results": work(cases)}, inf_nan_mode="null")

        return Response(await self._worker.ask(written), media_type="application/json")

    def waiting(self) -> dict[str, Any]:
        """Decisions that wait for a person, the oldest first."""
        spec, approvals = self.engine.spec, self.desk.approvals
        scope = (spec.deployment.scope if spec.deployment else None) or ""
        unit = self.engine.problem.unit
        return {"results": approvals.oldest(), "total": len(approvals), "scope": scope, "unit": unit}

    def standing(self, decision: str) -> Standing:
        """Where a decision of stage *limited* stands."""
        return self.desk.approvals.standing(decision)

    def file(self, decision: str, column: str) -> Response:
        """A file that came with a waiting decision. It came from a stranger: no browser may run what is in it."""
        headers = {**SELF_ONLY, "Content-Disposition": "attachment"}
        return FileResponse(self.desk.file(decision, column), media_type="application/octet-stream", headers=headers)

    def page(self, name: str) -> Response:
        """A page of the library, or the script of one."""
        return FileResponse(PAGES / name, headers=SELF_ONLY)

    def show(self, folder: str, closed: bool = False) -> None:
        """Serve the files of a folder of the project, `index.html` at `/`; nothing when the plan has no such folder.

        What lies in the folder when the service starts is served, and nothing else: no path of a request is ever looked
        up on disk. The pages need no token; what they ask the service for does.

        Args:
            folder: Below the project's folder.
            closed: Whether its files need the token as well.
        """
        try:
            base = find(self._folder).parent / folder
        except DrivetrainError:
            return  # `start` says what is wrong with the plan
        for file in sorted(path for path in base.glob("*") if path.is_file() and not path.is_symlink()):
            paths = [f"/{file.name}", *(["/"] if file.name == "index.html" else [])]
            self._pages.update([] if closed else paths)
            for path in paths:
                self.app.add_api_route(path, _sends(file), include_in_schema=False)

    def health(self) -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "alive"}

    def readiness(self) -> dict[str, Any]:
        """Whether the models are loaded, which, and what people have set."""
        engine, state = self.engine, self.desk.state
        return {
            "status": "ready",
            "project": engine.spec.slug,
            "stage": engine.spec.stage,
            "runs": engine.runs,
            "share": state.share if engine.spec.stage == "wide" else None,
            "paused": state.paused,
            "release": state.release,
        }

    def figures(self) -> Response:
        """Everything counted so far, as Prometheus reads it."""
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    def main(self, arguments: list[str] | None = None) -> None:
        """Serve until told to stop: `--host`, `--port`.

        Raises:
            DrivetrainError: A port in use, or anything that `start` refuses.
        """
        parser = argparse.ArgumentParser(
            description="Serve the project's models and its policy.",
            epilog=f"Set {TOKEN} in the environment, and callers must show it: Authorization: Bearer …",
        )
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

        # The thread at the models needs the interpreter back soon after the network has run, even while many others
        # ask: Python's own 5 ms would double the time of a small network.
        sys.setswitchinterval(0.0005)
        port = listening.getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        if release := self.desk.state.release:
            print(f"Rolled back to the release {release}.", flush=True)
        print(f"Serving {spec.slug} (stage {spec.stage}) at http://{host}:{port}. Ctrl-C stops it.", flush=True)
        config = uvicorn.Config(self.app, log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listening])

    async def read(self, request: Request) -> list[dict[str, Any]]:
        """The cases of a request: JSON, or a form with one file.

        Raises:
            Refused: It is too large, of another type, or not of the documented shape.
        """
        content = await reading.body(request, self.limits.body_bytes)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return parse_body(content, self.limits)
        if kind == "multipart/form-data":
            return [of_form(self.engine.fields, *await reading.form(request, content))]
        raise Refused("send application/json, or multipart/form-data with one file.", status=415)

    def _application(self) -> FastAPI:
        @contextlib.asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            try:
                self.start()
            except DrivetrainError as error:
                raise RuntimeError(error.message) from None
            yield
            self._worker.stop()
            self.desk.log.close()

        # FastAPI's own pages load their scripts from another host; the description itself is at /openapi.json.
        app = FastAPI(title="Decisions", lifespan=lifespan, docs_url=None, redoc_url=None)
        app.state.service = self
        app.router.route_class = route_class(read_cases)
        app.add_exception_handler(Refused, _on_refused)
        app.add_exception_handler(DrivetrainError, _on_error)
        app.add_exception_handler(RequestValidationError, _on_invalid)
        app.add_exception_handler(404, _on_missing)
        app.add_middleware(
            Gate, worker=self._worker, metrics=self.metrics, token=os.environ.get(TOKEN, ""), pages=self._pages
        )
        app.openapi = lambda: openapi.describe(app, read_cases, self._folder)  # type: ignore[method-assign]
        return app


async def read_cases(request: Request) -> list[dict[str, Any]]:
    """The cases of a request; endpoints take them as `cases: Cases`."""
    service: Service = request.app.state.service
    return await service.read(request)


Cases = Annotated[list[dict[str, Any]], Depends(read_cases)]


def _sends(file: Path) -> Callable[[], Awaitable[Response]]:
    """An endpoint that answers with one file."""

    async def answer() -> Response:
        return FileResponse(file, headers=SELF_ONLY)

    return answer


def _pages() -> set[str]:
    """Paths of the library's pages: they hold no data, and a browser asks for the token on them."""
    return {
        f"/{path.stem if path.suffix == '.html' else path.name}"
        for path in PAGES.iterdir()
        if path.suffix in (".html", ".js")
    }


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


def _on_missing(request: Request, error: Exception) -> Response:
    """A path that nothing stands at: what there is instead. An endpoint's own words stay."""
    said = getattr(error, "detail", "Not Found")
    if said == "Not Found":
        there = [route for route in request.app.routes if getattr(route, "include_in_schema", False)]
        named = [f"{method} {route.path}" for route in there for method in sorted(route.methods)]
        said = f"nothing stands at this path. There are: {', '.join(named)}; /openapi.json describes them."
    return JSONResponse({"detail": said}, 404)
