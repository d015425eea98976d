"""Databases of a server's, one per test."""

from __future__ import annotations

import uuid

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from autofi.store import StorageURL, resolve_storage


def postgres_database(server: str, name: str | None = None, *, template: str = "template0") -> StorageURL:
    """A new database that is a copy of another one."""
    name = name or f"t{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    url = make_url(server).set(drivername="postgresql+psycopg", database=name)
    return resolve_storage(url.render_as_string(hide_password=False))


def mysql_database(server: str, *, template: str | None = None, characters: str = "utf8mb4") -> StorageURL:
    """A new database, with the tables of another one, and its rows, if there is one."""
    name = f"t{uuid.uuid4().hex}"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET {characters}")
        if template is not None:
            tables = connection.exec_driver_sql(f"SHOW TABLES FROM {template}").scalars().all()
            made = [
                connection.exec_driver_sql(f"SHOW CREATE TABLE {template}.{table}").one()[1]
                for table in tables
            ]
            connection.exec_driver_sql(f"USE {name}")
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
            for table, statement in zip(tables, made, strict=True):
                connection.exec_driver_sql(statement)
                connection.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM {template}.{table}")
    engine.dispose()
    return resolve_storage(make_url(server).set(database=name).render_as_string(hide_password=False))
