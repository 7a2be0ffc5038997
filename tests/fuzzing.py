"""Seeded mutations of files with metadata, for the test and for bench/fuzz.py."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from PIL.PngImagePlugin import PngInfo
from pillow_heif import register_heif_opener

from pictures import encode, picture
from unmask.evidence.exif import read_exif, user_comment
from unmask.evidence.inspect import inspect_bytes
from unmask.evidence.iptc import read_iptc
from unmask.evidence.xmp import read_xmp
from unmask.picture.decode import Limits, decode_picture
from unmask.picture.errors import PictureError

PACKET = (
    b'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" e:DigitalSourceType="digitalCapture">'
    b"<e:a><rdf:Seq><rdf:li>one</rdf:li></rdf:Seq></e:a></rdf:Description></rdf:RDF></x:xmpmeta>"
)
RECORD = b"\x1c\x02\x6e\x00\x04Acme\x1c\x02\x78\x00\x03cat"
RESOURCE = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(RECORD)) + RECORD


def exif_block() -> bytes:
    thumbnail = encode(picture(32, 32))
    body = struct.pack("<HHHII", 2, 0x010F, 2, 5, 60) + struct.pack("<HHII", 0x8769, 4, 1, 70)
    body += struct.pack("<I", 110)
    block = (b"II*\0" + struct.pack("<I", 8) + body).ljust(60, b"\0") + b"Acme\0"
    block = block.ljust(70, b"\0") + struct.pack("<HHHII", 1, 0x9286, 7, 12, 90)
    block = block.ljust(90, b"\0") + b"ASCII\0\0\0text"
    block = block.ljust(110, b"\0") + struct.pack("<HHHII", 2, 0x0201, 4, 1, 140)
    block += struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail)) + struct.pack("<I", 0)
    return block.ljust(140, b"\0") + thumbnail


def seeds() -> dict[str, list[bytes]]:
    """Return small whole files with all kinds of metadata, and bare blocks, by parser."""
    info = PngInfo()
    info.add_text("parameters", "a\nSteps: 2, Sampler: x, Seed: 1", zip=True)
    info.add_text("prompt", '{"1": {"class_type": "K", "inputs": {}}}')
    info.add_itxt("Description", "café", zip=True)
    exif, image = exif_block(), picture(40, 32)
    jpeg = encode(image, exif=b"Exif\0\0" + exif, xmp=PACKET, comment=b"hello")
    body = b"Photoshop 3.0\0" + RESOURCE
    jpeg = jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
    files = [
        jpeg,
        encode(image, "PNG", pnginfo=info, exif=exif),
        encode(image, "WEBP", exif=exif, xmp=PACKET),
        encode(image, "GIF", comment=b"hello"),
        encode(image, "TIFF"),
        encode(image, "AVIF", exif=exif, xmp=PACKET),
        encode(image.convert("RGBA"), "PNG", compress_level=0),
        encode(image.convert("RGBA"), "WEBP", lossless=True),
        avi(exif),
        film(),
    ]
    return {
        "container": files,
        "exif": [exif],
        "xmp": [PACKET],
        "iptc": [RESOURCE, RECORD],
        "picture": [*files, *picture_seeds(exif)],
    }


def picture_seeds(exif: bytes) -> list[bytes]:
    """Return files that reach the rest of what decodes pictures: raws, giants, what is mended."""
    image, second = picture(40, 32), picture(40, 32, seed=1)
    register_heif_opener()
    large = encode(picture(1600, 64), quality=20)
    moving = {"save_all": True, "append_images": [second]}
    return [
        encode(image, "HEIF", exif=exif),
        encode(image, "HEIF", **moving),
        encode(image, "PNG", **moving),
        encode(image, "GIF", **moving),
        encode(image, "WEBP", **moving),
        encode(image, "TIFF", **moving),
        encode(image, "MPO", **moving),
        encode(image, "BMP"),
        encode(image, "TIFF", compression="tiff_lzw"),
        encode(image.convert("L").convert("I"), "TIFF"),
        encode(image.convert("L").convert("F"), "TIFF"),
        encode(image, progressive=True)[:-2],
        encode(image.convert("CMYK"))[:-9],
        encode(image, "PNG")[:-30],
        encode(image, "PNG", exif=b"Exif\0\0garbage"),
        b"IIRO" + exif[4:] + large,
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + b"CMT1" + exif + large,
    ]


def decode_small(data: bytes) -> None:
    """Decode a picture under a small limit, to pixels or to a sentence."""
    with suppress(PictureError):
        decode_picture(data, Limits(max_pixels=4_000_000))


def avi(exif: bytes) -> bytes:
    """Return the chunks of an AVI with texts, a packet and an empty credential."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    info = chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"Sora 2") + chunk(b"ICMT", exif))
    body = info + chunk(b"LIST", b"movi") + chunk(b"_PMX", PACKET)
    return chunk(b"RIFF", b"AVI " + body) + chunk(b"RIFF", b"AVIX" + chunk(b"JUNK", b"x"))


def film() -> bytes:
    """Return the boxes of a film with texts and packets."""

    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body) + 8) + name + body

    keys = box(b"keys", b"\0\0\0\0\0\0\0\1" + box(b"mdta", b"com.apple.quicktime.software"))
    texts = box(b"ilst", box(b"\0\0\0\1", box(b"data", b"\0\0\0\1\0\0\0\0Sora 2")))
    meta = box(b"meta", box(b"hdlr", b"\0" * 24) + keys + texts)
    packet = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + PACKET)
    user = box(b"udta", box(b"XMP_", PACKET) + box(b"\xa9too", b"\0\6\0\0Sora 2"))
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", meta + user + packet) + packet


PARSERS: dict[str, Callable[[bytes], object]] = {
    "container": inspect_bytes,
    "exif": lambda data: user_comment(read_exif([data]).fields.get("UserComment", "")),
    "xmp": lambda data: read_xmp([data]),
    "iptc": lambda data: read_iptc([data]),
    "picture": decode_small,
}


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, overwrite, cut, double, insert or set extreme numbers, one to eight times."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        if not out:
            break
        at = int(rng.integers(len(out)))
        kind = rng.integers(6)
        if kind == 0:
            out[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            out[at] = int(rng.integers(256))
        elif kind == 2:
            del out[at : at + int(rng.integers(1, 64))]
        elif kind == 3:
            length = int(rng.integers(1, 256))
            out[at:at] = out[at : at + length]
        elif kind == 4:
            out[at:at] = rng.bytes(int(rng.integers(1, 32)))
        else:
            number = rng.choice(np.array([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1]))
            out[at : at + 4] = struct.pack(">I" if rng.integers(2) else "<I", int(number))
        if rng.integers(50) == 0:
            del out[int(rng.integers(len(out) or 1)) :]
    return bytes(out)


def cases(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    """Return ``count`` (parser, bytes) cases, the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    pool = [
        (name, data, weight)
        for name, files in seeds().items()
        for data in files
        for weight in [3 if name == "container" else 1]
    ]
    weights = np.array([weight for *_, weight in pool], dtype=float)
    chosen = rng.choice(len(pool), size=count, p=weights / weights.sum())
    return [(pool[place][0], mutate(pool[place][1], rng)) for place in chosen]
