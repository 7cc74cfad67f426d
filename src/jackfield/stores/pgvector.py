"""Whether a PostgreSQL has pgvector, which may be given to it at any time."""

from __future__ import annotations

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.errors import Unavailable
from jackfield.stores.database import Database

log = structlog.get_logger("jackfield.memory")


async def find_vectors(database: Database) -> bool:
    """Whether the database can compare embeddings. A PostgreSQL that has been given pgvector since it was set up can
    from now on."""
    if database.engine.dialect.name != "postgresql":
        return True
    async with database.reading() as connection:
        if await _embeds(connection):
            return True
    try:
        async with database.writing(subject="memory_vectors") as transaction:
            if not await _embeds(transaction):
                for statement in _TAKE_UP_PGVECTOR:
                    await transaction.exec_driver_sql(statement)
    except Unavailable as error:
        log.warning("no_pgvector", reason=error.message, so="memories are found by their words alone")
        return False
    return True


# Until now nothing could be compared, so there is nothing to lose.
_TAKE_UP_PGVECTOR = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    "UPDATE memories SET model = NULL, dimensions = NULL WHERE model IS NOT NULL",
    "DELETE FROM memory_vectors",
    "ALTER TABLE memory_vectors ALTER COLUMN embedding TYPE vector USING NULL::vector",
)
_TYPE = (
    "SELECT format_type(atttypid, NULL) FROM pg_attribute"
    " WHERE attrelid = 'memory_vectors'::regclass AND attname = 'embedding'"
)


async def _embeds(connection: AsyncConnection) -> bool:
    return (await connection.exec_driver_sql(_TYPE)).scalar() != "bytea"
