"""Run a scan: units out to an engine, rows in, blocks written when they are whole."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from unmask.scan.engine import Done, Engine
from unmask.scan.ledger import Ledger, Settled
from unmask.scan.plan import Plan
from unmask.scan.schema import ANSWER, Row
from unmask.scan.score import Unit
from unmask.verdict.table import shorten

UNIT = 32
"""Items that a worker gets at a time: few enough that all workers end at about the same time."""


class ScanError(ValueError):
    """A scan cannot start or go on; the message says why in one sentence."""


@contextmanager
def scan_folder(folder: Path) -> Iterator[Ledger]:
    """Open a scan's folder, for this process alone.

    Raises:
        ScanError: Another process has it.
        OSError: It cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ScanError(f"Another scan is writing to {folder}.") from None
        for left in folder.glob("**/*.writing"):
            left.unlink()
        ledger = Ledger(folder)
        try:
            yield ledger
        finally:
            ledger.close()


def check_same(ledger: Ledger, facts: dict[str, object]) -> None:
    """Note what a scan is of; a later start has to be of the same.

    Raises:
        ScanError: It is of something else.
    """
    for name, value in facts.items():
        value = json.loads(json.dumps(value))
        known = ledger.fact(name)
        if known is None:
            ledger.note(name, value)
        elif known != value:
            raise ScanError(
                f"{ledger.folder} holds a scan with another {name} ({shorten(str(known), 120)}): "
                "give the same again, or another folder."
            )


@dataclass
class _Block:
    rows: list[Row | None]
    missing: int
    units: list[int]


@dataclass
class Scan:
    """One run over a plan.

    Attributes:
        plan: The inputs.
        ledger: What is done.
        engine: Who does it.
        watchers: Called with each unit's rows as they arrive.
    """

    plan: Plan
    ledger: Ledger
    engine: Engine
    watchers: Sequence[Callable[[Done], None]] = ()
    _blocks: dict[int, _Block] = field(default_factory=dict)
    _whole: list[int] = field(default_factory=list)
    _places: dict[int, tuple[int, int]] = field(default_factory=dict)
    _arrived: dict[str, Settled] = field(default_factory=dict)

    def run(self) -> None:
        """Score what the ledger lacks.

        Raises:
            ScanError: Rows were lost on their way.
        """
        for done in self.engine.run(self._units()):
            for see in self.watchers:
                see(done)
            self._take(done)
            self._commit()
        if self._blocks:
            raise ScanError("The engine ended before all its units were done; start it again.")

    def _units(self) -> Iterator[Unit]:
        written = self.ledger.blocks()
        for number in range(self.plan.blocks):
            if number in written:
                continue
            items = self.plan.block(number)
            block = self._blocks[number] = _Block([None] * len(items), len(items), [])
            # Numbers that no block shares, whatever its size.
            first = number << 32
            for start in range(0, len(items), UNIT):
                unit = Unit(first + start, items[start : start + UNIT])
                self._places[unit.number] = (number, start)
                block.units.append(unit.number)
                yield unit

    def _take(self, done: Done) -> None:
        number, start = self._places.pop(done.unit)
        block = self._blocks[number]
        for place, row in enumerate(done.rows, start):
            block.rows[place] = row
            if row.get("sha256") and _is_answered(row):
                answer = {name: row.get(name) for name in ANSWER}
                self._arrived.setdefault(row["sha256"], Settled(row["path"], answer))
        block.missing -= len(done.rows)
        if not block.missing:
            self._whole.append(number)

    def _commit(self) -> None:
        """Write the blocks that are whole, as far as their duplicates have answers."""
        for number in list(self._whole):
            block = self._blocks[number]
            rows = [row for row in block.rows if row is not None]
            hashes = {row["sha256"] for row in rows if row.get("sha256")}
            settled = self.ledger.settled(hashes)
            settled |= {
                sha256: self._arrived[sha256]
                for sha256 in hashes - settled.keys()
                if sha256 in self._arrived
            }
            if hashes - settled.keys():
                continue
            for row in rows:
                known = settled.get(row.get("sha256") or "")
                if known is not None and known.path != row["path"]:
                    row["duplicate_of"] = known.path
                if known is not None and not _is_answered(row):
                    row.update(known.answer)
            self.ledger.commit(number, rows, settled)
            self._whole.remove(number)
            del self._blocks[number]
            for sha256 in hashes:
                self._arrived.pop(sha256, None)
            self.engine.settle(block.units, list(hashes))


def _is_answered(row: Row) -> bool:
    return row.get("verdict") is not None or row.get("error") is not None
