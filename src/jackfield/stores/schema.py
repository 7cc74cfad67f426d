"""The schema's revisions, and bringing a database to the newest."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from jackfield import __version__
from jackfield.errors import ConfigError

# Oldest first: the revisions in `migrations/versions`. Kept here so that a database which is up to date
# is known as such without importing Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
MIGRATIONS = Path(__file__).parent / "migrations"


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
    _upgrade(connection)


def current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found is not None else None


def _upgrade(connection: Connection) -> None:
    # Imported here: most starts find nothing to do, and Alembic takes longer to import than all the rest.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
