"""Which of a host's addresses is connected to, and what is remembered of a look-up."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest
from scripted_peer import WITHIN_S, answer_always, sized

from conftest import MakeClient, Serve
from jackfield.errors import ConnectFailed, EgressRefused
from jackfield.transport import Deadlines, EgressPolicy, HttpClient, OutgoingRequest, SystemResolver, ThreadedResolver
from jackfield.transport.connect import _alternate_families


class Listed:
    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(self, host: str) -> tuple[str, ...]:
        return self.addresses


async def connect(client: HttpClient, port: int) -> tuple[str, int]:
    async with asyncio.timeout(WITHIN_S):
        request = OutgoingRequest("GET", f"http://up.example:{port}/")
        answered = await client.send(request, Deadlines())
        await answered.read()
        return answered.address


async def test_the_next_address_is_tried_when_one_refuses(serve: Serve, make_client: MakeClient) -> None:
    server = await serve(answer_always(sized(b"")))
    client = make_client(resolver=Listed("127.0.0.77", "127.0.0.78", "127.0.0.1"))
    assert await connect(client, server.port) == ("127.0.0.1", server.port)


async def test_an_address_that_does_not_answer_costs_one_stagger(
    serve: Serve, make_client: MakeClient, full_port: int
) -> None:
    await serve(answer_always(sized(b"")), host="127.0.0.2", port=full_port)
    client = make_client(resolver=Listed("127.0.0.1", "127.0.0.2"))
    begun = time.monotonic()
    async with asyncio.timeout(WITHIN_S):
        assert await connect(client, full_port) == ("127.0.0.2", full_port)
    assert time.monotonic() - begun > 0.2
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "_connect_one" in repr(task)]


async def test_the_loser_of_a_race_is_closed(serve: Serve, make_client: MakeClient) -> None:
    first = await serve(answer_always(sized(b"")))
    client = make_client(resolver=Listed("127.0.0.1", "127.0.0.1"))
    await connect(client, first.port)
    assert client.stats().open == 1
    assert len(first.peers) == 1


async def test_all_addresses_refuse(make_client: MakeClient) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        client = make_client(resolver=Listed("127.0.0.1", "127.0.0.77"))
        with pytest.raises(ConnectFailed, match=r"cannot connect to 127\.0\.0\.1, 127\.0\.0\.77: Connect"):
            await connect(client, port)
    assert client.stats().open == 0


async def test_a_host_without_addresses(make_client: MakeClient) -> None:
    with pytest.raises(ConnectFailed, match="no address"):
        await connect(make_client(resolver=Listed()), 80)


async def test_only_permitted_addresses_of_a_host_are_tried(make_client: MakeClient) -> None:
    """A refused address is not connected to because a permitted one stands beside it."""
    inward = Listed("10.0.0.1", "127.0.0.1", "::1")
    client = make_client(policy=EgressPolicy.public_only(), resolver=inward)
    with pytest.raises(EgressRefused):
        await connect(client, 80)


def test_families_alternate() -> None:
    mixed = _alternate_families(["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"])
    assert mixed == ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]
    assert _alternate_families(["1.1.1.1"]) == ["1.1.1.1"]


class Directory(SystemResolver):
    """The system resolver over a directory that answers when told to."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.asked = 0
        self.answer = asyncio.Event()

    async def _look_up(self, host: str) -> tuple[str, ...]:
        self.asked += 1
        await self.answer.wait()
        if host == "nobody":
            raise socket.gaierror(-2, "Name or service not known")
        return (f"192.0.2.{self.asked}",)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_look_up_is_remembered_for_its_time() -> None:
    clock = Clock()
    directory = Directory(ttl_s=30, clock=clock)
    directory.answer.set()
    assert await directory.resolve("a") == ("192.0.2.1",)
    clock.now += 29.9
    assert await directory.resolve("a") == ("192.0.2.1",)
    clock.now += 0.2
    assert await directory.resolve("a") == ("192.0.2.2",)


async def test_those_who_ask_together_ask_once() -> None:
    directory = Directory()
    asking = [asyncio.create_task(directory.resolve("a")) for _ in range(5)]
    await asyncio.sleep(0)
    directory.answer.set()
    assert set(await asyncio.gather(*asking)) == {("192.0.2.1",)}
    assert directory.asked == 1


async def test_whoever_asks_next_takes_over_from_one_who_gave_up() -> None:
    directory = Directory()
    asking = [asyncio.create_task(directory.resolve("a")) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    directory.answer.set()
    assert set(await asyncio.gather(*asking[1:])) == {("192.0.2.2",)}
    assert directory.asked == 2


async def test_a_failure_is_not_remembered() -> None:
    directory = Directory()
    directory.answer.set()
    for _ in range(2):
        with pytest.raises(OSError, match="not known"):
            await directory.resolve("nobody")
    assert directory.asked == 2


async def test_what_is_remembered_is_bounded() -> None:
    directory = Directory(max_hosts=3)
    directory.answer.set()
    for host in "abcde":
        await directory.resolve(host)
    await directory.resolve("e")
    assert directory.asked == 5
    await directory.resolve("a")
    assert directory.asked == 6


async def test_the_system_knows_this_machine() -> None:
    assert set(await SystemResolver().resolve("localhost")) & {"127.0.0.1", "::1"}


async def test_threads_of_its_own_know_it_too() -> None:
    assert set(await ThreadedResolver().resolve("localhost")) & {"127.0.0.1", "::1"}


async def test_threads_of_its_own_tell_what_the_system_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("jackfield.transport.resolve.socket.getaddrinfo", fail)
    with pytest.raises(OSError, match="Name or service not known"):
        await ThreadedResolver().resolve("nobody.example")


async def test_names_that_take_their_time_keep_only_a_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Semaphore(0), threading.Event()

    def look_up(*_: object, **__: object) -> list[object]:
        begun.release()
        ended.wait(WITHIN_S)
        return [(0, 0, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr("jackfield.transport.resolve.socket.getaddrinfo", look_up)
    resolver = ThreadedResolver(most_threads=2)
    waiting = [asyncio.create_task(resolver.resolve(f"{name}.example")) for name in "ab"]
    for _ in waiting:
        await asyncio.to_thread(begun.acquire, timeout=WITHIN_S)
    waiting[0].cancel()
    with pytest.raises(OSError, match="2 other names are being looked up"):
        await resolver.resolve("c.example")
    ended.set()
    assert await waiting[1] == ("192.0.2.1",)
    assert await resolver.resolve("c.example") == ("192.0.2.1",)
