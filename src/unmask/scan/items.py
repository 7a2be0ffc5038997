"""An item: one input of a scan, where its bytes are, and by what a change of it is noticed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote_to_bytes

import pyarrow as pa

ItemKind = Literal["file", "tar", "parquet", "problem"]

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
    kind: ItemKind
    place: str
    offset: int | None = None
    size: int | None = None
    version: str | None = None
    problem: str | None = None


def printable_path(place: str) -> str:
    r"""Return a path as UTF-8 can hold it; what it cannot becomes ``\xNN``."""
    return place.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_url(place: str) -> bool:
    """Say whether a place is an fsspec URL and not a local path."""
    return "://" in place


def local_path(place: str) -> str:
    """Return the path that a ``file://`` URL stands for; any other place is returned as it is."""
    if not place.startswith("file://"):
        return place
    path = place.removeprefix("file://").removeprefix("localhost")
    return os.fsdecode(unquote_to_bytes(os.fsencode(path)))


def file_item(name: str, container: str | None = None) -> Item:
    """Return the item of a file.

    Args:
        name: Its path or URL.
        container: The list or Parquet file that names it, from whose folder a relative path goes.
    """
    if container is not None and not is_url(name) and not name.startswith("/"):
        name = container[: container.rfind("/") + 1] + name
    place, size, version = local_path(name), None, None
    if not is_url(place):
        try:
            status = Path(place).stat()
            size, version = status.st_size, str(status.st_mtime_ns)
        except (OSError, ValueError):
            pass  # The worker that reads it says what is wrong.
    return Item(printable_path(name), "file", place, size=size, version=version)


def items_table(items: Iterable[Item]) -> pa.Table:
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


def table_items(table: pa.Table) -> list[Item]:
    """Return the items of a table that `items_table` made."""
    items = []
    for row in table.to_pylist():
        place = row["place"]
        row["place"] = row["path"] if place is None else place.decode("utf-8", "surrogateescape")
        items.append(Item(**row))
    return items
