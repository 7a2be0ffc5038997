"""What goes between a scan's driver, its coordinator and its workers, whatever the engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from unmask.scan.items import Item
from unmask.scan.rows import ScanRow


class WorkUnit(NamedTuple):
    """What a worker is handed at a time: items of one block.

    Attributes:
        number: Unique in the scan.
        items: The items.
    """

    number: int
    items: list[Item]

    def to_json(self) -> str:
        """Return the unit as text, for another process."""
        return json.dumps([self.number, self.items])

    @classmethod
    def from_json(cls, text: str | bytes) -> WorkUnit:
        """Return the unit that `to_json` made text of."""
        number, items = json.loads(text)
        return cls(number, [Item(*item) for item in items])


class UnitInstructions(NamedTuple):
    """How a unit is to be worked on.

    Attributes:
        careful: Whether to take one item at a time and to announce each before it is touched.
        given_up: Items that killed their workers too often: place in the unit, and SHA-256 where it
            was known.
    """

    careful: bool
    given_up: list[tuple[int, str | None]]


class UnitResult(NamedTuple):
    """A unit's rows.

    Attributes:
        unit: Its number.
        rows: One for each of its items, in order.
        worker: Which process did it.
        memory: Resident memory of that process, in bytes.
        deaths: Workers that died since the last unit was done.
    """

    unit: int
    rows: list[ScanRow]
    worker: str
    memory: int
    deaths: int = 0


class Coordinator(Protocol):
    """What a worker can ask."""

    def begin(self, unit: int) -> UnitInstructions:
        """Ask how to work on a unit."""

    def announce(self, unit: int, place: int, sha256: str | None) -> None:
        """Say which item of a unit is touched next."""

    def claim(self, unit: int, hashes: list[str]) -> list[bool]:
        """Say of each hash whether this unit is to score it; else another has, or will."""


class ScanEngine(Protocol):
    """Runs units in workers."""

    def run(self, units: Iterator[WorkUnit]) -> Iterator[UnitResult]:
        """Yield the rows of every unit, in whatever order they are done.

        Units are taken only as fast as they are worked on.
        """

    def done(self, unit: int, hashes: list[str]) -> None:
        """Tell the coordinator that a unit, and the answers for hashes, are in the ledger."""

    def close(self) -> None:
        """End all workers."""
