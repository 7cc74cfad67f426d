"""From the bytes of a connection to ASGI and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from jackfield.server.asgi import Message, Receive, Scope, Send
from jackfield.server.protocol import MOST_HEAD_BYTES, MOST_HEADERS, GatewayProtocol

App = Callable[[Scope, Receive, Send], Awaitable[None]]
START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"x-one", b"1")]}
LAST: Message = {"type": "http.response.body", "body": b""}


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def length(number: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % number


class Wire(asyncio.Transport):
    """Keeps what is written; each entry is one write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self.paused = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.writes.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)


class Connection:
    def __init__(self, app: App) -> None:
        self.wire, self.state = Wire(), ServerState()
        config = uvicorn.Config(app, http=GatewayProtocol, ws="none", lifespan="off", log_config=None)  # type: ignore[arg-type]
        config.load()
        # The application as it is, without what uvicorn wraps around it.
        config.loaded_app = app
        self.protocol = GatewayProtocol(config, self.state, {})
        self.protocol.connection_made(self.wire)

    async def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.protocol.data_received(piece)
            await asyncio.sleep(0)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def lose(self) -> None:
        self.protocol.connection_lost(None)
        await self.settle()


def request(method: str = "GET", *lines: str, data: bytes = b"") -> bytes:
    head = "\r\n".join([f"{method} /v1/x%20y?q=1 HTTP/1.1", "Host: h", *lines])
    return head.encode() + b"\r\n\r\n" + data


def saying(*messages: Message) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def test_what_came_is_told() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        while not seen[-1].get("done"):
            seen.append(await receive())
            if not seen[-1]["more_body"]:
                break
        await saying(START, LAST)(scope, receive, send)

    connection = Connection(app)
    await connection.feed(request("POST", "X-Thing: A", "Content-Length: 10"), b"01234", b"56789")
    scope, *messages = seen
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("POST", "/v1/x y", b"/v1/x%20y")
    assert (scope["query_string"], scope["http_version"]) == (b"q=1", "1.1")
    assert (b"x-thing", b"A") in scope["headers"]
    assert b"".join(message["body"] for message in messages) == b"0123456789"
    assert [message["more_body"] for message in messages][-1] is False


async def test_a_head_and_its_body_are_one_write() -> None:
    connection = Connection(saying(start(200, length(2)), body(b"ok")))
    await connection.feed(request())
    assert connection.wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]
    assert not connection.wire.closed


async def test_a_stream_is_chunked_and_its_head_waits_no_longer_than_a_turn() -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await go.wait()
        await send(body(b"hello", more=True))
        await send(body(b"", more=True))
        await send(LAST)

    connection = Connection(app)
    await connection.feed(request())
    head = b"HTTP/1.1 200 OK\r\nx-one: 1\r\ntransfer-encoding: chunked\r\n\r\n"
    assert connection.wire.writes == [head]
    go.set()
    await connection.settle()
    assert connection.wire.writes[1:] == [b"5\r\nhello\r\n", b"0\r\n\r\n"]


async def test_the_first_event_of_a_stream_travels_with_its_head() -> None:
    connection = Connection(saying(START, body(b"hi", more=True), LAST))
    await connection.feed(request())
    assert connection.wire.writes[0].endswith(b"chunked\r\n\r\n2\r\nhi\r\n")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_what_has_no_body_is_sent_without(method: str, status: int) -> None:
    connection = Connection(saying(start(status), LAST))
    await connection.feed(request(method))
    assert connection.wire.sent.endswith(b"\r\n\r\n")
    assert b"chunked" not in connection.wire.sent
    assert not connection.wire.closed


async def test_a_head_request_is_told_the_length() -> None:
    connection = Connection(saying(start(200, length(2)), body(b"ok")))
    await connection.feed(request("HEAD"))
    assert connection.wire.sent == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        (b"x-bad", b"a\r\nset-cookie: stolen=1"),
        (b"x-bad", b"a\nb"),
        (b"x-bad", b"a\rb"),
        (b"x-bad", b"a\0b"),
        (b"x bad", b"a"),
        (b"x-bad:", b"a"),
        (b"", b"a"),
        (b"x-bad\r\ny", b"a"),
    ],
)
async def test_no_header_can_smuggle_another(header: tuple[bytes, bytes]) -> None:
    connection = Connection(saying(start(200, header, length(0)), LAST))
    await connection.feed(request())
    assert b"stolen" not in connection.wire.sent
    assert connection.wire.closed


