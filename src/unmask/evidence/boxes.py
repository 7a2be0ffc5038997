"""Find the metadata of ISO base media (ISO/IEC 14496-12): MP4, MOV, HEIC, AVIF."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from unmask.evidence.parts import LARGEST_TEXT, MOST_BLOCKS, Bytes, Parts

_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
# A film in fragments has some boxes for each second.
_MOST_BOXES = 2**16


def read_boxes(data: Bytes) -> Parts:
    """Take a file of boxes apart; what lies between them, such as the film itself, is skipped."""
    parts = Parts("bmff")
    room = [_MOST_BOXES]
    for name, start, end in _boxes(data, 0, len(data), room):
        if name == b"uuid":
            _identified(parts, data, start, end)
        elif name == b"meta":
            _heif_items(parts, data, start, end, room)
        elif name == b"moov":
            for inner, inside, until in _boxes(data, start, end, room):
                if inner == b"udta":
                    _movie_texts(parts, data, inside, until, room)
                elif inner == b"uuid":
                    _identified(parts, data, inside, until)
                elif inner == b"meta":
                    _movie_keys(parts, data, inside, until, room)
    return parts


def _identified(parts: Parts, data: Bytes, start: int, end: int) -> None:
    """Take a box whose name is a UUID."""
    identity = data[start : start + 16]
    if identity == _C2PA_UUID:
        parts.has_c2pa = True
    elif identity == _XMP_UUID:
        parts.xmp.append(data[start + 16 : min(end, start + 16 + LARGEST_TEXT)])


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


def _movie_keys(parts: Parts, data: Bytes, start: int, end: int, room: list[int]) -> None:
    """Take QuickTime's list of texts by number, and the names of the numbers."""
    # Unlike in ISO media, this box has no version, so its first box starts at once.
    place = start if data[start + 4 : start + 8] == b"hdlr" else start + 4
    names: list[str] = []
    for name, inside, until in _boxes(data, place, end, room):
        if name == b"keys":
            for _, at, stop in _boxes(data, inside + 8, until, room):
                names.append(data[at:stop][:256].decode(errors="replace"))
        elif name == b"ilst":
            for number, at, stop in _boxes(data, inside, until, room):
                place = int.from_bytes(number) - 1
                key = names[place] if 0 <= place < len(names) else ""
                for inner, body, last in _boxes(data, at, stop, room):
                    if inner == b"data":
                        text = data[body + 8 : min(last, body + 8 + LARGEST_TEXT)]
                        parts.texts.append((key, text.decode(errors="replace")))


def _heif_items(parts: Parts, data: Bytes, start: int, end: int, room: list[int]) -> None:
    """Take the EXIF and XMP items of a HEIC or AVIF file by its item tables."""
    kinds: dict[int, bytes] = {}
    places: dict[int, tuple[int, int, bool]] = {}
    held = 0
    for name, inside, until in _boxes(data, start + 4, end, room):
        if name == b"iinf":
            kinds = _item_kinds(data, inside, until, room)
        elif name == b"iloc":
            places = _item_places(data, inside, until)
        elif name == b"idat":
            held = inside
    for item, kind in kinds.items():
        at, length, in_idat = places.get(item, (0, 0, False))
        at += held * in_idat
        if not at or not length:
            continue
        body = data[at : at + min(length, LARGEST_TEXT)]
        if kind == b"Exif" and len(body) > 4:
            (skip,) = struct.unpack_from(">I", body)
            parts.exif.append(body[4 + min(skip, 64) :].removeprefix(b"Exif\0\0"))
        elif kind == b"mime" and (b"xmpmeta" in body[:4096] or b"<rdf:RDF" in body[:4096]):
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


def _item_places(data: Bytes, start: int, end: int) -> dict[int, tuple[int, int, bool]]:
    """Read where items lie: start, length, and whether the start counts from the box ``idat``."""
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
        place += wide
        in_idat = bool(version) and body[place + 1 : place + 2] == b"\1"
        place += (2 if version else 0) + 2
        base = int.from_bytes(body[place : place + base_size])
        place += base_size
        extents = int.from_bytes(body[place : place + 2])
        place += 2
        first = place + index_size
        offset = int.from_bytes(body[first : first + offset_size])
        length = int.from_bytes(body[first + offset_size : first + offset_size + length_size])
        places[item] = (base + offset, length, in_idat)
        place += extents * (index_size + offset_size + length_size)
        if place >= len(body):
            break
    return places
