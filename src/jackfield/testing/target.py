"""What chaos is let loose on: a plugin, and the request to break it with."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from jackfield.testing.host import FakeHost, Meddling
from jackfield.testing.subject import Subject

How = dict[str, Any]

# Ways of asking that between them reach every point; the first that reaches a hook is the one it is tried with.
WAYS: tuple[How, ...] = (
    {},
    {"stream": True},
    {"path": "/v1/embeddings"},
    {"path": "/v1/messages/count_tokens"},
)
ENDING_S = 60.0


@dataclass(frozen=True)
class Target:
    """A plugin to break, and the request to do it with."""

    subject: Subject
    name: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    given: Any = "hello"
    how: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def host(self, meddling: Meddling | None = None) -> FakeHost:
        random.seed(self.seed)
        return FakeHost(self.subject, name=self.name, config=self.config, meddling=meddling)

    @asynccontextmanager
    async def started(self, meddling: Meddling | None = None) -> AsyncIterator[FakeHost]:
        """A fresh plugin; tasks that it leaves are ended after it, so that the next one begins with none."""
        before = asyncio.all_tasks()
        try:
            async with self.host(meddling) as host:
                yield host
        finally:
            await end_tasks(before)

    def ways(self) -> Iterator[How]:
        """What was asked for explicitly is the only way."""
        if self.how.get("path"):
            yield dict(self.how)
            yield {**self.how, "stream": True}
            return
        yield from ({**self.how, **way} for way in WAYS)


async def end_tasks(before: Collection[asyncio.Task[Any]]) -> None:
    """Ends what has been started since, as far as it lets itself be ended."""
    strays = asyncio.all_tasks() - set(before) - {asyncio.current_task()}
    for stray in strays:
        stray.cancel()
    if strays:
        await asyncio.wait(strays, timeout=ENDING_S)
