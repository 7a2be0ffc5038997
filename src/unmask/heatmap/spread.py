"""Spread what a model found at the positions of its views over the picture they were cut from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.picture.views import Box

Cells = NDArray[np.float32]
"""What was found at each position of each view, shape (views, rows, columns)."""
Heat = NDArray[np.float32]
"""A map over a picture, shape (height, width)."""

# Rows of a map that are made at a time, so that memory does not grow with the picture.
_BAND_PIXELS = 4_000_000


class Spread:
    """Cells of views, laid over the picture; any part of it at any resolution can be asked for.

    A cell is spread by a tent two cells wide, folded back at the edges of its view, and the tent is
    integrated over each pixel: bilinear interpolation in the limit of small pixels, but one that
    hands out each cell's whole weight at any resolution. The mean of the map over the picture's
    pixels is therefore the mean of the cells, exactly: a view counts as much as any other, however
    small the part of the picture that it shows, and where views overlap they add up.

    Args:
        cells: Shape (views, rows, columns).
        boxes: Where each view lies.
        height: Of the picture that the boxes are measured in, in pixels.
        width: Likewise.
    """

    def __init__(self, cells: Cells, boxes: Sequence[Box], height: int, width: int) -> None:
        self._cells, self._boxes = cells, boxes
        self._height, self._width = height, width

    def bands(self, height: int, width: int) -> Iterator[tuple[int, Heat]]:
        """Yield the map, resampled to (height, width), in bands from the top: first row, values."""
        rows = max(1, _BAND_PIXELS // width)
        # Of all positions together 1, so that the mean over the pixels is the mean of the cells.
        share = height * width / self._cells.size
        down, right = height / self._height, width / self._width
        views = []
        for cells, box in zip(self._cells, self._boxes, strict=True):
            top, of_rows = _weights(box.top * down, box.bottom * down, cells.shape[0], height)
            left, of_columns = _weights(box.left * right, box.right * right, cells.shape[1], width)
            views.append((top, of_rows, left, share * cells.astype(np.float64) @ of_columns.T))
        for first in range(0, height, rows):
            band = np.zeros((min(rows, height - first), width), dtype=np.float32)
            for top, of_rows, left, across in views:
                start, end = max(first, top), min(first + len(band), top + len(of_rows))
                if start < end:
                    part = of_rows[start - top : end - top] @ across
                    band[start - first : end - first, left : left + part.shape[1]] += part
            yield first, band

    def over(self, height: int, width: int) -> Heat:
        """Return the map resampled to (height, width)."""
        whole = np.empty((height, width), dtype=np.float32)
        for first, band in self.bands(height, width):
            whole[first : first + len(band)] = band
        return whole


def _weights(start: float, end: float, cells: int, pixels: int) -> tuple[int, NDArray[np.float64]]:
    """Return the first pixel that a row of cells reaches, and each cell's share in each pixel.

    Args:
        start: Where the first cell begins, in pixels.
        end: Where the last cell ends.
        cells: Number of cells between.
        pixels: Number of pixels on this side of the picture.

    Returns:
        The pixel, and shares of shape (pixels reached, cells); each column adds up to 1.
    """
    first, last = max(0, int(np.floor(start))), min(pixels, int(np.ceil(end)))
    edges = np.clip(np.arange(first, last + 1, dtype=np.float64), start, end)
    # What the rounding of a box's edges left outside the picture is kept inside it.
    edges[0], edges[-1] = start, end
    width = (end - start) / cells
    centres = start + width * (np.arange(cells) + 0.5)

    def below(x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of each cell's tent, without folding, that lies below each x."""
        t = np.clip((x[:, None] - centres) / width, -1, 1)
        return np.asarray(0.5 + t - 0.5 * t * np.abs(t))

    folded = below(edges) - below(2 * start - edges) + 1 - below(2 * end - edges)
    return first, np.diff(folded, axis=0)
