"""Take a picture's file apart into its blocks of metadata, without decoding a pixel.

Every reader walks headers only, never trusts a length beyond the bytes that are there, looks at a
bounded number of blocks, and gives what it found up to the first damage.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

Bytes = bytes | mmap.mmap
"""A file in memory, or mapped into it."""
MOST_BLOCKS = 4096
LARGEST_TEXT = 4 * 2**20
"""A text or XMP block beyond so many bytes is cut: real workflows reach a megabyte."""
_LARGEST_ALL = 16 * 2**20
LARGEST_TIFF = 100 * 2**20
_XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@dataclass
class Parts:
    """A file's blocks of metadata.

    Attributes:
        kind: ``jpeg``, ``png``, ``webp``, ``gif``, ``tiff``, ``bmff`` (MP4, MOV, HEIC, AVIF) or
            ``other``.
        exif: TIFF-structured EXIF blocks.
        xmp: XMP packets.
        iptc: Photoshop image resources that hold IPTC fields.
        texts: PNG text chunks, as (keyword, text).
        comments: JPEG and GIF comments.
        has_c2pa: Whether there is a box of Content Credentials.
        has_adobe: Whether the JPEG carries Adobe's marker.
    """

    kind: str = "other"
    exif: list[bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    iptc: list[bytes] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    comments: list[bytes] = field(default_factory=list)
    has_c2pa: bool = False
    has_adobe: bool = False


def take_apart(data: Bytes) -> Parts:
    """Find the blocks of metadata of a file, told by its content."""
    for magic, reader in _READERS:
        if data[: len(magic)] == magic:
            return reader(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _bmff(data)
    return Parts()


def _jpeg(data: Bytes) -> Parts:
    parts = Parts("jpeg")
    more: list[bytes] = []
    for marker, body in _jpeg_segments(data):
        if marker == 0xE1 and body.startswith(b"Exif\0"):
            parts.exif.append(body[6:])
        elif marker == 0xE1 and body.startswith(_XMP_JPEG):
            parts.xmp.append(body[len(_XMP_JPEG) :])
        elif marker == 0xE1 and body.startswith(_XMP_MORE):
            # A GUID of 32 bytes, the full length and this part's offset precede the text.
            more.append(body[len(_XMP_MORE) + 40 :])
        elif marker == 0xED and body.startswith(b"Photoshop 3.0\0"):
            parts.iptc.append(body[14:])
        elif marker == 0xEB and body[:2] == b"JP" and b"c2pa" in body[:128]:
            parts.has_c2pa = True
        elif marker == 0xEE and body.startswith(b"Adobe"):
            parts.has_adobe = True
        elif marker == 0xFE:
            parts.comments.append(body)
    if more:
        parts.xmp.append(b"".join(more)[:LARGEST_TEXT])
    return parts


def _jpeg_segments(data: Bytes) -> Iterator[tuple[int, bytes]]:
    place = 2
    for _ in range(MOST_BLOCKS):
        if data[place : place + 1] != b"\xff":
            return
        # Any number of fill bytes may stand before a marker.
        while data[place + 1 : place + 2] == b"\xff":
            place += 1
        if place + 4 > len(data):
            return
        marker = data[place + 1]
        if marker in (0xD9, 0xDA):
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            place += 2
            continue
        (length,) = struct.unpack_from(">H", data, place + 2)
        yield marker, data[place + 4 : place + 2 + length]
        place += 2 + max(2, length)


def _png(data: Bytes) -> Parts:
    parts = Parts("png")
    place, room = 8, _LARGEST_ALL
    for _ in range(MOST_BLOCKS):
        if place + 8 > len(data):
            break
        length, name = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        if name == b"IEND":
            break
        if name in (b"tEXt", b"zTXt", b"iTXt") and room > 0:
            keyword, text = _png_text(name, body)
            room -= len(text)
            if keyword == "XML:com.adobe.xmp":
                parts.xmp.append(text.encode())
            elif keyword.startswith("Raw profile type"):
                _png_profile(parts, keyword, text)
            else:
                parts.texts.append((keyword, text))
        elif name == b"eXIf":
            parts.exif.append(body)
        elif name == b"caBX":
            parts.has_c2pa = True
        place += 12 + length
    return parts


def _png_text(name: bytes, body: bytes) -> tuple[str, str]:
    keyword, _, rest = body.partition(b"\0")
    key = keyword[:79].decode("latin-1")
    if name == b"tEXt":
        # The standard says Latin-1, but most front ends write UTF-8.
        text = rest[:LARGEST_TEXT]
        try:
            return key, text.decode()
        except UnicodeDecodeError:
            return key, text.decode("latin-1")
    if name == b"zTXt":
        return key, _inflate(rest[1:]).decode("latin-1")
    packed = rest[:1] == b"\1"
    _language, _, rest = rest[2:].partition(b"\0")
    _translated, _, rest = rest.partition(b"\0")
    return key, (_inflate(rest) if packed else rest[:LARGEST_TEXT]).decode(errors="replace")


def _inflate(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, LARGEST_TEXT)
    except zlib.error:
        return b""


def _png_profile(parts: Parts, keyword: str, text: str) -> None:
    """Take what ImageMagick stores as hexadecimal text: a name, a length, then the bytes."""
    fields = text.split(None, 2)
    if len(fields) < 3:
        return
    try:
        raw = bytes.fromhex("".join(fields[2].split()))
    except ValueError:
        return
    kind = keyword.rsplit(" ", 1)[-1].lower()
    if kind in ("exif", "app1"):
        is_xmp = raw.startswith(_XMP_JPEG)
        (parts.xmp if is_xmp else parts.exif).append(
            raw[len(_XMP_JPEG) :] if is_xmp else raw.removeprefix(b"Exif\0\0")
        )
    elif kind == "xmp":
        parts.xmp.append(raw)
    elif kind in ("iptc", "8bim"):
        parts.iptc.append(raw)


def _webp(data: Bytes) -> Parts:
    parts = Parts("webp")
    place = 12
    for _ in range(MOST_BLOCKS):
        if place + 8 > len(data):
            break
        name, length = struct.unpack_from("<4sI", data, place)
        if name == b"EXIF":
            body = data[place + 8 : place + 8 + length]
            parts.exif.append(body.removeprefix(b"Exif\0\0"))
        elif name == b"XMP ":
            parts.xmp.append(data[place + 8 : place + 8 + min(length, LARGEST_TEXT)])
        elif name == b"C2PA":
            parts.has_c2pa = True
        place += 8 + length + length % 2
    return parts


def _gif(data: Bytes) -> Parts:
    parts = Parts("gif")
    # Two bits of the packed field give the size of the global colour table.
    packed = data[10] if len(data) > 10 else 0
    place = 13 + (3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0)
    for _ in range(MOST_BLOCKS):
        block = data[place : place + 2]
        if block == b"!\xfe":
            place, body = _gif_blocks(data, place + 2)
            parts.comments.append(body)
        elif block == b"!\xff":
            name = data[place + 3 : place + 14]
            if name == b"XMP DataXMP":
                # The text stands plainly in the file, to be read as blocks only to skip it.
                start = place + 14
                end = data.find(b"\x01\xff\xfe", start, start + LARGEST_TEXT)
                parts.xmp.append(data[start : end if end > 0 else start])
            elif name.startswith(b"C2PA"):
                parts.has_c2pa = True
            place, _ = _gif_blocks(data, place + 2)
        elif block[:1] == b"!":
            place, _ = _gif_blocks(data, place + 2)
        elif block[:1] == b",":
            packed = data[place + 9] if place + 9 < len(data) else 0
            table = 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0
            place, _ = _gif_blocks(data, place + 11 + table)
        else:
            break
    return parts


def _gif_blocks(data: Bytes, place: int) -> tuple[int, bytes]:
    body = bytearray()
    while place < len(data) and data[place]:
        if len(body) < LARGEST_TEXT:
            body += data[place + 1 : place + 1 + data[place]]
        place += 1 + data[place]
    return place + 1, bytes(body)


def _tiff(data: Bytes) -> Parts:
    from unmask.evidence.exif import read_tiff

    parts = Parts("tiff", exif=[bytes(data[:LARGEST_TIFF])])
    blocks = read_tiff(data, {0x02BC: "xmp", 0x83BB: "iptc", 0xCD41: "c2pa"}, raw=True)
    if isinstance(packet := blocks.get("xmp"), bytes):
        parts.xmp.append(packet)
    if isinstance(fields := blocks.get("iptc"), bytes):
        parts.iptc.append(fields)
    parts.has_c2pa = "c2pa" in blocks
    return parts


def _bmff(data: Bytes) -> Parts:
    parts = Parts("bmff")
    room = [MOST_BLOCKS]
    for name, start, end in _boxes(data, 0, len(data), room):
        if name == b"uuid":
            identity = data[start : start + 16]
            if identity == _C2PA_UUID:
                parts.has_c2pa = True
            elif identity == _XMP_UUID:
                parts.xmp.append(data[start + 16 : min(end, start + 16 + LARGEST_TEXT)])
        elif name == b"meta":
            _heif_items(parts, data, start, end, room)
        elif name == b"moov":
            for inner, inside, until in _boxes(data, start, end, room):
                if inner == b"udta":
                    _movie_texts(parts, data, inside, until, room)
    return parts


def _boxes(data: Bytes, place: int, end: int, room: list[int]) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start of the body, end) of the boxes of ISO base media (ISO/IEC 14496-12)."""
    while place + 8 <= end and room[0] > 0:
        room[0] -= 1
        size, name = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1 and place + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, place + 8)
            head = 16
        until = end if size == 0 else min(end, place + size)
        if size and size < head:
            return
        yield name, place + head, until
        place = until


