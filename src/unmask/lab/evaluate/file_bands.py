"""FileBands of pictures by what their files are like: size and JPEG quality."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

from unmask.lab.data.manifest import Row
from unmask.picture.decode import read_bytes
from unmask.picture.jpeg import read_coding

UNKNOWN = "unknown"
NOT_JPEG = "not a JPEG"
SIZES = (128, 256, 384, 512, 1024)
QUALITIES = (50, 70, 80, 90, 95)


@dataclass(frozen=True, slots=True)
class FileBands:
    """The bands that a picture falls into, in words.

    Attributes:
        size: Of its shorter side, in pixels, as in ``256-383 px``.
        quality: Of the JPEG quality that its quantisation tables tell, as in ``80-89``.
    """

    size: str
    quality: str


def read_bands(rows: Iterable[Row]) -> list[FileBands]:
    """Read the header of every picture; a file that cannot be read is of unknown quality."""
    return [_read(row) for row in rows]


def size_band(shorter_side: int) -> str:
    """Name the band of a shorter side in pixels; 0 where it is unknown."""
    return _band(shorter_side, SIZES, " px") if shorter_side else UNKNOWN


def quality_band(quality: int) -> str:
    """Name the band of a JPEG quality, 1-100."""
    return _band(quality, QUALITIES, "")


def size_order() -> list[str]:
    """Return all names of size bands, in order."""
    return [size_band(1), *(size_band(side) for side in SIZES), UNKNOWN]


def quality_order() -> list[str]:
    """Return all names of quality bands, in order."""
    return [quality_band(1), *(quality_band(value) for value in QUALITIES), NOT_JPEG, UNKNOWN]


def _read(row: Row) -> FileBands:
    size, quality = (row.width, row.height), UNKNOWN
    try:
        data = read_bytes(row.path)
        quality = UNKNOWN if data.startswith(b"\xff\xd8") else NOT_JPEG
        with Image.open(io.BytesIO(data)) as image:
            size = image.size
            coding = read_coding(image)
            quality = quality_band(coding.quality) if coding else quality
    except Exception:  # noqa: S110  (absent or hostile: what the manifest says has to do)
        pass
    return FileBands(size_band(min(size)), quality)


def _band(value: int, bounds: tuple[int, ...], unit: str) -> str:
    below = [bound for bound in bounds if bound <= value]
    if not below:
        return f"under {bounds[0]}{unit}"
    if len(below) == len(bounds):
        return f"{bounds[-1]} and more{unit}" if unit else f"{bounds[-1]}-100"
    return f"{below[-1]}-{bounds[len(below)] - 1}{unit}"
