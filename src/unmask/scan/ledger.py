"""The ledger: which blocks of a scan are written, and what was answered for which bytes.

One SQLite file. A block is in it if, and only if, its rows lie whole on the disk: they are written
under another name, flushed and renamed first. Whatever dies in between leaves a file that the
ledger does not know, and that is written anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from unmask.scan.schema import ANSWER, Row, to_table

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS blocks (
    number INTEGER PRIMARY KEY, file TEXT NOT NULL, inputs INTEGER NOT NULL,
    errors INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    sha256 BLOB PRIMARY KEY, path TEXT NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
"""
_PARTITION = 1000
"""Blocks a folder of rows."""
_AT_ONCE = 500
"""Hashes in one query: SQLite takes no more than some number of variables."""


class Settled(NamedTuple):
    """What was answered for some bytes.

    Attributes:
        path: Of the input that was scored.
        answer: The columns of `ANSWER`.
    """

    path: str
    answer: Row


class Ledger:
    """The ledger of one scan.

    Args:
        folder: The scan's folder.
    """

    FILE = "ledger.sqlite3"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._database = sqlite3.connect(folder / self.FILE, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        # A block that the ledger has must be there after a power cut too.
        self._database.execute("PRAGMA synchronous=FULL")
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

    def blocks(self) -> dict[int, tuple[int, int]]:
        """Return the written blocks: the inputs and the errors of each number."""
        rows = self._database.execute("SELECT number, inputs, errors FROM blocks")
        return {number: (inputs, errors) for number, inputs, errors in rows}

    def files(self) -> list[Path]:
        """Return the files with rows, in the order of the listing."""
        rows = self._database.execute("SELECT file FROM blocks ORDER BY number")
        return [self.folder / file for (file,) in rows]

    def settled(self, hashes: Iterable[str]) -> dict[str, Settled]:
        """Return what was answered for those of some hashes that have an answer."""
        wanted, found = list(hashes), {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = [bytes.fromhex(sha256) for sha256 in wanted[start : start + _AT_ONCE]]
            marks = ",".join("?" * len(some))
            for sha256, path, answer in self._database.execute(
                f"SELECT sha256, path, answer FROM answers WHERE sha256 IN ({marks})",  # noqa: S608
                some,
            ):
                fields = dict(zip(ANSWER, json.loads(answer), strict=True))
                found[sha256.hex()] = Settled(path, fields)
        return found

    def commit(self, number: int, rows: list[Row], settled: dict[str, Settled]) -> None:
        """Write a block's rows, then note them together with what they settle.

        Args:
            number: The block's.
            rows: All of its rows, in the order of the listing.
            settled: By hash; hashes that are known already keep their answer.
        """
        file = f"rows/part={number // _PARTITION:05}/block-{number:08}.parquet"
        write_whole(self.folder / file, rows)
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)",
            (
                (bytes.fromhex(sha256), path, json.dumps([answer.get(name) for name in ANSWER]))
                for sha256, (path, answer) in settled.items()
            ),
        )
        errors = sum(row.get("error") is not None for row in rows)
        self._database.execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?)", (number, file, len(rows), errors)
        )
        self._database.execute("COMMIT")


def write_whole(path: Path, rows: list[Row]) -> None:
    """Write rows to a Parquet file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.with_suffix(".writing")
    with waiting.open("wb") as file:
        pq.write_table(to_table(rows), file, compression="zstd")
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
