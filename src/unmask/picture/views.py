"""Cut a picture into views: what a model saw in training is what it sees in production.

Shrinking a photo to a network's input destroys the traces that generators leave in neighbouring
pixels (Gragnaniello et al. 2021, "Are GAN generated images easy to detect?"), while a crop alone
misses what the whole shows. A picture therefore becomes several views of one size: the whole,
shrunk, and crops of the untouched pixels, spread over the picture.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from unmask.picture.decode import Pixels

Views = NDArray[np.uint8]
"""Views of one picture, shape (views, size, size, 3), RGB, values 0-255."""
Scale = Literal["symmetric", "unit", "imagenet"]
"""Which numbers a network sees for the values 0 to 255.

``symmetric``: -1 to 1, as EfficientNet-Lite0 and Xception were made for; ``unit``: 0 to 1;
``imagenet``: less the mean of ImageNet's channels, by their standard deviation.
"""

# Where crops lie, as fractions of the free room (down, right): the corners, then the centre.
_PLACES = ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5))
CROP_ORDER = ((), (4,), (0, 1), (0, 1, 4), (0, 1, 2, 3), (0, 1, 2, 3, 4))
"""Which places a number of crops takes: one is the centre, two are opposite corners, and so on."""
TTA_SCALES = (0.75, 1.25)


class Box(NamedTuple):
    """Where a view lies in the picture, in pixels from its top left corner, fractions included.

    Attributes:
        top: Its first row.
        left: Its first column.
        bottom: One past its last row.
        right: One past its last column.
    """

    top: float
    left: float
    bottom: float
    right: float


class ViewPlan(BaseModel):
    """How pictures become views; stored in the model card and used by training alike.

    Attributes:
        size: Side of a view, in pixels.
        whole: Whether the first view is the whole picture, shrunk (or grown) so that its shorter
            side is ``size``, cut to its central square.
        crops: Number of crops of untouched pixels, 0 to 5.
        scales: Sizes by which the picture is also taken, its crops then being of resized pixels;
            for test-time augmentation.
        flips: Whether each view is also taken mirrored; likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=224, ge=32, le=1024)
    whole: bool = True
    crops: Literal[0, 1, 2, 3, 4, 5] = 4
    scales: tuple[Annotated[float, Field(gt=0, le=4)], ...] = ()
    flips: bool = False

    @property
    def count(self) -> int:
        """Number of views a picture."""
        return (int(self.whole) + self.crops * (1 + len(self.scales))) * (1 + self.flips)

    def augmented(self) -> ViewPlan:
        """Return the plan of test-time augmentation: all crops, at three scales, and mirrored."""
        return self.model_copy(
            update={"whole": True, "crops": 5, "scales": TTA_SCALES, "flips": True}
        )


def make_views(pixels: Pixels, plan: ViewPlan) -> Views:
    """Cut a picture into its views.

    A picture whose shorter side is below ``plan.size`` is grown to it first.

    Args:
        pixels: uint8, shape (height, width, 3).
        plan: Which views to take.

    Returns:
        uint8, shape (plan.count, plan.size, plan.size, 3).
    """
    native = grow_to(pixels, plan.size)
    places = [_PLACES[place] for place in CROP_ORDER[plan.crops]]
    views = [whole_view(pixels, plan.size)] if plan.whole else []
    for scaled in (native, *(_rescale(native, plan.size, scale) for scale in plan.scales)):
        views += [crop_at(scaled, plan.size, *place) for place in places]
    stacked = np.stack(views)
    return np.concatenate([stacked, stacked[:, :, ::-1]]) if plan.flips else stacked


def view_boxes(height: int, width: int, plan: ViewPlan) -> list[Box]:
    """Say which part of a picture each view of `make_views` shows, in the same order.

    Args:
        height: Of the picture, in pixels.
        width: Likewise.
        plan: The views.
    """
    places = [(0.5, 0.5, True)] * plan.whole
    places += [(*_PLACES[place], False) for place in CROP_ORDER[plan.crops]]
    return [_box(height, width, plan.size, *place) for place in places]


