"""What every request passes first: the token, the queue, the clock.

Plain ASGI, because refusing must cost next to nothing.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Set
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from drivetrain.serving.metrics import Metrics
    from drivetrain.serving.worker import Worker

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that need no token: probes have none."""


class Gate:
    """The outermost layer.

    Args:
        app: What lies behind.
        worker: Whose queue may be full.
        metrics: What is counted.
        token: What callers must show as `Authorization: Bearer …`; empty for none.
        pages: Paths of pages that hold no data themselves, so that a browser can ask for the token.
    """

    def __init__(
        self, app: ASGIApp, worker: Worker, metrics: Metrics, token: str = "", pages: Set[str] = frozenset()
    ) -> None:
        self._app, self._worker, self._metrics = app, worker, metrics
        self._token = f"Bearer {token}".encode() if token else b""
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        begun = perf_counter()
        if self._token and path not in OPEN and path not in self._pages and not self._may_enter(scope):
            self._metrics.requests.labels("refused", "401").inc()
            headers = [(b"www-authenticate", b"Bearer")]
            await _say(send, 401, "this service asks for its token: Authorization: Bearer …", headers)
            return
        # Cases are posted, under whatever path the team chose; refused before their body is read, they cost little.
        if scope["method"] == "POST" and self._worker.full():
            self._metrics.refused.inc()
            detail = "too many requests are waiting; come again in a second."
            await _say(send, 503, detail, [(b"retry-after", b"1")])
            return
        status = "500"

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            status = "gone"  # in the middle of what it sent: nobody is there to be answered
        finally:
            # A path that no route knows is a stranger's text: it must not become a label.
            endpoint = getattr(scope.get("route"), "path", "unknown")
            self._metrics.requests.labels(endpoint, status).inc()
            self._metrics.seconds.labels(endpoint).observe(perf_counter() - begun)

    def _may_enter(self, scope: Scope) -> bool:
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return hmac.compare_digest(shown, self._token)


async def _say(send: Send, status: int, detail: str, headers: list[tuple[bytes, bytes]]) -> None:
    content = json.dumps({"detail": detail}, ensure_ascii=False).encode()
    length = (b"content-length", str(len(content)).encode())
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json"), length, *headers],
        }
    )
    await send({"type": "http.response.body", "body": content})
