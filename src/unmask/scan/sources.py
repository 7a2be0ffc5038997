"""List what sources stand for: folders, globs, lists, tars, Parquet files, URLs."""

from __future__ import annotations

import glob
import os
import tarfile
from collections.abc import Iterator
from typing import Any

import fsspec
import pyarrow as pa

from unmask.picture.decode import SUFFIXES
from unmask.picture.errors import PictureError
from unmask.picture.find import find_pictures
from unmask.picture.kind import is_picture
from unmask.scan.items import Item, printable_path
from unmask.scan.read import is_url, open_parquet, picture_column

_TARS, _PARQUETS, _LISTS = (".tar",), (".parquet", ".pq"), (".txt", ".lst", ".list")
_CONTAINERS = _TARS + _PARQUETS + _LISTS
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def list_items(sources: list[str], column: str | None = None) -> Iterator[Item]:
    """Yield every input that sources stand for, in an order that depends on them alone.

    A folder stands for all pictures below it, a glob for what it matches. A file ``.tar`` stands
    for the pictures in it, ``.parquet`` for its rows, ``.txt``, ``.lst`` and ``.list`` for the
    paths and URLs that it has one a line. Any other file is a picture. Relative paths in lists and
    Parquet files are taken from the folder that the file lies in.

    Args:
        sources: Paths, globs and URLs.
        column: The column of Parquet files that has the pictures; None to find it.

    Raises:
        ValueError: A source does not exist, or is of a kind that cannot be scanned.
        OSError: It cannot be read.
    """
    for source in sources:
        if source.startswith("file://"):
            source = fsspec.core.url_to_fs(source)[1]
        yield from _remote(source, column) if is_url(source) else _local(source, column)


def _local(source: str, column: str | None) -> Iterator[Item]:
    if source.endswith(_CONTAINERS) and not os.path.lexists(source) and glob.has_magic(source):
        for name in sorted(glob.iglob(source, recursive=True)):
            yield from _entry(name, column)
        return
    if not os.path.lexists(source) and not glob.has_magic(source):
        raise ValueError(f"There is no such file or folder: {source}.")
    for found in find_pictures([source]):
        if isinstance(found, PictureError):
            name = found.name or source
            yield Item(printable_path(name), "problem", name, problem=str(found))
        else:
            yield from _entry(os.fsdecode(found), column)


def _entry(place: str, column: str | None) -> Iterator[Item]:
    """Yield what one named file or URL stands for."""
    lower = place.lower()
    if lower.endswith(_PACKED):
        raise ValueError(
            f"{place} is a compressed archive, which cannot be read at random: unpack it."
        )
    if lower.endswith(_TARS):
        yield from _tar(place)
    elif lower.endswith(_PARQUETS):
        yield from _parquet(place, column)
    elif lower.endswith(_LISTS):
        with fsspec.open(place, "rt", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                if name := line.rstrip("\r\n"):
                    yield _file(_from_folder_of(place, name))
    else:
        yield _file(place)


def _file(place: str) -> Item:
    size, version = None, None
    if not is_url(place):
        try:
            status = os.stat(place)
            size, version = status.st_size, str(status.st_mtime_ns)
        except (OSError, ValueError):
            pass  # The worker that reads it says what is wrong.
    return Item(printable_path(place), "file", place, size=size, version=version)


def _from_folder_of(container: str, name: str) -> str:
    if is_url(name) or os.path.isabs(name):
        return name
    if is_url(container):
        return f"{container.rpartition('/')[0]}/{name}"
    return os.path.join(os.path.dirname(container), name)


def _tar(place: str) -> Iterator[Item]:
    version = _version(place)
    with fsspec.open(place, "rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for member in archive:
                    # Python keeps all members otherwise.
                    archive.members = []  # type: ignore[attr-defined]
                    if member.isreg() and _is_picture_member(archive, member):
                        yield Item(
                            printable_path(f"{place}#{member.name}"), "tar", place,
                            member.offset_data, member.size, version,
                        )  # fmt: skip
        except tarfile.TarError as error:
            yield Item(
                printable_path(f"{place}#"), "problem", place, version=version,
                problem=f"The archive cannot be read to its end: {error}.",
            )  # fmt: skip


def _is_picture_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    if member.sparse is not None:
        return False
    if os.path.splitext(member.name)[1].lower() in SUFFIXES:
        return True
    data = archive.extractfile(member)
    return data is not None and is_picture(data.read(16))


def _parquet(place: str, column: str | None) -> Iterator[Item]:
    version = _version(place)
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
                    yield _file(_from_folder_of(place, value))
                else:
                    path = printable_path(f"{place}#{row}")
                    yield Item(path, "problem", place, problem="The row holds no path.")
                row += 1


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
    except FileNotFoundError:
        raise ValueError(f"There is nothing at {source}.") from None
    except (ImportError, ValueError, OSError, pa.ArrowException):
        raise
    except Exception as error:  # Every store has exceptions of its own.
        raise ValueError(f"{source} cannot be listed: {error}.") from None


def _remote_folder(system: Any, folder: str) -> Iterator[Item]:
    for _, folders, files in system.walk(folder, detail=True):
        # Sorted in place: that is how the walk goes on.
        ordered = sorted(folders.items())
        folders.clear()
        folders.update(ordered)
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in SUFFIXES:
                info = files[name]
                yield from _remote_entry(system.unstrip_protocol(info["name"]), info, None)


def _remote_entry(url: str, info: dict[str, Any], column: str | None) -> Iterator[Item]:
    if url.lower().endswith(_CONTAINERS + _PACKED):
        yield from _entry(url, column)
    else:
        yield Item(printable_path(url), "file", url, size=info.get("size"), version=_tag(info))
