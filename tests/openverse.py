"""A small server that speaks Openverse's API, with good pictures and everything that the web sends instead."""

from __future__ import annotations

import io
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image


@lru_cache(maxsize=500)
def picture(number: int, format: str = "JPEG", size: int = 64) -> bytes:
    random = np.random.default_rng(number)
    small = Image.fromarray(random.integers(0, 255, (6, 6, 3), dtype=np.uint8))
    kept = io.BytesIO()
    small.resize((size, size), Image.Resampling.BICUBIC).save(kept, format)
    return kept.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it is 60,000 pixels wide and high."""
    kept = io.BytesIO()
    Image.new("1", (8, 8)).save(kept, "PNG")
    data = bytearray(kept.getvalue())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


class Web:
    """The server: what it was asked, what it answers."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.times: list[tuple[float, str]] = []
        self.queries: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.results: dict[str, list[dict[str, object]]] = {}
        self.delay = 0.0
        self.url = ""

    def add(self, words: str, *paths: str, **more: object) -> None:
        """Results of a search."""
        for path in paths:
            address = path if "://" in path else f"{self.url}{path}"
            entry: dict[str, object] = {
                "id": path,
                "title": f"Picture {path}",
                "url": address,
                "creator": "Ana",
                "creator_url": "https://example.org/ana",
                "license": "by",
                "license_version": "4.0",
                "license_url": "https://creativecommons.org/licenses/by/4.0/",
                "foreign_landing_url": "https://example.org/page",
                "attribution": f'"Picture {path}" by Ana is licensed under CC BY 4.0.',
                "provider": "flickr",
            }
            self.results.setdefault(words, []).append(entry | more)


def _answer(web: Web, handler: BaseHTTPRequestHandler) -> None:
    parts = urlsplit(handler.path)
    path = parts.path
    web.asked[path] += 1
    web.times.append((time.monotonic(), path))
    web.headers.append(dict(handler.headers))
    time.sleep(web.delay)

    def send(body: bytes, kind: str = "image/jpeg", status: int = 200, **headers: str) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    if path == "/v1/images/":
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        web.queries.append(asked)
        every = web.results.get(asked["q"], [])
        size, page = int(asked["page_size"]), int(asked["page"])
        shown = every[(page - 1) * size : page * size]
        body = {"result_count": len(every), "page_count": -(-len(every) // size), "page": page, "results": shown}
        return send(json.dumps(body).encode(), "application/json")
    name = path.rsplit("/", 1)[-1]
    match name:
        case "html.jpg":
            return send(b"<!DOCTYPE html><html><body>Sign in</body></html>")
        case "html200.jpg":
            return send(b"\n <HTML><script>alert(1)</script>", "image/jpeg")
        case "bomb.png":
            return send(bomb(), "image/png")
        case "gzip-bomb.jpg":
            return send(zlib.compress(bytes(200_000_000), 9, 31), Content_Encoding="gzip")
        case "brotli.jpg":
            return send(b"x" * 100, Content_Encoding="br")
        case "file.jpg":
            return send(b"", status=302, Location="file:///etc/passwd")
        case "metadata.jpg":
            return send(b"", status=302, Location="http://169.254.169.254/latest/meta-data/")
        case "inside.jpg":
            return send(b"", status=302, Location="http://[::ffff:127.0.0.1]:1/secret")
        case "loop.jpg":
            return send(b"", status=302, Location=handler.path)
        case "moved.jpg":
            return send(b"", status=301, Location="/img/900.jpg")
        case "gone.jpg":
            return send(b"gone", status=404)
        case "cut.jpg":
            handler.send_response(200)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            handler.wfile.write(picture(1))
            handler.wfile.flush()
            handler.connection.close()
            return None
        case "half.jpg":
            return send(picture(2)[: len(picture(2)) // 2])
        case "busy.jpg" if web.asked[path] < 3:
            return send(b"later", status=429, Retry_After="0.3")
        case "busy.jpg":
            return send(picture(901))
        case "full.jpg":
            return send(b"later", status=503, Retry_After="86400")
        case "endless.jpg" | "huge.jpg" | "trickle.jpg":
            handler.send_response(200)
            if name == "huge.jpg":
                handler.send_header("Content-Length", str(10**12))
            handler.end_headers()
            try:
                while True:
                    handler.wfile.write(bytes(1 if name == "trickle.jpg" else 1 << 20))
                    time.sleep(0.05 if name == "trickle.jpg" else 0)
            except OSError:
                return None
        case _:
            number, _, ending = name.partition(".")
            if not number.isdigit():
                return send(b"?", status=404)
            return send(picture(int(number), {"png": "PNG"}.get(ending, "JPEG")))


@contextmanager
def openverse() -> Iterator[Web]:
    """The server, on a port of its own."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                _answer(web, self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
