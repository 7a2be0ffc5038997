"""Find the pictures that a user named: files, folders, globs and standard input."""

from __future__ import annotations

import errno
import glob
import os
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from unmask.picture.decode import DEFAULT_LIMITS
from unmask.picture.errors import PictureError
from unmask.picture.peek import looks_like_picture

STDIN = "-"
Found = str | bytes | PictureError
"""A path, the bytes of standard input, or what kept a named place from being looked into."""


def find_pictures(names: Iterable[str]) -> Iterator[Found]:
    """Yield the pictures that each name stands for, in sorted order, lazily.

    A folder stands for all pictures below it: files with a picture's suffix, and files of any other
    name whose first bytes are those of a picture. Links to folders are followed; the ``._`` files
    that macOS puts beside others are left out. A name that exists is taken as it is, even if it
    could be read as a glob.

    A place that cannot be looked into (no match, no permission, a link that leads back to a folder
    it lies in, or to itself) is yielded as a `PictureError`, so that it costs one row and nothing
    else.
    """
    for name in names:
        if name == STDIN:
            yield _standard_input()
        elif os.path.isdir(name):
            yield from _in_folder(name)
        elif not os.path.lexists(name) and glob.has_magic(name):
            yield from _matching(name)
        else:
            yield name


def stands_for(name: str, path: Path) -> bool:
    """Say whether a name stands for a file that exists, alone or with others.

    Args:
        name: As `find_pictures` takes it.
        path: The file.
    """
    if os.path.isdir(name):
        within = path.resolve().is_relative_to(Path(name).resolve())
        return within and path.is_file() and looks_like_picture(str(path))
    if os.path.lexists(name):
        return os.path.exists(name) and path.samefile(name)
    matching = glob.iglob(name, recursive=True) if glob.has_magic(name) else ()
    return any(os.path.exists(one) and path.samefile(one) for one in matching)


def _standard_input() -> Found:
    try:
        return sys.stdin.buffer.read(DEFAULT_LIMITS.max_bytes + 1)
    except (AttributeError, OSError, ValueError):  # It was closed, before the start or since.
        return PictureError("Standard input is closed.", STDIN)


def _matching(pattern: str) -> Iterator[Found]:
    nothing = True
    for found in _below(pattern) if "**" in pattern else _plain_matches(pattern):
        nothing = False
        yield found
    if nothing:
        yield PictureError("No picture matches this pattern.", pattern)


def _plain_matches(pattern: str) -> Iterator[Found]:
    for name in sorted(glob.iglob(pattern)):
        if os.path.isdir(name):
            yield from _in_folder(name)
        else:
            yield name


def _below(pattern: str) -> Iterator[Found]:
    """Yield the pictures that match a pattern with ``**``.

    Python's own `glob` follows links that lead back, and so may never come to an end.
    """
    parts = pattern.split(os.sep)
    place = next(number for number, part in enumerate(parts) if "**" in part)
    above, wanted = os.sep.join(parts[:place]), parts[place:]
    roots = sorted(glob.iglob(above)) if above else [os.sep if pattern[0] == os.sep else os.curdir]
    for root in roots:
        for found in _walk(root):
            if isinstance(found, PictureError):
                yield found
            elif _matches(os.path.relpath(found, root).split(os.sep), wanted):
                yield found if above else os.path.normpath(found)


def _matches(parts: list[str], wanted: list[str]) -> bool:
    """Say whether the parts of a path match those of a pattern, as `glob` does."""
    if not wanted or not parts:
        return not parts and all(part == "**" for part in wanted)
    first, rest = wanted[0], wanted[1:]
    hidden = parts[0].startswith(".")
    if first == "**":
        return _matches(parts, rest) or (not hidden and _matches(parts[1:], wanted))
    if hidden and not first.startswith("."):
        return False
    return fnmatchcase(parts[0], first) and _matches(parts[1:], rest)


def _in_folder(folder: str) -> Iterator[Found]:
    nothing = True
    for found in _walk(folder):
        nothing = False
        yield found
    if nothing:
        yield PictureError("There is no picture in this folder.", folder)


def _walk(top: str) -> Iterator[str | PictureError]:
    # A stack and not recursion: folders may lie deeper than Python's calls.
    waiting: list[tuple[str, bool, frozenset[tuple[int, int]]]] = [(top, True, frozenset())]
    while waiting:
        path, is_folder, above = waiting.pop()
        if not is_folder:
            if looks_like_picture(path):
                yield path
            continue
        try:
            status = os.stat(path)
            identity = (status.st_dev, status.st_ino)
            if identity in above:
                yield PictureError("This link leads back to a folder that it lies in.", path)
                continue
            with os.scandir(path) as entries:
                found = sorted(((entry.name, _is_folder(entry)) for entry in entries), reverse=True)
        except PermissionError:
            yield PictureError("There is no permission to look into this folder.", path)
            continue
        except OSError as error:
            yield PictureError(_why_not_read(error), path)
            continue
        below = above | {identity}
        waiting += [(os.path.join(path, name), inner, below) for name, inner in found]


def _why_not_read(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "This link leads back to itself."
    return f"The folder could not be read: {error.strerror}."


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether an entry is a folder, or a link that leads where nobody can look.

    `_walk` says of such a link what is wrong, as of a folder that cannot be read.
    """
    try:
        return entry.is_dir()
    except OSError:
        return True
