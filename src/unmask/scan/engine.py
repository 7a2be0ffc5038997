"""What an engine is: it takes units, and gives back their rows in whatever order they are done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from unmask.scan.schema import Row
from unmask.scan.score import Unit


class Done(NamedTuple):
    """A unit's rows.

    Attributes:
        unit: Its number.
        rows: One for each of its items, in order.
        worker: Which process did it.
        memory: Resident memory of that process, in bytes.
        deaths: Workers that died since the last unit was done.
    """

    unit: int
    rows: list[Row]
    worker: str
    memory: int
    deaths: int = 0


class Engine(Protocol):
    """Runs units in workers."""

    def run(self, units: Iterator[Unit]) -> Iterator[Done]:
        """Yield the rows of every unit, taking units only as fast as they are worked on."""

    def settle(self, units: list[int], hashes: list[str]) -> None:
        """Tell the desk that units are done, and that hashes are in the ledger."""

    def close(self) -> None:
        """End all workers."""


def resident_bytes() -> int:
    """Return the memory that this process holds, in bytes; 0 where the system does not say."""
    import os

    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
