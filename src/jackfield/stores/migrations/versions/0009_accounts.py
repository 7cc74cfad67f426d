"""Accounts at providers, and signing in with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("sign_in", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("bound_to", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("issue", sa.BigInteger, nullable=False),
        sa.Column("cool_until", sa.Double, nullable=False),
        sa.Column("refused", sa.Boolean, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("accounts_label", "accounts", ["sign_in", "label"], unique=True)
    op.create_table(
        "sign_in_states",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("session", sa.String, nullable=False),
        sa.Column("flow", sa.String, nullable=False),
        sa.Column("sign_in", sa.String, nullable=False),
        sa.Column("bound_to", sa.Text, nullable=False),
        sa.Column("redirect_url", sa.Text, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("sign_in_states_expiry", "sign_in_states", ["expires_at"])
