"""An item: one input of a scan, where its bytes are, and by what a change of it is noticed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import pyarrow as pa

Kind = Literal["file", "tar", "parquet", "problem"]

LISTING = pa.schema(
    [
        ("path", pa.string()),
        ("kind", pa.dictionary(pa.int8(), pa.string())),
        ("place", pa.binary()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("version", pa.string()),
        ("problem", pa.string()),
    ]
)
"""How items are kept; ``place`` is absent where it is the path."""


class Item(NamedTuple):
    r"""One input.

    Attributes:
        path: Its name in the output; unique where sources name nothing twice. What is not UTF-8 in
            it is written as ``\xNN``.
        kind: A file, a member of a tar, a row of a Parquet file, or what could not be looked into.
        place: What is opened, a path or a URL; holds surrogates where a name is not UTF-8.
        offset: Of the member's bytes in the tar, or the row's number in the Parquet file.
        size: In bytes; None where the listing does not say.
        version: Time of the last change or the store's tag: differs where the bytes changed.
        problem: Why a place could not be looked into; None for anything else.
    """

    path: str
    kind: Kind
    place: str
    offset: int | None = None
    size: int | None = None
    version: str | None = None
    problem: str | None = None


def printable_path(place: str) -> str:
    r"""Return a path as UTF-8 can hold it; what it cannot becomes ``\xNN``."""
    return place.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def to_table(items: Iterable[Item]) -> pa.Table:
    """Return items as a table of the schema `LISTING`."""
    rows = list(items)
    columns: dict[str, list[Any]] = {
        name: [getattr(item, name) for item in rows] for name in LISTING.names
    }
    columns["place"] = [
        None if item.place == item.path else item.place.encode("utf-8", "surrogateescape")
        for item in rows
    ]
    arrays = [pa.array(columns[field.name], field.type) for field in LISTING]
    return pa.Table.from_arrays(arrays, schema=LISTING)


def from_table(table: pa.Table) -> list[Item]:
    """Return the items of a table that `to_table` made."""
    items = []
    for row in table.to_pylist():
        place = row["place"]
        row["place"] = row["path"] if place is None else place.decode("utf-8", "surrogateescape")
        items.append(Item(**row))
    return items
