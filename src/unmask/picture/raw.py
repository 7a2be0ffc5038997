"""Find the developed JPEG inside a camera raw: it is judged, since a raw has no picture yet.

Nearly every camera writes one of full or nearly full size, which is also what viewers show. It is
looked for by its bytes, since each maker keeps it in a place of his own.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from unmask.picture.kind import kind_of
from unmask.picture.tiff import (
    COMPRESSION,
    DNG_VERSION,
    ORIENTATION,
    PHOTOMETRIC,
    read_directories,
    read_orientation,
)

SMALLEST_LONG_SIDE = 1500
"""Of an embedded JPEG that is judged, in pixels; thumbnails are not."""
_SENSOR = (32803, 34892)  # Photometric interpretations: colour filter array, linear raw.
_RAW_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)
_MOST_TRIES, _MOST_SEGMENTS = 256, 64


class EmbeddedJpeg(NamedTuple):
    """A JPEG inside a camera raw.

    Attributes:
        data: The JPEG, and what follows it in the file.
        width: In pixels, before any turn.
        height: Likewise.
        orientation: As in EXIF, 1 to 8, where the raw says it; None where the JPEG does.
    """

    data: bytes
    width: int
    height: int
    orientation: int | None


def is_raw(data: bytes) -> bool:
    """Say whether a file is a camera raw, by its head or, in a TIFF, by what its pictures are."""
    kind = kind_of(data[:32])
    if kind.is_raw or not kind.name.endswith("TIFF"):
        return kind.is_raw
    if data[8:10] == b"CR":
        return True
    return any(
        DNG_VERSION in one
        or one.get(PHOTOMETRIC, (0,))[0] in _SENSOR
        or one.get(COMPRESSION, (0,))[0] in _RAW_COMPRESSIONS
        for one in read_directories(data)
    )


def find_jpeg(data: bytes) -> EmbeddedJpeg | None:
    """Return the largest JPEG inside a raw; None where there is none that could be judged."""
    best, start, at = (0, 0), -1, -1
    for _ in range(_MOST_TRIES):
        at = data.find(b"\xff\xd8\xff", at + 1)
        if at < 0:
            break
        size = _jpeg_size(data, at)
        if size and max(size) >= SMALLEST_LONG_SIDE and size[0] * size[1] > best[0] * best[1]:
            best, start = size, at
    if start < 0:
        return None
    exif = data.find(b"Exif\0\0", start, start + 64)
    own = read_directories(data[exif + 6 : exif + 2**16]) if exif >= 0 else []
    says_itself = bool(own) and ORIENTATION in own[0]
    return EmbeddedJpeg(data[start:], *best, None if says_itself else _orientation(data))


def _orientation(data: bytes) -> int:
    if data[4:8] == b"ftyp":
        at = data.find(b"CMT1", 0, 2**20)
        return read_orientation(data[at + 4 : at + 2**16]) if at >= 0 else 1
    return read_orientation(data)


def _jpeg_size(data: bytes, at: int) -> tuple[int, int] | None:
    """Return width and height of a JPEG, if it is not of a sensor's values; None otherwise."""
    place = at + 2
    for _ in range(_MOST_SEGMENTS):
        if place + 9 > len(data) or data[place] != 0xFF:
            return None
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in (0xC0, 0xC1, 0xC2):
            bits, height, width = struct.unpack_from(">BHH", data, place + 4)
            return (width, height) if bits == 8 and width and height else None
        if marker < 0xC4 or marker == 0xDA or 0xD0 <= marker <= 0xD9 or length < 2:
            return None
        place += 2 + length
    return None
