"""What each worker last said of itself, so that any of them can answer for all."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import delete, select

from jackfield.stores.database import Database
from jackfield.stores.tables import workers

FORGOTTEN_AFTER_S = 3600.0


class WorkerState(msgspec.Struct, frozen=True):
    id: str
    at: float
    body: dict[str, Any]


class Workers:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, worker_id: str, body: dict[str, Any], *, at: float) -> None:
        """The heartbeat. Also forgets workers that have long been silent."""
        values = {"id": worker_id, "at": at, "body": body}
        statement = self._database.backend.insert(workers).values(values)
        async with self._database.writing() as transaction:
            await transaction.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
            await transaction.execute(delete(workers).where(workers.c.at < at - FORGOTTEN_AFTER_S))

    async def withdraw(self, worker_id: str) -> None:
        async with self._database.writing() as transaction:
            await transaction.execute(delete(workers).where(workers.c.id == worker_id))

    async def all(self, max_age_s: float, *, now: float) -> list[WorkerState]:
        query = select(workers).where(workers.c.at >= now - max_age_s).order_by(workers.c.id)
        async with self._database.reading() as connection:
            return [WorkerState(*row) for row in await connection.execute(query)]
