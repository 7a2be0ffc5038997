"""Drive a scan: units out to an engine, rows in, blocks written when they are whole."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from unmask.scan.ledger import Ledger
from unmask.scan.plan import Plan
from unmask.scan.rows import ScanRow, is_answered
from unmask.scan.units import ScanEngine, UnitResult, WorkUnit
from unmask.verdict.table import shorten


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
class ScanDriver:
    """One run over a plan.

    Attributes:
        plan: The inputs.
        ledger: What is done.
        engine: Who does it.
        watchers: Called with each unit's rows as they arrive.
        unit_size: Items that a worker gets at a time.
    """

    plan: Plan
    ledger: Ledger
    engine: ScanEngine
    watchers: Sequence[Callable[[UnitResult], None]] = ()
    unit_size: int = 32
    _blocks: dict[int, list[ScanRow | None]] = field(default_factory=dict)
    _whole: set[int] = field(default_factory=set)
    _places: dict[int, tuple[int, list[int]]] = field(default_factory=dict)

    def run(self) -> None:
        """Score what the ledger lacks.

        Raises:
            ScanError: Rows were lost on their way.
        """
        for result in self.engine.run(self._units()):
            for see in self.watchers:
                see(result)
            self._take(result)
            self._commit()
        self._commit()
        if self._blocks:
            raise ScanError("The engine ended before all its units were done; start it again.")

    def _units(self) -> Iterator[WorkUnit]:
        written = self.ledger.blocks()
        for number in range(self.plan.blocks):
            if number in written:
                continue
            items, kept = self.plan.block(number), self.ledger.kept(number)
            self._blocks[number] = [kept.get(place) for place in range(len(items))]
            left = [place for place in range(len(items)) if place not in kept]
            if not left:
                self._whole.add(number)
            for start in range(0, len(left), self.unit_size):
                places = left[start : start + self.unit_size]
                # Numbers that no block shares, whatever its size.
                unit = WorkUnit((number << 32) + places[0], [items[place] for place in places])
                self._places[unit.number] = (number, places)
                yield unit

    def _take(self, result: UnitResult) -> None:
        """Keep a unit's rows, from which a scan that ends here goes on."""
        number, places = self._places.pop(result.unit)
        arrived = dict(zip(places, result.rows, strict=True))
        self.ledger.keep(number, arrived)
        answered = [row["sha256"] for row in result.rows if row.get("sha256") and is_answered(row)]
        self.engine.done(result.unit, answered)
        block = self._blocks[number]
        for place, row in arrived.items():
            block[place] = row
        if None not in block:
            self._whole.add(number)

    def _commit(self) -> None:
        """Write the blocks that are whole, as far as their duplicates have answers."""
        for number in sorted(self._whole):
            rows = [row for row in self._blocks[number] if row is not None]
            hashes = {row["sha256"] for row in rows if row.get("sha256")}
            answers = self.ledger.answers(hashes)
            if hashes - answers.keys():
                continue
            for row in rows:
                known = answers.get(row.get("sha256") or "")
                if known is not None and known.path != row["path"]:
                    row["duplicate_of"] = known.path
                if known is not None and not is_answered(row):
                    row.update(known.answer)
            self.ledger.commit(number, rows)
            self._whole.remove(number)
            del self._blocks[number]
