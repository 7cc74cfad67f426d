"""A session over gRPC as the tests of all runtimes call one: any method with any value."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tests.runtimes.programs import Host

from jackfield.errors import PluginTimeout
from jackfield.runtimes.base import Diagnosis, Session
from jackfield.runtimes.grpc.program import GrpcProgram
from jackfield.runtimes.grpc.session import GrpcSession

GUEST = Path(__file__).parent / "guest"
PROGRAM = GrpcProgram(
    command="python",
    folder=GUEST,
    args=("-B", "grpc_program.py"),
    read=(str(GUEST.parents[1] / "program.py"),),
)


@contextmanager
def by_its_name(called: str, method: str) -> Iterator[None]:
    """Time-outs tell the call by which the method went."""
    try:
        yield
    except PluginTimeout as error:
        raise PluginTimeout(error.message.replace(f"{called} did", f"{method} did"), plugin=error.plugin) from None


class AdaptedHost:
    def __init__(self, host: Host) -> None:
        self._host = host
        self.session: Any = None

    async def answer(self, method: str, params: Any) -> Any:
        assert method == "tools.execute"
        result = await self._host.answer(params["name"], params["arguments"].get("params"))
        return {"success": True, "result": result}

    def hear(self, method: str, params: Any) -> None:
        assert method == "log"
        self._host.hear(params["text"], params["fields"].get("params"))

    async def on_start(self, session: Session) -> None:
        await self._host.on_start(self.session)

    def on_loss(self, diagnosis: Diagnosis) -> None:
        self._host.on_loss(diagnosis)


class AdaptedSession:
    """`Session` over a `GrpcSession`."""

    def __init__(self, session: GrpcSession) -> None:
        self.inner = session
        self.start, self.ping = session.start, session.ping
        self.stop, self.diagnose = session.stop, session.diagnose

    async def call(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> Any:
        arguments = {} if params is None else {"params": params}
        asked = {"name": method, "arguments": arguments, "context": {"call": "1"}}
        with by_its_name("tool", method):
            reply = await self.inner.call("tool", asked, deadline_s=deadline_s)
        return msgspec.convert(reply["result"], into) if into is not Any else reply["result"]

    async def stream(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> AsyncIterator[Any]:
        asked = {"request": json.dumps({"method": method, "params": params}).encode(), "upstream": {"name": "x"}}
        items: Any = self.inner.stream("stream", asked, deadline_s=deadline_s)
        async with aclosing(items):
            with by_its_name("stream", method):
                async for item in items:
                    yield json.loads(item)

    def tell(self, method: str, params: Any = None, *, sticky: str | None = None) -> None:
        self.inner.tell("over", {"exchange": json.dumps({"method": method, "params": params})})
