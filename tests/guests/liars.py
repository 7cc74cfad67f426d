"""A guest that says whatever a test wants it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from jackfield.clock import SystemClock
from jackfield.dialects.base import Blueprint
from jackfield.guests.exchanges import COMPACT, Form
from jackfield.guests.plugin import Code
from jackfield.guests.reader import read_guest
from jackfield.runtimes.inprocess import InProcessSession
from jackfield.sdk.manifest import Manifest
from jackfield.sources.base import Found
from jackfield.testing.host import FakeHost

HOOK = {"point": "pre_flight", "name": "check", "on_failure": "closed"}


class Liar:
    """`said` is laid over an honest description; `acts` are what it does in the steps and calls that it names."""

    def __init__(self, said: Mapping[str, Any], acts: Mapping[str, Callable[[Any, Any], Any]]) -> None:
        self._said, self._acts = said, acts

    async def describe(self, params: Any, rpc: Any) -> Any:
        return {"manifest": {"id": "liar"}, "hooks": [HOOK], **self._said}

    async def _act(self, step: str, params: Any, rpc: Any, honest: Any) -> Any:
        act = self._acts.get(step)
        return honest if act is None else await act(params, rpc)

    async def load(self, params: Any, rpc: Any) -> Any:
        return await self._act("load", params, rpc, {"config": params["config"]})

    async def enable(self, params: Any, rpc: Any) -> Any:
        return await self._act("enable", params, rpc, None)

    async def health(self, params: Any, rpc: Any) -> Any:
        return await self._act("health", params, rpc, {})

    async def disable(self, params: Any, rpc: Any) -> None:
        """Honest."""

    async def unload(self, params: Any, rpc: Any) -> Any:
        return await self._act("unload", params, rpc, None)

    async def hook(self, params: Any, rpc: Any) -> Any:
        return await self._act("hook", params, rpc, None)

    async def tool(self, params: Any, rpc: Any) -> Any:
        return await self._act("tool", params, rpc, {"success": True})

    async def event(self, params: Any, rpc: Any) -> Any:
        return await self._act("event", params, rpc, None)

    def over(self, params: Any, rpc: Any) -> None:
        """Honest."""


def refuse() -> NoReturn:
    raise AssertionError("its code runs elsewhere")


def found(manifest: Manifest | None = None, dialect: str = "native") -> Found:
    return Found(
        name="liar", source="folder", dialect=dialect, place="plugins/liar", load=refuse, manifest=lambda: manifest
    )


async def read(
    said: Mapping[str, Any] | None = None,
    manifest: Manifest | None = None,
    dialect: str = "native",
    form: Form = COMPACT,
    **acts: Callable[[Any, Any], Any],
) -> Blueprint:
    program = Liar(said or {}, acts)
    code = Code("liar", lambda answerer: InProcessSession("liar", program, answerer), form, SystemClock())
    try:
        return await read_guest(found(manifest, dialect), code, "isolated")
    finally:
        if code.description.manifest == {}:
            await code.aclose()


@asynccontextmanager
async def host_liar(
    said: Mapping[str, Any] | None = None, *, permissions: tuple[str, ...] = (), **acts: Callable[[Any, Any], Any]
) -> AsyncIterator[FakeHost]:
    blueprint = await read(said, Manifest(id="liar", permissions=permissions), **acts)
    async with FakeHost(blueprint) as host:
        yield host
