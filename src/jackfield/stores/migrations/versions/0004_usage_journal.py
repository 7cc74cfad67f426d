"""Batches of usage records on their way, and one index less on those that arrived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "usage_journal",
        sa.Column("seq", Serial, primary_key=True),
        sa.Column("records", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.drop_index("usage_model", "usage")
