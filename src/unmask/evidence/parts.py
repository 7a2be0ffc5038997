"""What a file's blocks of metadata are taken into, and how much of them is read."""

from __future__ import annotations

import io
import mmap
from dataclasses import dataclass, field
from typing import BinaryIO, cast

Bytes = bytes | mmap.mmap
"""A file in memory, or mapped into it."""
MOST_BLOCKS = 4096
LARGEST_TEXT = 4 * 2**20
"""A text or XMP block beyond so many bytes is cut: real workflows reach a megabyte."""


@dataclass
class Parts:
    """A file's blocks of metadata.

    Attributes:
        kind: ``jpeg``, ``png``, ``webp``, ``gif``, ``tiff``, ``bmff`` (MP4, MOV, HEIC, AVIF),
            ``avi`` or ``other``.
        exif: TIFF-structured EXIF blocks.
        xmp: XMP packets.
        iptc: Photoshop image resources that hold IPTC fields.
        texts: PNG text chunks, as (keyword, text).
        comments: JPEG and GIF comments.
        has_c2pa: Whether there is a box of Content Credentials.
        has_adobe: Whether the JPEG carries Adobe's marker.
    """

    kind: str = "other"
    exif: list[Bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    iptc: list[bytes] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    comments: list[bytes] = field(default_factory=list)
    has_c2pa: bool = False
    has_adobe: bool = False


def as_stream(data: Bytes) -> BinaryIO:
    """Return a file as a stream at its beginning; what is mapped into memory is not copied."""
    if isinstance(data, bytes):
        return io.BytesIO(data)
    data.seek(0)
    return cast(BinaryIO, data)
