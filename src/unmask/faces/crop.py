"""Cut a face out of a picture, with what is around it."""

from __future__ import annotations

from unmask.picture.decode import Pixels

SMALLEST_JUDGED = 48
"""A face whose box is narrower, in pixels, is reported but not judged: too little of it is left."""
MARGIN = 0.35
"""How much of the box's side is added at each side: the models have seen heads, not bare faces."""


def crop_face(pixels: Pixels, box: tuple[int, int, int, int]) -> Pixels | None:
    """Return a square around a face, as far as the picture reaches; None for a tiny face.

    Args:
        pixels: uint8 RGB, shape (height, width, 3).
        box: Left, top, right and bottom edge of the face.
    """
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    if side < SMALLEST_JUDGED:
        return None
    reach = side * (0.5 + MARGIN)
    x, y = (left + right) / 2, (top + bottom) / 2
    height, width = pixels.shape[:2]
    return pixels[
        max(0, round(y - reach)) : min(height, round(y + reach)),
        max(0, round(x - reach)) : min(width, round(x + reach)),
    ]
