"""Decode the invisible watermarks that open code bases of diffusion models write by default.

Stable Diffusion's and FLUX's own scripts, and diffusers for SDXL, call the package
`invisible-watermark` with its method ``dwtDct``. It goes over the blocks of 4 x 4 of the low band
of a Haar wavelet of the chroma channel U (8 x 8 pixels each), and moves the largest coefficient of
each into the quarter of a step of 36 that stands for the block's bit; the message repeats along the
blocks. All that is needed to read it is linear, so that it is done here in numpy.

A message counts by the correlation of the mean bit of each of its places with the message itself.
It survives no resizing, cropping or strong compression: that none is found means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.evidence.finding import Finding
from unmask.picture.decode import Pixels

_STEP = 36.0
_BLOCK = 8
_SMALLEST_AREA = 256 * 256
_MOST_BLOCKS = 6144
"""Of a large picture so many blocks are read, in rows over its whole height."""
# OpenCV's chroma channel U by red, green and blue; the low band is the sum of four pixels, halved.
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114
_CHROMA = (
    0.5 * 0.492 * np.array([[-_RED, 1 - _BLUE], [-_GREEN, -_GREEN], [1 - _BLUE, -_RED]])
).astype(np.float32)
"""As it is, and with red and blue mixed up."""
# The channel is offset by 128 where bytes are written, and by 0.5 where floating-point numbers are.
_BYTES, _FLOATS = 2 * 128.0, 2 * 0.5
# So high a correlation is a mark, by the bits of the message up to which it holds. The long ones
# are ASCII, whose every eighth bit is alike: a picture that repeats every eight blocks reaches .56.
_MATCH_NEEDED = ((32, 0.9), (48, 0.8), (256, 0.65))


@dataclass(frozen=True)
class _Message:
    """A message that a code base writes.

    Attributes:
        maker: Whose it is.
        bits: The message.
        offset: What the low band is offset by when it is written.
        swapped: Whether red and blue are mixed up when it is written.
    """

    maker: str
    bits: tuple[int, ...]
    offset: float
    swapped: bool = False

    @property
    def needed(self) -> float:
        """So high a correlation is a mark; recipes/watermarks/watermarks.py measures chance."""
        return next(needed for most, needed in _MATCH_NEEDED if len(self.bits) <= most)


def _of_bytes(text: str) -> tuple[int, ...]:
    return tuple(np.unpackbits(np.frombuffer(text.encode(), np.uint8)).tolist())


def _of_number(number: int) -> tuple[int, ...]:
    # As the scripts do it: leading zeros are lost, which makes FLUX's 48 bits 46.
    return tuple(int(bit) for bit in f"{number:b}")


_SDXL = _of_number(0b101100111110110010010000011110111011000110011110)
_FLUX = _of_number(0b001010101111111010000111100111001111010100101110)
MESSAGES = (
    _Message("Stable Diffusion 1", _of_bytes("StableDiffusionV1"), _BYTES),
    _Message("Stable Diffusion 1 (inpainting)", _of_bytes("StableDiffusionV1-Inpainting"), _BYTES),
    _Message("Stable Diffusion 2", _of_bytes("SDV2"), _BYTES),
    _Message("Stable Diffusion XL", _SDXL, _FLOATS),
    # diffusers gave RGB for BGR until version 0.27.
    _Message("Stable Diffusion XL (diffusers)", _SDXL, _FLOATS, swapped=True),
    _Message("Stable Diffusion XL", _SDXL, _BYTES),
    _Message("FLUX.1", _FLUX, _FLOATS),
    _Message("FLUX.1", _FLUX, _BYTES),
)


def read_watermark(pixels: Pixels) -> Finding | None:
    """Look for a known watermark.

    Args:
        pixels: uint8 RGB, shape (height, width, 3), of the picture as it is in the file.
    """
    found = [
        (score, message)
        for score, message in zip(match_messages(pixels), MESSAGES, strict=False)
        if score >= message.needed
    ]
    if not found:
        return None
    score, message = max(found, key=lambda one: one[0])
    return Finding(
        "watermark.open",
        "watermark",
        "ai",
        "strong",
        f"The pixels carry the invisible watermark that the code of {message.maker} writes into "
        "its pictures (DWT-DCT). Anyone with the same code could have written it there.",
        {"maker": message.maker, "bits": str(len(message.bits)), "match": f"{score:.2f}"},
    )


def match_messages(pixels: Pixels) -> list[float]:
    """Return the correlation with each of `MESSAGES`, in [-1, 1]; empty for a small picture."""
    if pixels.shape[0] * pixels.shape[1] < _SMALLEST_AREA or min(pixels.shape[:2]) < _BLOCK:
        return []
    band, numbers = _low_band(pixels)
    # Written as bytes, as numbers, and as numbers with red and blue mixed up.
    bits = {
        (offset, swapped): _block_bits(band[..., int(swapped)], offset)
        for offset, swapped in {(one.offset, one.swapped) for one in MESSAGES}
    }
    scores = []
    for message in MESSAGES:
        means = mean_bits(bits[message.offset, message.swapped], numbers, len(message.bits))
        scores.append(_correlation(means, np.array(message.bits, dtype=np.float64)))
    return scores


def mean_bits_of(pixels: Pixels, length: int) -> list[NDArray[np.float64]]:
    """Return the mean bits of a picture for a length, for each way in which marks are written."""
    band, numbers = _low_band(pixels)
    ways = ((_BYTES, False), (_FLOATS, False), (_FLOATS, True))
    return [
        mean_bits(_block_bits(band[..., int(swapped)], offset), numbers, length)
        for offset, swapped in ways
    ]


def mean_bits(
    bits: NDArray[np.bool_], numbers: NDArray[np.int64], length: int
) -> NDArray[np.float64]:
    """Return the mean bit of each place of a message of this length, shape (length,)."""
    places = numbers % length
    counts = np.bincount(places, minlength=length)
    return np.asarray(np.bincount(places, bits, minlength=length) / np.maximum(counts, 1))


def _low_band(pixels: Pixels) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the low band of the chroma, as it is and with red and blue mixed up, and its blocks.

    Returns:
        The band, shape (blocks, 16, 2), without any offset; and the number of each block.
    """
    rows, columns = pixels.shape[0] // _BLOCK, pixels.shape[1] // _BLOCK
    chosen = np.arange(rows)
    if rows * columns > _MOST_BLOCKS:
        chosen = np.unique(np.linspace(0, rows - 1, max(1, _MOST_BLOCKS // columns)).astype(int))
    cut = pixels[: rows * _BLOCK, : columns * _BLOCK]
    lines = cut.reshape(rows, _BLOCK, columns * _BLOCK, 3)[chosen]
    sums = np.add(lines[:, 0::2], lines[:, 1::2], dtype=np.uint16).reshape(-1, 2, 3)
    sums = (sums[:, 0] + sums[:, 1]).astype(np.float32)
    band = (sums @ _CHROMA).reshape(len(chosen), 4, columns, 4, 2).transpose(0, 2, 1, 3, 4)
    numbers = (chosen[:, None] * columns + np.arange(columns)).ravel()
    return band.reshape(-1, 16, 2), numbers


def _block_bits(band: NDArray[np.float32], offset: float) -> NDArray[np.bool_]:
    """Return the bit of each block: the half of its step in which its largest coefficient lies."""
    largest = np.abs(band[:, 1:] + np.float32(offset)).max(1)
    return np.asarray(largest % _STEP > _STEP / 2)


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size > 0 else 0.0
