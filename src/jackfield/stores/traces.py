"""The last exchanges over all workers, phase by phase, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, literal_column, select

from jackfield.stores.base import Backend
from jackfield.stores.database import Database
from jackfield.stores.tables import traces

KEPT = 100


class Traces:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = database.compiled(_inserting).sql
        self._trim = database.compiled(_trimming).sql

    async def append(self, bodies: Sequence[bytes]) -> None:
        """`bodies` are JSON texts, oldest first; of more than are kept only the newest are written."""
        texts = [body.decode() for body in bodies[-KEPT:]]
        await self._database.run_alone(self._insert, msgspec.json.encode(texts).decode())
        await self._database.run_alone(self._trim)

    async def latest(self, limit: int = KEPT) -> list[msgspec.Raw]:
        """Newest first, each still encoded."""
        query = select(traces.c.body).order_by(traces.c.seq.desc()).limit(limit)
        async with self._database.reading() as connection:
            return [msgspec.Raw(body.encode()) for body in (await connection.execute(query)).scalars()]


def _inserting(backend: Backend) -> Any:
    rows = backend.texts_of("bodies")
    return backend.insert(traces).from_select(["body"], select(rows.c.value))


def _trimming(_backend: Backend) -> Any:
    newest = select(traces.c.seq).order_by(traces.c.seq.desc())
    oldest = newest.limit(literal_column("1")).offset(literal_column(str(KEPT)))
    return delete(traces).where(traces.c.seq <= oldest.scalar_subquery())
