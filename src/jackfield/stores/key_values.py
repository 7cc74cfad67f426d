"""Where keys and values are kept: in Redis where one is named, else in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jackfield.clock import Clock
from jackfield.errors import ConfigError
from jackfield.settings.store_urls import redis_place_of
from jackfield.stores.database import Database
from jackfield.stores.extras import need
from jackfield.stores.kv import KeyValueStore
from jackfield.stores.kv_base import KeyValues


@asynccontextmanager
async def open_key_values(database: Database, redis_url: str | None, clock: Clock) -> AsyncIterator[KeyValues]:
    """Raises `ConfigError` and `Unavailable`, which name the place without its credentials."""
    if redis_url is None:
        yield KeyValueStore(database, clock)
        return
    try:
        redis_place_of(redis_url)
    except ValueError as error:
        raise ConfigError(str(error), field="store.redis") from None
    need("redis", extra="redis", field="store.redis")
    # Imported here: who has no Redis need not have its driver.
    from jackfield.stores.redis_kv import RedisKeyValueStore

    async with RedisKeyValueStore.open(redis_url, clock) as store:
        yield store
