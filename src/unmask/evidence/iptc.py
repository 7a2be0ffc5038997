"""Read IPTC fields (IIM 4.2) from Photoshop's image resources."""

from __future__ import annotations

import struct
from collections import defaultdict

_FIELDS = {
    5: "ObjectName", 25: "Keywords", 40: "SpecialInstructions", 65: "OriginatingProgram",
    70: "ProgramVersion", 80: "Byline", 105: "Headline", 110: "Credit", 115: "Source",
    116: "CopyrightNotice", 120: "Caption",
}  # fmt: skip
_MOST = 1000


def read_iptc(blocks: list[bytes]) -> dict[str, str]:
    """Return the text fields of IPTC blocks by name; damaged parts are left out."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for block in blocks[:8]:
        for name, value in _datasets(_record(block)):
            found[name].append(value.decode(errors="replace"))
    return {name: "; ".join(texts) for name, texts in found.items()}


def _record(block: bytes) -> bytes:
    """Return the IPTC record: the resource 0x0404, or the block itself where it is bare."""
    place = 0
    for _ in range(_MOST):
        if block[place : place + 4] != b"8BIM" or place + 12 > len(block):
            break
        (kind,) = struct.unpack_from(">H", block, place + 4)
        name = block[place + 6] + 1
        place += 6 + name + name % 2
        if place + 4 > len(block):
            break
        (size,) = struct.unpack_from(">I", block, place)
        if kind == 0x0404:
            return block[place + 4 : place + 4 + size]
        place += 4 + size + size % 2
    return block if block[:1] == b"\x1c" else b""


def _datasets(record: bytes) -> list[tuple[str, bytes]]:
    found = []
    place = 0
    for _ in range(_MOST):
        if record[place : place + 1] != b"\x1c" or place + 5 > len(record):
            break
        number, field, size = struct.unpack_from(">BBH", record, place + 1)
        if size & 0x8000:
            # An extended length: longer than any text that names a source.
            break
        if number == 2 and field in _FIELDS:
            found.append((_FIELDS[field], record[place + 5 : place + 5 + size]))
        place += 5 + size
    return found
