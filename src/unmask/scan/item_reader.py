"""Bytes of items, wherever they lie."""

from __future__ import annotations

import fsspec

from unmask.picture.decode import Limits, read_bytes
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.scan.items import Item, is_url
from unmask.scan.parquet_source import ParquetRows
from unmask.scan.reading_faults import reading_fault
from unmask.scan.tar_source import read_member


class ItemReader:
    """Reads items; each worker has one, shared by its threads.

    Args:
        column: The column of Parquet files that has the pictures; None to find it.
        limits: What one picture may cost.
    """

    def __init__(self, column: str | None, limits: Limits) -> None:
        self._column, self._limits, self._rows = column, limits, ParquetRows()

    def read(self, item: Item) -> bytes:
        """Return an item's bytes.

        Raises:
            PictureError: They cannot be read; a `TransientError` where that may pass.
        """
        if item.problem is not None:
            raise PictureError(item.problem)
        self._check(item.size)
        try:
            if item.kind == "tar":
                return read_member(item)
            if item.kind == "parquet":
                picture = self._rows.picture(item, self._column)
                return picture if isinstance(picture, bytes) else self.read(picture)
            return self._file(item)
        except PictureError:
            raise
        except Exception as error:  # Every store has exceptions of its own.
            raise reading_fault(error) from None

    def _file(self, item: Item) -> bytes:
        if not is_url(item.place):
            return read_bytes(item.place, self._limits)
        system, path = fsspec.core.url_to_fs(item.place)
        # A list of URLs does not say sizes, and nobody wants a film by mistake.
        if item.size is None:
            self._check(system.size(path))
        return bytes(system.cat_file(path))

    def _check(self, size: int | None) -> None:
        if size is not None and size > self._limits.max_bytes:
            raise PictureTooLargeError(
                f"The file is larger than the limit of {self._limits.max_bytes / 2**20:g} MiB."
            )
