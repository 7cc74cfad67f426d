"""The schema's revisions, and bringing a database to the newest."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, insert, inspect, text

from jackfield import __version__
from jackfield.errors import ConfigError
from jackfield.stores.tables import metadata, revisions

# Oldest first: the revisions in `migrations/versions`. Kept here so that a database which is up to date
# is known as such without importing Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)"


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
    if found is None and connection.dialect.name == "sqlite" and not inspect(connection).get_table_names():
        _create(connection)
    else:
        upgrade(connection)


def current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found is not None else None


def _create(connection: Connection) -> None:
    """A new database, as the migrations leave it. It is the one start that would need Alembic on most machines."""
    metadata.create_all(connection)
    connection.execute(insert(revisions).values(id=1, value=0))
    connection.execute(text(f"CREATE TABLE alembic_version ({_VERSION})"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": REVISIONS[-1]})


def upgrade(connection: Connection) -> None:
    """Runs the migrations that are due."""
    # Imported here: most starts find nothing to do, and Alembic takes longer to import than all the rest.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