def _box(height: int, width: int, size: int, down: float, right: float, whole: bool) -> Box:
    shorter, tall, wide = min(height, width), height, width
    resized = whole or shorter < size
    scale = size / shorter if resized else 1.0
    # As `resize_shorter` does, the middle of a very long strip first.
    if resized and round(max(height, width) * scale) > 16 * size:
        tall, wide = min(height, 16 * shorter), min(width, 16 * shorter)
    grown = [max(size, round(side * scale)) for side in (tall, wide)]
    top, left = (round((g - size) * part) for g, part in zip(grown, (down, right), strict=True))
    per_row, per_column = tall / grown[0], wide / grown[1]
    above, before = (height - tall) // 2, (width - wide) // 2
    return Box(
        above + top * per_row,
        before + left * per_column,
        above + (top + size) * per_row,
        before + (left + size) * per_column,
    )


def whole_view(pixels: Pixels, size: int) -> Pixels:
    """Return the central square of the picture, resized to (size, size, 3)."""
    return crop_at(resize_shorter(pixels, size), size, 0.5, 0.5)


def grow_to(pixels: Pixels, size: int) -> Pixels:
    """Enlarge a picture whose shorter side is below ``size``; leave any other untouched."""
    return resize_shorter(pixels, size) if min(pixels.shape[:2]) < size else pixels


def _rescale(pixels: Pixels, size: int, scale: float) -> Pixels:
    return resize_shorter(pixels, max(size, round(min(pixels.shape[:2]) * scale)))


def resize_shorter(pixels: Pixels, size: int) -> Pixels:
    """Resize so that the shorter side is ``size`` pixels, keeping the aspect ratio."""
    height, width = pixels.shape[:2]
    scale = size / min(height, width)
    shape = (max(size, round(width * scale)), max(size, round(height * scale)))
    if shape == (width, height):
        return pixels
    # A very long strip would grow without bound: only its middle is looked at.
    if max(shape) > 16 * size:
        middle = crop_middle(pixels, 16 * min(height, width))
        return resize_shorter(middle, size)
    image = Image.fromarray(pixels)
    # reducing_gap shrinks big photos by whole factors first: several times faster, same look.
    return np.asarray(image.resize(shape, Image.Resampling.BICUBIC, reducing_gap=2.0))


def crop_at(pixels: Pixels, size: int, down: float, right: float) -> Pixels:
    """Cut a (size, size, 3) square; ``down`` and ``right`` in [0, 1] place it in the free room."""
    top = round((pixels.shape[0] - size) * down)
    left = round((pixels.shape[1] - size) * right)
    return pixels[top : top + size, left : left + size]


def crop_middle(pixels: Pixels, longest: int) -> Pixels:
    """Cut both sides to at most ``longest`` pixels around the centre."""
    height, width = (min(side, longest) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def normalise(views: Views, scale: Scale = "symmetric") -> NDArray[np.float32]:
    """Turn views into a network's input.

    Args:
        views: uint8, shape (n, size, size, 3).
        scale: Which numbers the network was made for; a model's card names it.

    Returns:
        float32, shape (n, 3, size, size), in [-1, 1] for ``symmetric``, [0, 1] for ``unit``.
    """
    planes = np.ascontiguousarray(views.transpose(0, 3, 1, 2), dtype=np.float32)
    divisor, offset = _SCALES[scale]
    return planes / divisor - offset


def _per_channel(values: tuple[float, ...]) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32).reshape(-1, 1, 1)


_MEAN, _DEVIATION = _per_channel((0.485, 0.456, 0.406)), _per_channel((0.229, 0.224, 0.225))
_SCALES: dict[Scale, tuple[NDArray[np.float32], NDArray[np.float32]]] = {
    "symmetric": (_per_channel((127.5,)), _per_channel((1.0,))),
    "unit": (_per_channel((255.0,)), _per_channel((0.0,))),
    "imagenet": (np.float32(255) * _DEVIATION, _MEAN / _DEVIATION),
}
"""By what the values are divided, and what is then taken off."""
