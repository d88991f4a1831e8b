"""Whatever strangers send, the service says why not, and goes on."""

from __future__ import annotations

import base64
import http.client
import io
import json
import random
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import served

pytestmark = pytest.mark.full

REQUESTS = 5000
Request = tuple[str, str, bytes, dict[str, str]]
"""Method, path, body, headers."""


def picture(kind: str, size: tuple[int, int] = (8, 8), level: int = 3) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(buffer, kind)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *more: bytes, depth: int = 8, colour: int = 0, rows: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = [chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def bombs() -> list[bytes]:
    """Files of a few kilobytes that would become gigabytes."""
    inflated = zlib.compress(b"\0" * 50_000_000, 9)
    return [
        png(65_000, 65_000),
        png(2**31 - 1, 1),
        png(20_000, 20_000, rows=b"\0" * 100_000),
        png(8, 8, chunk(b"zTXt", b"Comment\0\0" + inflated), rows=b"\0" * 72),
        png(8, 8, chunk(b"iCCP", b"x\0\0" + inflated), rows=b"\0" * 72),
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
        b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;",
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x11\0\x02\x11\0\x03\x11\0\xff\xd9",
    ]


def mangled(rng: random.Random, content: bytes) -> bytes:
    """A file with bytes changed, lost or doubled."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(data)) if data else 0
        action = rng.randrange(4)
        if action == 0:
            data = data[:place]
        elif action == 1 and data:
            data[place] = rng.randrange(256)
        elif action == 2:
            data[place:place] = rng.randbytes(rng.randint(1, 40))
        else:
            del data[place : place + rng.randint(1, 40)]
    return bytes(data)


VALUES: list[Any] = [
    None, True, False, 0, -1, 10**400, -(10**30), 1e308, "", " ", "x" * 5000, "../../../etc/passwd", "file:///etc/passwd",
    "http://169.254.169.254/", "C:\\Windows\\win.ini", "\x00", "\u202e", "{{7*7}}", "${jndi:ldap://x}", "' OR 1=1 --",
    "<script>alert(1)</script>", [], {}, [[]], [1, "a"], {"a": {"b": {}}}, "data:image/png;base64,", "data:,x", "====",
    "ZZZZ", "__import__('os')", "NaN", "1e999", "é" * 300, "\ud7ff", ["x"] * 100,
]  # fmt: skip


def json_of(value: Any) -> bytes:
    return json.dumps(value).encode()


def in_json(rng: random.Random) -> Request:
    """A body of the right shape with wrong things in it."""
    case: dict[str, Any] = {"image": rng.choice(VALUES)}
    if rng.random() < 0.4:
        case[str(rng.choice(VALUES))[:60] or "x"] = rng.choice(VALUES)
    if rng.random() < 0.2:
        case = rng.choice(VALUES)
    body: Any = {"cases": [case] * rng.choice([1, 1, 1, 2, 5])}
    if rng.random() < 0.15:
        body = rng.choice(
            [{}, [], {"cases": None}, {"cases": {}}, {"case": [case]}, {"cases": [case], "x": 1}, None, 1]
        )
    return "POST", rng.choice(["/decide", "/predict", "/feedback", "/approvals"]), json_of(body), JSON


def broken_json(rng: random.Random) -> Request:
    """A body that is cut off, in another encoding, nested without end or no JSON at all."""
    good = served.body({"image": base64.b64encode(picture("PNG")).decode()})
    body = rng.choice(
        [
            good[: rng.randrange(len(good) - 1)],
            good.decode().encode("utf-16"),
            b"\xef\xbb\xbf" + mangled(rng, good),
            b'{"cases": [' * rng.choice([10, 1000, 100_000]),
            b"[" * 200_000 + b"]" * 200_000,
            b'{"cases": [{"image": "\\ud800"}]}',
            b'{"cases": [{"image": "' + rng.randbytes(50) + b'"}]}',
            b'{"cases": [{"image": Infinity}]}',
            b'{"cases": [{"image": 1' + b"0" * 5000 + b"}]}",
            rng.randbytes(rng.randint(0, 300)),
            b"",
        ]
    )
    return "POST", rng.choice(["/decide", "/predict", "/feedback"]), body, JSON


def broken_picture(rng: random.Random) -> Request:
    """A picture that is damaged, of a forbidden kind, or enormous once it is unpacked."""
    content = rng.choice(
        [
            mangled(rng, picture(rng.choice(["PNG", "JPEG", "GIF", "BMP", "WEBP"]))),
            rng.choice(BOMBS),
            picture(rng.choice(["TIFF", "ICO", "PPM", "PDF", "EPS"]), (32, 32)),
            rng.randbytes(rng.randint(0, 500)),
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file\n",
            b"PK\x03\x04" + rng.randbytes(80),
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
        ]
    )
    if rng.random() < 0.5:
        return "POST", "/decide", served.body({"image": base64.b64encode(content).decode()}), JSON
    name = rng.choice(["x.png", "../../x.png", "/etc/passwd", "", 'a"b', "x\0.png"])
    part = f'--b\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()
    return "POST", "/decide", part + content + b"\r\n--b--\r\n", FORM


def broken_form(rng: random.Random) -> Request:
    """A form with too much, too little or nonsense in it."""
    one = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\nnot a picture\r\n'
    field = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    body = rng.choice(
        [one * 3 + b"--b--\r\n", field * 300 + b"--b--\r\n", b"--b--\r\n", mangled(rng, one + b"--b--\r\n"), b"--b"]
    )
    kind = rng.choice(["multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary=",
                       'multipart/form-data; boundary="' + "b" * 500])  # fmt: skip
    return "POST", "/decide", body, {"Content-Type": kind}


def strange_request(rng: random.Random) -> Request:
    """A path, a method or a content type that nobody offers."""
    path = rng.choice(
        ["/..%2f..%2fetc/passwd", "/%00", "/decide/", "//decide", "/approvals/../log", "/log", "/artifacts/policy.json",
         "/approvals/" + "0" * 24 + "/image", "/approvals/%2e%2e/%2e%2e", "/decisions/" + quote("../../x", safe=""),
         "/decisions/" + "x" * 500, "/docs", "/.env", "/static/../../x", "/decide?cases=1", "/" + quote("é" * 50)]
    )  # fmt: skip
    if rng.random() < 0.5:
        return rng.choice(["GET", "PUT", "DELETE", "PATCH", "POST", "OPTIONS"]), path, b"", {}
    kinds = ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/octet-stream", "json",
             "", "application/json; charset=utf-16", "multipart/mixed; boundary=b", "x" * 500]  # fmt: skip
    return "POST", "/decide", served.body({"image": "eA=="}), {"Content-Type": rng.choice(kinds)}


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
BOMBS = bombs()
MAKERS: list[Callable[[random.Random], Request]] = [in_json, broken_json, broken_picture, broken_form, strange_request]


def test_five_thousand_malformed_requests_are_refused_with_a_reason(tmp_path: Path, record_property: Any) -> None:
    project = served.lamp(tmp_path / "p", served.staged(served.LIGHT_PLAN, "limited"))
    rng = random.Random(20261123)
    statuses: Counter[int] = Counter()
    with served.running(project, "night_lamp") as (address, process):
        host = urlsplit(address).netloc
        connection = http.client.HTTPConnection(host, timeout=30)
        before = memory(process.pid)
        for number in range(REQUESTS):
            method, path, body, headers = MAKERS[number % len(MAKERS)](rng)
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                # The server may close on a request that breaks HTTP itself; it must still be there.
                connection.close()
                connection = http.client.HTTPConnection(host, timeout=30)
                statuses[0] += 1
                continue
            statuses[answer.status] += 1
            said = (number, method, path, body[:200], answer.status, content[:300])
            assert answer.status < 500, said
            if answer.status >= 400:
                assert json.loads(content)["detail"], said
        assert process.poll() is None
        assert memory(process.pid) - before < 150 * 2**20
        good = {"image": base64.b64encode(served.png(0)).decode()}
        connection.request("POST", "/decide", served.body(good), JSON)
        assert connection.getresponse().status == 200
    refused = sum(count for status, count in statuses.items() if 400 <= status < 500)
    record_property("figure", f"{refused:,} refused, {statuses[0]} cut off, none crashed")
    assert statuses[0] < REQUESTS // 50, statuses
    # What is left are files that mangling did not harm, and pages that were asked for by chance.
    assert refused > 0.9 * REQUESTS, statuses


def memory(pid: int) -> int:
    """Resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /decide HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /decide HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
        b"POST /decide HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        bytes(range(256)) * 40,
    ],
)
def test_broken_http_does_not_stop_the_service(tmp_path: Path, raw: bytes) -> None:
    with served.running(served.lender(tmp_path / "p"), "small_loans") as (address, process):
        host, port = urlsplit(address).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as one:
            one.sendall(raw)
            one.shutdown(socket.SHUT_WR)
            answer = one.recv(1000)
        assert b" 5" not in answer[:12], answer
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        assert process.poll() is None


@pytest.mark.parametrize("make", [served.lamp, served.lender], ids=["pictures", "table"])
def test_the_description_and_the_service_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Path]
) -> None:
    """Schemathesis asks everything that the OpenAPI description allows, and much that it does not."""
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    plan = served.LIGHT_PLAN if make is served.lamp else served.LOAN_PLAN
    project = make(tmp_path / "p", served.staged(plan, "limited"))
    with served.client(project, monkeypatch) as client:
        schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)

        asked = 0
        for found in schema.get_all_operations():
            operation = found.ok()

            @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy())
            def every(case: schemathesis.Case) -> None:
                # A text in base64 need not be a picture, so what fits the description may still be refused.
                case.call_and_validate(excluded_checks=[schemathesis.checks.positive_data_acceptance])

            every()
            asked += 1
        assert asked == 9
