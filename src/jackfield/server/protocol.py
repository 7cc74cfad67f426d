"""The connections of the HTTP server: parsed by httptools, kept by uvicorn, each request a `Cycle`.

Also bounds the head of a request, and tells since when it waits for one.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jackfield.server.cycle import Cycle

MOST_HEADERS = 200
MOST_HEAD_BYTES = 128 * 1024
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 32\r\nconnection: close\r\n\r\n"
    b"The head of the request is large"
)
ASGI = {"version": "3.0", "spec_version": "2.3"}
_MOST_URLS = 64
_LONGEST_URL = 64

_urls: dict[bytes, tuple[str, bytes]] = {}


class GatewayProtocol(HttpToolsProtocol):
    """`head_since` is loop time, `None` within an exchange. An answer may be whole before its request is."""

    head_since: float | None = None
    head_bytes = 0
    in_body = False
    cycle: Cycle  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.head_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        if self.cycle is not None:
            self.cycle.disconnected = self.cycle.disconnected or not self.cycle.response_complete
            self.cycle.wake()
        for cycle, _ in self.pipeline:
            cycle.disconnected = True
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        self.parser = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        was_in_body = self.in_body
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        except httptools.HttpParserUpgrade:
            return
        if self.head_since is None or was_in_body:
            return
        self.head_bytes += len(data)
        if self.head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError(f"a request has more than {MOST_HEADERS} headers")
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.head_since = None
        self.head_bytes = 0
        self.in_body = True
        parser = self.parser
        version = parser.get_http_version()
        former = self.cycle
        cycle = self.cycle = Cycle(
            self._scope(version),
            self.transport,
            self.flow,
            self.loop,
            self.on_response_complete,
            expects_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
        )
        if former is None or former.response_complete:
            self._begin(cycle)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))  # type: ignore[arg-type]

    def _scope(self, version: str) -> dict[str, Any]:
        path, raw_path, query = _read_url(self.url)
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "method": self.parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "server": self.server,
            "client": self.client,
        }

    def _begin(self, cycle: Cycle) -> None:
        cycle.task = self.loop.create_task(cycle.run(self.app, self.tasks))
        self.tasks.add(cycle.task)

    def on_body(self, body: bytes) -> None:
        if not self.cycle.response_complete:
            self.cycle.feed(body)

    def on_message_complete(self) -> None:
        self.in_body = False
        if not self.cycle.response_complete:
            self.cycle.end_body()

    def on_response_complete(self) -> None:
        """Connections that stay idle are closed by the server's tick: a timer for each request would cost more."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.head_since = self.loop.time()
        self.flow.resume_reading()
        if self.pipeline:
            cycle: Any = self.pipeline.pop()[0]
            self._begin(cycle)


def _read_url(url: bytes) -> tuple[str, bytes, bytes]:
    """Path, the path as it came, and query. Those that are asked for again and again are remembered."""
    known = _urls.get(url)
    if known is not None:
        return (*known, b"")
    parsed = httptools.parse_url(url)
    raw: bytes = parsed.path
    path = raw.decode("ascii")
    if "%" in path:
        path = urllib.parse.unquote(path)
    elif len(url) <= _LONGEST_URL and not parsed.query and len(_urls) < _MOST_URLS:
        _urls[url] = (path, raw)
    return path, raw, parsed.query or b""
