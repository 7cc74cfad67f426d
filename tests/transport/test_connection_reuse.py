"""A connection serves again only after a whole and clean answer; the pool is fair and bounded."""

from __future__ import annotations

import asyncio

import pytest
from scripted_peer import WITHIN_S, Peer, ScriptedServer, answer, answer_always, answer_and_close, sized

from conftest import Fetch, MakeClient, Serve
from jackfield.errors import UpstreamBroken, UpstreamTimeout
from jackfield.transport import Deadlines, HttpClient, Limits, OutgoingRequest
from jackfield.transport.pool import Pool

UNCLEAN = {
    "connection: close": sized(b"hi", b"connection: close"),
    "http/1.0": b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    "trailing bytes": sized(b"hi") + b"trailing",
    "longer than promised": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhigh",
    "a second answer": sized(b"hi") + sized(b"not asked for"),
    "half a second answer": sized(b"hi") + b"HTTP/1.",
    "bytes after the last chunk": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nmore"),
}


async def await_open(client: HttpClient, number: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while client.stats().open != number:
            await asyncio.sleep(0)


async def ask(client: HttpClient, url: str, **deadlines: float) -> bytes:
    async with asyncio.timeout(WITHIN_S):
        answered = await client.send(OutgoingRequest("GET", url), Deadlines(**deadlines))
        return await answered.read()


@pytest.mark.parametrize("data", UNCLEAN.values(), ids=UNCLEAN)
async def test_the_answer_is_right_and_the_connection_not_kept(data: bytes, serve: Serve, client: HttpClient) -> None:
    server = await serve(answer(data))
    assert await ask(client, server.url()) == b"hi"
    assert client.stats().idle == 0
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)
    assert await ask(client, server.url()) == b"hi"
    assert (client.stats().created, client.stats().reused) == (2, 0)


