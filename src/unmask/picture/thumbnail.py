"""Make a small encoded picture of pixels alone: no metadata of the file can be in it."""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image

from unmask.picture.decode import Pixels


def thumbnail(
    pixels: Pixels, longest: int, kind: Literal["JPEG", "WEBP"] = "JPEG", quality: int = 80
) -> bytes:
    """Return a picture, shrunk where it is larger, as JPEG or WebP.

    Args:
        pixels: uint8 RGB, shape (height, width, 3).
        longest: Most pixels of a side.
        kind: The format.
        quality: Of the format, 0 to 100.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return buffer.getvalue()
