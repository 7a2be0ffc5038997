"""The plan of a scan: every input, listed once and kept, cut into numbered blocks.

The first start lists the sources. Later starts list them again and compare: what was listed stays
in its block whatever has become of it, and what is new gets further blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.scan.items import LISTING, Item, items_table, table_items
from unmask.scan.ledger import replace


class SourceChanges(NamedTuple):
    """How sources differ from what was listed before.

    Attributes:
        new: Inputs that were not there; they are appended.
        gone: Inputs that are no more.
        changed: Inputs of another size or version; rows already written are of what was there.
    """

    new: int = 0
    gone: int = 0
    changed: int = 0


class Plan:
    """The listed inputs, in blocks.

    Args:
        folder: The scan's folder.

    Attributes:
        inputs: How many there are.
        blocks: How many blocks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "listing"
        self._open()

    def _open(self) -> None:
        files = sorted(self._folder.glob("*.parquet"))
        self._parts = [pq.ParquetFile(file, memory_map=True) for file in files]
        self.inputs = sum(part.metadata.num_rows for part in self._parts)
        self.blocks = sum(part.metadata.num_row_groups for part in self._parts)

    def block(self, number: int) -> list[Item]:
        """Return the inputs of a block."""
        for part in self._parts:
            if number < part.metadata.num_row_groups:
                return table_items(part.read_row_group(number))
            number -= part.metadata.num_row_groups
        raise IndexError(number)

    def starts(self) -> list[int]:
        """Return the number, in the whole listing, of each block's first input."""
        sizes = (
            part.metadata.row_group(number).num_rows
            for part in self._parts
            for number in range(part.metadata.num_row_groups)
        )
        return [0, *accumulate(sizes)][:-1]

    def extend(self, items: Iterable[Item], block_size: int) -> SourceChanges:
        """List inputs: all of them the first time, and afterwards those that are new.

        Args:
            items: What the sources stand for now.
            block_size: Inputs a block.

        Raises:
            ValueError: The sources stand for nothing.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / "fresh.writing"
        if not _write(fresh, items, block_size):
            raise ValueError("The sources hold no picture.")
        if not self._parts:
            self._keep(fresh)
            return SourceChanges()
        changes, new = self._compare(fresh)
        if new.num_rows:
            _write(fresh, iter(table_items(new)), block_size)
            self._keep(fresh)
        else:
            fresh.unlink()
        return changes

    def _keep(self, fresh: Path) -> None:
        replace(fresh, self._folder / f"{len(self._parts):04}.parquet")
        self._open()

    def _compare(self, fresh: Path) -> tuple[SourceChanges, pa.Table]:
        names = ["path", "size", "version"]
        if self._is_same(pq.ParquetFile(fresh, memory_map=True), names):
            return SourceChanges(), LISTING.empty_table()
        old = pa.concat_tables(part.read(columns=names) for part in self._parts)
        now = pq.read_table(fresh, memory_map=True)
        gone = old.join(now.select(["path"]), "path", join_type="left anti").num_rows
        now = now.append_column("place_in_list", pa.array(range(now.num_rows), pa.int64()))
        # A join takes no dictionaries, and keeps no order.
        plain = now.set_column(1, "kind", now["kind"].cast(pa.string()))
        new = plain.join(old.select(["path"]), "path", join_type="left anti")
        new = new.sort_by("place_in_list").drop_columns(["place_in_list"]).cast(LISTING)
        # Nulls equal nothing in a join, so that those without a version count as unchanged.
        both = old.join(now.select(names), "path", right_suffix=" now", join_type="inner")
        changed = sum(
            (row["size"], row["version"]) != (row["size now"], row["version now"])
            for batch in both.to_batches()
            for row in batch.to_pylist()
        )
        return SourceChanges(new.num_rows, gone, changed), new

    def _is_same(self, fresh: pq.ParquetFile, names: list[str]) -> bool:
        """Say whether a listing is the one there is, block by block, as most often it is."""
        first, *more = self._parts
        return (
            not more
            and first.metadata.num_row_groups == fresh.metadata.num_row_groups
            and all(
                first.read_row_group(block, names).equals(fresh.read_row_group(block, names))
                for block in range(fresh.metadata.num_row_groups)
            )
        )


def _write(path: Path, items: Iterable[Item], block_size: int) -> int:
    """Write a listing, a block a row group; returns how many inputs it has."""
    remaining, count = iter(items), 0
    with pq.ParquetWriter(path, LISTING, compression="zstd") as writer:
        for block in _blocks(remaining, block_size):
            writer.write_table(items_table(block), row_group_size=block_size)
            count += len(block)
    return count


def _blocks(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while block := list(islice(items, size)):
        yield block
