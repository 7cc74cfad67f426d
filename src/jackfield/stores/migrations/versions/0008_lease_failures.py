"""How often in a row what was leased has failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("leases", sa.Column("failures", sa.BigInteger, nullable=False, server_default="0"))
