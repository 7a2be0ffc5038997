"""Find the visible signs that some services print into a corner: Gemini's sparkle, DALL-E 2's bar.

Both keep their place in the corner when the picture is shrunk. They are a weak note: anyone can
draw a star, and a crop cuts it off. Written labels ('AI生成', 'AI generated') are not looked for:
services set them in many fonts and languages, so that no template fits them honestly.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unmask.evidence.finding import Finding
from unmask.picture.decode import Pixels

# Gemini's star is as wide as 48 pixels, 32 from both edges, or twice that; then as the picture was
# shrunk. Its outline is |x|^0.7 + |y|^0.7 = 1, fitted to real ones.
_STAR_WIDTHS = (12, 13, 15, 16, 18, 20, 22, 24, 26, 29, 32, 36, 40, 44, 48, 64, 96)
_STAR_EXPONENT = 0.7
_STAR_WINDOW = 1.24
_STAR_CENTRE = 7 / 6
_STAR_LOOKED_AT, _FINE = 16, 4
STAR_MATCH = 0.88
"""So high a correlation with the template is a sparkle; recipes/watermarks measures it."""
_STAR_CONTRAST = 25
# The five squares of DALL-E 2's bar from left to right, each a 64th of the picture's width.
_BAR_COLOURS = np.array(
    [[255, 255, 102], [66, 255, 255], [81, 218, 76], [255, 110, 60], [60, 70, 255]]
)
_BAR_PART = 64
_BAR_NEAR = 40


def read_visible_marks(pixels: Pixels) -> list[Finding]:
    """Look for the signs.

    Args:
        pixels: uint8 RGB, shape (height, width, 3).
    """
    found = []
    if (match := match_sparkle(pixels)) >= STAR_MATCH:
        found.append(
            _finding("sparkle", "a four-pointed star like the one that Gemini prints", match)
        )
    if has_colour_bar(pixels):
        found.append(_finding("colour bar", "the bar of five colours that DALL·E 2 prints", 1.0))
    return found


def match_sparkle(pixels: Pixels) -> float:
    """Return the best correlation with a star in its place at the lower right, in [-1, 1]."""
    height, width = pixels.shape[:2]
    best = -1.0
    for star in _STAR_WIDTHS:
        # A large star is looked for in a picture shrunk by a whole number.
        shrink = max(1, star // _STAR_LOOKED_AT)
        template = _star(star / shrink)
        slack = max(1, star // shrink // 12)
        half = (len(template) / 2 + slack) * shrink
        top, left = (round(edge - _STAR_CENTRE * star - half) for edge in (height, width))
        side = round(2 * half)
        if min(top, left) < 0 or top + side > height or left + side > width:
            continue
        place = pixels[top : top + side, left : left + side].mean(2)
        place = place.reshape(side // shrink, shrink, side // shrink, shrink).mean((1, 3))
        best = max(best, _correlate(place, template))
    return best


def has_colour_bar(pixels: Pixels) -> bool:
    """Return whether the five colours stand in the lower right corner, flush with both edges."""
    height, width = pixels.shape[:2]
    side = width / _BAR_PART
    if side < 4 or height < side:
        return False
    # The middle of each square, which its neighbours do not colour in coding.
    row = round(height - side / 2)
    columns = [round(width - side * (4.5 - number)) for number in range(5)]
    middles = np.array(
        [pixels[row - 1 : row + 1, column - 1 : column + 1].mean((0, 1)) for column in columns]
    )
    return bool(np.abs(middles - _BAR_COLOURS).max() < _BAR_NEAR)


def _correlate(place: NDArray[np.float64], template: NDArray[np.float64]) -> float:
    """Return the best correlation of a template, shape (n, n), over a slightly larger place."""
    side = len(template)
    windows = sliding_window_view(place, (side, side)).reshape(-1, side * side)
    flat = (template - template.mean()).ravel()
    centred = windows - windows.mean(1, keepdims=True)
    along = centred @ flat
    size = np.sqrt((centred**2).sum(1) * (flat @ flat))
    bright = along / (flat @ flat) >= _STAR_CONTRAST
    return float(np.where(bright, along / np.maximum(size, 1e-9), -1.0).max())


@cache
def _star(width: float) -> NDArray[np.float64]:
    """Return the share of each pixel that a star of this width covers, in a square around it."""
    side = round(_STAR_WINDOW * width) | 1
    at = np.abs((np.arange(side * _FINE) + 0.5) / _FINE - side / 2) / (width / 2)
    inside = at[:, None] ** _STAR_EXPONENT + at**_STAR_EXPONENT <= 1
    return np.asarray(inside.reshape(side, _FINE, side, _FINE).mean((1, 3)))


def _finding(name: str, what: str, match: float) -> Finding:
    return Finding(
        "watermark.visible",
        "watermark",
        "ai",
        "weak",
        f"In the lower right corner there seems to be {what}. Anyone can draw one, so it decides "
        "nothing.",
        {"mark": name, "match": f"{match:.2f}"},
    )
