"""The schema's revisions, and bringing a database to the newest."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from jackfield import __version__
from jackfield.errors import ConfigError
from jackfield.stores.base import Backend, Lane
from jackfield.stores.tables import metadata

# Oldest first: the revisions in `migrations/versions`. Kept here so that a database which is up to date
# is known as such without importing Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)"


async def is_up_to_date(backend: Backend, lane: Lane) -> bool:
    """Whether `bring_up_to_date` has nothing to do; of a new SQLite database it does what there is to do. This takes a
    few statements, the other a hundred. Called while nobody else migrates."""
    tables = {name for (name,) in await lane.run((backend.tables, ()))}
    if "alembic_version" in tables:
        return await lane.run(("SELECT version_num FROM alembic_version", ())) == [(REVISIONS[-1],)]
    if tables or not backend.is_plain:
        return False
    await lane.run(*((statement, ()) for statement in creation()))
    return True


def bring_up_to_date(connection: Connection, place: str) -> None:
    """Runs inside a transaction that writes, so it happens whole or not at all."""
    found = current_revision(connection)
    if found == REVISIONS[-1]:
        return
    if found is not None and found not in REVISIONS:
        raise ConfigError(
            f"{place} has schema {found}, which is newer than Jackfield {__version__} knows"
            f" (up to {REVISIONS[-1]}): run the version that made it, or a later one",
            field="store.url",
        )
    upgrade(connection)


def current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found is not None else None


@cache
def creation() -> tuple[str, ...]:
    """A new SQLite database, as the migrations leave it. It is the one start that would need Alembic on most
    machines."""
    dialect = SQLiteDialect()
    tables = metadata.sorted_tables
    indexes = (index for table in tables for index in sorted(table.indexes, key=str))
    made: list[DDLElement] = [*map(CreateTable, tables), *map(CreateIndex, indexes)]
    return (
        *(str(each.compile(dialect=dialect)) for each in made),
        "INSERT INTO revisions (id, value) VALUES (1, 0)",
        f"CREATE TABLE alembic_version ({_VERSION})",
        f"INSERT INTO alembic_version VALUES ('{REVISIONS[-1]}')",  # noqa: S608 - the last of the above
    )


def upgrade(connection: Connection) -> None:
    """Runs the migrations that are due."""
    # Imported here: most starts find nothing to do, and Alembic takes longer to import than all the rest.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
