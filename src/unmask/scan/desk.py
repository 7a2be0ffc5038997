"""The desk: workers ask it what to do, and whether somebody has these bytes already.

There is one desk a scan, in the driver's process or, on Ray, in an actor beside it. Workers may die
at any moment; what the desk knows of their last words is what makes a second try safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from unmask.scan.ledger import Ledger


class Orders(NamedTuple):
    """How a unit is to be worked on.

    Attributes:
        careful: Whether to take one item at a time and to name each before it is touched.
        given_up: Items that killed their workers too often: place in the unit, and SHA-256 where it
            was known.
    """

    careful: bool
    given_up: list[tuple[int, str | None]]


class Desk(Protocol):
    """What a worker can ask."""

    def begin(self, unit: int) -> Orders:
        """Ask how to work on a unit."""

    def hand(self, unit: int, place: int, sha256: str | None) -> None:
        """Say which item of a unit is in hand now."""

    def claim(self, unit: int, hashes: list[str]) -> list[bool]:
        """Say of each hash whether this unit is to score it; else another has, or will."""


class LocalDesk:
    """The desk itself.

    Args:
        ledger: The scan's ledger, or its file, of which what is settled is read.
        retries: How often an item that kills workers is tried alone before it is given up.
    """

    def __init__(self, ledger: Ledger | Path, retries: int) -> None:
        self._ledger = ledger if isinstance(ledger, Ledger) else Ledger.read_only(ledger)
        self._retries = retries
        self._owners: dict[str, int] = {}
        self._begun: dict[int, set[str]] = {}
        self._hands: dict[int, tuple[int, str | None]] = {}
        self._deaths: Counter[tuple[int, int]] = Counter()
        self._given_up: dict[int, dict[int, str | None]] = {}

    def begin(self, unit: int) -> Orders:
        """Return how to work on a unit.

        A unit that is begun again lost its worker. Nobody knows which item did it, so from then on
        each item is named before it is touched: the one named last is the one that did it next.
        """
        careful = unit in self._begun
        self._begun[unit] = set()
        hand = self._hands.pop(unit, None)
        if hand is not None:
            place, sha256 = hand
            self._deaths[unit, place] += 1
            if self._deaths[unit, place] >= self._retries:
                self._given_up.setdefault(unit, {})[place] = sha256
        return Orders(careful, sorted(self._given_up.get(unit, {}).items()))

    def hand(self, unit: int, place: int, sha256: str | None) -> None:
        """Note which item is in hand."""
        self._hands[unit] = (place, sha256)

    def claim(self, unit: int, hashes: list[str]) -> list[bool]:
        """Say of each hash whether this unit is to score it.

        A hash belongs to the unit that asked first, also when that unit is begun again.
        """
        settled = self._ledger.settled(
            [sha256 for sha256 in hashes if self._owners.get(sha256) is None]
        )
        # What the unit asked for since it was begun: of equal items in it the first is scored.
        mine, asked = [], self._begun.setdefault(unit, set())
        for sha256 in hashes:
            owner = self._owners.get(sha256)
            if owner is None and sha256 not in settled:
                owner = self._owners[sha256] = unit
            mine.append(owner == unit and sha256 not in asked)
            asked.add(sha256)
        return mine

    def done(self, unit: int) -> None:
        """Forget what was noted of a unit whose rows have arrived."""
        self._begun.pop(unit, None)
        self._hands.pop(unit, None)
        for place in self._given_up.pop(unit, {}):
            self._deaths.pop((unit, place), None)

    def settle(self, hashes: Iterable[str]) -> None:
        """Forget who had claimed hashes that are in the ledger now."""
        for sha256 in hashes:
            self._owners.pop(sha256, None)
