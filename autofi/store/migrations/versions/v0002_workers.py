"""Workers, and the claims by which they share the trials of a study."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

    def key(table: str, ondelete: str, *, nullable: bool, index: bool = False) -> sa.Column[int]:
        reference = sa.ForeignKey(f"autofi_{table}.id", ondelete=ondelete)
        return sa.Column(f"{table}_id", sa.Integer(), reference, nullable=nullable, index=index)

    op.create_table(
        "autofi_worker",
        sa.Column("id", sa.Integer(), primary_key=True),
        key("study", "CASCADE", nullable=False, index=True),
        sa.Column("joined_at", moment, nullable=False),
        sa.Column("owner_pid", sa.BigInteger()),
        sa.Column("owner_host", sa.String(255)),
        sa.Column("owner_place", sa.String(128)),
        sa.Column("owner_started", sa.String(64)),
        sa.Column("owner_token", sa.String(32)),
        sa.Column("owner_seen_at", moment),
    )
    op.create_table(
        "autofi_claim",
        sa.Column("id", sa.Integer(), primary_key=True),
        key("study", "CASCADE", nullable=False),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("architecture_id", sa.String(64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        key("worker", "SET NULL", nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.UniqueConstraint("study_id", "stage", "architecture_id", "seed", name="uq_autofi_claim"),
    )


def downgrade() -> None:
    for table in ("autofi_claim", "autofi_worker"):
        op.drop_table(table)
