"""A capped, stratified share of a manifest's rows, the same one in every run."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from unmask.lab.data.manifest import Row


def cap(rows: Iterable[Row], most: int) -> list[Row]:
    """Return at most ``most`` rows of each source, generator and label, in their order.

    Which ones a hash of the group decides, so that the same rows are kept in every fold, and a
    picture and its altered twin are kept or left together.

    Args:
        rows: Rows of one split.
        most: The cap.
    """
    cells: defaultdict[tuple[str, str, str], list[Row]] = defaultdict(list)
    rows = list(rows)
    for row in rows:
        cells[row.source, row.generator, row.label].append(row)
    kept = {row.path for cell in cells.values() for row in sorted(cell, key=_lot)[:most]}
    return [row for row in rows if row.path in kept]


def _lot(row: Row) -> tuple[bytes, str]:
    name = row.group or row.path.name
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return digest, row.path.name
