"""What one plugin may know of users."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from jackfield.control.people import People
from jackfield.sdk.users import User
from jackfield.services.allowance import Allowance

READ = "users:read"
# How the gateway speaks with a user is no business of plugins.
WITHHELD = frozenset({"persona"})


class PluginUsers:
    """`Users` for one plugin. Asking for a user counts as an operation."""

    __slots__ = ("_allowance", "_people")

    def __init__(self, allowance: Allowance, people: People) -> None:
        self._allowance, self._people = allowance, people

    async def get(self, user: str) -> User | None:
        self._begin(user)
        found = await self._people.find(user)
        if found is None:
            return None
        return User(id=found.id, name=found.name, created_at=datetime.fromtimestamp(found.created_at, UTC))

    async def preferences(self, user: str) -> Mapping[str, Any]:
        self._begin(user)
        found = self._people.described(user)
        known = {} if found is None else found.preferences
        return {name: deepcopy(value) for name, value in known.items() if name not in WITHHELD}

    def _begin(self, user: str) -> None:
        """Raises `NotGranted`, `RateLimited` and `ValueError`."""
        if not isinstance(user, str):
            raise ValueError(f"a user's id is text, not {type(user).__name__}")
        self._allowance.check(READ)
        self._allowance.check_user(user)
        self._allowance.take(READ)
