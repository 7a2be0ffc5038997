"""Hostile pictures, the same for the same seed: mutants, bombs and polyglots."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache

import pillow_heif
from PIL import Image

from pictures import encode, picture

pillow_heif.register_heif_opener()
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")


@cache
def seeds() -> tuple[bytes, ...]:
    """Return small good pictures of every format, some with metadata or several frames."""
    image = picture(120, 90, 3)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * 300
    found = [encode(image, kind) for kind in KINDS]
    found += [encode(image, kind, exif=exif) for kind in ("JPEG", "PNG", "WEBP")]
    found += [encode(image, kind, save_all=True, append_images=[picture(120, 90, 4)])
              for kind in ("GIF", "WEBP", "TIFF", "PNG")]  # fmt: skip
    found += [encode(image, "JPEG", progressive=True), encode(image.convert("P"), "PNG")]
    found += [encode(image, "TIFF", compression=kind) for kind in ("tiff_lzw", "jpeg")]
    return tuple(found)


def mutants(count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield pictures with bytes flipped, cut, repeated, inserted or swapped with another's."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(rng.choice(seeds()))
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            _mutate(data, rng)
        yield bytes(data)


def _mutate(data: bytearray, rng: random.Random) -> None:
    if not data:
        data.extend(rng.randbytes(8))
    # Headers are where the damage is interesting.
    place = rng.randrange(min(len(data), rng.choice((64, 512, len(data)))) or 1)
    match rng.randrange(7):
        case 0:
            data[place] ^= 1 << rng.randrange(8)
        case 1:
            data[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        case 2:
            data[place : place + 4] = rng.choice(
                (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\0\0\xff\xff")
            )
        case 3:
            del data[place + 1 :]
        case 4:
            data[place:place] = rng.randbytes(rng.randrange(1, 64))
        case 5:
            length = rng.randrange(1, 200)
            data[place:place] = data[place : place + length]
        case 6:
            other = rng.choice(seeds())
            start = rng.randrange(len(other))
            data[place : place + 50] = other[start : start + 50]


@cache
def bombs() -> dict[str, bytes]:
    """Return small files that promise or hold enormous pictures, one or more of each format."""
    jpeg = bytearray(encode(picture(), "JPEG"))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 65500, 65500)
    gif = bytearray(encode(picture(), "GIF"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    bmp = bytearray(encode(picture(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 100_000, 100_000)
    webp = bytearray(encode(picture(), "WEBP", lossless=True))
    webp[21:25] = struct.pack("<I", 0x3FFF | 0x3FFF << 14)
    animated = bytearray(encode(picture(), "WEBP", save_all=True, append_images=[picture(seed=1)]))
    at = animated.index(b"VP8X")
    animated[at + 12 : at + 18] = b"\xff\xff\x00\xff\xff\x00"
    found = {
        "jpeg header": bytes(jpeg), "gif header": bytes(gif), "bmp header": bytes(bmp),
        "webp header": bytes(webp), "webp canvas": bytes(animated),
        "png header": png(30_000, 30_000), "png zeros": png(7_900, 8_000),
        "png text": png(64, 64, text=60_000_000), "tiff header": tiff(60_000, 60_000),
        "tiff loop": tiff(64, 64, loop=True), "gif frames": many_frames(),
    }  # fmt: skip
    for kind in ("AVIF", "HEIF"):
        data = bytearray(encode(picture(), kind))
        at = data.index(b"ispe")
        data[at + 8 : at + 16] = struct.pack(">II", 65_000, 65_000)
        found[f"{kind.lower()} header"] = bytes(data)
    return found


def png(width: int, height: int, text: int = 0) -> bytes:
    """Return a PNG whose zeros, or whose compressed text, grow a thousandfold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    # No more than what a 64-megapixel picture has: a larger one is refused by its header.
    size = height * (1 + 3 * width) if width * height <= 64_000_000 else 1_000_000
    body = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    if text:
        body += chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(text), 1))
    return body + chunk(b"IDAT", zlib.compress(bytes(size), 1)) + chunk(b"IEND", b"")


def tiff(width: int, height: int, *, loop: bool = False) -> bytes:
    """Return a TIFF of a few bytes with a large size, or whose list of pages has no end."""
    size = width * height % 2**32
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
            (273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, size)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    directory = struct.pack("<H", len(tags)) + entries
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 8 if loop else 0)


def many_frames() -> bytes:
    """Return a GIF of many frames in few bytes."""
    frames = [Image.new("P", (600, 600), number % 2) for number in range(100)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:], optimize=False)


def polyglots() -> dict[str, bytes]:
    """Return files that are pictures and something else, or the reverse."""
    good = encode(picture(300, 200), "JPEG")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x.html", "<script>alert(1)</script>")
    html = b"<html><script>alert(1)</script></html>"
    comment = b"\xff\xfe" + struct.pack(">H", len(html) + 2) + html
    return {
        "jpeg and zip": good + archive.getvalue(),
        "jpeg with html": good[:2] + comment + good[2:],
        "gif that is a script": b"GIF89a=1;alert(1)//" + bytes(40),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "html": html,
        "pdf with jpeg": b"%PDF-1.7\n" + good,
        "zip": archive.getvalue(),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run showpage\n",
        "php": good + b"<?php system($_GET['x']); ?>",
        "elf": b"\x7fELF" + bytes(200),
        "two jpegs": good + good,
    }
