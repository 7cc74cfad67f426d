"""`ctx.metadata["rotator"]`: the little of the host that ring plugins were written against, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Generator, Mapping
from typing import Any, Protocol

import structlog

from jackfield.dialects.rings.endpoints import Pool
from jackfield.dialects.rings.pii import Security
from jackfield.dialects.rings.world import RingWorld

ROUTING_COST_WEIGHT = 0.3

logger = logging.getLogger("jackfield.rings")
log = structlog.get_logger("jackfield.rings")

_LEVELS = {"DEBUG": "debug", "WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}


class _Store(Protocol):
    """`set_state` may count from the call on."""

    def get_state(self, key: str, default: Any = None) -> Awaitable[Any]: ...
    def set_state(self, key: str, value: Any) -> Awaitable[None]: ...


class PooledStore:
    """`rotator.store`: the shared store, and the upstreams that there are now."""

    __slots__ = ("get_pool", "get_state", "set_state")

    def __init__(self, world: RingWorld, store: _Store) -> None:
        self.get_state, self.set_state = store.get_state, store.set_state
        self.get_pool = lambda: Pool(world.endpoints())


class TailnetIdentity(dict[str, Any]):
    """May be awaited or not."""

    def __await__(self) -> Generator[Any, None, TailnetIdentity]:
        return self
        yield


class ZeroTrust:
    """`rotator.zt_manager`. The gateway asks no tailnet: who calls is known by key or by an `auth` hook."""

    __slots__ = ()

    def verify_tailscale_identity(self, ip: str) -> TailnetIdentity:
        return TailnetIdentity(status="disabled", user=None, node=None)


class Rotator:
    """One for each request: its vault is the request's own. Nothing in it leads to the gateway's own objects, for they
    lead to credentials."""

    __slots__ = ("_config", "_request_id", "_security", "_tell_config", "circuit_manager", "store")

    logger = logger
    priority_mode = False
    routing_cost_weight = ROUTING_COST_WEIGHT
    zt_manager = ZeroTrust()

    def __init__(self, world: RingWorld, store: _Store, request_id: str) -> None:
        self._request_id = request_id
        self._security: Security | None = None
        self._config: dict[str, Any] | None = None
        self._tell_config = world.copy_settings
        self.circuit_manager, self.store = world.breakers, PooledStore(world, store)

    @property
    def config(self) -> dict[str, Any]:
        if self._config is None:
            self._config = self._tell_config()
        return self._config

    @property
    def security(self) -> Security:
        if self._security is None:
            self._security = Security()
        return self._security

    async def _add_log(
        self, msg: str, level: str = "INFO", metadata: Mapping[str, Any] | None = None, trace_id: str | None = None
    ) -> None:
        """Levels that nobody knows are informative."""
        tell = getattr(log, _LEVELS.get(str(level).upper(), "info"))
        tell(
            "ring_log", message=msg, request=trace_id or self._request_id, **({"fields": metadata} if metadata else {})
        )
