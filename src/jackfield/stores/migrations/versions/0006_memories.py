"""What is remembered of users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import UserDefinedType

revision = "0006"
down_revision = "0005"

Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Vector(UserDefinedType[bytes]):
    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        return "vector"


def upgrade() -> None:
    _create_memories()
    op.create_table(
        "memory_words",
        _memory(),
        sa.Column("word", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("weight", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("memory_words_word", "memory_words", ["word", "memory", "weight"])
    kind = Vector() if _has_pgvector(op.get_bind()) else sa.LargeBinary()
    op.create_table("memory_vectors", _memory(), sa.Column("embedding", kind, nullable=False))


def _memory() -> sa.Column[int]:
    owner = sa.ForeignKey("memories.seq", ondelete="CASCADE")
    return sa.Column("memory", Serial, owner, primary_key=True, autoincrement=False)


def _create_memories() -> None:
    op.create_table(
        "memories",
        sa.Column("seq", Serial, primary_key=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("importance", sa.Integer, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("created_at", "updated_at", "last_accessed")),
        sa.Column("length", sa.Double, nullable=False),
        sa.Column("model", sa.String),
        sa.Column("dimensions", sa.Integer),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("memories_user", "memories", ["user", "change"])
    op.create_index("memories_digest", "memories", ["user", "digest"], unique=True)
    op.create_index("memories_model", "memories", ["model"])


def _has_pgvector(connection: sa.Connection) -> bool:
    """Makes it where this is allowed."""
    if connection.dialect.name != "postgresql":
        return False
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS vector")
    except DBAPIError:
        return False
    return True
