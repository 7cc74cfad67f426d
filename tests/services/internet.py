"""The public internet as a test sees it: names, addresses, and servers that are all one listener on loopback.

The spy stands where sockets connect: what is not a public address never gets there, or `connected` says so.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from types import TracebackType

import pytest
import trustme

from jackfield.errors import UpstreamError
from jackfield.sdk.http import Http
from jackfield.transport import HttpClient, connect
from jackfield.transport.check import classify_address

PUBLIC, OTHER = "93.184.216.34", "2606:4700::1111"
SECURE_PORTS = (443, 8443)
WITHIN_S = 5.0


class Request:
    def __init__(self, host: str, line: str, headers: Mapping[str, str], body: bytes, secure: bool) -> None:
        self.host, self.headers, self.body, self.secure = host, headers, body, secure
        self.method, self.path, _ = line.split(" ")


Answer = Callable[[Request], bytes | None]


class Internet:
    """`answers` by host, each the bytes of an answer, or `None` for silence. `names` are what each look-up answers,
    one after the other; the last one stays. A host without names has a public address."""

    def __init__(self, names: Mapping[str, list[tuple[str, ...]]] | None = None) -> None:
        self.names = dict(names or {})
        self.answers: dict[str, Answer] = {}
        self.connected: list[tuple[str, int]] = []
        self.requests: list[Request] = []
        self.accepted = 0
        self._servers: dict[bool, asyncio.Server] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._connect = connect._connect_one

    async def __aenter__(self) -> Internet:
        self._servers[False] = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers.values():
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens in truth: who comes there by a literal address was let through."""
        port: int = self._servers[False].sockets[0].getsockname()[1]
        return port

    @property
    def inward(self) -> list[str]:
        return [address for address, _ in self.connected if classify_address(address) is not None]

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connect, "_connect_one", self.connect)

    async def secure(self) -> None:
        """From now on there is a server at the secure ports of every host."""
        self._servers[True] = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=certificate())

    async def resolve(self, host: str) -> tuple[str, ...]:
        answers = self.names.get(host, [(PUBLIC,)])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect(self, address: str, port: int) -> object:
        self.connected.append((address, port))
        if classify_address(address) is not None:
            return await self._connect(address, port)
        server = self._servers[port in SECURE_PORTS]
        return await self._connect("127.0.0.1", server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            while request := await _read(reader, secure=writer.get_extra_info("ssl_object") is not None):
                self.requests.append(request)
                answer = self.answers.get(request.host, lambda _: said(b"here"))(request)
                if answer is None:
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, *, secure: bool) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers: dict[str, str] = {}
    for each in lines:
        name, _, value = each.partition(": ")
        assert name not in headers, f"{name} was sent twice"
        headers[name] = value
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(headers["host"], line, headers, body, secure)


def said(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirected(location: str, status: int = 302) -> Answer:
    return lambda request: said(b"", f"location: {location}", status=f"{status} Elsewhere")


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


@cache
def certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert("api.example", "other.example", "*.wide.example").configure_cert(context)
    return context


@cache
def trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    _authority().configure_trust(context)
    return context


async def within(work: Awaitable[object]) -> object:
    async with asyncio.timeout(WITHIN_S):
        return await work


async def end(client: HttpClient) -> None:
    await client.aclose()
    stats = client.stats()
    assert (stats.open, stats.opening, stats.queued) == (0, 0, 0)


async def refuse(http: Http, internet: Internet, url: str, *, after: int = 0) -> str:
    """Asks, and sees that nothing inward was so much as connected to; `after` as many public hops."""
    with pytest.raises((UpstreamError, ValueError)) as refused:
        await within(http.get(url))
    assert (internet.inward, len(internet.connected), internet.accepted) == ([], after, after)
    assert len(internet.requests) == after
    return str(refused.value)
