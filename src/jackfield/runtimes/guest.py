"""The code's side of a session, in whatever process it is.

A program is an object. What the host calls is `async def name(self, params, rpc)`, an async generator for a stream, and
`def` where it is told. Its `kinds`, where it has any, are the types that methods want their `params` as.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from jackfield.rpc.calls import Peer
from jackfield.telemetry.text import describe_error


class Rpc:
    """What a program asks its host by."""

    __slots__ = ("_peer",)

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def call(self, method: str, params: Any = None, *, into: Any = Any) -> Any:
        """Raises `SessionDenied` with the words and the code of what the host raised."""
        return await self._peer.call(method, params, self._peer.current(), into=into)

    def tell(self, method: str, params: Any = None) -> None:
        self._peer.tell(method, params, self._peer.current())


class Runner:
    """Answers what the host calls by the program's methods. `report` is told of what nobody waits for."""

    rpc: Rpc

    def __init__(self, program: object, report: Callable[[str, str], None]) -> None:
        self._program, self._report = program, report

    def _find(self, method: str) -> Any:
        found = None if method.startswith("_") else getattr(self._program, method, None)
        if not callable(found):
            raise LookupError(f"no method {method}")
        return found

    def answer(self, method: str, params: Any) -> Coroutine[Any, Any, Any]:
        answer: Coroutine[Any, Any, Any] = self._find(method)(params, self.rpc)
        return answer

    def produce(self, method: str, params: Any) -> AsyncIterator[Any]:
        items: AsyncIterator[Any] = self._find(method)(params, self.rpc)
        return items

    def hear(self, method: str, params: Any) -> None:
        try:
            self._find(method)(params, self.rpc)
        except BaseException as error:  # noqa: BLE001 - a boundary: nobody waits for it
            self._report(method[:100], describe_error(error))
