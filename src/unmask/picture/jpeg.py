"""How a JPEG was saved: its quantisation tables and chroma subsampling, read without decoding."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

# ITU-T T.81 (1992), annex K, tables K.1 and K.2, in rows.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *(99,) * 32,
)  # fmt: skip
_SUBSAMPLINGS = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0"}


@dataclass(frozen=True, slots=True)
class JpegCoding:
    """How a JPEG was saved.

    Attributes:
        quality: The quality, 1-100, whose tables in libjpeg's scale come nearest.
        subsampling: ``4:4:4``, ``4:2:2``, ``4:2:0``, ``4:4:0``, ``grey`` or ``other``.
        tables: Identity of the quantisation tables: two files with the same one were saved by the
            same encoder at the same setting, or by encoders that agree.
    """

    quality: int
    subsampling: str
    tables: str


def read_coding(image: Image.Image) -> JpegCoding | None:
    """Read how an opened image was saved; None where it is no JPEG or names no usable table."""
    if not isinstance(image, JpegImageFile):
        return None
    components: list[tuple[int, int, int, int]] = image.layer
    tables = _tables_of(components, image.quantization)
    if not tables:
        return None
    return JpegCoding(
        quality=estimate_quality(tables),
        subsampling=_subsampling(components),
        tables=hashlib.sha256(np.array(tables, dtype="<u2").tobytes()).hexdigest()[:8],
    )


def is_libjpeg(image: Image.Image) -> bool:
    """Say whether an opened JPEG has exactly the tables of libjpeg at some quality."""
    if not isinstance(image, JpegImageFile):
        return False
    tables = _tables_of(image.layer, image.quantization)
    given = np.array([value for table in tables for value in table])
    return bool(tables) and bool((libjpeg_tables()[:, : given.size] == given).all(axis=1).any())


def estimate_quality(tables: Sequence[Sequence[int]]) -> int:
    """Return the libjpeg quality whose tables differ least from the given ones.

    Args:
        tables: The luminance table and, in a colour picture, the chrominance table, of 64 values
            each, in rows (not in zigzag order).

    Returns:
        1-100. Encoders with scales of their own (cameras, Photoshop) get the nearest value.
    """
    given = np.concatenate([np.asarray(table, dtype=np.int64) for table in tables[:2]])
    distances = np.abs(libjpeg_tables()[:, : given.size] - given).sum(axis=1)
    return int(np.argmin(distances)) + 1


@cache
def libjpeg_tables() -> NDArray[np.int64]:
    """Return the tables of qualities 1-100, shape (100, 128): luminance, then chrominance.

    The scaling is that of libjpeg's ``jpeg_quality_scaling`` and ``jpeg_add_quant_table``.
    """
    quality = np.arange(1, 101)[:, None]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    base = np.array(_LUMINANCE + _CHROMINANCE)
    tables: NDArray[np.int64] = np.clip((base * scale + 50) // 100, 1, 255)
    return tables


def _tables_of(
    components: Sequence[tuple[int, int, int, int]], tables: Mapping[int, Sequence[int]]
) -> list[Sequence[int]]:
    """Return the tables of the first two components, which are luminance and chrominance."""
    found = [tables.get(number, ()) for *_, number in components[:2]]
    return found if all(len(table) == 64 for table in found) else []


def _subsampling(components: Sequence[tuple[int, int, int, int]]) -> str:
    if len(components) == 1:
        return "grey"
    factors = [(across, down) for _, across, down, _ in components]
    if len(factors) != 3 or factors[1:] != [(1, 1), (1, 1)]:
        return "other"
    return _SUBSAMPLINGS.get(factors[0], "other")
