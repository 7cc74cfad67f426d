"""However the network cuts an answer into pieces, it is the same answer."""

from __future__ import annotations

import asyncio
import gzip
from itertools import pairwise

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jackfield.transport import Deadlines, Limits, OutgoingRequest, UpstreamResponse
from jackfield.transport.connection import Connection
from jackfield.transport.origin import parse_target
from jackfield.transport.sweep import Sweeper

ORIGIN = parse_target("http://a.example").origin
REQUEST = OutgoingRequest("GET", "http://a.example")
HEAD = b"HTTP/1.1 200 OK\r\nX-One: 1\r\n"
ZIPPED = gzip.compress(b"hello " * 50, mtime=0)
ANSWERS = [
    HEAD + b"content-length: 5\r\n\r\nhello",
    HEAD + b"transfer-encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nx-sum: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + HEAD + b"content-length: 0\r\n\r\n",
    HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED,
    HEAD + b"content-length: 5\r\n\r\nhellotrailing",
    HEAD + b"content-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmore",
    HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\nzz\r\n",
    HEAD + b"content-length: 50\r\n\r\nshort",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    HEAD + b"\r\nuntil the end",
    HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
]


class Wire(asyncio.Transport):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Nobody reads what is asked."""

    def abort(self) -> None:
        """There is no socket."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default


class Shelf:
    """The owner of one connection."""

    def __init__(self) -> None:
        self.kept = False

    def release(self, connection: Connection) -> None:
        self.kept = True

    def forget(self, connection: Connection) -> None:
        self.kept = False


async def observe(answered: UpstreamResponse) -> tuple[object, ...]:
    """Head, body and fault; the fault's text may differ in where the answer was cut."""
    try:
        body = await answered.read()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not depend on the cuts
        return (answered.status, answered.headers, type(error))
    return (answered.status, answered.headers, body)


async def play(data: bytes, cuts: list[int]) -> tuple[object, ...]:
    sweeper, shelf = Sweeper(), Shelf()
    connection = Connection(ORIGIN, Limits(), sweeper)
    connection.connection_made(Wire())
    connection.owner = shelf
    answered = connection.start(b"", REQUEST, Deadlines(), float("inf"))
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    for start, end in pairwise(edges):
        connection.data_received(data[start:end])
    # What follows a whole answer is only known once it has come: the shelf is looked at after that.
    connection.eof_received() if not shelf.kept else None
    kept = shelf.kept
    connection.connection_lost(None)
    assert not sweeper.members
    return (*await observe(answered), kept)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ANSWERS), st.lists(st.integers(min_value=1, max_value=400), max_size=12))
@example(ANSWERS[5], [70])
async def test_any_cut_gives_the_same_answer(data: bytes, cuts: list[int]) -> None:
    assert await play(data, cuts) == await play(data, [])


async def test_byte_by_byte_is_the_same_answer() -> None:
    for data in ANSWERS:
        assert await play(data, list(range(len(data)))) == await play(data, [])
