"""Calls over a peer, each with a deadline: what `Session` promises of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any, TypeVar

from jackfield.errors import PluginTimeout
from jackfield.rpc.calls import Peer

T = TypeVar("T")


async def finish_call(who: str, what: str, work: Awaitable[T], deadline_s: float) -> T:
    """Raises `PluginTimeout` naming the plugin."""
    deadline = asyncio.timeout(deadline_s)
    try:
        async with deadline:
            return await work
    except TimeoutError as error:
        if not deadline.expired():
            raise
        message = f"plugin {who}: {what} did not answer within {deadline_s:g} s"
        raise PluginTimeout(message, plugin=who) from error


async def take_items(who: str, peer: Peer, method: str, params: Any, deadline_s: float) -> AsyncIterator[Any]:
    """Each item within the deadline; how long the taker takes does not count."""
    async with aclosing(peer.stream(method, params)) as items:
        while True:
            try:
                item = await finish_call(who, method, anext(items), deadline_s)
            except StopAsyncIteration:
                return
            yield item