async def test_bytes_on_an_idle_connection_close_it(serve: Serve, client: HttpClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(sized(b"hi"))
        await speak.wait()
        await peer.say(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await peer.await_end()

    speak = asyncio.Event()
    server = await serve(script)
    assert await ask(client, server.url()) == b"hi"
    speak.set()
    await await_open(client, 0)
    assert client.stats().idle == 0


async def test_an_idle_connection_that_the_upstream_closes_is_forgotten(serve: Serve, client: HttpClient) -> None:
    server = await serve(answer_and_close(sized(b"hi")))
    assert await ask(client, server.url()) == b"hi"
    await await_open(client, 0)
    assert await ask(client, server.url()) == b"hi"
    assert client.stats().retried_stale == 0


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stale_connection_is_replaced_once(
    end: str, method: str, serve: Serve, client: HttpClient, fetch: Fetch
) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(sized(b"hi"))
        await peer.take_request()
        if peer is server.peers[0]:
            getattr(peer, end)()
            return
        await peer.say(sized(b"hi"))
        await peer.await_end()

    server = await serve(script)
    for _ in range(2):
        assert await (await fetch(server.url(), method, b"body" * (method == "POST"))).read() == b"hi"
    assert (client.stats().created, client.stats().retried_stale) == (2, 1)
    assert len(server.peers[0].requests) == 2


async def test_a_connection_that_dies_with_a_byte_of_an_answer_is_no_reason_to_repeat(
    serve: Serve, client: HttpClient, fetch: Fetch
) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(sized(b"hi"))
        await peer.take_request()
        await peer.say(b"H")

    server = await serve(script)
    assert await ask(client, server.url()) == b"hi"
    with pytest.raises(UpstreamBroken, match="within the head"):
        await fetch(server.url())
    assert len(server.peers) == 1


async def test_a_connection_that_dies_long_after_its_request_is_no_reason_to_repeat(
    serve: Serve, client: HttpClient, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upstream may have died of the request, or have worked on it: it is not run twice."""

    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(sized(b"hi"))
        await peer.take_request()

    monkeypatch.setattr("jackfield.transport.connection._STALE_S", 0.0)
    server = await serve(script)
    assert await ask(client, server.url()) == b"hi"
    with pytest.raises(UpstreamBroken, match="without an answer") as broken:
        await fetch(server.url(), "POST", b"body")
    assert broken.value.sent
    assert (len(server.peers), client.stats().retried_stale) == (1, 0)


async def test_a_fresh_connection_that_dies_is_not_tried_again(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()

    server = await serve(script)
    with pytest.raises(UpstreamBroken, match="without an answer") as broken:
        await fetch(server.url())
    assert (len(server.peers), broken.value.sent) == (1, True)


async def test_a_stale_connection_is_not_replaced_by_another_idle_one(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        both.release()
        await let_go.wait()
        await peer.say(sized(b"hi"))
        if peer in server.peers[:2]:
            await peer.take_request()  # and close
            return
        await peer.await_end()

    both, let_go = asyncio.Semaphore(0), asyncio.Event()
    client = make_client(limits=Limits(max_connections_per_origin=2))
    server = await serve(script)
    calls = [asyncio.create_task(ask(client, server.url())) for _ in range(2)]
    await both.acquire()
    await both.acquire()
    let_go.set()
    await asyncio.gather(*calls)
    assert client.stats().idle == 2
    assert await ask(client, server.url()) == b"hi"
    assert (client.stats().retried_stale, client.stats().created, client.stats().open) == (1, 3, 2)


async def test_the_retry_of_a_stale_connection_takes_its_turn(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.take_request()
            if peer is server.peers[0] and len(peer.requests) == 2:
                return
            await peer.say(sized(b"hi"))

    client = make_client(limits=Limits(max_connections_per_origin=1))
    server = await serve(script)
    assert await ask(client, server.url()) == b"hi"
    assert await asyncio.gather(*[ask(client, server.url()) for _ in range(3)]) == [b"hi"] * 3
    assert (client.stats().retried_stale, client.stats().created, client.stats().open) == (1, 2, 1)


async def test_those_who_wait_are_served_in_order(serve: Serve, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(max_connections_per_origin=1))
    server = await serve(answer_always(sized(b"hi")))
    done: list[int] = []

    async def call(number: int) -> None:
        await ask(client, server.url(f"/{number}"))
        done.append(number)

    await asyncio.gather(*[call(number) for number in range(20)])
    assert done == list(range(20))
    assert [int(head.split()[1][1:]) for head in server.peers[0].requests] == done
    assert (client.stats().created, client.stats().reused) == (1, 19)


async def test_the_queue_is_under_the_connect_deadline(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await let_go.wait()
        await peer.say(sized(b"hi"))
        await peer.await_end()

    let_go = asyncio.Event()
    client = make_client(limits=Limits(max_connections_per_origin=1))
    server = await serve(script)
    first = asyncio.create_task(ask(client, server.url()))
    await server.await_peer()
    with pytest.raises(UpstreamTimeout, match=r"connect_s = 0.05 s passed while waiting for a free") as late:
        await ask(client, server.url(), connect_s=0.05)
    assert (late.value.sent, client.stats().queued) == (False, 0)
    let_go.set()
    assert await first == b"hi"


@pytest.mark.parametrize("ending", [sized(b"hi"), sized(b"hi", b"connection: close")])
async def test_cancelled_waiters_lose_no_turn(ending: bytes, serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.take_request()
            await let_go.wait()
            await peer.say(ending)
            if b"close" in ending:
                return

    let_go = asyncio.Event()
    client = make_client(limits=Limits(max_connections_per_origin=1))
    server = await serve(script)
    calls = [asyncio.create_task(ask(client, server.url())) for _ in range(9)]
    await server.await_peer()
    for call in calls[1::2]:
        call.cancel()
    let_go.set()
    assert await asyncio.gather(*calls[::2]) == [b"hi"] * 5
    assert client.stats().queued == 0


async def test_a_turn_granted_to_a_waiter_in_the_moment_of_its_cancellation_goes_on(
    serve: Serve, make_client: MakeClient
) -> None:
    client = make_client(limits=Limits(max_connections_per_origin=1))
    server = await serve(answer_always(sized(b"hi")))
    answers: list[asyncio.Task[bytes]] = []

    async def call_and_cancel_the_next(number: int) -> bytes:
        body = await ask(client, server.url())
        if number % 2 == 0 and number + 1 < len(answers):
            answers[number + 1].cancel()
        return body

    answers += [asyncio.create_task(call_and_cancel_the_next(number)) for number in range(10)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert results[::2] == [b"hi"] * 5
    assert await ask(client, server.url()) == b"hi"


async def test_a_slot_granted_to_a_waiter_in_the_moment_of_its_cancellation_goes_on() -> None:
    pool = Pool(Limits(max_connections_per_origin=1))
    assert await pool.acquire(fresh=False) is None
    first, second = (asyncio.ensure_future(pool.acquire(fresh=False)) for _ in range(2))
    while len(pool.waiting) < 2:
        await asyncio.sleep(0)
    pool.free_slot()
    first.cancel()
    assert await asyncio.wait_for(second, WITHIN_S) is None
    assert (first.cancelled(), pool.slots) == (True, 1)
    pool.free_slot()
    assert pool.slots == 0


async def test_idle_connections_are_bounded(serve: Serve, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(max_idle_per_origin=2))
    server = await serve(answer_always(sized(b"hi")))
    await asyncio.gather(*[ask(client, server.url()) for _ in range(6)])
    await await_open(client, 2)
    assert client.stats().idle == 2


async def test_an_idle_connection_expires(serve: Serve, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(idle_keepalive_s=0.03))
    server = await serve(answer(sized(b"hi")))
    await ask(client, server.url())
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)
    assert client.stats().idle == 0


class Anywhere:
    """Every host is this machine."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        return ("127.0.0.1",)


async def ask_many(client: HttpClient, server: ScriptedServer, count: int) -> None:
    for batch in range(0, count, 50):
        urls = [server.url("/", f"host{number}.example") for number in range(batch, batch + 50)]
        assert await asyncio.gather(*[ask(client, url) for url in urls]) == [b"hi"] * 50


async def test_five_hundred_origins(serve: Serve, make_client: MakeClient) -> None:
    client = make_client(resolver=Anywhere(), limits=Limits(max_origins=500))
    server = await serve(answer_always(sized(b"hi")))
    for _ in range(2):
        await ask_many(client, server, 500)
    assert (client.stats().created, client.stats().reused, client.stats().origins) == (500, 500, 500)
    hosts = {head.split(b"\r\n")[1] for peer in server.peers for head in peer.requests}
    assert len(hosts) == 500


async def test_origins_nobody_uses_make_room(serve: Serve, make_client: MakeClient) -> None:
    client = make_client(resolver=Anywhere(), limits=Limits(max_origins=60))
    server = await serve(answer_always(sized(b"hi")))
    await ask_many(client, server, 200)
    await await_open(client, 60)
    assert (client.stats().origins, client.stats().idle) == (60, 60)
