"""Read the text that some generators hide in the lowest bits of a picture's alpha or colours.

NovelAI writes its settings so, and an extension of Stable Diffusion's web UI does: a signature, the
length in bits, then the text, perhaps as gzip, one bit a pixel down the columns of alpha, or three
bits a pixel in RGB. Only a picture without loss keeps it. The signature is looked for in the first
column, for which a PNG need not be decoded; a match of 120 bits is no chance.
"""

from __future__ import annotations

import struct
import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.evidence.finding import Finding
from unmask.evidence.parts import LARGEST_TEXT, Bytes, as_stream
from unmask.evidence.prompts import read_text
from unmask.picture.decode import FORMATS, Limits
from unmask.picture.limits import FULL_PIXELS

_SIGNATURES: dict[bytes, tuple[Literal["A", "RGB"], bool]] = {
    b"stealth_pnginfo": ("A", False),
    b"stealth_pngcomp": ("A", True),
    b"stealth_rgbinfo": ("RGB", False),
    b"stealth_rgbcomp": ("RGB", True),
}
_SIGNED = 15
_HEAD = _SIGNED + 4
_ROWS = 8 * _SIGNED
_PNG_CHANNELS = {2: 3, 6: 4}
_MOST_CHUNKS = 4096


def read_stealth(data: Bytes, limits: Limits) -> Finding | None:
    """Look for hidden text in a PNG or a lossless WebP, and for a prompt in it."""
    if not _may_hide(data):
        return None
    try:
        with Image.open(as_stream(data), formats=FORMATS) as image:
            if image.width * image.height > min(limits.max_pixels, FULL_PIXELS):
                return None
            found = _hidden(np.asarray(image.convert("RGBA")))
    except Exception:  # Damaged pixels are the detector's to report.
        return None
    return read_text("hidden text", found, "watermark") if found else None


def _may_hide(data: Bytes) -> bool:
    """Whether the first pixels, as far as they are had without decoding, allow for a signature."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png_signed(data)
    # A lossless WebP with alpha: its bits are compressed together, so it has to be decoded.
    return (
        data[:4] == b"RIFF"
        and data[8:16] == b"WEBPVP8L"
        and len(data) > 25
        and bool(data[24] & 0x10)
    )


def _png_signed(data: Bytes) -> bool:
    if len(data) < 33:
        return False
    width, height, depth, kind, _, _, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    channels = _PNG_CHANNELS.get(kind)
    if depth != 8 or channels is None or interlace or not 0 < width <= 2**16:
        return False
    rows, stride = min(height, _ROWS), 1 + channels * width
    raw = _inflate_rows(data, rows * stride)
    if len(raw) < rows * stride:
        return False
    lines = np.frombuffer(raw, np.uint8, rows * stride).reshape(rows, stride)
    column = _first_column(lines[:, 0], lines[:, 1 : 1 + channels])
    bits = column & 1
    hidden = [bits[:, :3].ravel()] + ([bits[:, 3]] if channels == 4 else [])
    if height < _ROWS:
        # The signature goes on in the next columns; its beginning has to do.
        return any(_begins(one) for one in hidden)
    return any(np.packbits(one)[:_SIGNED].tobytes() in _SIGNATURES for one in hidden)


def _begins(bits: NDArray[np.uint8]) -> bool:
    whole = np.packbits(bits[: min(len(bits) // 8, _SIGNED) * 8]).tobytes()
    return len(whole) > 0 and any(name.startswith(whole) for name in _SIGNATURES)


def _inflate_rows(data: Bytes, wanted: int) -> bytes:
    """Return the beginning of a PNG's filtered rows."""
    unpack = zlib.decompressobj()
    out = bytearray()
    place = 8
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(data) or len(out) >= wanted:
            break
        length, name = struct.unpack_from(">I4s", data, place)
        if name == b"IEND":
            break
        if name == b"IDAT":
            try:
                # A chunk may be the whole picture; a part of it holds the first rows.
                for start in range(place + 8, min(place + 8 + length, len(data)), 2**16):
                    piece = data[start : min(start + 2**16, place + 8 + length)]
                    out += unpack.decompress(piece, wanted - len(out))
                    if len(out) >= wanted or unpack.unconsumed_tail:
                        break
            except zlib.error:
                break
        place += 12 + length
    return bytes(out)


def _first_column(filters: NDArray[np.uint8], values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo a PNG's filters in the first column, where the pixel above is all they know of."""
    column = values.astype(np.int64)
    for row in range(1, len(column)):
        if filters[row] in (2, 4):
            column[row] += column[row - 1]
        elif filters[row] == 3:
            column[row] += column[row - 1] // 2
        column[row] &= 255
    return column.astype(np.uint8)


def _hidden(pixels: NDArray[np.uint8]) -> str:
    """Return the hidden text of RGBA pixels; empty where there is none."""
    columns = pixels.transpose(1, 0, 2).reshape(-1, 4)
    for channel in ("A", "RGB"):
        per_pixel = 1 if channel == "A" else 3
        values = columns[:, 3:] if channel == "A" else columns[:, :3]
        head = _bytes(values[: -(-8 * _HEAD // per_pixel)], 0, _HEAD)
        known = _SIGNATURES.get(head[:_SIGNED])
        if known is None or known[0] != channel or len(head) < _HEAD:
            continue
        length = int.from_bytes(head[_SIGNED:]) // 8
        if not 0 < length <= LARGEST_TEXT:
            return ""
        end = -(-8 * (_HEAD + length) // per_pixel)
        body = _bytes(values[:end], _HEAD, _HEAD + length)
        if known[1]:
            body = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, LARGEST_TEXT)
        return body.decode(errors="replace")
    return ""


def _bytes(values: NDArray[np.uint8], start: int, end: int) -> bytes:
    """Return the bytes ``start`` to ``end`` of the lowest bits, in order."""
    return np.packbits(values.ravel() & 1).tobytes()[start:end]
