"""Tar archives: the pictures in them, read in place."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, NamedTuple

import fsspec

from unmask.picture.errors import PictureError
from unmask.picture.kind import is_picture
from unmask.picture.peek import named_as_picture
from unmask.scan.items import Item, is_url, printable_path

_Member = tuple[tarfile.TarFile, tarfile.TarInfo]


class _Target(NamedTuple):
    offset: int
    size: int
    is_picture: bool


def list_members(place: str, version: str | None) -> Iterator[Item]:
    """Yield the pictures in an archive, then the links to pictures in it.

    Archives that were joined are read one after the other.

    Args:
        place: Path or URL of the archive.
        version: Of the archive.
    """

    def problem(name: str, sentence: str) -> Item:
        path = printable_path(f"{place}#{name}")
        return Item(path, "problem", place, version=version, problem=sentence)

    def member_item(name: str, offset: int, size: int) -> Item:
        return Item(printable_path(f"{place}#{name}"), "tar", place, offset, size, version)

    links: dict[str, str] = {}
    with fsspec.open(place, "rb") as file:
        try:
            for archive, member in _members(file):
                if member.issym():
                    links[member.name] = posixpath.join(
                        posixpath.dirname(member.name), member.linkname
                    )
                elif member.islnk():
                    links[member.name] = member.linkname
                elif member.isreg() and _is_picture(archive, member):
                    yield member_item(member.name, member.offset_data, member.size)
        except tarfile.TarError as error:
            yield problem("", f"The archive cannot be read to its end: {error}.")
        # Read once more, so that no more is remembered of an archive than its links.
        targets = _find_targets(file, links) if links else {}
    for name in links:
        target = targets.get(name)
        if target is not None and (target.is_picture or named_as_picture(name)):
            yield member_item(name, target.offset, target.size)
        elif target is None and named_as_picture(name):
            yield problem(name, "The link leads to no file in the archive.")


def read_member(item: Item) -> bytes:
    """Return the bytes of an archive's member.

    Raises:
        PictureError: The archive ends before it.
    """
    start, size = item.offset or 0, item.size or 0
    if is_url(item.place):
        system, path = fsspec.core.url_to_fs(item.place)
        data = bytes(system.cat_file(path, start=start, end=start + size)) if size else b""
    else:
        with open(item.place, "rb") as file:  # noqa: PTH123  (names need not be UTF-8)
            file.seek(start)
            data = file.read(size)
    if len(data) < size:
        raise PictureError("The archive is cut off before this member's end.")
    return data


def _members(file: BinaryIO) -> Iterator[_Member]:
    """Yield the members of an archive, and of those that were joined to it."""
    start = file.tell()
    while True:
        archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115  (the file stays open)
        for member in archive:
            # Python keeps all members otherwise.
            archive.members = []  # type: ignore[attr-defined]
            yield archive, member
        if archive.offset == start > 0:
            return  # What follows an archive's end need not be one.
        start, zeros = archive.offset, False
        file.seek(start)
        while (block := file.read(tarfile.BLOCKSIZE)) and not any(block):
            zeros = True
        if not block:
            return
        if not zeros:
            raise tarfile.ReadError("bad header")
        start = file.seek(-len(block), 1)


def _find_targets(file: BinaryIO, links: dict[str, str]) -> dict[str, _Target]:
    """Return where the bytes lie that links lead to, by the link's name."""
    by_path = {posixpath.normpath(name): posixpath.normpath(to) for name, to in links.items()}
    ends = {name: _follow(posixpath.normpath(name), by_path) for name in links}
    wanted, found = set(ends.values()), {}
    file.seek(0)
    with suppress(tarfile.TarError):
        for archive, member in _members(file):
            path = posixpath.normpath(member.name)
            if path in wanted and member.isreg():
                found[path] = _Target(member.offset_data, member.size, _is_picture(archive, member))
    return {name: found[end] for name, end in ends.items() if end in found}


def _follow(path: str, links: dict[str, str]) -> str:
    """Return where a link leads in the end; a link of a circle leads to itself."""
    seen = set()
    while path in links and path not in seen:
        seen.add(path)
        path = links[path]
    return path


def _is_picture(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    if member.sparse is not None:
        return False
    if named_as_picture(member.name):
        return True
    data = archive.extractfile(member)
    return data is not None and is_picture(data.read(16))
