"""The first tables: study, architecture, model, export, stage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    long_text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

    def study_key(*, index: bool = False) -> sa.Column[int]:
        reference = sa.ForeignKey("autofi_study.id", ondelete="CASCADE")
        return sa.Column("study_id", sa.Integer(), reference, nullable=False, index=index)

    op.create_table(
        "autofi_study",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("space_name", sa.String(200), nullable=False),
        sa.Column("space", long_text, nullable=False),
        sa.Column("space_fingerprint", sa.String(128), nullable=False),
        sa.Column("data_source", long_text, nullable=False),
        sa.Column("data_fingerprint", sa.String(128), nullable=False),
        sa.Column("settings", long_text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("versions", long_text, nullable=False),
        sa.Column("package_version", sa.String(64), nullable=False),
        sa.Column("owner_pid", sa.BigInteger()),
        sa.Column("owner_host", sa.String(255)),
        sa.Column("owner_place", sa.String(128)),
        sa.Column("owner_started", sa.String(64)),
        sa.Column("owner_token", sa.String(32)),
        sa.Column("owner_seen_at", moment),
    )
    op.create_table(
        "autofi_architecture",
        sa.Column("id", sa.Integer(), primary_key=True),
        study_key(),
        sa.Column("architecture_id", sa.String(64), nullable=False),
        sa.Column("architecture", long_text, nullable=False),
        sa.UniqueConstraint("study_id", "architecture_id", name="uq_autofi_architecture"),
    )
    op.create_table(
        "autofi_model",
        sa.Column("id", sa.Integer(), primary_key=True),
        study_key(),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("architecture_id", sa.String(64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("refit", sa.Boolean(), nullable=False),
        sa.Column("metrics", long_text, nullable=False),
        sa.Column("parameters", sa.BigInteger()),
        sa.Column("table_bytes", sa.BigInteger()),
        sa.Column("seconds", sa.Double()),
        sa.Column("path", long_text),
        sa.Column("created_at", moment, nullable=False),
        sa.UniqueConstraint(
            "study_id", "role", "name", "architecture_id", "seed", "refit", name="uq_autofi_model"
        ),
    )
    op.create_table(
        "autofi_export",
        sa.Column("id", sa.Integer(), primary_key=True),
        study_key(index=True),
        sa.Column("path", long_text, nullable=False),
        sa.Column("architecture_id", sa.String(64), nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_table(
        "autofi_stage",
        sa.Column("id", sa.Integer(), primary_key=True),
        study_key(),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("payload", long_text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.UniqueConstraint("study_id", "key", name="uq_autofi_stage"),
    )


def downgrade() -> None:
    for table in ("autofi_stage", "autofi_export", "autofi_model", "autofi_architecture", "autofi_study"):
        op.drop_table(table)