def _movie_texts(parts: Parts, data: Bytes, start: int, end: int, room: list[int]) -> None:
    """Take the texts of a movie's user data: QuickTime's own fields and iTunes-like lists."""
    for name, inside, until in _boxes(data, start, end, room):
        if name == b"meta":
            for inner, body, stop in _boxes(data, inside + 4, until, room):
                if inner == b"ilst":
                    _movie_list(parts, data, body, stop, room)
        elif name == b"XMP_":
            parts.xmp.append(data[inside : min(until, inside + LARGEST_TEXT)])
        elif name[:1] == b"\xa9":
            text = data[inside + 4 : min(until, inside + 4 + LARGEST_TEXT)]
            parts.texts.append((name[1:].decode("latin-1"), text.decode(errors="replace")))


def _movie_list(parts: Parts, data: Bytes, start: int, end: int, room: list[int]) -> None:
    for name, inside, until in _boxes(data, start, end, room):
        for inner, body, stop in _boxes(data, inside, until, room):
            if inner == b"data":
                text = data[body + 8 : min(stop, body + 8 + LARGEST_TEXT)]
                key = name.removeprefix(b"\xa9").decode("latin-1")
                parts.texts.append((key, text.decode(errors="replace")))


def _heif_items(parts: Parts, data: Bytes, start: int, end: int, room: list[int]) -> None:
    """Take the EXIF and XMP items of a HEIC or AVIF file by its item tables."""
    kinds: dict[int, bytes] = {}
    places: dict[int, tuple[int, int]] = {}
    for name, inside, until in _boxes(data, start + 4, end, room):
        if name == b"iinf":
            kinds = _item_kinds(data, inside, until, room)
        elif name == b"iloc":
            places = _item_places(data, inside, until)
    for item, kind in kinds.items():
        at, length = places.get(item, (0, 0))
        if not at:
            continue
        body = data[at : at + min(length, LARGEST_TEXT)]
        if kind == b"Exif" and len(body) > 4:
            (skip,) = struct.unpack_from(">I", body)
            parts.exif.append(body[4 + min(skip, 64) :].removeprefix(b"Exif\0\0"))
        elif kind == b"mime" and b"<x:xmpmeta" in body[:4096]:
            parts.xmp.append(body)


