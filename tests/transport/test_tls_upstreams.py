"""Over TLS the name is checked as well as the chain, and the error says what was wrong."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from certified import certify, found_authority, trust
from scripted_peer import WITHIN_S, Peer, ScriptedServer, answer_always, sized

from conftest import MakeClient, Serve
from jackfield.errors import ConnectFailed, UpstreamTimeout
from jackfield.transport import Deadlines, HttpClient, OutgoingRequest

LONG_AGO = datetime.now(UTC) - timedelta(days=1)


class Anywhere:
    async def resolve(self, host: str) -> tuple[str, ...]:
        return ("127.0.0.1",)


async def ask(client: HttpClient, server: ScriptedServer, host: str = "up.example", body: bytes = b"") -> bytes:
    request = OutgoingRequest("POST", server.url("/", host), (), body)
    async with asyncio.timeout(WITHIN_S):
        return await (await client.send(request, Deadlines())).read()


@pytest.mark.parametrize("name", ["up.example", "127.0.0.1"])
async def test_a_good_certificate(name: str, serve: Serve, make_client: MakeClient) -> None:
    server = await serve(answer_always(sized(b"hi" * 100_000)), tls=certify(name))
    client = make_client(tls=trust(), resolver=Anywhere())
    for _ in range(3):
        assert await ask(client, server, name, bytes(1_000_000)) == b"hi" * 100_000
    assert (client.stats().created, client.stats().reused) == (1, 2)
    assert server.peers[0].bodies == [bytes(1_000_000)] * 3


async def test_a_context_of_our_own_offers_http_1_1_alone(
    serve: Serve, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upstream that prefers HTTP/2 would speak it to whoever offers it, or to one who offers nothing."""

    async def script(peer: Peer) -> None:
        await peer.take_request()
        chosen.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await peer.say(sized(b"hi"))
        await peer.await_end()

    chosen: list[str | None] = []
    context = ssl.create_default_context()
    found_authority().configure_trust(context)
    monkeypatch.setattr("ssl.create_default_context", lambda: context)
    upstream = certify("up.example")
    upstream.set_alpn_protocols(["h2", "http/1.1"])
    server = await serve(script, tls=upstream)
    assert await ask(make_client(resolver=Anywhere()), server) == b"hi"
    assert chosen == ["http/1.1"]


@pytest.mark.parametrize(
    ("certificate", "complaint"),
    [
        (lambda: certify("other.example"), "Hostname mismatch"),
        (lambda: certify("up.example", not_after=LONG_AGO), "expired"),
        (lambda: certify("up.example", not_before=datetime.now(UTC) + timedelta(days=1)), "not yet valid"),
    ],
)
async def test_a_bad_certificate(
    certificate: Callable[[], ssl.SSLContext], complaint: str, serve: Serve, make_client: MakeClient
) -> None:
    server = await serve(answer_always(sized(b"hi")), tls=certificate())
    client = make_client(tls=trust(), resolver=Anywhere())
    with pytest.raises(ConnectFailed, match=f"its certificate is refused: .*{complaint}") as refused:
        await ask(client, server)
    assert str(refused.value).startswith(f"https://up.example:{server.port}: ")
    assert (refused.value.sent, client.stats().open) == (False, 0)
    assert not any(peer.requests for peer in server.peers)


async def test_a_certificate_of_an_unknown_authority(serve: Serve, make_client: MakeClient) -> None:
    server = await serve(answer_always(sized(b"hi")), tls=certify("up.example"))
    with pytest.raises(ConnectFailed, match="its certificate is refused"):
        await ask(make_client(resolver=Anywhere()), server)


async def test_an_upstream_that_speaks_no_tls(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await serve(script)
    request = OutgoingRequest("GET", server.url().replace("http:", "https:"))
    with pytest.raises(ConnectFailed, match="the TLS handshake failed"):
        await make_client(tls=trust()).send(request, Deadlines())


async def test_an_upstream_that_closes_in_the_handshake(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)

    server = await serve(script)
    request = OutgoingRequest("GET", server.url().replace("http:", "https:"))
    with pytest.raises(ConnectFailed, match="the TLS handshake failed"):
        await make_client(tls=trust()).send(request, Deadlines())


async def test_a_handshake_without_end(serve: Serve, make_client: MakeClient) -> None:
    server = await serve(lambda peer: peer.await_end())
    request = OutgoingRequest("GET", server.url().replace("http:", "https:"))
    with pytest.raises(UpstreamTimeout, match=r"connect_s = 0\.1 s passed while in the TLS handshake"):
        await make_client(tls=trust()).send(request, Deadlines(connect_s=0.1))
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)


async def test_a_stream_over_tls_is_closed_early(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await peer.await_end()

    server = await serve(script, tls=certify("up.example"))
    client = make_client(tls=trust(), resolver=Anywhere())
    answered = await client.send(OutgoingRequest("GET", server.url("/", "up.example")), Deadlines())
    assert await anext(answered.chunks()) == b"one"
    await answered.aclose()
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)
    assert client.stats().idle == 0
