"""Fetching from strangers: politely, within limits, and never from where only this machine may look."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    import httpx

PAUSE = 0.5
"""Seconds between two requests to one server."""
LARGEST = 50_000_000
"""Bytes of one file; more than any photograph has."""
LONGEST = 120.0
"""Seconds that one file may take, however it trickles."""
PATIENCE = 120.0
"""Seconds to wait for a server that asks for it; for longer, a person comes back later."""
TRIES = 4
HOPS = 5
AGENT = "drivetrain (collects openly licensed data; https, honours Retry-After)"
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})


class Refused(Exception):
    """It cannot be had, and asking again will not change that."""


class Unavailable(Exception):
    """It cannot be had now; another time it may."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent.

    Attributes:
        url: Where it came from at last.
        kind: Its media type, as the server has it, in small letters.
        body: The bytes, whole.
    """

    url: str
    kind: str
    body: bytes


class Fetcher:
    """Fetches over HTTP, one request at a time to each server.

    An address that a stranger names (a search result, a redirect) must lead to the public internet: never to this
    machine, its network or a cloud's metadata service, unless the user named that very server.

    Args:
        named: Servers (`host:port`) that the user named.
        pause: Seconds between two requests to one server.
        longest: Seconds that one answer may take.
        patience: Seconds to wait for a server that asks for it.
    """

    def __init__(
        self,
        named: Collection[str] = (),
        *,
        pause: float = PAUSE,
        longest: float = LONGEST,
        patience: float = PATIENCE,
    ) -> None:
        import httpx

        self.named = {_server(url) for url in named}
        self.pause, self.longest, self.patience = pause, longest, patience
        self.stopped = threading.Event()
        self._client = httpx.Client(
            timeout=httpx.Timeout(20.0, connect=10.0),
            headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
            follow_redirects=False,
        )
        self._turns: dict[str, threading.Lock] = {}
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the connections."""
        self.stopped.set()
        self._client.close()

    def get(
        self,
        url: str,
        *,
        parameters: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = LARGEST,
    ) -> Answer:
        """Fetch an address, whole.

        Args:
            url: `http://` or `https://`.
            parameters: Of the query.
            headers: For the server of `url` alone: a redirect elsewhere does not get them.
            most: Bytes that it may have.

        Raises:
            Refused: It cannot be had: wrong address, not found, too large, not allowed.
            Unavailable: It cannot be had now.
        """
        home = _server(url)
        for _ in range(HOPS + 1):
            sent = dict(headers or {}) if _server(url) == home else {}
            answer = self._patiently(url, parameters, sent, most)
            if isinstance(answer, Answer):
                return answer
            url, parameters = urljoin(url, answer), None
        raise Refused(f"leads on and on: more than {HOPS} redirects")

    def _patiently(
        self, url: str, parameters: Mapping[str, Any] | None, headers: Mapping[str, str], most: int
    ) -> Answer | str:
        """The answer, or where it leads; a server that is busy is asked again, later."""
        import httpx

        for trial in range(TRIES):
            self._allowed(url)
            wait = 0.0
            try:
                with self._turn(_server(url)):
                    got = self._once(url, parameters, headers, most)
                if not isinstance(got, _Busy):
                    return got
                said, wait = got.said, got.wait if got.wait is not None else 2.0**trial
            except httpx.HTTPError as error:
                said, wait = _plain(error), 2.0**trial
            if wait > self.patience:
                raise Unavailable(f"{said}, and asks to wait {wait:,.0f} s")
            if trial < TRIES - 1:
                with self._lock:
                    # The whole server is left alone meanwhile, not just this address.
                    later = time.monotonic() + wait
                    self._next[_server(url)] = max(self._next.get(_server(url), 0.0), later)
        raise Unavailable(said)

    def _once(
        self, url: str, parameters: Mapping[str, Any] | None, headers: Mapping[str, str], most: int
    ) -> Answer | str | _Busy:
        import httpx

        begun = time.monotonic()
        try:
            with self._client.stream("GET", url, params=parameters, headers=dict(headers)) as response:
                self._really(url, response)
                status = response.status_code
                if status in (301, 302, 303, 307, 308) and response.headers.get("location"):
                    return str(response.headers["location"])
                if status in _LATER:
                    return _Busy(f"the server answers {status}", _retry_after(response.headers.get("retry-after")))
                if status != 200:
                    raise Refused(f"the server answers {status}")
                return Answer(url, _kind(response), self._body(response, begun, most))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.DecodingError, UnicodeError) as error:
            raise Refused(f"is no usable address or answer ({_plain(error)})") from error

    def _body(self, response: httpx.Response, begun: float, most: int) -> bytes:
        """Every byte; stops as soon as there are too many, or it takes too long."""
        length = response.headers.get("content-length", "")
        if length.isdigit() and int(length) > most:
            raise Refused(f"is too large ({int(length):,} bytes; at most {most:,})")
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("identity", "gzip"):
            raise Refused(f"is packed ({coding[:20]}), though it was asked for as it is")
        # httpx would unpack a whole block at once, however much comes out of it.
        unpack = zlib.decompressobj(31) if coding == "gzip" else None
        body, arrived = bytearray(), 0
        for part in response.iter_raw():  # as it comes: a trickle never fills a block
            arrived += len(part)
            try:
                body += unpack.decompress(part, most + 1 - len(body)) if unpack else part
            except zlib.error as error:
                raise Refused(f"cannot be unpacked ({error})") from error
            if len(body) > most:
                raise Refused(f"is too large (more than {most:,} bytes)")
            if time.monotonic() - begun > self.longest:
                raise Refused(f"takes longer than {self.longest:,.0f} s")
            if self.stopped.is_set():
                raise Unavailable("was stopped")
        if (length.isdigit() and arrived != int(length)) or (unpack and not unpack.eof):
            raise Refused(f"was cut short ({arrived:,} bytes arrived)")
        return bytes(body)

    @contextmanager
    def _turn(self, server: str) -> Iterator[None]:
        """One request at a time to a server, and a pause between two."""
        with self._lock:
            turn = self._turns.setdefault(server, threading.Lock())
        with turn:
            if self.stopped.wait(max(0.0, self._next.get(server, 0.0) - time.monotonic())):
                raise Unavailable("was stopped")
            try:
                yield
            finally:
                with self._lock:
                    self._next[server] = max(self._next.get(server, 0.0), time.monotonic() + self.pause)

    def _allowed(self, url: str) -> None:
        """Raise unless the address leads to a public server, or to one that the user named."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise Refused(f"is no usable address ({error})") from error
        if parts.scheme not in ("http", "https") or not host:
            raise Refused(f"is no address of the web (`{parts.scheme or url[:40]}`)")
        if parts.username or parts.password:
            raise Refused("carries a user or password; addresses from lists must not")
        if _server(url) in self.named or _by_proxy(parts.scheme, host):
            return
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"`{host}` cannot be found") from error
        for *_, place in found:
            _public(str(place[0]), host)

    def _really(self, url: str, response: httpx.Response) -> None:
        """The same for the server that really answered: a name may lead elsewhere a moment later."""
        parts = urlsplit(url)
        stream = response.extensions.get("network_stream")
        if stream is None or _server(url) in self.named or _by_proxy(parts.scheme, parts.hostname or ""):
            return
        peer = stream.get_extra_info("server_addr")
        if peer:
            _public(str(peer[0]), parts.hostname or "")


@dataclass(frozen=True, slots=True)
class _Busy:
    said: str
    wait: float | None


def _public(address: str, host: str) -> None:
    place = ipaddress.ip_address(address.partition("%")[0])
    inside = getattr(place, "ipv4_mapped", None) or getattr(place, "sixtofour", None)
    if not place.is_global or place.is_multicast or (inside is not None and not inside.is_global):
        raise Refused(f"leads to `{host}`, which is no public server")


def _server(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or ''}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    except ValueError:
        return ""


def _by_proxy(scheme: str, host: str) -> bool:
    """Whether a proxy resolves and connects, so that addresses seen from here mean nothing."""
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(host)


def _kind(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _retry_after(said: str | None) -> float | None:
    """Seconds that a server asks to wait, as a number or a date; None when it does not say."""
    if not said:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _plain(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return said[0][:160] if said and said[0] else type(error).__name__