def _item_kinds(data: Bytes, start: int, end: int, room: list[int]) -> dict[int, bytes]:
    first = start + (6 if data[start : start + 1] == b"\0" else 8)
    kinds = {}
    for name, inside, until in _boxes(data, first, end, room):
        version = data[inside : inside + 1]
        if name == b"infe" and version in (b"\2", b"\3") and inside + 12 <= until:
            wide = version == b"\3"
            (item,) = struct.unpack_from(">I" if wide else ">H", data, inside + 4)
            at = inside + (10 if wide else 8)
            kinds[item] = data[at : at + 4]
    return kinds


def _item_places(data: Bytes, start: int, end: int) -> dict[int, tuple[int, int]]:
    """Read where items lie: the first extent of those that lie in the file itself."""
    body = data[start:end]
    if len(body) < 8:
        return {}
    version, sizes = body[0], body[4:6]
    offset_size, length_size = sizes[0] >> 4, sizes[0] & 15
    base_size, index_size = sizes[1] >> 4, sizes[1] & 15 if version else 0
    wide = 4 if version == 2 else 2
    count, place = int.from_bytes(body[6 : 6 + wide]), 6 + wide
    places = {}
    for _ in range(min(count, MOST_BLOCKS)):
        item = int.from_bytes(body[place : place + wide])
        place += wide + (2 if version else 0) + 2
        base = int.from_bytes(body[place : place + base_size])
        place += base_size
        extents = int.from_bytes(body[place : place + 2])
        place += 2
        first = place + index_size
        offset = int.from_bytes(body[first : first + offset_size])
        length = int.from_bytes(body[first + offset_size : first + offset_size + length_size])
        places[item] = (base + offset, length)
        place += extents * (index_size + offset_size + length_size)
        if place >= len(body):
            break
    return places


_READERS = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF8", _gif),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
)
