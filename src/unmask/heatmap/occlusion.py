"""Occlusion: hide parts of a picture, and see by how much a logit falls.

It takes nothing of a model but its answers, and so works for every one. A part is hidden under a
heavy blur of the picture itself: a square in one colour would add edges and a colour that the model
never met. Where the effect is large, the parts are hidden in quarters as well.

What the map is not: parts are hidden one by one, so that what two of them say together is seen in
neither, and their effects do not add up to the logit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.heatmap.spread import Cells
from unmask.model.model import Model, ModelOutput
from unmask.picture.decode import Pixels
from unmask.picture.views import PictureViews, cut_views

GRID = 8
"""So many parts along the longer side are hidden first."""
_REFINED = 8
"""So many parts, those with the largest effects, are hidden in quarters as well."""
_BATCH = 8
_Part = tuple[int, int, int, int]


def occlusion_map(
    model: Model,
    pixels: Pixels,
    whole: ModelOutput,
    logit_of: Callable[[ModelOutput], float],
) -> Cells:
    """Return by how much a logit falls where each part of a picture is hidden.

    Args:
        model: Any model.
        pixels: The picture, uint8, shape (height, width, 3).
        whole: What the model says of it with nothing hidden.
        logit_of: The logit that is explained, of an output.

    Returns:
        Float32, shape (1, rows, columns), rows and columns being parts of the whole picture.
        Positive where the part speaks for the target. The quarters of a refined part have, together
        and over their area, the effect of the part.
    """
    height, width = pixels.shape[:2]
    longer = max(height, width)
    # A part has at least two pixels a side, so that it has quarters.
    count = max(1, min(GRID, longer // 2))
    rows, columns = (
        max(1, min(round(count * side / longer), side // 2)) for side in (height, width)
    )
    blurred = _blur(pixels, rows, columns)
    before = logit_of(whole)

    def effects(parts: list[tuple[int, int]], rows: int, columns: int) -> NDArray[np.float64]:
        boxes = (_bounds(row, column, rows, columns, height, width) for row, column in parts)
        outputs = _answers(model, pixels, blurred, boxes)
        return np.array([before - logit_of(output) for output in outputs])

    coarse = effects(list(product(range(rows), range(columns))), rows, columns)
    fine = np.repeat(np.repeat(coarse.reshape(rows, columns), 2, axis=0), 2, axis=1)
    refined = np.argsort(-np.abs(coarse), kind="stable")[:_REFINED].tolist()
    quarters = [
        (2 * (place // columns) + down, 2 * (place % columns) + right)
        for place in refined
        for down, right in product(range(2), repeat=2)
    ]
    found = effects(quarters, 2 * rows, 2 * columns).reshape(-1, 4)
    shares = found - found.mean(axis=1, keepdims=True) + coarse[refined][:, None]
    for (row, column), share in zip(quarters, shares.ravel(), strict=True):
        fine[row, column] = share
    return fine[None].astype(np.float32)


def _answers(
    model: Model, pixels: Pixels, blurred: Pixels, parts: Iterable[_Part]
) -> Iterator[ModelOutput]:
    """Yield what the model says with each part hidden, a few at a time."""
    views = _hidden_views(model, pixels, blurred, parts)
    while batch := list(islice(views, _BATCH)):
        yield from model.answer(batch)


def _hidden_views(
    model: Model, pixels: Pixels, blurred: Pixels, parts: Iterable[_Part]
) -> Iterator[PictureViews]:
    # One copy of the picture, whose parts are hidden and shown again in turn.
    shown = np.array(pixels)
    for top, left, bottom, right in parts:
        place = np.s_[top:bottom, left:right]
        shown[place] = blurred[place]
        cut = cut_views(shown, model.card.inputs)
        # A view may be a window on the copy.
        yield {name: np.array(views) for name, views in cut.items()}
        shown[place] = pixels[place]


def _bounds(row: int, column: int, rows: int, columns: int, height: int, width: int) -> _Part:
    return (
        row * height // rows,
        column * width // columns,
        (row + 1) * height // rows,
        (column + 1) * width // columns,
    )


def _blur(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """Return a picture of which a few colours a part are left."""
    image = Image.fromarray(pixels)
    small = image.resize((columns, rows), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))
