"""Deletion and insertion curves (Petsiuk et al. 2018, RISE) against random maps.

The picture is cut into blocks. For deletion they are turned to the picture's mean colour, those
that speak most for what was called first; for insertion they are put back into a blurred picture.
If the map is true, the probability of what was called falls sooner and rises sooner than when the
order is that of a random map of the same smoothness.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from faithlib.common import Figure, mean_of, random_map
from unmask import Detector
from unmask.heatmap import explain
from unmask.lab.data.manifest import Row
from unmask.picture.decode import Pixels

SHARES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.55, 0.75, 1.0)
_BLOCKS = 16
_BLUR = 20
"""Radius of the blur is the shorter side over this."""

Curves = dict[str, NDArray[np.float64]]


def curves(detector: Detector, rows: Sequence[Row]) -> tuple[Curves, dict[str, Figure]]:
    """Return the mean curves, and the areas under them with the differences of map and random.

    Args:
        detector: Of the model.
        rows: Pictures.
    """
    rng = np.random.default_rng(0)
    kept: dict[str, list[NDArray[np.float64]]] = {}
    for row in rows:
        found = explain(detector, row.path)
        heat = found.map()
        # For what was called: towards fake or towards real.
        p_fake = detector.detect(found.pixels).p_fake or 0.0
        sign = 1.0 if p_fake >= detector.scale.shown_threshold else -1.0
        orders = {"map": _order(sign * heat), "random": _order(random_map(found, rng))}
        for start, end in (("deletion", _mean_colour), ("insertion", _blurred)):
            other = end(found.pixels)
            first, second = (found.pixels, other) if start == "deletion" else (other, found.pixels)
            for name, order in orders.items():
                steps = [_mixed(first, second, order, share) for share in SHARES]
                # One core decodes nothing here: the pictures are in memory.
                answers = detector.detect_many(steps, batch_size=len(steps), workers=1)
                scores = np.array([answer.p_fake for answer in answers])
                called = scores if sign > 0 else 1 - scores
                kept.setdefault(f"{start}, {name}", []).append(called)
    areas = {name: np.trapezoid(np.array(runs), SHARES, axis=1) for name, runs in kept.items()}
    figures = {name: mean_of(values) for name, values in areas.items()}
    for kind in ("deletion", "insertion"):
        difference = areas[f"{kind}, map"] - areas[f"{kind}, random"]
        figures[f"{kind}, map minus random"] = mean_of(difference)
    return {name: np.mean(runs, axis=0) for name, runs in kept.items()}, figures


def _order(heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the rank of each pixel's block, in (0, 1], the hottest first."""
    rows, columns = (np.arange(side) * _BLOCKS // side for side in heat.shape)
    block = rows[:, None] * _BLOCKS + columns
    total = np.bincount(block.ravel(), heat.ravel(), minlength=_BLOCKS**2)
    size = np.bincount(block.ravel(), minlength=_BLOCKS**2)
    mean = total / np.maximum(size, 1)
    rank = np.empty(_BLOCKS**2)
    rank[np.argsort(-mean, kind="stable")] = (np.arange(_BLOCKS**2) + 1) / _BLOCKS**2
    return np.asarray(rank[block])


def _mixed(first: Pixels, second: Pixels, order: NDArray[np.float64], share: float) -> Pixels:
    return np.where((order <= share)[..., None], second, first)


def _mean_colour(pixels: Pixels) -> Pixels:
    return np.broadcast_to(pixels.mean((0, 1)).astype(np.uint8), pixels.shape)


def _blurred(pixels: Pixels) -> Pixels:
    radius = min(pixels.shape[:2]) / _BLUR
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
