"""Parquet files: a picture a row, as bytes or as the path of a file."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from unmask.picture.errors import PictureError
from unmask.scan.items import Item, file_item, printable_path

_BYTES_COLUMNS = ("image", "picture", "img", "jpg", "png", "bytes", "content", "data")
_PATH_COLUMNS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "url", "uri", "image",
)  # fmt: skip


def list_rows(place: str, version: str | None, column: str | None) -> Iterator[Item]:
    """Yield the rows of a Parquet file: its own pictures, or the files that it names.

    Args:
        place: Path or URL of the file.
        version: Of the file.
        column: The column that has the pictures; None to find it.

    Raises:
        ValueError: It is no Parquet file, or has no such column.
        OSError: It cannot be read.
    """
    with open_parquet(place) as file:
        name, holds_bytes = picture_column(file.schema_arrow, column)
        if holds_bytes:
            for row in range(file.metadata.num_rows):
                yield Item(printable_path(f"{place}#{row}"), "parquet", place, row, None, version)
            return
        row = 0
        for batch in file.iter_batches(columns=[name]):
            for value in batch.column(0).to_pylist():
                if value:
                    yield file_item(value, place)
                else:
                    path = printable_path(f"{place}#{row}")
                    yield Item(path, "problem", place, problem="The row holds no path.")
                row += 1


class ParquetRows:
    """Reads rows; the row group read last stays: neighbours are asked for one after the other."""

    def __init__(self) -> None:
        self._place: str | None = None
        self._file: Any = None
        self._starts: list[int] = []
        self._loaded: tuple[int, pa.ChunkedArray | None] = (-1, None)
        self._turn = threading.Lock()

    def picture(self, item: Item, column: str | None) -> bytes | Item:
        """Return the bytes of a row, or the file that it names in their place.

        Raises:
            PictureError: It has neither.
        """
        with self._turn:
            value = self._value(item.place, item.offset or 0, column)
        if isinstance(value, dict):
            data, path = value.get("bytes"), value.get("path")
            if data is None and path:
                return file_item(path, item.place)
            value = data
        if value is None:
            raise PictureError("The row holds no picture.")
        return bytes(value)

    def _value(self, place: str, row: int, column: str | None) -> Any:
        if place != self._place:
            self._file = open_parquet(place)
            metadata = self._file.metadata
            sizes = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
            self._starts = list(accumulate(sizes, initial=0))
            self._place, self._loaded = place, (-1, None)
        group = bisect_right(self._starts, row) - 1
        if self._loaded[0] != group:
            self._loaded = (-1, None)
            name = picture_column(self._file.schema_arrow, column)[0]
            self._loaded = (group, self._file.read_row_group(group, columns=[name]).column(0))
        values = self._loaded[1]
        if values is None:
            return None
        return values[row - self._starts[group]].as_py()


def open_parquet(place: str) -> pq.ParquetFile:
    """Open a Parquet file, local or behind a URL.

    Raises:
        ValueError: It is not one.
        OSError: It cannot be read.
    """
    try:
        return pq.ParquetFile(fsspec.open(place, "rb").open())
    except pa.ArrowInvalid:
        raise ValueError(f"{place} is not a Parquet file.") from None


def picture_column(schema: pa.Schema, wanted: str | None) -> tuple[str, bool]:
    """Return which column has the pictures, and whether it holds bytes; else it holds paths.

    Raises:
        ValueError: There is no such column, or it could be more than one.
    """
    kinds = {}
    for field in schema:
        kind = field.type
        if pa.types.is_struct(kind):
            names = {kind.field(number).name for number in range(kind.num_fields)}
            if "bytes" in names:
                kinds[field.name] = True
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            kinds[field.name] = True
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            kinds[field.name] = False
    if wanted is not None:
        if wanted not in kinds:
            raise ValueError(f"There is no column {wanted!r} of bytes or text in the Parquet file.")
        return wanted, kinds[wanted]
    for usual, holds_bytes in ((_BYTES_COLUMNS, True), (_PATH_COLUMNS, False)):
        for name in usual:
            if kinds.get(name) is holds_bytes:
                return name, holds_bytes
    of_bytes = [name for name, holds_bytes in kinds.items() if holds_bytes]
    if len(of_bytes) == 1:
        return of_bytes[0], True
    raise ValueError(
        "Say with --column which column of the Parquet file has the pictures: "
        f"{', '.join(sorted(kinds)) or 'it has none of bytes or text'}."
    )
