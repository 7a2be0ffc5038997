"""Take a picture's file apart into its blocks of metadata, without decoding a pixel.

Every reader walks headers only, never trusts a length beyond the bytes that are there, looks at a
bounded number of blocks, and gives what it found up to the first damage.
"""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator

from unmask.evidence.boxes import read_boxes
from unmask.evidence.exif import read_tiff
from unmask.evidence.parts import LARGEST_TEXT, MOST_BLOCKS, Bytes, Parts
from unmask.evidence.riff import read_avi, read_webp

_LARGEST_ALL = 16 * 2**20
_XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"


def take_apart(data: Bytes) -> Parts:
    """Find the blocks of metadata of a file, told by its content."""
    for magic, reader in _READERS:
        if data[: len(magic)] == magic:
            return reader(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return read_webp(data)
    if data[:4] == b"RIFF" and data[8:12] in (b"AVI ", b"AVIX"):
        return read_avi(data)
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return read_boxes(data)
    return Parts()


def _jpeg(data: Bytes) -> Parts:
    parts = Parts("jpeg")
    extended: defaultdict[bytes, dict[int, bytes]] = defaultdict(dict)
    for marker, body in _jpeg_segments(data):
        if marker == 0xE1 and body.startswith(b"Exif\0"):
            parts.exif.append(body[6:])
        elif marker == 0xE1 and body.startswith(_XMP_JPEG):
            parts.xmp.append(body[len(_XMP_JPEG) :])
        elif marker == 0xE1 and body.startswith(_XMP_MORE):
            # A GUID of 32 bytes, the full length and this part's offset precede the text.
            head = body[len(_XMP_MORE) : len(_XMP_MORE) + 40]
            extended[head[:32]][int.from_bytes(head[36:])] = body[len(_XMP_MORE) + 40 :]
        elif marker == 0xED and body.startswith(b"Photoshop 3.0\0"):
            parts.iptc.append(body[14:])
        elif marker == 0xEB and body[:2] == b"JP" and b"c2pa" in body[:128]:
            parts.has_c2pa = True
        elif marker == 0xEE and body.startswith(b"Adobe"):
            parts.has_adobe = True
        elif marker == 0xFE:
            parts.comments.append(body)
    # The parts may stand in any order, and several packets may be extended.
    for pieces in extended.values():
        parts.xmp.append(b"".join(pieces[at] for at in sorted(pieces))[:LARGEST_TEXT])
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
    parts = Parts("tiff", exif=[data])
    blocks = read_tiff(data, {0x02BC: "xmp", 0x83BB: "iptc", 0xCD41: "c2pa"}, raw=True)
    if isinstance(packet := blocks.get("xmp"), bytes):
        parts.xmp.append(packet)
    if isinstance(fields := blocks.get("iptc"), bytes):
        parts.iptc.append(fields)
    parts.has_c2pa = "c2pa" in blocks
    return parts


_READERS = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF8", _gif),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
)
