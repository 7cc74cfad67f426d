"""A part of the gateway that few requests need, and that takes long to import."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jackfield.host.aside import run_aside
from jackfield.server.asgi import Asgi, Receive, Scope, Send

# A disk that takes longer to give the modules is not one to wait for.
LONGEST_S = 60.0


class LatePart:
    """Made when it is first asked for, aside: other requests are served meanwhile, and who asks for it waits."""

    def __init__(self, make: Callable[[], Asgi]) -> None:
        self._make = make
        self._made: Asgi | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        part = self._made or await self._wait()
        await part(scope, receive, send)

    async def _wait(self) -> Asgi:
        async with self._making:
            if self._made is None:
                self._made = await run_aside(self._make, LONGEST_S)
            return self._made
