"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

Document = sa.JSON().with_variant(JSONB(), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_objects()
    _create_audit()
    _create_usage()
    op.create_table(
        "traces",
        sa.Column("seq", Serial, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("body", Document, nullable=False),
    )


def _create_objects() -> None:
    revisions = op.create_table(
        "revisions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(revisions, [{"id": 1, "value": 0}])
    op.create_table(
        "objects",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("namespace", sa.String, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, unique=True),
        sa.Column("body", Document),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", Serial, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("object_id", sa.String, nullable=False),
        sa.Column("namespace", sa.String, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("before_digest", sa.String),
        sa.Column("after_digest", sa.String),
    )
    op.create_index("audit_object", "audit", ["kind", "object_id", "seq"])


def _create_usage() -> None:
    words = (
        "namespace key_id app user operation route client_format model provider upstream upstream_model error"
        " plugin finish_reason worker"
    )
    counts = (
        "input_tokens cached_tokens cache_write_tokens output_tokens reasoning_tokens cost_nanousd"
        " request_bytes response_bytes"
    )
    op.create_table(
        "usage",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        *(sa.Column(name, sa.String) for name in words.split()),
        *(sa.Column(name, sa.Boolean) for name in ("stream", "cached_answer")),
        *(sa.Column(name, sa.Integer) for name in ("status", "attempts")),
        *(sa.Column(name, sa.BigInteger) for name in counts.split()),
        *(sa.Column(name, sa.Double) for name in ("total_ms", "first_byte_ms", "upstream_ms", "hooks_ms")),
    )
    op.create_index("usage_at", "usage", ["at"])
    for first, name in (("key_id", "usage_key"), ("app", "usage_app"), ("model", "usage_model")):
        op.create_index(name, "usage", [first, "at"])
