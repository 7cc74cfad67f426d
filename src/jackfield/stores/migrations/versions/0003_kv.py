"""What plugins store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "kv",
        *(sa.Column(name, sa.String, primary_key=True) for name in ("owner", "user", "namespace", "key")),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.create_index("kv_size", "kv", ["owner", "size"])
    op.create_index("kv_expiry", "kv", ["expires_at"])
