"""Do maps point where a picture was changed? On pairs of a photo and its altered twin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faithlib.common import Figure, mean_of, random_map, spearman
from unmask import Detector
from unmask.heatmap import explain
from unmask.heatmap.spread import Heat
from unmask.lab.data.manifest import Row
from unmask.lab.evaluate.metrics import auc
from unmask.picture.decode import Pixels, decode, read_bytes

_GRID = 32
_PATCH = 0.4
"""Sides of a pasted patch, as a share of the picture's: 16% of its area."""


@dataclass(frozen=True)
class Pair:
    """A photo and its altered twin, of the same size.

    Attributes:
        real: The photo.
        fake: The same, altered.
    """

    real: Pixels
    fake: Pixels


def pairs(rows: Sequence[Row], generator: str) -> Iterator[Pair]:
    """Yield the twins of a generator: a fake and a real picture that share a group and a size."""
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    for members in groups.values():
        reals = [row for row in members if not row.is_fake]
        for fake in (row for row in members if row.generator == generator):
            for real in (row for row in reals if row.source == fake.source):
                pair = Pair(*(decode(read_bytes(row.path)) for row in (real, fake)))
                if pair.real.shape == pair.fake.shape:
                    yield pair


def where_all_changed(detector: Detector, found: Sequence[Pair]) -> dict[str, Figure]:
    """Compare maps with the change ``|fake - real|`` where all of the picture was changed.

    Returns:
        Mean rank correlations over a grid of 32 x 32 with the change: of the fake's map, of its
        difference to the photo's map, of a random map, and of how busy the photo is in each place.
    """
    rng = np.random.default_rng(0)
    likeness = defaultdict(list)
    for pair in found:
        change = _grid(np.abs(pair.fake.astype(np.float32) - pair.real).mean(2))
        fake, real = explain(detector, pair.fake), explain(detector, pair.real)
        grey = pair.real.mean(2, dtype=np.float32)
        edges = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
        maps = {
            "map of the fake": _grid(fake.map()),
            "map of the fake minus map of the photo": _grid(fake.map() - real.map()),
            "random map": _grid(random_map(fake, rng)),
            "busy places of the photo": _grid(edges),
        }
        for name, heat in maps.items():
            likeness[name].append(spearman(heat, change))
    return {name: mean_of(values) for name, values in likeness.items()}


def where_a_patch_changed(detector: Detector, found: Sequence[Pair]) -> dict[str, Figure]:
    """Paste a patch of the fake into its photo, at a random place, and look for it in the map.

    Returns:
        Mean over pictures of the AUC with which a map tells pixels of the patch from the others
        (0.5 is chance), for the map of the patched picture, that of the photo before, their
        difference, and a random map; and the share of pictures whose hottest place is in the patch
        (its area, 16%, is chance).
    """
    rng = np.random.default_rng(0)
    areas, hits = defaultdict(list), defaultdict(list)
    for pair in found:
        inside, patched = _patched(pair, rng)
        after, before = explain(detector, patched), explain(detector, pair.real)
        maps = {
            "map after": after.map(),
            "map before": before.map(),
            "after minus before": after.map() - before.map(),
            "random map": random_map(after, rng),
        }
        truth = _grid(inside.astype(np.float32)) > 0.5
        for name, heat in maps.items():
            grid = _grid(heat)
            areas[name].append(auc(truth.ravel(), grid.ravel()))
            hits[name].append(float(truth.ravel()[grid.argmax()]))
    result = {f"AUC, {name}": mean_of(values) for name, values in areas.items()}
    return result | {f"hottest place in the patch, {n}": mean_of(v) for n, v in hits.items()}


def _patched(pair: Pair, rng: np.random.Generator) -> tuple[NDArray[np.bool_], Pixels]:
    height, width = pair.real.shape[:2]
    tall, wide = round(_PATCH * height), round(_PATCH * width)
    # On JPEG's grid of 16 pixels, so that no block boundary gives the patch away.
    top, left = (16 * int(rng.integers(0, (s - p) // 16 + 1)) for s, p in
                 ((height, tall), (width, wide)))  # fmt: skip
    inside = np.zeros((height, width), dtype=bool)
    inside[top : top + tall, left : left + wide] = True
    return inside, np.where(inside[..., None], pair.fake, pair.real)


def _grid(heat: Heat) -> NDArray[np.float32]:
    image = Image.fromarray(np.asarray(heat, dtype=np.float32))
    return np.asarray(image.resize((_GRID, _GRID), Image.Resampling.BOX))
