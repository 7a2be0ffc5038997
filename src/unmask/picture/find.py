"""Find the pictures that a user named: files, folders, globs and standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator

from unmask.picture.decode import DEFAULT_LIMITS
from unmask.picture.errors import PictureError
from unmask.picture.kind import looks_like_picture

STDIN = "-"
Found = str | bytes | PictureError
"""A path, the bytes of standard input, or what kept a named place from being looked into."""


def find_pictures(names: Iterable[str]) -> Iterator[Found]:
    """Yield the pictures that each name stands for, in sorted order, lazily.

    A folder stands for all pictures below it: files with a picture's suffix, and files of any other
    name whose first bytes are those of a picture. Links to folders are followed. A name that exists
    is taken as it is, even if it could be read as a glob.

    A place that cannot be looked into (no match, no permission, a link that leads back to a folder
    it lies in) is yielded as a `PictureError`, so that it costs one row and nothing else.
    """
    for name in names:
        if name == STDIN:
            yield sys.stdin.buffer.read(DEFAULT_LIMITS.max_bytes + 1)
        elif os.path.isdir(name):
            yield from _in_folder(name)
        elif not os.path.lexists(name) and glob.has_magic(name):
            yield from _matching(name)
        else:
            yield name


def _matching(pattern: str) -> Iterator[Found]:
    nothing = True
    for name in sorted(glob.iglob(pattern, recursive=True)):
        if os.path.isdir(name):
            # `**` lists a folder and its contents; the folder itself would say all twice.
            if "**" not in pattern:
                nothing = False
                yield from _in_folder(name)
            continue
        if "**" not in pattern or looks_like_picture(name):
            nothing = False
            yield name
    if nothing:
        yield PictureError("No picture matches this pattern.", pattern)


def _in_folder(folder: str) -> Iterator[Found]:
    nothing = True
    for found in _walk(folder, frozenset()):
        nothing = False
        yield found
    if nothing:
        yield PictureError("There is no picture in this folder.", folder)


def _walk(folder: str, above: frozenset[tuple[int, int]]) -> Iterator[Found]:
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            yield PictureError("This link leads back to a folder that it lies in.", folder)
            return
        with os.scandir(folder) as entries:
            names = sorted((entry.name, entry.is_dir()) for entry in entries)
    except PermissionError:
        yield PictureError("There is no permission to look into this folder.", folder)
        return
    except OSError as error:
        yield PictureError(f"The folder could not be read: {error.strerror}.", folder)
        return
    for name, is_folder in names:
        path = os.path.join(folder, name)
        if is_folder:
            yield from _walk(path, above | {identity})
        elif looks_like_picture(path):
            yield path
