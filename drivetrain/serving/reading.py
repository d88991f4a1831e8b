"""From a request to its bytes: read no further than it may go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from drivetrain.serving.limits import Refused

MOST_FORM_FIELDS = 200
SECONDS = 30.0
"""A body that takes longer holds a connection that others need."""


async def body(request: Request, most: int) -> bytes:
    """The whole body of a request.

    Raises:
        Refused: It has more than `most` bytes, as announced or as sent, or takes too long to come.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise Refused(f"the body has {int(announced[:20]):,} bytes; at most {most:,}.", status=413)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise Refused(f"the body has more than {most:,} bytes.", status=413)
                parts.append(part)
    except TimeoutError:
        raise Refused(f"the body did not come within {SECONDS:g} seconds.", status=408) from None
    return b"".join(parts)


async def form(request: Request, content: bytes) -> tuple[dict[str, str], tuple[str, bytes] | None]:
    """The texts of a form and its one file.

    Raises:
        Refused: It cannot be read, or holds more than one file.
    """

    async def stream() -> AsyncGenerator[bytes, None]:
        yield content

    try:
        # The body is in memory and within its limit already: a part may be as long as all of it.
        parser = MultiPartParser(
            request.headers, stream(), max_files=1, max_fields=MOST_FORM_FIELDS, max_part_size=len(content) + 1
        )
        found = await parser.parse()
    except MultiPartException as error:
        raise Refused(f"the form cannot be read ({error.message}).", status=400) from None
    except (KeyError, ValueError, AssertionError):
        raise Refused("the form cannot be read.", status=400) from None
    texts: dict[str, str] = {}
    file: tuple[str, bytes] | None = None
    for name, value in found.multi_items():
        if isinstance(value, UploadFile):
            file = (name, await value.read())
        else:
            texts[name] = value
    await found.close()
    return texts, file
