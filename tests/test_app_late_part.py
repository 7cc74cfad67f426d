"""A part that is made when it is first asked for: once, and without keeping the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from jackfield.app.late_part import LatePart
from jackfield.server.asgi import Asgi, Message, Receive, Scope, Send

GUARD_S = 30.0


class Workshop:
    """Makes a part that notes who has asked it; `go` lets it begin, where it is to wait for that."""

    def __init__(self, *, waits: bool = False) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.made_in: list[int] = []
        self.asked: list[str] = []
        if not waits:
            self.go.set()

    def make(self) -> Asgi:
        self.begun.set()
        if not self.go.wait(GUARD_S):
            raise TimeoutError("nobody let it begin")
        self.made_in.append(threading.get_ident())
        return self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 200})


async def ask(part: LatePart, path: str) -> None:
    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        assert message["status"] == 200

    await part({"path": path}, receive, send)


async def begun(workshop: Workshop) -> None:
    assert await asyncio.to_thread(workshop.begun.wait, GUARD_S)


async def test_the_loop_serves_on_while_it_is_made_and_it_is_made_once() -> None:
    workshop = Workshop(waits=True)
    part = LatePart(workshop.make)
    asking = [asyncio.create_task(ask(part, path)) for path in ("/one", "/two")]
    await begun(workshop)
    # That this line is reached shows that the loop is free.
    workshop.go.set()
    await asyncio.gather(*asking)
    await ask(part, "/three")
    assert workshop.asked == ["/one", "/two", "/three"]
    assert len(workshop.made_in) == 1
    assert workshop.made_in[0] != threading.get_ident()


async def test_who_leaves_while_it_is_made_keeps_nobody_from_it() -> None:
    workshop = Workshop(waits=True)
    part = LatePart(workshop.make)
    leaving = asyncio.create_task(ask(part, "/gone"))
    await begun(workshop)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    workshop.go.set()
    await ask(part, "/next")
    assert workshop.asked == ["/next"]


async def test_what_cannot_be_made_is_tried_again_by_the_next() -> None:
    workshop = Workshop()
    tries = iter((OSError("no such disk"), None))

    def make() -> Asgi:
        problem = next(tries)
        if problem is not None:
            raise problem
        return workshop.make()

    part = LatePart(make)
    with pytest.raises(OSError, match="no such disk"):
        await ask(part, "/one")
    await ask(part, "/two")
    assert workshop.asked == ["/two"]
