"""Heads and bodies of answers leave together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jackfield.server.coalesce import CoalescingTransport

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written; each entry is one write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.ended: str | None = None

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.writes.append(b"".join(list_of_data))

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def transport(wire: Wire) -> CoalescingTransport:
    return CoalescingTransport(wire, asyncio.get_running_loop())


async def test_a_head_and_its_body_are_one_write(wire: Wire, transport: CoalescingTransport) -> None:
    transport.write(HEAD)
    transport.write(b"ok")
    assert wire.writes == [HEAD + b"ok"]


async def test_a_head_alone_leaves_when_the_loop_comes_round(wire: Wire, transport: CoalescingTransport) -> None:
    transport.write(HEAD)
    assert wire.writes == []
    await asyncio.sleep(0)
    assert wire.writes == [HEAD]


async def test_what_is_no_head_leaves_at_once(wire: Wire, transport: CoalescingTransport) -> None:
    transport.write(b"5\r\nhello\r\n")
    transport.write(bytearray(b"x\r\n\r\n"))
    assert wire.writes == [b"5\r\nhello\r\n", b"x\r\n\r\n"]


async def test_pieces_keep_their_order(wire: Wire, transport: CoalescingTransport) -> None:
    for piece in (HEAD, b"1", b"2", HEAD, HEAD, b"3"):
        transport.write(piece)
    await asyncio.sleep(0)
    assert b"".join(wire.writes) == HEAD + b"12" + HEAD + HEAD + b"3"


async def test_closing_sends_what_is_held_and_aborting_drops_it(wire: Wire, transport: CoalescingTransport) -> None:
    transport.write(HEAD)
    transport.close()
    assert (wire.writes, wire.ended) == ([HEAD], "closed")
    transport.write(HEAD)
    transport.abort()
    await asyncio.sleep(0)
    assert (wire.writes, wire.ended) == ([HEAD], "aborted")
