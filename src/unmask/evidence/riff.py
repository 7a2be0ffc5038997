"""Find the metadata of RIFF files: WebP and AVI."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from unmask.evidence.parts import LARGEST_TEXT, MOST_BLOCKS, Bytes, Parts


def read_webp(data: Bytes) -> Parts:
    """Take a WebP apart."""
    parts = Parts("webp")
    for name, start, end in _chunks(data, 12, len(data)):
        if name == b"EXIF":
            parts.exif.append(data[start:end].removeprefix(b"Exif\0\0"))
        elif name == b"XMP ":
            parts.xmp.append(data[start : min(end, start + LARGEST_TEXT)])
        elif name == b"C2PA":
            parts.has_c2pa = True
    return parts


def read_avi(data: Bytes) -> Parts:
    """Take an AVI apart; a long one is several RIFF chunks in a row (OpenDML)."""
    parts = Parts("avi")
    for form, start, end in _chunks(data, 0, len(data)):
        if form != b"RIFF":
            _avi_chunk(parts, data, form, start, end)
            continue
        for name, inside, until in _chunks(data, start + 4, end):
            _avi_chunk(parts, data, name, inside, until)
    return parts


def _avi_chunk(parts: Parts, data: Bytes, name: bytes, start: int, end: int) -> None:
    if name == b"C2PA":
        parts.has_c2pa = True
    elif name == b"_PMX":
        parts.xmp.append(data[start : min(end, start + LARGEST_TEXT)])
    elif name == b"LIST" and data[start : start + 4] == b"INFO":
        for key, inside, until in _chunks(data, start + 4, end):
            text = data[inside : min(until, inside + LARGEST_TEXT)]
            parts.texts.append((key.decode("latin-1"), text.rstrip(b"\0").decode(errors="replace")))


def _chunks(data: Bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start of the body, end) of the chunks in a part of the file."""
    for _ in range(MOST_BLOCKS):
        if place + 8 > end:
            return
        name, length = struct.unpack_from("<4sI", data, place)
        yield name, place + 8, min(end, place + 8 + length)
        place += 8 + length + length % 2
