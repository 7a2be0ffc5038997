"""Take out of a picture's file what keeps a strict decoder from its pixels, as browsers do.

Metadata that is broken or very large, an end that is missing: browsers show such pictures. A file
that cannot be decoded as it is gets a second try as what this module makes of it.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from unmask.picture.errors import PictureError
from unmask.picture.tiff import read_orientation

ENDS_EARLY = "The file ends before the picture's end marker; what there is was judged."
LEFT_OUT = "Broken or very large metadata in the file was skipped."
CUT_OFF = "The picture is cut off before its end."
MOST_MISSING = 1 / 8
"""So much of a picture's height may be missing; of more than that nothing is said."""
_MOST_PARTS = 100_000
_MOST_RAW = 256 * 2**20
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_NEEDED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"))
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_WEBP_NEEDED = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"))
_MISSING = 128


class MendedFile(NamedTuple):
    """A file without what keeps a strict decoder from its pixels.

    Attributes:
        data: The file.
        note: What was done, in one sentence.
        orientation: As in EXIF, where the mended file has it no more.
        ends_early: Whether its end is missing, so that its last rows may be no picture.
    """

    data: bytes
    note: str
    orientation: int | None = None
    ends_early: bool = False


def mend(data: bytes) -> MendedFile | None:
    """Return a file in a form that is easier to decode; None where nothing can be done.

    Raises:
        PictureError: So much of it is missing that nothing should be said of the rest.
    """
    if data.startswith(b"\xff\xd8"):
        return _mend_jpeg(data)
    if data.startswith(_PNG_START):
        return _mend_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _mend_webp(data)
    if data[4:8] == b"ftyp":
        return _mend_heif(data)
    return None


def cut_missing_rows(image: Image.Image) -> Image.Image:
    """Cut off the rows at the bottom of a JPEG that its decoder had no data for and left grey.

    Raises:
        PictureError: They are too many.
    """
    edge = np.asarray(image.crop((max(0, image.width - 8), 0, *image.size))).astype(np.int16)
    filled = (np.abs(edge - _MISSING) > 1).reshape(image.height, -1).any(axis=1)
    rows = int(np.flatnonzero(filled)[-1]) + 1 if filled.any() else 0
    if rows < image.height:
        # Whole blocks, without the rows whose colour is blended with that of those below.
        rows -= rows % 16 + 2
    if rows < (1 - MOST_MISSING) * image.height:
        raise PictureError(CUT_OFF)
    return image.crop((0, 0, image.width, rows)) if rows < image.height else image


def is_cut_off(data: bytes) -> bool:
    """Say whether a file of boxes or chunks says that it is longer than it is."""
    if data[:4] == b"RIFF":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if data[4:8] != b"ftyp":
        return False
    at = 0
    for _ in range(64):
        if at + 8 > len(data):
            return at != len(data)
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return False
        at += size
    return False


def _mend_jpeg(data: bytes) -> MendedFile | None:
    """Keep of a JPEG what is needed for its pixels, and end it."""
    kept, orientation, frame, at = [data[:2]], 1, 0, 2
    for _ in range(_MOST_PARTS):
        at = data.find(b"\xff", at)
        while at >= 0 and data[at + 1 : at + 2] == b"\xff":
            at += 1
        if at < 0 or at + 4 > len(data):
            return None
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            break
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = read_orientation(data[at + 4 : end])
        if marker in (0xC0, 0xC1, 0xC2):
            frame = at
        if marker in (0xE0, 0xEE) or (marker >= 0xC0 and marker < 0xE0):
            kept.append(data[at:end])
        at = end if end > at + 3 else at + 2
    else:
        return None
    early = data.find(b"\xff\xd9", at) < 0
    if early and not _has_all_passes(data, frame, at):
        raise PictureError(CUT_OFF)
    whole = b"".join([*kept, data[at:], b"\xff\xd9"])
    return MendedFile(whole, ENDS_EARLY if early else LEFT_OUT, orientation, early)


