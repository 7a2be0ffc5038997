"""Views: sizes, places and untouched pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unmask.picture.views import CROP_ORDER, ViewPlan, make_views, plan_views, unseen_notes


@pytest.mark.parametrize("shape", [(9, 9), (40, 900), (3000, 20), (224, 224), (500, 801)])
@pytest.mark.parametrize("crops", range(6))
def test_every_picture_becomes_the_planned_views(shape: tuple[int, int], crops: int) -> None:
    plan = ViewPlan(size=64, whole=True, crops=crops)
    views = make_views(np.zeros((*shape, 3), np.uint8), plan)
    assert views.shape == (1 + crops, 64, 64, 3)
    assert len(CROP_ORDER[crops]) == crops


def test_crops_are_untouched_pixels_from_the_stated_places() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    views = make_views(pixels, ViewPlan(size=64, whole=False, crops=5))
    corners = [(0, 0), (136, 236), (0, 236), (136, 0), (68, 118)]
    for view, (top, left) in zip(views, corners, strict=True):
        assert np.array_equal(view, pixels[top : top + 64, left : left + 64])


def test_one_crop_is_the_centre() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    (view,) = make_views(pixels, ViewPlan(size=64, whole=False, crops=1))
    assert np.array_equal(view, pixels[18:82, 18:82])


def test_the_whole_view_shows_the_middle_of_a_wide_picture() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, 100:200] = 200
    (view,) = make_views(pixels, ViewPlan(size=50, whole=True, crops=0))
    assert view[:, 2:-2].min() > 150


def test_augmented_views_are_the_plain_ones_at_more_sizes_and_mirrored() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    plain = ViewPlan(size=64, whole=True, crops=2)
    wide = plain.model_copy(update={"scales": (0.5, 2.0), "flips": True})
    views = make_views(pixels, wide)
    assert len(views) == wide.count == 14
    assert np.array_equal(views[:3], make_views(pixels, plain))
    assert np.array_equal(views[7:], views[:7, :, ::-1])
    doubled = Image.fromarray(pixels).resize((600, 400), Image.Resampling.BICUBIC)
    assert np.array_equal(views[5], np.asarray(doubled)[:64, :64])
    # A picture is never shrunk below one view.
    assert make_views(pixels[:66, :66], wide).shape == views.shape


def test_every_pixel_is_in_some_piece_and_what_is_left_out_is_said() -> None:
    plans = {"whole": ViewPlan(size=64, whole="squeezed", crops=0)}
    for height, width in ((100, 100), (100, 200), (100, 201), (400, 100), (100, 1600)):
        seen = np.zeros((height, width), dtype=bool)
        for view in plan_views(height, width, plans["whole"]):
            top, left, bottom, right = (round(edge) for edge in view.box)
            assert max(bottom - top, right - left) <= 2 * min(height, width)
            seen[top:bottom, left:right] = True
        assert seen.all()
        assert unseen_notes(height, width, plans) == ()
        views = make_views(np.zeros((height, width, 3), np.uint8), plans["whole"])
        assert len(views) == len(plan_views(height, width, plans["whole"]))
    assert unseen_notes(100, 3200, plans) == (
        "It is so long that only its middle was looked at, 50% of it.",
    )
