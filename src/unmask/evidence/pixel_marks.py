"""Look for marks in a picture's pixels: invisible watermarks, and signs in a corner."""

from __future__ import annotations

from unmask.evidence.finding import Finding
from unmask.evidence.visible_marks import read_visible_marks
from unmask.evidence.watermark import read_watermark
from unmask.picture.decode import Pixels


def read_marks(pixels: Pixels) -> list[Finding]:
    """Return what marks in the pixels say.

    Args:
        pixels: uint8 RGB, shape (height, width, 3).
    """
    watermark = read_watermark(pixels)
    return ([watermark] if watermark else []) + read_visible_marks(pixels)
