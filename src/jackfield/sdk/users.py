"""Who uses the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec


class User(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is what `Caller.user` says."""

    id: str
    name: str | None = None
    created_at: datetime


class Users(Protocol):
    """Needs `users:read`; for another user than the one on whose behalf the plugin runs, `users:any` too. What lacks
    raises `NotGranted`."""

    async def get(self, user: str) -> User | None: ...

    async def preferences(self, user: str) -> Mapping[str, Any]:
        """Such as `timezone`, `language`, `verbosity`; empty where nothing is known."""
