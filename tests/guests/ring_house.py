"""Ring plugins of one folder, some in process and some isolated, before one pipeline."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.dialects.rings.house import THIRTY
from tests.guests.places import find_all, host_plugin

from jackfield.dialects.rings.world import RingWorld
from jackfield.testing.host import FakeHost
from jackfield.testing.subject import known_prices


class RingHouse:
    """`hosts` by plugin; each sees what passes all of them."""

    def __init__(self, hosts: dict[str, FakeHost], world: RingWorld) -> None:
        self.hosts, self.world = hosts, world
        self._front = next(iter(hosts.values()))
        self._front.hooks = tuple(hook for host in hosts.values() for hook in host.hooks)

    async def chat(self, text: str, **how: Any) -> Any:
        fields = how.pop("fields", {})
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}
        return await self._front.request(body, **how)

    async def told(self, exchange: str) -> dict[str, Any]:
        """What the witness found in the metadata of an exchange."""
        await self.world.store.flush()
        found: dict[str, Any] = await self.world.store.get_state(f"witness:{exchange}")
        return found

    def reset(self) -> None:
        for host in self.hosts.values():
            host.clock.advance(120)


def tell_links() -> tuple[Any, ...]:
    """Two upstreams, as ring plugins know them."""
    closed = SimpleNamespace(state="closed")
    return tuple(
        SimpleNamespace(
            name=name,
            seen=SimpleNamespace(base_url=f"https://{name}.example.com"),
            models={"gpt-4o": "gpt-4o"},
            provider_id="openai",
            priority=priority,
            breaker=closed,
        )
        for priority, name in enumerate(("main", "spare"))
    )


@asynccontextmanager
async def open_ring_house(folder: Path, names: Collection[str], isolated: Iterable[str]) -> AsyncIterator[RingHouse]:
    shutil.copytree(THIRTY, folder / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    world = RingWorld(links=tell_links, prices=known_prices())
    apart = frozenset(isolated)
    found = {one.name: one for one in find_all(folder / "plugins", world)}
    async with AsyncExitStack() as stack:

        async def start(name: str) -> FakeHost:
            place = "isolated" if name in apart else "inprocess"
            opened = host_plugin(
                place, name, found=found[name], rings=world, upstreams=("main", "spare"), answer="fine"
            )
            return await stack.enter_async_context(opened)

        # Each process takes its time to begin: they begin side by side.
        hosts = await asyncio.gather(*map(start, names))
        yield RingHouse(dict(zip(names, hosts, strict=True)), world)
        await asyncio.sleep(0)
    await world.aclose()
