"""Open the database and bring its tables up to date."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any number will do, as long as all server processes take the same.
_LOCK = 7_286_001
# Seconds to wait while other processes hold an SQLite file.
_PATIENCE = 30


class DatabaseError(ValueError):
    """The database cannot be used; the message says why in one sentence."""


def open_database(url: str) -> Engine:
    """Return an engine for an SQLAlchemy URL; ``postgres://`` and ``postgresql://`` use psycopg.

    Raises:
        DatabaseError: The URL is none.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError("UNMASK_DATABASE_URL is not a database URL.") from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise DatabaseError(f"The database must be SQLite or PostgreSQL, not {kind}.")
    if kind == "postgresql":
        return create_engine(parsed, pool_pre_ping=True, pool_size=10)
    if parsed.database:
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(
                f"The folder of the database cannot be made: {error.strerror}."
            ) from None
    engine = create_engine(parsed, connect_args={"timeout": _PATIENCE})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def migrate(engine: Engine) -> None:
    """Make the tables, or bring those of an earlier version up to date.

    Raises:
        DatabaseError: The database cannot be reached or written.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        with engine.begin() as connection:
            # Several processes may start at once; SQLite's transactions exclude each other anyway.
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise DatabaseError(f"The database cannot be used: {reason}.") from None


def _set_up_sqlite(connection: Any, _: object) -> None:
    # Transactions are begun by `_begin`: the driver would begin them too late, at the first write.
    connection.isolation_level = None
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
    # What is deleted is overwritten, not only unlinked.
    connection.execute("PRAGMA secure_delete=FAST")


def _write_ahead(connection: Any) -> None:
    """Turn on the write-ahead log, which a new file lacks and an old one keeps.

    SQLite refuses this at once while another process uses the file, however long the connection's
    timeout: processes that start together on a new file would fail.
    """
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    # Writers queue for the lock instead of failing when a reader wants to become a writer.
    writes = connection.get_execution_options().get("writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