async def test_framing_is_not_the_applications() -> None:
    said = start(200, (b"Transfer-Encoding", b"gzip"), (b"Connection", b"upgrade"), (b"X-Own", b"1"))
    connection = Connection(saying(said, LAST))
    await connection.feed(request())
    assert connection.wire.sent == b"HTTP/1.1 200 OK\r\nx-own: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.mark.parametrize("lines", [("Connection: close",), ("X: y", "connection: Close")])
async def test_a_client_that_will_close_is_told_the_same(lines: tuple[str, ...]) -> None:
    connection = Connection(saying(start(200, length(0)), LAST))
    await connection.feed(request("GET", *lines))
    assert b"\r\nconnection: close\r\n" in connection.wire.sent
    assert connection.wire.closed


async def test_requests_in_a_row_are_answered_in_their_order() -> None:
    numbers = iter(range(9))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        mine = b"%d" % next(numbers)
        await asyncio.sleep(0)
        await send(start(200, length(1)))
        await send(body(mine))

    connection = Connection(app)
    await connection.feed(request() * 3)
    await connection.settle()
    await connection.settle()
    assert [piece[-1:] for piece in connection.wire.writes] == [b"0", b"1", b"2"]
    assert not connection.protocol.tasks


async def test_who_waits_to_be_told_to_go_on_is_told_when_it_is_read() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await saying(start(200, length(0)), LAST)(scope, receive, send)

    connection = Connection(app)
    await connection.feed(request("POST", "Expect: 100-continue", "Content-Length: 2"))
    assert connection.wire.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    await connection.feed(b"ab")
    assert b"HTTP/1.1 200 OK" in connection.wire.sent


async def test_a_body_that_nobody_reads_is_not_read_on() -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        while (await receive())["more_body"]:
            pass
        await saying(start(200, length(0)), LAST)(scope, receive, send)

    connection = Connection(app)
    await connection.feed(request("POST", "Content-Length: 200000"), b"x" * 100_000)
    assert connection.wire.paused
    go.set()
    await connection.settle()
    assert not connection.wire.paused
    await connection.feed(b"x" * 100_000)
    assert b"200 OK" in connection.wire.sent


async def test_a_client_that_leaves_is_noticed_by_who_listens() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        heard.append((await receive())["type"])
        await send(START)
        await send(LAST)

    connection = Connection(app)
    await connection.feed(request())
    await connection.lose()
    assert heard == ["http.disconnect"]
    assert connection.wire.writes == []
    assert not connection.protocol.tasks


async def test_an_answer_that_is_whole_before_its_request_leaves_the_rest_unread() -> None:
    connection = Connection(saying(start(413, length(0)), LAST))
    await connection.feed(request("POST", "Content-Length: 400000"), b"x" * 200_000, b"x" * 200_000, request())
    assert connection.wire.sent.count(b"HTTP/1.1 413") == 2
    assert b"431" not in connection.wire.sent


async def test_a_fault_before_the_head_is_told_and_after_it_the_connection_is_cut() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret detail")

    connection = Connection(broken)
    await connection.feed(request())
    assert connection.wire.sent.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"secret detail" not in connection.wire.sent
    assert connection.wire.closed

    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"x", more=True))
        raise RuntimeError

    connection = Connection(half)
    await connection.feed(request())
    assert connection.wire.closed
    assert not connection.wire.sent.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("data", [b"too long", b"s"])
async def test_a_body_that_is_not_as_long_as_announced_ends_the_connection(data: bytes) -> None:
    connection = Connection(saying(start(200, length(3)), body(data)))
    await connection.feed(request())
    assert connection.wire.closed
    assert b"too long" not in connection.wire.sent


async def test_heads_have_a_bound() -> None:
    connection = Connection(saying(start(200, length(0)), LAST))
    await connection.feed(b"GET / HTTP/1.1\r\nx: " + b"y" * (MOST_HEAD_BYTES + 1))
    assert connection.wire.sent.startswith(b"HTTP/1.1 431 ")
    connection = Connection(saying(start(200, length(0)), LAST))
    await connection.feed(request("GET", *(f"x-{number}: 1" for number in range(MOST_HEADERS))))
    assert connection.wire.sent.startswith(b"HTTP/1.1 400 ")
    assert connection.wire.closed


async def test_what_is_no_http_is_refused() -> None:
    connection = Connection(saying(START, LAST))
    await connection.feed(b"\x16\x03\x01 hello\r\n\r\n")
    assert connection.wire.sent.startswith(b"HTTP/1.1 400 ")
    assert connection.wire.closed
