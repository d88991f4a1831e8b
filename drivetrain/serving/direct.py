"""Endpoints that take cases and nothing else are called with them.

FastAPI works out anew for every request what an endpoint wants, and keeps places for what has to be put away after it.
Where that is known to be the cases alone, this is most of what it does: a third of a millisecond beside a network that
has just emptied the processor's caches. Any other endpoint goes FastAPI's own way.
"""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

Reads = Callable[[Request], Awaitable[Any]]


def route_class(reads: Reads) -> type[APIRoute]:
    """The class of routes that knows what `Depends(reads)` gives.

    Args:
        reads: From a request to what an endpoint takes.
    """

    class Route(APIRoute):
        def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
            super().__init__(path, endpoint, **options)
            if name := _only(self.dependant, reads):
                self.app = _direct(self.app, endpoint, reads, name)

    return Route


def _only(wants: Dependant, reads: Reads) -> str:
    """Name of the parameter that `reads` fills, where the endpoint has no other and answers with a response."""
    more = (wants.path_params, wants.query_params, wants.header_params, wants.cookie_params, wants.body_params)
    special = (
        wants.request_param_name,
        wants.websocket_param_name,
        wants.http_connection_param_name,
        wants.response_param_name,
        wants.background_tasks_param_name,
        wants.security_scopes_param_name,
    )
    if any(more) or any(special) or [one.call for one in wants.dependencies] != [reads]:
        return ""
    endpoint = wants.call
    answers = typing.get_type_hints(endpoint).get("return") if iscoroutinefunction(endpoint) else None
    return wants.dependencies[0].name or "" if isinstance(answers, type) and issubclass(answers, Response) else ""


def _direct(usual: ASGIApp, endpoint: Callable[..., Awaitable[Response]], reads: Reads, name: str) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["app"].dependency_overrides:
            await usual(scope, receive, send)
            return
        response = await endpoint(**{name: await reads(Request(scope, receive, send))})
        await response(scope, receive, send)

    return app
