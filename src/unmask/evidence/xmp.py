"""Read XMP packets: RDF in XML, under limits and without ever following an entity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from xml.parsers import expat

from unmask.evidence.texts import decode_text

_LARGEST = 4 * 2**20
_DEEPEST = 64
_MOST_VALUES = 2000
_NAMES = {
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "stEvt",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/camera-raw-settings/1.0/": "crs",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://purl.org/dc/terms/": "dcterms",
}  # fmt: skip


class _StopError(Exception):
    """The packet is hostile or too large; what was read before counts."""


def read_xmp(packets: Iterable[bytes]) -> dict[str, list[str]]:
    """Flatten XMP packets.

    Nested structures are flattened: the software of each step of an edit history comes under
    ``stEvt:softwareAgent``, in order. Damaged packets give what stands before the damage.

    Returns:
        Values by qualified name with the usual prefix, such as ``xmp:CreatorTool``; a property of
        an unknown namespace keeps its local name alone.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for packet in packets:
        _read(_as_utf8(packet[:_LARGEST]), found)
    return dict(found)


def _as_utf8(packet: bytes) -> bytes:
    """Return a packet in UTF-8; the standard allows UTF-16 outside of pictures' own formats."""
    if b"<\0" in packet[:64] or b"\0<" in packet[:64]:
        return decode_text(packet).encode(errors="replace")
    return packet


def _read(packet: bytes, found: defaultdict[str, list[str]]) -> None:
    start = packet.find(b"<")
    if start < 0:
        return
    # What the packet says of its encoding is not followed: XMP in pictures is UTF-8.
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    path: list[str] = []
    count = 0

    def note(name: str, value: str) -> None:
        nonlocal count
        value = value.strip()
        if value and not name.startswith("rdf:"):
            count += 1
            if count > _MOST_VALUES:
                raise _StopError
            found[name].append(value)

    def begin(name: str, attributes: dict[str, str]) -> None:
        path.append(_qualified(name))
        if len(path) > _DEEPEST:
            raise _StopError
        for key, value in attributes.items():
            qualified = _qualified(key)
            if qualified == "rdf:resource":
                note(_property(path), value)
            else:
                note(qualified, value)

    def text(value: str) -> None:
        if path:
            note(_property(path), value)

    def refuse(*_: object) -> None:
        raise _StopError

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda name: path.pop()
    parser.CharacterDataHandler = text
    # Entities are declared in a document type, and XMP has none.
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(packet[start:].rstrip(b"\0 \r\n\t"), True)
    except (expat.ExpatError, _StopError, UnicodeError):
        return


def _property(path: list[str]) -> str:
    """Name of the property whose text this is: the nearest element that is no RDF container."""
    return next((name for name in reversed(path) if not name.startswith("rdf:")), "")


def _qualified(name: str) -> str:
    space, _, local = name.rpartition(" ")
    prefix = _NAMES.get(space)
    return f"{prefix}:{local}" if prefix else local
