"""What a plugin is granted. A service that was not granted is absent, and asking for it names the permission."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from jackfield.sdk.events import Events
from jackfield.sdk.http import Http
from jackfield.sdk.mcp import Mcp
from jackfield.sdk.memory import Memories
from jackfield.sdk.permissions import PERMISSIONS
from jackfield.sdk.scheduler import Scheduler
from jackfield.sdk.shared import SharedServices
from jackfield.sdk.sign_in import Credentials
from jackfield.sdk.tools import Tools
from jackfield.sdk.usage import Ledger
from jackfield.sdk.users import Users

# Each service with a permission that brings it; without any of its permissions a service is absent.
NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "kv": "storage:read",
        "http": "http:outbound",
        "events": "events:subscribe",
        "scheduler": "scheduler:write",
        "memory": "memory:read",
        "users": "users:read",
        "tools": "tools:register",
        "usage": "usage:read",
        "mcp": "mcp:connect",
        "credentials": "credentials:use",
    }
)


class NotGranted(Exception):
    """The plugin has no permission for this."""

    def __init__(self, plugin: str, permission: str) -> None:
        super().__init__(f"plugin {plugin} has no permission {permission!r} ({PERMISSIONS[permission]})")
        self.plugin, self.permission = plugin, permission


class QuotaExceeded(Exception):
    """There is no room for what the plugin wants to store. Nothing has changed."""

    def __init__(self, owner: str, key: str, most_keys: int, most_bytes: int) -> None:
        super().__init__(
            f"{owner} cannot store {key!r}: it would have more than {most_keys:,} keys or {most_bytes:,} bytes"
        )
        self.owner, self.key = owner, key


class KeyValue(Protocol):
    """What the plugin stores for itself; it survives reloads and restarts.

    Values are JSON, `bytes`, or a `datetime` with a time zone, and come back as they were. Anything else raises
    `ValueError` naming the place in the value.

    Keys have 1 to 512 bytes, and no character in them has a meaning. Each namespace has keys of its own. `user` is a
    scope of its own: what is stored for one user is not seen for another, nor for none; another user than the one on
    whose behalf the plugin runs needs `users:any`. `ttl_s` is how many seconds a
    value lives.

    A plugin may store 1,000 keys and 10 MB, keys and values together, over all namespaces and users; more raises
    `QuotaExceeded`. More than 100 operations within a minute raise `RateLimited`.
    """

    async def get(self, key: str, default: Any = None, *, namespace: str = "", user: str | None = None) -> Any: ...

    async def set(
        self, key: str, value: Any, *, ttl_s: float | None = None, namespace: str = "", user: str | None = None
    ) -> None: ...

    async def delete(self, key: str, *, namespace: str = "", user: str | None = None) -> bool:
        """Whether it was there."""

    async def list(self, prefix: str = "", *, namespace: str = "", user: str | None = None) -> tuple[str, ...]:
        """The keys that begin with exactly `prefix`, sorted."""

    async def clear(self, *, namespace: str = "", user: str | None = None) -> int:
        """Deletes what is in this namespace for this user, or for none, and nothing else. How many keys that were."""

    async def increment(
        self, key: str, by: int = 1, *, ttl_s: float | None = None, namespace: str = "", user: str | None = None
    ) -> int:
        """The new value; what is not there counts as 0. Of concurrent increments none is lost. `ttl_s` begins with the
        counter, and later increments leave it as it is."""

    async def compare_and_set(
        self,
        key: str,
        expected: Any,
        value: Any,
        *,
        ttl_s: float | None = None,
        namespace: str = "",
        user: str | None = None,
    ) -> bool:
        """Sets `value` where `get` would answer `expected`, so that `None` is a key that is not there. Whether it did;
        of concurrent callers that expect the same one does."""


class Services:
    """Built by the host from what was approved; nothing here can widen it."""

    __slots__ = ("_granted", "_needed", "_plugin", "_shared", "permissions")

    def __init__(
        self,
        plugin: str,
        granted: Mapping[str, Any],
        needed: Mapping[str, str],
        shared: SharedServices | None = None,
        *,
        permissions: frozenset[str] = frozenset(),
    ) -> None:
        """`granted` by service name; `needed` tells for the others which permission brings them. Without `shared` the
        plugin is beyond the reach of others. `permissions` are those that were approved, for who passes them on."""
        self._shared, self.permissions = shared, permissions
        self._plugin = plugin
        self._granted, self._needed = MappingProxyType(dict(granted)), MappingProxyType(dict(needed))

    @property
    def kv(self) -> KeyValue:
        """Needs `storage:read` or `storage:write`. Raises `NotGranted`."""
        found: KeyValue = self._get("kv")
        return found

    @property
    def http(self) -> Http:
        """Needs `http:outbound`. Raises `NotGranted`."""
        found: Http = self._get("http")
        return found

    @property
    def events(self) -> Events:
        """Needs `events:subscribe` or `events:emit`. Raises `NotGranted`."""
        found: Events = self._get("events")
        return found

    @property
    def scheduler(self) -> Scheduler:
        """Needs `scheduler:read` or `scheduler:write`. Raises `NotGranted`."""
        found: Scheduler = self._get("scheduler")
        return found

    @property
    def memory(self) -> Memories:
        """Needs `memory:read` or `memory:write`. Raises `NotGranted`."""
        found: Memories = self._get("memory")
        return found

    @property
    def users(self) -> Users:
        """Needs `users:read`. Raises `NotGranted`."""
        found: Users = self._get("users")
        return found

    @property
    def tools(self) -> Tools:
        """Needs `tools:register` or `tools:execute`. Raises `NotGranted`."""
        found: Tools = self._get("tools")
        return found

    @property
    def usage(self) -> Ledger:
        """Needs `usage:read`. Raises `NotGranted`."""
        found: Ledger = self._get("usage")
        return found

    @property
    def mcp(self) -> Mcp:
        """Needs `mcp:connect`. Raises `NotGranted`."""
        found: Mcp = self._get("mcp")
        return found

    @property
    def credentials(self) -> Credentials:
        """Needs `credentials:use`. Raises `NotGranted`."""
        found: Credentials = self._get("credentials")
        return found

    @property
    def shared(self) -> SharedServices:
        """What plugins give to one another; needs no permission. Raises `RuntimeError` in a process of its own, where
        there are no others."""
        if self._shared is None:
            raise RuntimeError(f"plugin {self._plugin} runs apart from others: there is nothing to share")
        return self._shared

    def _get(self, name: str) -> Any:
        """Raises `NotGranted`."""
        if name in self._granted:
            return self._granted[name]
        raise NotGranted(self._plugin, self._needed[name])


NO_SERVICES = Services("(made without services)", {}, NEEDED)
