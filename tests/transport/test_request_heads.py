"""What is written is one request, whatever the caller puts into it."""

from __future__ import annotations

import pytest
from scripted_peer import answer, sized

from conftest import Fetch, Serve
from jackfield.errors import EgressRefused
from jackfield.transport import Deadlines, HttpClient, OutgoingRequest
from jackfield.transport.head import encode_head
from jackfield.transport.origin import parse_target

TARGET = parse_target("http://a.example/v1?x=1")


def encode(method: str = "GET", *headers: tuple[bytes, bytes], body: bytes = b"") -> bytes:
    return encode_head(TARGET, OutgoingRequest(method, "", headers, body))


def test_a_request_with_a_body_states_its_length() -> None:
    head = encode("POST", (b"X-One", b"1"), (b"x-two", b""), body=b"hello")
    assert head == (b"POST /v1?x=1 HTTP/1.1\r\nhost: a.example\r\nX-One: 1\r\nx-two: \r\ncontent-length: 5\r\n\r\n")


def test_a_get_without_a_body_states_none_and_a_post_states_zero() -> None:
    assert b"content-length" not in encode("GET")
    assert b"content-length: 0\r\n" in encode("POST")


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\ny", b"a\ry", b"a\0y", b"\r\n\r\nGET / HTTP/1.1"])
def test_a_header_value_cannot_begin_another_line(value: bytes) -> None:
    with pytest.raises(EgressRefused, match="'x-ours'"):
        encode("GET", (b"x-fine", b"1"), (b"x-ours", value))


@pytest.mark.parametrize("name", [b"", b"a b", b"a:b", b"a\r\nb", b"a\0", b"\xc3\xa9", b" a"])
def test_a_header_name_is_a_token(name: bytes) -> None:
    with pytest.raises(EgressRefused, match="no header name"):
        encode("GET", (name, b"1"))


@pytest.mark.parametrize("name", [b"Host", b"content-length", b"Transfer-Encoding", b"connection", b"expect"])
def test_framing_belongs_to_the_client(name: bytes) -> None:
    with pytest.raises(EgressRefused, match="client's own"):
        encode("GET", (name, b"1"))


@pytest.mark.parametrize("method", ["", "GE T", "GET / HTTP/1.1\r\nx:", "G\u00c9T", "CONNECT", "connect"])
def test_a_method_is_a_token_and_opens_no_tunnel(method: str) -> None:
    with pytest.raises(EgressRefused, match="method"):
        encode(method)


async def test_a_refused_request_opens_no_connection(client: HttpClient, serve: Serve) -> None:
    server = await serve(answer(sized(b"")))
    request = OutgoingRequest("GET", server.url(), ((b"x", b"1\r\n"),))
    with pytest.raises(EgressRefused):
        await client.send(request, Deadlines())
    assert client.stats().created == 0


async def test_the_upstream_receives_what_was_asked(serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(sized(b"fine")))
    answered = await fetch(server.url("/v1/chat?a=b"), "PUT", b"body")
    assert await answered.read() == b"fine"
    peer = server.peers[0]
    assert peer.bodies == [b"body"]
    assert peer.requests[0].startswith(b"PUT /v1/chat?a=b HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" % server.port)
