"""Our tables beside Optuna's, for all parts of a study that Optuna's tables cannot hold.

A change here needs a new script in `migrations/versions`; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PREFIX = "autofi_"

# MySQL's TEXT ends at 64 kB, and an architecture of a hundred fields is longer.
LongText = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
# MySQL's DATETIME drops fractions of a second.
_NaiveDateTime = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes, stored as naive UTC because SQLite and MySQL do not store time zones."""

    impl = _NaiveDateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The base of our tables, with their metadata."""


class Owned:
    """Columns for the owner of a row: the process that has the right to it, or null."""

    owner_pid: Mapped[int | None] = mapped_column(BigInteger)
    owner_host: Mapped[str | None] = mapped_column(String(255))
    owner_place: Mapped[str | None] = mapped_column(String(128))
    owner_started: Mapped[str | None] = mapped_column(String(64))
    owner_token: Mapped[str | None] = mapped_column(String(32))
    owner_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StudyRow(Owned, Base):
    """A study, with the name of Optuna's study; its owner is the process that searches it now."""

    __tablename__ = f"{PREFIX}study"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    space_name: Mapped[str] = mapped_column(String(200))
    space: Mapped[str] = mapped_column(LongText)
    space_fingerprint: Mapped[str] = mapped_column(String(128))
    data_source: Mapped[str] = mapped_column(LongText)
    data_fingerprint: Mapped[str] = mapped_column(String(128))
    settings: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    versions: Mapped[str] = mapped_column(LongText)
    package_version: Mapped[str] = mapped_column(String(64))


class ArchitectureRow(Base):
    """The JSON of an architecture, stored once per study, however many trials measure it."""

    __tablename__ = f"{PREFIX}architecture"
    __table_args__ = (UniqueConstraint("study_id", "architecture_id", name="uq_autofi_architecture"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey(f"{PREFIX}study.id", ondelete="CASCADE"))
    architecture_id: Mapped[str] = mapped_column(String(64))
    architecture: Mapped[str] = mapped_column(LongText)


class ModelRow(Base):
    """A trained model besides trials: the retrained winner or a baseline, one row per seed."""

    __tablename__ = f"{PREFIX}model"
    __table_args__ = (
        UniqueConstraint(
            "study_id", "role", "name", "architecture_id", "seed", "refit", name="uq_autofi_model"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey(f"{PREFIX}study.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200))
    # Empty for a baseline outside the search space, as a unique constraint ignores nulls.
    architecture_id: Mapped[str] = mapped_column(String(64))
    seed: Mapped[int] = mapped_column(BigInteger)
    refit: Mapped[bool]
    metrics: Mapped[str] = mapped_column(LongText)
    parameters: Mapped[int | None] = mapped_column(BigInteger)
    table_bytes: Mapped[int | None] = mapped_column(BigInteger)
    seconds: Mapped[float | None] = mapped_column(Double)
    path: Mapped[str | None] = mapped_column(LongText)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ExportRow(Base):
    """A bundle that was exported for the user."""

    __tablename__ = f"{PREFIX}export"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey(f"{PREFIX}study.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(LongText)
    architecture_id: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StageRow(Base):
    """A finished piece of work besides trials, stored so that a resume does not repeat it."""

    __tablename__ = f"{PREFIX}stage"
    __table_args__ = (UniqueConstraint("study_id", "key", name="uq_autofi_stage"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey(f"{PREFIX}study.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(200))
    payload: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WorkerRow(Owned, Base):
    """A worker, which measures or has measured trials of a study; its owner is itself, or null once it has left."""

    __tablename__ = f"{PREFIX}worker"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey(f"{PREFIX}study.id", ondelete="CASCADE"), index=True)
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ClaimRow(Base):
    """The right to measure an architecture with a seed, one row for all workers and attempts."""

    __tablename__ = f"{PREFIX}claim"
    __table_args__ = (
        UniqueConstraint("study_id", "stage", "architecture_id", "seed", name="uq_autofi_claim"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey(f"{PREFIX}study.id", ondelete="CASCADE"))
    stage: Mapped[str] = mapped_column(String(64))
    architecture_id: Mapped[str] = mapped_column(String(64))
    seed: Mapped[int] = mapped_column(BigInteger)
    # Null for trials of versions without claims.
    worker_id: Mapped[int | None] = mapped_column(ForeignKey(f"{PREFIX}worker.id", ondelete="SET NULL"))
    attempt: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