def _has_all_passes(data: bytes, frame: int, at: int) -> bool:
    """Say whether the last pass over every component of a JPEG has begun."""
    components = data[frame + 9 : frame + 10] if frame else b""
    names = data[frame + 10 : frame + 10 + 3 * sum(components) : 3]
    left = {name: set(range(64)) for name in names}
    for _ in range(1000):
        if at < 0 or at + 5 > len(data):
            break
        count = data[at + 4]
        names = data[at + 5 : at + 5 + 2 * count : 2]
        rest = data[at + 5 + 2 * count : at + 8 + 2 * count]
        if len(rest) == 3 and rest[2] & 15 == 0:
            for name in names:
                left.get(name, set()).difference_update(range(rest[0], min(rest[1], 63) + 1))
        at = data.find(b"\xff\xda", at + 2)
    return bool(left) and not any(left.values())


def _mend_png(data: bytes) -> MendedFile | None:
    """Keep the chunks of a PNG that its pixels need, with right checksums; of an animation, one."""
    kept: list[tuple[bytes, bytes]] = []
    at, complete = len(_PNG_START), False
    for _ in range(_MOST_PARTS):
        if at + 8 > len(data):
            break
        length, name = struct.unpack_from(">I4s", data, at)
        if name in _PNG_NEEDED:
            kept.append((name, data[at + 8 : at + 8 + length]))
        complete |= name == b"IDAT" and at + 12 + length <= len(data)
        at += 12 + length
        if name == b"IEND":
            break
    if not kept or kept[0][0] != b"IHDR" or len(kept[0][1]) != 13:
        return None
    ends_early = kept[-1][0] != b"IEND"
    if ends_early:
        kept = _full_rows(kept)
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (*kept, (b"IEND", b""))
    ]
    return MendedFile(_PNG_START + b"".join(parts), ENDS_EARLY if ends_early else LEFT_OUT)


def _full_rows(chunks: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the chunks of a cut PNG as one of the rows that are there.

    Raises:
        PictureError: They are too few, or cannot be counted.
    """
    width, height, depth, colour, *_, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    row = 1 + (width * depth * _PNG_CHANNELS.get(colour, 4) + 7) // 8
    if interlaced or not 0 < row * height <= _MOST_RAW:
        raise PictureError(CUT_OFF)
    try:
        packed = b"".join(body for name, body in chunks if name == b"IDAT")
        raw = zlib.decompressobj().decompress(packed, row * height)
    except zlib.error:
        raise PictureError(CUT_OFF) from None
    rows = len(raw) // row
    if rows < (1 - MOST_MISSING) * height:
        raise PictureError(CUT_OFF)
    header = struct.pack(">II", width, rows) + chunks[0][1][8:]
    others = [one for one in chunks[1:] if one[0] not in (b"IDAT", b"IEND")]
    return [(b"IHDR", header), *others, (b"IDAT", zlib.compress(raw[: rows * row], 1))]


def _mend_webp(data: bytes) -> MendedFile | None:
    """Keep the chunks of a WebP that its pixels need, and set its length right."""
    kept, at = [], 12
    for _ in range(_MOST_PARTS):
        if at + 8 > len(data):
            break
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length
        if name in _WEBP_NEEDED and end <= len(data):
            body = bytearray(data[at:end] + b"\0" * (length % 2))
            if name == b"VP8X" and length:
                body[8] &= 0x12  # Without the flags of what is left out: profile, EXIF and XMP.
            kept.append(bytes(body))
        at = end + length % 2
    if not any(one[:4] in (b"VP8 ", b"VP8L", b"ANMF") for one in kept):
        return None
    whole = b"WEBP" + b"".join(kept)
    # EXIF stands after the pixels: a file that ends within it has lost nothing else.
    return MendedFile(b"RIFF" + struct.pack("<I", len(whole)) + whole, LEFT_OUT, 1)


def _mend_heif(data: bytes) -> MendedFile | None:
    """Hide the EXIF item of a HEIC or AVIF: its own boxes say how it is to be turned."""
    start = data[: 2**20]
    hidden = re.sub(rb"(infe[\2\3].{7,9}?)Exif", rb"\1hide", start, count=8, flags=re.DOTALL)
    return MendedFile(hidden + data[2**20 :], LEFT_OUT) if hidden != start else None
