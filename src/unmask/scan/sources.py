"""List what sources stand for: folders, globs, lists, tars, Parquet files, URLs."""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Iterator
from typing import Any

import fsspec
import pyarrow as pa

from unmask.picture.errors import PictureError
from unmask.picture.find import find_pictures
from unmask.picture.peek import looks_like_picture, named_as_picture
from unmask.scan.items import Item, file_item, is_url, local_path, printable_path
from unmask.scan.parquet_source import list_rows
from unmask.scan.reading_faults import NO_SUCH_FILE, reading_fault
from unmask.scan.tar_source import list_members

_TARS, _PARQUETS, _LISTS = (".tar",), (".parquet", ".pq"), (".txt", ".lst", ".list")
_CONTAINERS = _TARS + _PARQUETS + _LISTS
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


class AbsentSourceError(ValueError):
    """There is nothing at a source, or it cannot be reached; the message is one sentence."""


def list_items(sources: list[str], column: str | None = None) -> Iterator[Item]:
    """Yield every input that sources stand for, in an order that depends on them alone.

    A folder stands for all pictures below it, a glob for what it matches. A file ``.tar`` stands
    for the pictures in it, ``.parquet`` for its rows, ``.txt``, ``.lst`` and ``.list`` for the
    paths and URLs that it has one a line. Any other file is a picture, and so is one that has the
    first bytes of a picture. Relative paths in lists and Parquet files are taken from the folder
    that the file lies in.

    A source that is not there is listed last, as a file that will not be found.

    Args:
        sources: Paths, globs and URLs.
        column: The column of Parquet files that has the pictures; None to find it.

    Raises:
        ValueError: No source exists, or one is of a kind that cannot be scanned.
        OSError: One cannot be read.
    """
    absent: dict[str, AbsentSourceError] = {}
    for source in map(local_path, sources):
        try:
            yield from _remote(source, column) if is_url(source) else _local(source, column)
        except AbsentSourceError as error:
            absent[source] = error
    if absent and len(absent) == len({*map(local_path, sources)}):
        raise next(iter(absent.values()))
    yield from map(file_item, absent)


def _local(source: str, column: str | None) -> Iterator[Item]:
    if source.endswith(_CONTAINERS) and not os.path.lexists(source) and glob.has_magic(source):
        for name in sorted(glob.iglob(source, recursive=True)):
            yield from _entry(name, column)
        return
    if not os.path.lexists(source) and not glob.has_magic(source):
        raise AbsentSourceError(f"There is no such file or folder: {source}.")
    for found in find_pictures([source]):
        if isinstance(found, PictureError):
            name = found.name or source
            yield Item(printable_path(name), "problem", name, problem=str(found))
        else:
            yield from _entry(os.fsdecode(found), column)


def _entry(place: str, column: str | None) -> Iterator[Item]:
    """Yield what one named file or URL stands for."""
    lower = place.lower()
    if not lower.endswith(_CONTAINERS + _PACKED) or (
        not is_url(place) and looks_like_picture(place)
    ):
        yield file_item(place)
    elif lower.endswith(_PACKED):
        raise ValueError(
            f"{place} is a compressed archive, which cannot be read at random: unpack it."
        )
    elif not is_url(place) and not os.path.isfile(place):
        # A named pipe would be waited for.
        raise ValueError(f"{place} is not a regular file.")
    elif lower.endswith(_TARS):
        yield from list_members(place, _version(place))
    elif lower.endswith(_PARQUETS):
        yield from list_rows(place, _version(place), column)
    else:
        yield from _listed(place)


def _listed(place: str) -> Iterator[Item]:
    with fsspec.open(place, "rb") as file:
        # Windows writes lists so, with a byte order mark first.
        wide = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
        file.seek(0)
        encoding = "utf-16" if wide else "utf-8-sig"
        for line in io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape"):
            if name := line.rstrip("\r\n"):
                yield file_item(name, place)


def _version(place: str) -> str | None:
    if not is_url(place):
        return str(os.stat(place).st_mtime_ns)
    system, path = fsspec.core.url_to_fs(place)
    return _tag(system.info(path))


def _tag(info: dict[str, Any]) -> str | None:
    for name in ("ETag", "etag", "LastModified", "mtime", "updated", "created"):
        if info.get(name) is not None:
            return str(info[name])
    return None


def _remote(source: str, column: str | None) -> Iterator[Item]:
    try:
        system, path = fsspec.core.url_to_fs(source)
        if glob.has_magic(path):
            found = system.glob(path, detail=True)
            for name in sorted(found):
                if found[name]["type"] != "directory":
                    yield from _remote_entry(system.unstrip_protocol(name), found[name], column)
        elif not path.lower().endswith(_CONTAINERS) and system.isdir(path):
            yield from _remote_folder(system, path)
        else:
            yield from _remote_entry(source, system.info(path), column)
    except (ImportError, ValueError, pa.ArrowException):
        raise
    except Exception as error:  # Every store has exceptions of its own.
        fault = str(reading_fault(error))
        if fault == NO_SUCH_FILE:
            raise AbsentSourceError(f"There is nothing at {source}.") from None
        raise AbsentSourceError(f"{source} cannot be listed: {fault}") from None


def _remote_folder(system: Any, folder: str) -> Iterator[Item]:
    for _, folders, files in system.walk(folder, detail=True):
        # Sorted in place: that is how the walk goes on.
        ordered = sorted(folders.items())
        folders.clear()
        folders.update(ordered)
        for name in sorted(files):
            if named_as_picture(name):
                info = files[name]
                yield from _remote_entry(system.unstrip_protocol(info["name"]), info, None)


def _remote_entry(url: str, info: dict[str, Any], column: str | None) -> Iterator[Item]:
    if url.lower().endswith(_CONTAINERS + _PACKED):
        yield from _entry(url, column)
    else:
        yield Item(printable_path(url), "file", url, size=info.get("size"), version=_tag(info))
