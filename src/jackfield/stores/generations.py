"""The generations of the plugin world: what it was made of, who made it, and which one it goes back to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.errors import Conflict
from jackfield.stores.audit import AuditLog, Entry
from jackfield.stores.database import Database
from jackfield.stores.objects import next_revision
from jackfield.stores.tables import generations

# Enough to go back a working day's changes, each rollback being one more; what is older is forgotten, and its code.
KEPT = 50


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """`plugins` are the ids that it changed. `goes_back_to` is the generation that a rollback restores. `body` is the
    host's own; `stats` are the plugins' counters at the moment when the next generation took over. `changes` says of
    each plugin what is another than before."""

    number: int
    at: float
    actor: str
    action: str
    plugins: tuple[str, ...]
    goes_back_to: int | None = None
    body: dict[str, Any]
    stats: dict[str, Any] = {}
    changes: dict[str, tuple[str, ...]] = {}


class Touched(msgspec.Struct, frozen=True):
    """A plugin that a generation changes, for the audit log. Digests are `None` where it was or is not there; `changes`
    are lines that say what is another than before."""

    id: str
    before: str | None
    after: str | None
    changes: tuple[str, ...] = ()


class Generations:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._audit = AuditLog(database)

    async def latest(self) -> Generation | None:
        found = await self.list(1)
        return found[0] if found else None

    async def latest_number(self) -> int:
        """0 where there is none. One row of an index: cheap enough to ask several times a second."""
        query = select(generations.c.number).order_by(generations.c.number.desc()).limit(1)
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar() or 0)

    async def get(self, number: int) -> Generation | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(generations).where(generations.c.number == number))).one_or_none()
        return None if row is None else _read(row)

    async def list(self, limit: int = KEPT) -> tuple[Generation, ...]:
        """Newest first."""
        query = select(generations).order_by(generations.c.number.desc()).limit(limit)
        async with self._database.reading() as connection:
            return tuple(_read(row) for row in await connection.execute(query))

    async def append(
        self, generation: Generation, touched: Iterable[Touched], former_stats: dict[str, Any] | None = None
    ) -> None:
        """All of it or nothing. Raises `Conflict` where another worker has made a generation of this number."""
        async with self._database.writing() as transaction:
            await _insert(transaction, generation)
            former = generations.c.number == generation.number - 1
            if former_stats is not None:
                await transaction.execute(update(generations).where(former).values(stats=former_stats))
            await transaction.execute(delete(generations).where(generations.c.number <= generation.number - KEPT))
            revision = await next_revision(transaction)
            for plugin in touched:
                await self._audit.append(transaction, _entry(generation, plugin, revision))


async def _insert(transaction: AsyncConnection, generation: Generation) -> None:
    try:
        await transaction.execute(insert(generations).values(msgspec.to_builtins(generation)))
    except IntegrityError as error:
        raise Conflict("the plugins were changed by somebody else meanwhile: look at them, and try again") from error


def _entry(generation: Generation, plugin: Touched, revision: int) -> Entry:
    return Entry(
        at=generation.at,
        actor=generation.actor,
        action=generation.action,
        kind="plugin",
        object_id=plugin.id,
        namespace="default",
        revision=revision,
        before_digest=plugin.before,
        after_digest=plugin.after,
        changes=plugin.changes,
    )


def _read(row: Row[Any]) -> Generation:
    changes = {name: tuple(lines) for name, lines in (row.changes or {}).items()}
    return Generation(**{**row._mapping, "plugins": tuple(row.plugins), "changes": changes})
