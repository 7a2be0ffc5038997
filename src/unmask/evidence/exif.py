"""Read the few EXIF fields that tell where a picture is from, in bounded time and memory.

Written here because general readers load every field of every directory, and a few kilobytes can
be made to stand for gigabytes: thousands of entries that all point to the same long value.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from unmask.evidence.texts import decode_text, decode_utf16

Value = str | bytes | int | Fraction

# TIFF 6.0 and EXIF 2.32 tags.
_MAIN = {
    0x000B: "ProcessingSoftware", 0x010D: "DocumentName", 0x010E: "ImageDescription",
    0x010F: "Make", 0x0110: "Model", 0x0131: "Software", 0x0132: "DateTime", 0x013B: "Artist",
    0x8298: "Copyright", 0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9E: "XPKeywords",
    0x9C9F: "XPSubject", 0x8769: "_exif", 0x8825: "_gps", 0x0100: "ImageWidth",
    0x0101: "ImageLength",
}  # fmt: skip
_EXIF = {
    0x9003: "DateTimeOriginal", 0x9286: "UserComment", 0xA002: "PixelXDimension",
    0xA003: "PixelYDimension", 0xA431: "BodySerialNumber", 0xA434: "LensModel",
    0x829A: "ExposureTime", 0x829D: "FNumber", 0x8827: "ISOSpeedRatings", 0x920A: "FocalLength",
    0xA436: "Title", 0xA437: "Photographer", 0xA43C: "ImageEditingSoftware",
}  # fmt: skip
_THUMBNAIL = {0x0201: "_start", 0x0202: "_length", 0x0112: "_turn"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 12: 8, 13: 4, 129: 1}
_MOST_ENTRIES = 512
_LONGEST = 2**20
_LARGEST_BLOCK = 4 * 2**20


@dataclass
class Exif:
    """EXIF fields.

    Attributes:
        fields: Values by the name of the tag.
        has_gps: Whether there is a directory of positions.
        thumbnail: The JPEG thumbnail, or empty.
    """

    fields: dict[str, Value] = field(default_factory=dict)
    has_gps: bool = False
    thumbnail: bytes = b""

    def text(self, name: str) -> str:
        """Return a field as text; empty where there is none."""
        value = self.fields.get(name, "")
        if name == "UserComment":
            return user_comment(value)
        return decode_text(value) if isinstance(value, bytes) else str(value)


def read_exif(blocks: Sequence[bytes | mmap.mmap]) -> Exif:
    """Read the fields of EXIF blocks; damaged parts are left out."""
    found = Exif()
    for data in blocks[:4]:
        main = read_tiff(data, _MAIN)
        inner = main.pop("_exif", None)
        found.has_gps |= main.pop("_gps", None) is not None
        if isinstance(inner, int):
            main |= read_tiff(data, _EXIF, at=inner)
        found.fields = {**main, **found.fields}
        found.thumbnail = found.thumbnail or _thumbnail(data)
    return found


def read_tiff(
    data: bytes | mmap.mmap, wanted: dict[int, str], at: int | None = None, *, raw: bool = False
) -> dict[str, Value]:
    """Read one directory of a TIFF structure.

    Args:
        data: The structure, its header first.
        wanted: Names of the tags to read.
        at: Where the directory lies; None for the first one.
        raw: Return all values as bytes.

    Returns:
        The values by name; of a list of numbers the first.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return {}
    start = struct.unpack_from(order + "I", data, 4)[0] if at is None else at
    if start + 2 > len(data):
        return {}
    (count,) = struct.unpack_from(order + "H", data, start)
    found: dict[str, Value] = {}
    for number in range(min(count, _MOST_ENTRIES)):
        place = start + 2 + 12 * number
        if place + 12 > len(data):
            break
        tag, kind, length = struct.unpack_from(order + "HHI", data, place)
        name = wanted.get(tag)
        if name is None or kind not in _SIZES or name in found:
            continue
        size = _SIZES[kind] * length
        where = place + 8 if size <= 4 else struct.unpack_from(order + "I", data, place + 8)[0]
        value = data[where : where + min(size, _LONGEST)]
        parsed = value if raw else _parse(value, kind, order)
        if parsed is not None:
            found[name] = parsed
    return found


def user_comment(value: Value) -> str:
    """Decode a UserComment: eight bytes name the character set of the rest."""
    if not isinstance(value, bytes):
        return str(value)
    code, rest = value[:8], value[8:]
    if code.startswith(b"UNICODE"):
        # Some programs write UTF-8 under this name, which UTF-16 of ASCII text never looks like.
        return decode_text(rest) if b"\0" not in rest.rstrip(b"\0") else decode_utf16(rest)
    known = code in (b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b"\0" * 8)
    return decode_text(rest if known else value)


def _parse(value: bytes, kind: int, order: str) -> Value | None:
    if kind in (2, 129):
        # Some programs write UTF-16 where ASCII belongs.
        wide = sorted((value[:4:2] == b"\0\0", value[1:4:2] == b"\0\0")) == [False, True]
        return decode_text(value if wide else value.partition(b"\0")[0])
    if kind in (1, 7, 6):
        return value
    if kind in (5, 10):
        if len(value) < 8:
            return None
        above, below = struct.unpack_from(order + ("II" if kind == 5 else "ii"), value)
        return Fraction(above, below) if below else None
    form = {3: "H", 8: "h", 4: "I", 9: "i", 13: "I"}.get(kind)
    if form is None or len(value) < struct.calcsize(form):
        return None
    return int(struct.unpack_from(order + form, value)[0])


def _thumbnail(data: bytes | mmap.mmap) -> bytes:
    """Return the JPEG that the second directory points to."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8 or len(data) > _LARGEST_BLOCK:
        return b""
    (first,) = struct.unpack_from(order + "I", data, 4)
    if first + 2 > len(data):
        return b""
    (count,) = struct.unpack_from(order + "H", data, first)
    place = first + 2 + 12 * count
    if place + 4 > len(data):
        return b""
    (second,) = struct.unpack_from(order + "I", data, place)
    fields = read_tiff(data, _THUMBNAIL, at=second) if second else {}
    start, length = fields.get("_start"), fields.get("_length")
    if not isinstance(start, int) or not isinstance(length, int):
        return b""
    body = data[start : start + min(length, _LONGEST)]
    return body if body.startswith(b"\xff\xd8") else b""
