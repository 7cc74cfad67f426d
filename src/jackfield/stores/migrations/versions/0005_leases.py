"""Who may do what only one may do at a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.Column("anchor", sa.Double, nullable=False),
        sa.Column("last_run", sa.Double),
        sa.Column("runs", sa.BigInteger, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("ended_at", sa.Double),
        sa.Column("keep_until", sa.Double, nullable=False),
    )
    op.create_index("leases_keep", "leases", ["keep_until"])
