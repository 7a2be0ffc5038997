"""Read the few whole numbers of a TIFF structure that say how its pictures are to be shown.

EXIF is such a structure, and so are most camera raws. Broken parts are left out; whatever the
bytes, a few directories of a few hundred entries are read and no more.
"""

from __future__ import annotations

import struct

SUBFILE, COMPRESSION, PHOTOMETRIC, ORIENTATION = 0x00FE, 0x0103, 0x0106, 0x0112
SAMPLE_FORMAT, DNG_VERSION = 0x0153, 0xC612
_SUB_DIRECTORIES = 0x014A
_FORMS = {1: "B", 3: "H", 4: "I", 13: "I"}
_MOST_DIRECTORIES, _MOST_ENTRIES, _MOST_VALUES = 16, 512, 8

Directory = dict[int, tuple[int, ...]]
"""The first few values of each tag."""


def read_directories(data: bytes) -> list[Directory]:
    """Return the directories of a TIFF structure: the first, those after it, those below them.

    Those after it come before those below; none where the bytes are no such structure.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return []
    waiting: list[int] = [*struct.unpack_from(order + "I", data, 4)]
    found: dict[int, Directory] = {}
    below: list[int] = []
    while (waiting or below) and len(found) < _MOST_DIRECTORIES:
        at = waiting.pop(0) if waiting else below.pop(0)
        if at in found or not 0 < at <= len(data) - 2:
            continue
        found[at], after = _directory(data, at, order)
        below += found[at].get(_SUB_DIRECTORIES, ())
        if after:
            waiting.append(after)
    return list(found.values())


def read_orientation(data: bytes) -> int:
    """Return the orientation of an EXIF block or a TIFF structure, 1 to 8; 1 where it says none."""
    data = data.removeprefix(b"Exif\0\0")
    for directory in read_directories(data)[:1]:
        value = directory.get(ORIENTATION, (1,))[0]
        return value if 1 <= value <= 8 else 1
    return 1


def count_pages(data: bytes) -> int:
    """Return how many pictures of full size a TIFF structure has, 16 at most."""
    return sum(not one.get(SUBFILE, (0,))[0] & 1 for one in read_directories(data))


def _directory(data: bytes, at: int, order: str) -> tuple[Directory, int]:
    (count,) = struct.unpack_from(order + "H", data, at)
    found: Directory = {}
    for place in range(at + 2, min(at + 2 + 12 * min(count, _MOST_ENTRIES), len(data) - 11), 12):
        tag, form, length = struct.unpack_from(order + "HHI", data, place)
        if form not in _FORMS or not length:
            continue
        values = f"{order}{min(length, _MOST_VALUES)}{_FORMS[form]}"
        inside = length * struct.calcsize(_FORMS[form]) <= 4
        start = place + 8 if inside else struct.unpack_from(order + "I", data, place + 8)[0]
        if start + struct.calcsize(values) <= len(data):
            found.setdefault(tag, struct.unpack_from(values, data, start))
    end = at + 2 + 12 * count
    after = struct.unpack_from(order + "I", data, end)[0] if end + 4 <= len(data) else 0
    return found, after
