"""Bytes of items, wherever they lie."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from unmask.picture.decode import Limits, read_bytes
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.scan.items import Item

_BYTES_COLUMNS = ("image", "picture", "img", "jpg", "png", "bytes", "content", "data")
_PATH_COLUMNS = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "url",
    "uri",
    "image",
)


def is_url(place: str) -> bool:
    """Say whether a place is an fsspec URL and not a local path."""
    return "://" in place


class Reader:
    """Reads items; each worker has one, shared by its threads.

    Args:
        column: The column of Parquet files that has the pictures; None to find it.
        limits: What one picture may cost.
    """

    def __init__(self, column: str | None, limits: Limits) -> None:
        self._column, self._limits = column, limits
        self._rows, self._turn = _RowGroup(), threading.Lock()
        self._from: dict[str, Callable[[Item], bytes]] = {
            "file": self._file, "tar": self._member, "parquet": self._row,
        }  # fmt: skip

    def read(self, item: Item) -> bytes:
        """Return an item's bytes.

        Raises:
            PictureError: They cannot be read.
        """
        if item.problem is not None:
            raise PictureError(item.problem)
        if item.size is not None and item.size > self._limits.max_bytes:
            raise PictureTooLargeError(
                f"The file is larger than the limit of {self._limits.max_bytes / 2**20:g} MiB."
            )
        try:
            return self._from[item.kind](item)
        except PictureError:
            raise
        except FileNotFoundError:
            raise PictureError("There is no such file.") from None
        except PermissionError:
            raise PictureError("There is no permission to read this file.") from None
        except Exception as error:  # Every store has exceptions of its own.
            raise PictureError(f"The file could not be read: {type(error).__name__}.") from None

    def _file(self, item: Item) -> bytes:
        if not is_url(item.place):
            return read_bytes(item.place, self._limits)
        system, path = fsspec.core.url_to_fs(item.place)
        # A list of URLs does not say sizes, and nobody wants a film by mistake.
        if item.size is None and (system.size(path) or 0) > self._limits.max_bytes:
            return self.read(item._replace(size=self._limits.max_bytes + 1))
        return bytes(system.cat_file(path))

    def _member(self, item: Item) -> bytes:
        start, size = item.offset or 0, item.size or 0
        if not size:
            return b""
        if is_url(item.place):
            system, path = fsspec.core.url_to_fs(item.place)
            data = bytes(system.cat_file(path, start=start, end=start + size))
        else:
            with open(item.place, "rb") as file:  # noqa: PTH123  (names need not be UTF-8)
                file.seek(start)
                data = file.read(size)
        if len(data) < size:
            raise PictureError("The archive is cut off before this member's end.")
        return data

    def _row(self, item: Item) -> bytes:
        with self._turn:
            value = self._rows.value(item.place, item.offset or 0, self._column)
        if isinstance(value, dict):
            value = value.get("bytes")
        if value is None:
            raise PictureError("The row holds no picture.")
        return bytes(value)


class _RowGroup:
    """The row group that was read last: neighbours are asked for one after the other."""

    def __init__(self) -> None:
        self._place: str | None = None
        self._file: Any = None
        self._starts: list[int] = []
        self._loaded: tuple[int, pa.ChunkedArray | None] = (-1, None)

    def value(self, place: str, row: int, column: str | None) -> bytes | dict[str, bytes] | None:
        if place != self._place:
            self._file = open_parquet(place)
            metadata = self._file.metadata
            self._starts = [0]
            for number in range(metadata.num_row_groups):
                self._starts.append(self._starts[-1] + metadata.row_group(number).num_rows)
            self._place, self._loaded = place, (-1, None)
        group = next(number for number, start in enumerate(self._starts[1:]) if row < start)
        if self._loaded[0] != group:
            self._loaded = (-1, None)
            name = picture_column(self._file.schema_arrow, column)[0]
            self._loaded = (group, self._file.read_row_group(group, columns=[name]).column(0))
        values = self._loaded[1]
        if values is None:
            return None
        value: bytes | dict[str, bytes] | None = values[row - self._starts[group]].as_py()
        return value


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
