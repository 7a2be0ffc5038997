"""The coordinator: workers ask it what to do, and whether somebody has these bytes already.

There is one a scan, in the driver's process or, on Ray, in an actor beside it. Workers may die at
any moment; what it knows of their last announcements is what makes a second try safe.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from unmask.scan.ledger import Ledger
from unmask.scan.units import UnitInstructions


class LedgerCoordinator:
    """The coordinator itself; see `unmask.scan.units.Coordinator`.

    Args:
        ledger: The scan's ledger, or its folder, of which known answers are read.
        retries: How often an item that kills workers is tried alone before it is given up.
    """

    def __init__(self, ledger: Ledger | Path, retries: int) -> None:
        self._ledger = ledger if isinstance(ledger, Ledger) else Ledger.read_only(ledger)
        self._retries = retries
        self._owners: dict[str, int] = {}
        self._begun: dict[int, set[str]] = {}
        self._announced: dict[int, tuple[int, str | None]] = {}
        self._deaths: Counter[tuple[int, int]] = Counter()
        self._given_up: dict[int, dict[int, str | None]] = {}

    def begin(self, unit: int) -> UnitInstructions:
        """Return how to work on a unit.

        A unit that is begun again lost its worker. Nobody knows which item did it, so from then on
        each item is announced before it is touched: the one announced last is the one that did it
        next.
        """
        careful = unit in self._begun
        self._begun[unit] = set()
        announced = self._announced.pop(unit, None)
        if announced is not None:
            place, sha256 = announced
            self._deaths[unit, place] += 1
            if self._deaths[unit, place] >= self._retries:
                self._given_up.setdefault(unit, {})[place] = sha256
        return UnitInstructions(careful, sorted(self._given_up.get(unit, {}).items()))

    def announce(self, unit: int, place: int, sha256: str | None) -> None:
        """Note which item is touched next."""
        self._announced[unit] = (place, sha256)

    def claim(self, unit: int, hashes: list[str]) -> list[bool]:
        """Say of each hash whether this unit is to score it.

        A hash belongs to the unit that asked first, also when that unit is begun again.
        """
        known = self._ledger.answers([sha256 for sha256 in hashes if sha256 not in self._owners])
        # What the unit asked for since it was begun: of equal items in it the first is scored.
        mine, asked = [], self._begun.setdefault(unit, set())
        for sha256 in hashes:
            owner = self._owners.get(sha256)
            if owner is None and sha256 not in known:
                owner = self._owners[sha256] = unit
            mine.append(owner == unit and sha256 not in asked)
            asked.add(sha256)
        return mine

    def done(self, unit: int, hashes: list[str]) -> None:
        """Forget a unit that is in the ledger, and who had claimed the hashes that it answered."""
        self._begun.pop(unit, None)
        self._announced.pop(unit, None)
        for place in self._given_up.pop(unit, {}):
            self._deaths.pop((unit, place), None)
        for sha256 in hashes:
            self._owners.pop(sha256, None)
