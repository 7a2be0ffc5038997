"""Write the marks that generators write: open watermarks, hidden texts, signs in a corner."""

from __future__ import annotations

import gzip

import numpy as np
from numpy.typing import NDArray

from unmask.evidence.visible_marks import _BAR_COLOURS, _star
from unmask.evidence.watermark import _FLOATS, MESSAGES

Pixels = NDArray[np.uint8]


def watermarked(pixels: Pixels, number: int) -> Pixels:
    """Return RGB pixels with a message of `MESSAGES`, as the package invisible-watermark writes it.

    It is written out block by block and step by step as that package does it, its exchange of the
    two middle bands on the way back included, so that it shares nothing with the decoder.
    """
    message = MESSAGES[number]
    floats = message.offset == _FLOATS
    rgb = pixels.astype(np.float64)
    blue, green, red = (rgb[..., at] for at in ((0, 1, 2) if message.swapped else (2, 1, 0)))
    offset = 0.5 if floats else 128.0
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = 0.492 * (blue - light) + offset, 0.877 * (red - light) + offset
    if not floats:
        light, u, v = (np.clip(np.rint(one), 0, 255) for one in (light, u, v))
    height, width = pixels.shape[0] // 4 * 4, pixels.shape[1] // 4 * 4
    a, b, c, d = (u[y:height:2, x:width:2].copy() for y in (0, 1) for x in (0, 1))
    low, rows, columns, last = (a + b + c + d) / 2, a + b - c - d, a - b + c - d, a - b - c + d
    block = 0
    for top in range(0, low.shape[0] // 4 * 4, 4):
        for left in range(0, low.shape[1] // 4 * 4, 4):
            cell = low[top : top + 4, left : left + 4]
            place = np.unravel_index(np.argmax(np.abs(cell.ravel()[1:])) + 1, (4, 4))
            value, bit = cell[place], message.bits[block % len(message.bits)]
            cell[place] = np.copysign((abs(value) // 36 + 0.25 + 0.5 * bit) * 36, value)
            block += 1
    rows, columns = columns / 2, rows / 2
    last = last / 2
    back = np.empty((height, width))
    back[0::2, 0::2] = (low + rows + columns + last) / 2
    back[0::2, 1::2] = (low + rows - columns - last) / 2
    back[1::2, 0::2] = (low - rows + columns - last) / 2
    back[1::2, 1::2] = (low - rows - columns + last) / 2
    # Into an array of bytes numbers are cut off, not rounded.
    u[:height, :width] = back if floats else np.clip(np.floor(back), 0, 255)
    u, v = u - offset, v - offset
    channels = [light + 1.140 * v, light - 0.395 * u - 0.581 * v, light + 2.032 * u]
    out = np.clip(np.rint(np.stack(channels, -1)), 0, 255).astype(np.uint8)
    return out[..., ::-1] if message.swapped else out


def with_hidden_text(pixels: Pixels, text: str, kind: str) -> Pixels:
    """Return pixels with a text in the lowest bits; ``kind`` is the signature, as 'pngcomp'."""
    body = gzip.compress(text.encode()) if kind.endswith("comp") else text.encode()
    data = f"stealth_{kind}".encode() + (8 * len(body)).to_bytes(4) + body
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    out = pixels.copy()
    channels = out[..., 3:] if kind.startswith("png") else out[..., :3]
    lines = channels.transpose(1, 0, 2).reshape(-1)
    lines[: len(bits)] = lines[: len(bits)] & 254 | bits
    channels[:] = lines.reshape(channels.shape[1], channels.shape[0], -1).transpose(1, 0, 2)
    return out


def with_sparkle(pixels: Pixels, width: int) -> Pixels:
    """Return pixels with a half-transparent white star in its place."""
    star = 0.6 * _star(width)[..., None]
    side = len(star)
    top, left = (round(edge - 7 / 6 * width - side / 2) for edge in pixels.shape[:2])
    out = pixels.astype(np.float64)
    place = out[top : top + side, left : left + side]
    place[:] = place * (1 - star) + 255 * star
    return out.astype(np.uint8)


def with_colour_bar(pixels: Pixels) -> Pixels:
    """Return pixels with DALL-E 2's bar."""
    out, side = pixels.copy(), pixels.shape[1] // 64
    for number, colour in enumerate(_BAR_COLOURS):
        left = pixels.shape[1] - side * (5 - number)
        out[-side:, left : left + side] = colour
    return out
