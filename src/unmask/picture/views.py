"""Cut a picture into views: what a model saw in training is what it sees in production.

Shrinking a photo to a network's input destroys the traces that generators leave in neighbouring
pixels (Gragnaniello et al. 2021, "Are GAN generated images easy to detect?"), while a crop alone
misses what the whole shows. A model's card says for each input of its graph which views it wants
there (`ViewPlan`): the whole, shrunk, crops of the untouched pixels, or both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, field_validator

from unmask.picture.decode import Pixels

Views = NDArray[np.uint8]
"""Views of one picture, shape (views, size, size, 3), RGB, values 0-255."""
PictureViews = Mapping[str, Views]
"""All that a model is shown of one picture: its views by the input of the graph they go to."""
Whole = Literal["centre", "squeezed"]
"""How the whole picture becomes a square.

``centre``: its central square, shrunk; ``squeezed``: all of it, both sides shrunk to the same
length. A picture longer than 2:1 is squeezed in pieces of 2:1 that overlap, so that every part of
it is in one.
"""
ViewKind = Literal["whole", "crop"]

# Where crops lie, as fractions of the free room (down, right): the corners, then the centre.
_PLACES = ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5))
CROP_ORDER = ((), (4,), (0, 1), (0, 1, 4), (0, 1, 2, 3), (0, 1, 2, 3, 4))
"""Which places a number of crops takes: one is the centre, two are opposite corners, and so on."""
TTA_SCALES = (0.75, 1.25)
LONGEST_PIECE = 2.0
"""Longer by shorter side of a picture, or a piece of one, that is squeezed to a square."""
MOST_PIECES = 8
"""So many pieces of a very long strip are looked at, around its middle."""


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


class View(NamedTuple):
    """What one view shows.

    Attributes:
        kind: ``whole`` for the picture, or a piece of it, shrunk; ``crop`` for untouched pixels.
        box: Where it lies in the picture.
    """

    kind: ViewKind
    box: Box


class ViewPlan(BaseModel):
    """Which views of a picture go to an input; stored in the model card, and used by training.

    Attributes:
        size: Side of a view, in pixels.
        whole: How the whole picture is seen, as the first view or views; None for not at all.
        crops: Number of crops of untouched pixels, 0 to 5.
        scales: Sizes by which the picture is also taken, its crops then being of resized pixels;
            for test-time augmentation.
        flips: Whether each view is also taken mirrored; likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=224, ge=32, le=1024)
    whole: Whole | None = "centre"
    crops: Literal[0, 1, 2, 3, 4, 5] = 4
    scales: tuple[Annotated[float, Field(gt=0, le=4)], ...] = ()
    flips: bool = False

    @field_validator("whole", mode="before")
    @classmethod
    def _from_flag(cls, value: Any) -> Any:
        """Take the yes and no that configurations may say."""
        return ("centre" if value else None) if isinstance(value, bool) else value

    @property
    def count(self) -> int:
        """Number of views of a picture that is no longer than `LONGEST_PIECE`."""
        return (bool(self.whole) + self.crops * (1 + len(self.scales))) * (1 + self.flips)

    def augmented(self) -> ViewPlan:
        """Return the plan of test-time augmentation: mirrored, and all crops at three scales."""
        more = {"crops": 5, "scales": TTA_SCALES} if self.crops else {}
        return self.model_copy(update={"flips": True, **more})


def cut_views(pixels: Pixels, plans: Mapping[str, ViewPlan]) -> PictureViews:
    """Cut a picture into all the views that a model wants.

    Args:
        pixels: uint8, shape (height, width, 3).
        plans: By input of the graph, as a card has them.
    """
    return {name: make_views(pixels, plan) for name, plan in plans.items()}


def list_views(height: int, width: int, plans: Mapping[str, ViewPlan]) -> list[View]:
    """Say what each view of `cut_views` shows, input by input, in the order of their logits."""
    return [view for plan in plans.values() for view in plan_views(height, width, plan)]


def make_views(pixels: Pixels, plan: ViewPlan) -> Views:
    """Cut a picture into its views for one input.

    A picture whose shorter side is below ``plan.size`` is grown to it before crops are taken.

    Args:
        pixels: uint8, shape (height, width, 3).
        plan: Which views to take.

    Returns:
        uint8, shape (views, plan.size, plan.size, 3).
    """
    views: list[Pixels] = []
    if plan.whole == "centre":
        views.append(whole_view(pixels, plan.size))
    elif plan.whole == "squeezed":
        views += [squeeze(pixels, box, plan.size) for box in _pieces(*pixels.shape[:2])]
    if plan.crops:
        native = grow_to(pixels, plan.size)
        places = [_PLACES[place] for place in CROP_ORDER[plan.crops]]
        for scaled in (native, *(_rescale(native, plan.size, scale) for scale in plan.scales)):
            views += [crop_at(scaled, plan.size, *place) for place in places]
    stacked = np.stack(views)
    return np.concatenate([stacked, stacked[:, :, ::-1]]) if plan.flips else stacked


def plan_views(height: int, width: int, plan: ViewPlan) -> list[View]:
    """Say which part of a picture each view of `make_views` shows, in the same order.

    Args:
        height: Of the picture, in pixels.
        width: Likewise.
        plan: The views; one of test-time augmentation has no such list.
    """
    found: list[View] = []
    if plan.whole == "centre":
        found.append(View("whole", _box(height, width, plan.size, 0.5, 0.5, whole=True)))
    elif plan.whole == "squeezed":
        found += [View("whole", box) for box in _pieces(height, width)]
    for down, right in (_PLACES[place] for place in CROP_ORDER[plan.crops]):
        found.append(View("crop", _box(height, width, plan.size, down, right, whole=False)))
    return found


def unseen_notes(height: int, width: int, plans: Mapping[str, ViewPlan]) -> tuple[str, ...]:
    """Say how much of a picture is looked at, where its whole is squeezed and it is too long.

    Nothing up to `MOST_PIECES` times `LONGEST_PIECE`, longer by shorter side.
    """
    if not any(plan.whole == "squeezed" for plan in plans.values()):
        return ()
    pieces = list(_pieces(height, width))
    seen = (pieces[-1].bottom - pieces[0].top) * (pieces[-1].right - pieces[0].left)
    share = seen / (height * width)
    if share >= 1:
        return ()
    return (f"It is so long that only its middle was looked at, {share:.0%} of it.",)


def _pieces(height: int, width: int) -> Iterator[Box]:
    """Yield the parts of a picture that are squeezed, from its top or left end to the other."""
    shorter, longer = min(height, width), max(height, width)
    count = min(MOST_PIECES, max(1, ceil(longer / shorter / LONGEST_PIECE)))
    side = longer if count == 1 else round(LONGEST_PIECE * shorter)
    seen = min(longer, count * side)
    first = (longer - seen) // 2
    for number in range(count):
        start = first + round(number * (seen - side) / max(1, count - 1))
        if width >= height:
            yield Box(0, start, height, start + side)
        else:
            yield Box(start, 0, start + side, width)


def squeeze(pixels: Pixels, box: Box, size: int) -> Pixels:
    """Return a part of a picture with both sides shrunk, or grown, to ``size``."""
    part = pixels[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
    image = Image.fromarray(np.ascontiguousarray(part))
    shrunk = image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(shrunk)


def _box(height: int, width: int, size: int, down: float, right: float, *, whole: bool) -> Box:
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
