"""The socket to the host, misused by who has it: whatever is written there, it harms only who writes it."""

from __future__ import annotations

import asyncio
import os

import pytest
from tests.runtimes.conftest import StartIsolated
from tests.runtimes.programs import Host

from jackfield.errors import PluginError, PluginTimeout, SessionDenied, SessionLost
from jackfield.rpc import framing
from jackfield.runtimes.isolated.session import IsolatedSession
from jackfield.runtimes.limits import Limits

# How messages are made there without what would check them.
FORGE = """
import msgspec, os, socket
def frame(body): return len(body).to_bytes(4, "big") + body
def pack(*parts): return frame(msgspec.msgpack.encode(list(parts)))
def send(data):
    while data: data = data[os.write(3, data):]
"""


@pytest.fixture
async def session(start_isolated: StartIsolated) -> IsolatedSession:
    return await start_isolated()


async def run(session: IsolatedSession, code: str, deadline_s: float = 5) -> object:
    return await session.call("run", FORGE + code, deadline_s=deadline_s)


BREAKS = {
    "no frames": "send(b'garbage' * 9)",
    "a frame that is none": "send(frame(b'garbage'))",
    "an empty frame": "send(frame(b''))",
    "a frame that is larger than it may be": "send(b'\\xff\\xff\\xff\\xff')",
    "a message of no kind": "send(pack(99, 1, 2))",
    "a message with too few parts": "send(pack(0, 1))",
    "a message with too many": "send(pack(1, 1, 2, 3, 4))",
    "a number that is none": "send(pack(0, 'one', None, 'who', None))",
    "a number below nothing": "send(pack(0, -1, None, 'who', None))",
    "a method that is no text": "send(pack(0, 1, None, 7, None))",
    "a map with a key twice over": "send(frame(b'\\x82\\x00\\x00\\x00\\x00'))",
    "nested without end": "send(frame(b'\\x91' * 100_000))",
    "nested deeper than it may be": "send(pack(0, 1, None, 'echo', eval('[' * 90 + ']' * 90)) + "
    "frame(b'\\x95\\x00\\x02\\xc0\\xa4echo' + b'\\x91' * 5000 + b'\\xc0'))",
    "an array of four billion": "send(frame(b'\\xdd\\xff\\xff\\xff\\xff'))",
    "a text of four billion": "send(frame(b'\\x95\\x00\\x01\\xc0\\xdb\\xff\\xff\\xff\\xff'))",
    "items that nobody asked for": "send(b''.join(pack(6, number, 'x') for number in range(64)))",
    "the end of its connection": "os.close(3)",
    "half of its connection": "socket.socket(fileno=os.dup(3)).shutdown(socket.SHUT_WR)",
}
HARMLESS = ("items that nobody asked for",)


@pytest.mark.parametrize("name", [name for name in BREAKS if name not in HARMLESS])
async def test_who_does_not_keep_to_the_protocol_is_cut_off(session: IsolatedSession, name: str) -> None:
    with pytest.raises((SessionLost, SessionDenied)):
        await run(session, f"{BREAKS[name]}\nimport asyncio\nawait asyncio.sleep(9)")
    assert session.diagnose().state in ("waiting", "running")


@pytest.mark.parametrize("name", HARMLESS)
async def test_what_was_not_asked_for_is_not_taken(session: IsolatedSession, name: str) -> None:
    assert await run(session, f"{BREAKS[name]}\nreturn 1") == 1


async def test_without_its_bound_a_frame_is_waited_for(
    session: IsolatedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is the bound that cuts off who announces more."""
    monkeypatch.setattr(framing, "LARGEST", 1 << 40)
    with pytest.raises(PluginTimeout):
        await run(session, "send(b'\\xff\\xff\\xff\\xff')\nimport asyncio\nawait asyncio.sleep(9)", 0.3)
    assert session.diagnose().state == "running"


async def test_answers_to_the_calls_of_another_are_answers_to_none(session: IsolatedSession, host: Host) -> None:
    """It cannot know their numbers, and numbers that it makes up are nobody's."""
    other = asyncio.create_task(session.call("wait", None, deadline_s=5))
    await asyncio.sleep(0)
    code = "send(b''.join(pack(1, number, 'forged') for number in range(1000, 1300)))\nreturn 'sent'"
    assert await run(session, code) == "sent"
    assert not other.done()
    other.cancel()


async def test_a_call_out_of_a_call_that_is_not_is_on_nobodys_behalf(session: IsolatedSession, host: Host) -> None:
    code = "return [await rpc._peer.call('who', None, parent) for parent in (None, 0, 12345, 2**53 - 1)]"
    assert await run(session, code) == [None] * 4


async def test_descriptors_that_it_sends_are_not_taken(session: IsolatedSession) -> None:
    before = set(os.listdir("/proc/self/fd"))
    code = """
import array
host = socket.socket(fileno=os.dup(3))
fd = os.open("/dev/null", os.O_RDONLY)
for _ in range(20):
    message = pack(4, None, "told", 1)
    host.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd] * 9))])
return await rpc.call("echo", "all read")
"""
    assert await run(session, code) == "all read"
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1


async def test_what_it_asks_without_end_costs_others_nothing(
    start_isolated: StartIsolated, session: IsolatedSession, host: Host
) -> None:
    """It is answered so many at a time, and read from so fast."""
    other = await start_isolated()
    code = "while True: send(b''.join(pack(0, number, None, 'echo', 'x' * 999) for number in range(500)))"
    flood = asyncio.create_task(run(session, code, 9))
    for _ in range(20):
        assert await other.call("echo", "unharmed", deadline_s=2) == "unharmed"
    flood.cancel()
    with pytest.raises((asyncio.CancelledError, PluginError)):
        await flood


async def test_who_asks_and_never_takes_an_answer_is_ended(start_isolated: StartIsolated) -> None:
    """It is not read from any further, so that it stands still, and that is seen."""
    session = await start_isolated(Limits(hang_s=0.5))
    code = """
number = 0
while True:
    number += 1
    send(pack(0, number, None, "echo", "x" * 1_000_000))
"""
    with pytest.raises(SessionLost, match=r"it answered nothing for 0\.5 s|are not read"):
        await run(session, code, 9)
