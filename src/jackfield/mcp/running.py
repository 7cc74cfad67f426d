"""Calls that run now, so that their callers can take them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import msgspec

from jackfield.mcp.messages import MessageId


class CallKey(msgspec.Struct, frozen=True):
    """Clients number their requests as they like: one number is one call only within a key and a session."""

    credential: str | None
    session: str
    id: MessageId


class RunningCalls:
    def __init__(self) -> None:
        self._scopes: dict[CallKey, list[anyio.CancelScope]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._scopes.values()))

    @contextmanager
    def entered(self, key: CallKey) -> Iterator[anyio.CancelScope]:
        """What runs inside can be cancelled; then the scope says so, and nothing is raised."""
        with anyio.CancelScope() as scope:
            scopes = self._scopes.setdefault(key, [])
            scopes.append(scope)
            try:
                yield scope
            finally:
                scopes.remove(scope)
                if not scopes:
                    del self._scopes[key]

    def cancel(self, key: CallKey) -> bool:
        """Whether there was exactly one such call. Of several, made without a session, nobody knows which is meant."""
        scopes = self._scopes.get(key, [])
        if len(scopes) != 1:
            return False
        scopes[0].cancel()
        return True
