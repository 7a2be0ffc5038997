"""An explanation of one logit of one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unmask.heatmap.methods import SIGNED
from unmask.heatmap.paint import paint_png
from unmask.heatmap.spread import Cells, Heat, Spread
from unmask.picture.decode import Pixels
from unmask.picture.views import Box


@dataclass(frozen=True)
class Explanation:
    """Where in a picture a logit comes from.

    With ``cam``, a picture is answered by V views, and its logit is the mean of theirs. Each view's
    is the mean over P positions of evidence ``w.f`` plus the head's bias (see `methods`), so that

        logit = bias + 1 / (V P) * sum over views v and positions p of w.f_v(p).

    Position p of view v shows a part of the picture; `map` spreads ``w.f_v(p) * N / (V P)`` over
    that part, N being the number of the picture's pixels, and adds up what views that overlap have
    to say. Nothing is lost or weighted, so that the mean of the map over the picture is the sum
    above, and ``map().mean() + bias == logit``. A crop that shows a hundredth of a photograph has
    its full share of the logit on a hundredth of the pixels: its heat is a hundred times as dense,
    for that is how much more the answer depends on each of them.

    Attributes:
        head: ``fake`` or ``category``.
        target: What is explained: ``fake`` or the name of a category.
        method: How.
        logit: The pooled logit of the target.
        bias: The rest of the logit, which comes from no place: of a linear head what it says where
            there is no evidence, of the shipped model what its class token says as well; 0 for
            methods other than ``cam``, whose maps do not add up to the logit.
        cells: The map of each view, shape (views, rows, columns); with ``occlusion`` one of the
            whole picture, of by how much the logit falls where a part is hidden.
        boxes: Where each map lies in the picture.
        pixels: The picture, uint8, shape (height, width, 3).
    """

    head: str
    target: str
    method: str
    logit: float
    bias: float
    cells: Cells
    boxes: Sequence[Box]
    pixels: Pixels = field(repr=False)

    @property
    def spread(self) -> Spread:
        """The map, at any resolution."""
        return Spread(self.cells, self.boxes, *self.pixels.shape[:2])

    def map(self, height: int | None = None, width: int | None = None) -> Heat:
        """Return the map, float32 (height, width), at the picture's own size if none is given."""
        own_height, own_width = self.pixels.shape[:2]
        return self.spread.over(height or own_height, width or own_width)

    def save_map(self, path: str | Path) -> None:
        """Write the map at the picture's own size as ``.npy``; raises OSError where it cannot."""
        height, width = self.pixels.shape[:2]
        with Path(path).open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": (height, width)}
            )
            for _, band in self.spread.bands(height, width):
                file.write(band.astype("<f4").tobytes())

    def png(self, longest: int | None = None, *, bar: bool = True) -> bytes:
        """Return the picture in grey under its heatmap, as PNG.

        Args:
            longest: Shrink the picture so that no side is longer, in pixels; None for its own size.
            bar: Whether to draw the colour bar, inside the picture along its lower edge.
        """
        against = "real" if self.head == "fake" else f"not {self.target}"
        signed = self.method in SIGNED
        return paint_png(
            self.pixels,
            self.spread,
            longest=longest,
            words=((against if signed else ""), self.target) if bar else None,
            signed=signed,
        )
