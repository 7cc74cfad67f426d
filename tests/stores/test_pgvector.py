"""PostgreSQL with pgvector, without it, and with it later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from jackfield.stores.database import Database
from jackfield.stores.memories import StoredMemories

from .remembered import embedded, found, keep

WITHOUT = (
    "ALTER TABLE memory_vectors ALTER COLUMN embedding TYPE bytea USING NULL",
    "DROP EXTENSION vector",
)
GUEST = (
    "CREATE ROLE {role} LOGIN",
    "GRANT CREATE ON SCHEMA public TO {role}",
    "ALTER FUNCTION jackfield_is_json OWNER TO {role}",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
)


@pytest.fixture
async def database(postgres_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """As where pgvector was not installed when the tables were made."""
    database = await Database.open(postgres_url, tmp_path)
    await run(database, *WITHOUT)
    yield database
    await database.dispose()


async def run(database: Database, *statements: str) -> None:
    async with database.writing() as transaction:
        for statement in statements:
            await transaction.execute(text(statement))


async def test_pgvector_is_taken_up_once_it_is_there(database: Database) -> None:
    memories = StoredMemories(database)
    await keep(memories, "likes tea")
    await memories.open()
    assert memories.has_vectors
    await keep(memories, "likes coffee", meant=True)
    assert await found(memories, "nothing", vector=embedded("likes coffee")) == {"likes coffee": 1.0}
    again = StoredMemories(database)
    await again.open()
    assert again.has_vectors
    assert await found(again, "nothing", vector=embedded("likes coffee")) == {"likes coffee": 1.0}


async def test_without_pgvector_memories_are_found_by_their_words(
    database: Database, postgres_url: str, tmp_path: Path
) -> None:
    role = f"guest_{postgres_url.rpartition('/')[2]}"
    await run(database, *(statement.format(role=role) for statement in GUEST))
    guest = await Database.open(postgres_url.replace("//postgres@", f"//{role}@"), tmp_path)
    memories = StoredMemories(guest)
    await memories.open()
    assert not memories.has_vectors
    await keep(memories, "likes tea")
    assert list(await found(memories, "tea")) == ["likes tea"]
    await guest.dispose()
    await run(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
