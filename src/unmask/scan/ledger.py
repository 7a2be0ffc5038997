"""The ledger: which inputs of a scan are done, and what was answered for which bytes.

One SQLite file. The rows of a unit are kept in it as soon as they arrive; a block that is whole is
written as Parquet, and its rows leave the ledger. A block is noted if, and only if, its file lies
whole on the disk: it is written under another name, flushed and renamed first. Whatever dies in
between leaves a file that the ledger does not know, and that is written anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from unmask.scan.rows import ANSWER, ScanRow, is_answered, rows_table

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS blocks (
    number INTEGER PRIMARY KEY, file TEXT NOT NULL, inputs INTEGER NOT NULL,
    errors INTEGER NOT NULL, transient INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS kept (
    block INTEGER, place INTEGER, line TEXT NOT NULL, PRIMARY KEY (block, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    sha256 BLOB PRIMARY KEY, path TEXT NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 2;
"""
_DONE = """
SELECT total(inputs), total(errors) FROM (
    SELECT inputs, errors FROM blocks
    UNION ALL SELECT count(*), count(json_extract(line, '$.error')) FROM kept)
"""
_PARTITION = 1000
"""Blocks a folder of rows."""
_AT_ONCE = 500
"""Hashes in one query: SQLite takes no more than some number of variables."""


class KnownAnswer(NamedTuple):
    """What was answered for some bytes.

    Attributes:
        path: Of the input that was scored.
        answer: The columns of `ANSWER` that are not null.
    """

    path: str
    answer: ScanRow


class Ledger:
    """The ledger of one scan.

    Args:
        folder: The scan's folder.

    Raises:
        ValueError: It holds a scan of another version of unmask.
    """

    FILE = "ledger.sqlite3"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._database = sqlite3.connect(folder / self.FILE, isolation_level=None)
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version != 2 and self._database.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise ValueError(f"{folder} holds a scan of another unmask: give another folder.")
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.executescript(_TABLES)

    @classmethod
    def read_only(cls, folder: Path) -> Ledger:
        """Open a ledger that another process writes."""
        ledger = cls.__new__(cls)
        ledger.folder = folder
        uri = f"{(folder / cls.FILE).resolve().as_uri()}?mode=ro"
        ledger._database = sqlite3.connect(uri, uri=True, isolation_level=None)
        return ledger

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def fact(self, name: str) -> object:
        """Return what is noted under a name; None for nothing."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def note(self, name: str, value: object) -> None:
        """Note something under a name."""
        self._database.execute(
            "INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value, sort_keys=True))
        )

    def done(self) -> tuple[int, int]:
        """Return how many inputs are done, and how many of them are errors."""
        inputs, errors = self._database.execute(_DONE).fetchone()
        return int(inputs), int(errors)

    def blocks(self) -> set[int]:
        """Return the numbers of the blocks that are written."""
        return {number for (number,) in self._database.execute("SELECT number FROM blocks")}

    def files(self) -> list[Path]:
        """Return the files with rows, in the order of the listing."""
        rows = self._database.execute("SELECT file FROM blocks ORDER BY number")
        return [self.folder / file for (file,) in rows]

    def answers(self, hashes: Iterable[str]) -> dict[str, KnownAnswer]:
        """Return what was answered for those of some hashes that have an answer."""
        wanted, found = list(hashes), {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = [bytes.fromhex(sha256) for sha256 in wanted[start : start + _AT_ONCE]]
            marks = ",".join("?" * len(some))
            for sha256, path, answer in self._database.execute(
                f"SELECT sha256, path, answer FROM answers WHERE sha256 IN ({marks})",  # noqa: S608
                some,
            ):
                found[sha256.hex()] = KnownAnswer(path, json.loads(answer))
        return found

    def kept(self, block: int) -> dict[int, ScanRow]:
        """Return the rows that a block has so far, by place in it.

        One whose answer another input was to give is left out where that answer is not there.
        """
        lines = self._database.execute("SELECT place, line FROM kept WHERE block = ?", (block,))
        rows = {place: json.loads(line) for place, line in lines}
        open_ones = {row["sha256"] for row in rows.values() if not is_answered(row)}
        lost = open_ones - self.answers(open_ones).keys()
        return {
            place: row
            for place, row in rows.items()
            if is_answered(row) or row["sha256"] not in lost
        }

    def keep(self, block: int, rows: dict[int, ScanRow]) -> None:
        """Keep rows of a block that is not whole yet, and what they answer.

        Args:
            block: The block's number.
            rows: By place in it. Hashes that are known already keep their answer.
        """
        with self._transaction():
            self._insert(block, rows)
            self._database.executemany(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)",
                (
                    (bytes.fromhex(row["sha256"]), row["path"], _line(row, ANSWER))
                    for row in rows.values()
                    if row.get("sha256") and is_answered(row)
                ),
            )

    def commit(self, block: int, rows: list[ScanRow]) -> None:
        """Write a block's rows, then note it in the place of what was kept.

        Args:
            block: The block's number.
            rows: All of its rows, in the order of the listing.
        """
        file = f"rows/part={block // _PARTITION:05}/block-{block:08}.parquet"
        write_whole(self.folder / file, rows)
        errors, transient = (
            sum(row.get(name) is not None for row in rows) for name in ("error", "transient")
        )
        with self._transaction(flush=True):
            self._database.execute("DELETE FROM kept WHERE block = ?", (block,))
            self._database.execute(
                "INSERT INTO blocks VALUES (?, ?, ?, ?, ?)",
                (block, file, len(rows), errors, transient),
            )

    def reopen(self) -> int:
        """Take up again the blocks with errors that may pass; returns how many errors those are."""
        found = self._database.execute("SELECT number, file, transient FROM blocks WHERE transient")
        count = 0
        for block, file, transient in found.fetchall():
            rows = pq.read_table(self.folder / file, partitioning=None).to_pylist()
            with self._transaction():
                self._insert(
                    block, {place: row for place, row in enumerate(rows) if not row["transient"]}
                )
                self._database.execute("DELETE FROM blocks WHERE number = ?", (block,))
            count += transient
        return count

    def _insert(self, block: int, rows: dict[int, ScanRow]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO kept VALUES (?, ?, ?)",
            ((block, place, _line(row, row)) for place, row in rows.items()),
        )

    @contextmanager
    def _transaction(self, *, flush: bool = False) -> Iterator[None]:
        """Do all or nothing; flushed, it and what was before are there after a power cut too."""
        self._database.execute(f"PRAGMA synchronous={'FULL' if flush else 'NORMAL'}")
        self._database.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _line(row: ScanRow, names: Iterable[str]) -> str:
    return json.dumps({name: row[name] for name in names if row.get(name) is not None})


def write_whole(path: Path, rows: list[ScanRow]) -> None:
    """Write rows to a Parquet file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.with_suffix(".writing")
    with waiting.open("wb") as file:
        pq.write_table(rows_table(rows), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    replace(waiting, path)


def replace(waiting: Path, path: Path) -> None:
    """Give a finished file its name, for good: the folders that name it are flushed too."""
    waiting.replace(path)
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
