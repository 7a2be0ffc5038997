"""Shortcuts in what training draws: of the files, and of the views after augmentation.

A view is 224 by 224 pixels, whatever its file was: format, size, tables and weight of the file are
gone. What may be left is how busy or blurred the pixels are, measured by their weight when all are
saved alike, and the blocks of an earlier JPEG.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from unmask.lab.data.duplicates import cluster
from unmask.lab.data.fingerprint import Fingerprint, fingerprint_files
from unmask.lab.data.manifest import Row
from unmask.lab.data.shortcuts import Shortcut, find_shortcuts, measure_number
from unmask.lab.train.augment import training_view
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.samplers import create_sampler
from unmask.picture.decode import Pixels, decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.views import crop_at, grow_to

QUALITY = 90
"""At which every view is saved to be weighed."""
_LUMA = np.array([0.299, 0.587, 0.114])
_ADVICE = "this instead of how the picture was made; degrade both labels alike"


def shortcuts_of_mix(rows: Sequence[Row], config: TrainConfig, most: int) -> dict[str, Any]:
    """Measure shortcuts in the training split, as it is drawn, and in the views that come of it.

    Args:
        rows: The training rows.
        config: Of the training that draws them.
        most: Draws of which views are made.

    Returns:
        Every shortcut measured, by stage.
    """
    files = list(fingerprint_files([row.path for row in rows]))
    readable = [place for place, found in enumerate(files) if isinstance(found, Fingerprint)]
    own = [rows[place] for place in readable]
    prints = [found for found in files if isinstance(found, Fingerprint)]
    groups = cluster(prints, [row.group for row in own])
    draws = list(create_sampler(own, config))
    drawn = [place for place, _ in draws]
    stages = {
        "files, each once": find_shortcuts(own, prints, groups),
        "files, as drawn": find_shortcuts(
            [own[place] for place in drawn],
            [prints[place] for place in drawn],
            [groups[place] for place in drawn],
        ),
    }
    chosen = draws[:most]
    for name, make in _views(config).items():
        stages[name] = _in_views(own, groups, chosen, make)
    return {
        "pictures": len(own),
        "draws": len(draws),
        "views": len(chosen),
        "stages": {name: [_kept(one) for one in found] for name, found in stages.items()},
    }


def weight(view: Pixels) -> float:
    """Return the bytes a pixel of a view that is saved as JPEG at `QUALITY`, 4:4:4."""
    buffer = io.BytesIO()
    Image.fromarray(view).save(buffer, "JPEG", quality=QUALITY, subsampling="4:4:4")
    return buffer.tell() / (view.shape[0] * view.shape[1])


def blocking(view: Pixels) -> float:
    """Return how much more neighbouring pixels differ at block edges than elsewhere; 1 without any.

    The grid of 8 x 8 blocks may lie anywhere, so that the strongest of 8 phases is taken, over the
    middle one (a simple form of Wang et al. 2002, who know where the grid lies).
    """
    luma = view @ _LUMA
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(luma, axis=axis)).mean(axis=1 - axis)
        phases = [float(steps[phase::8].mean()) for phase in range(8)]
        found.append((max(phases) + 1e-3) / (float(np.median(phases)) + 1e-3))
    return float(np.mean(found))


def _views(config: TrainConfig) -> dict[str, Callable[[Pixels, int], Pixels]]:
    """Return what is looked at: untouched and as training makes it."""
    size = config.views.size
    return {
        "crops, untouched": lambda pixels, seed: crop_at(grow_to(pixels, size), size, 0.5, 0.5),
        "the network's views": lambda pixels, seed: training_view(pixels, config, seed),
    }


def _in_views(
    rows: Sequence[Row],
    groups: Sequence[Hashable],
    draws: Sequence[tuple[int, int]],
    make: Callable[[Pixels, int], Pixels],
) -> list[Shortcut]:
    def look(draw: tuple[int, int]) -> tuple[float, float] | None:
        place, seed = draw
        try:
            view = make(decode(read_bytes(rows[place].path)), seed)
        except PictureError:
            return None
        return weight(view), blocking(view)

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(look, draws))
    seen = [(place, one) for (place, _), one in zip(draws, found, strict=True) if one]
    own = [rows[place] for place, _ in seen]
    together = [groups[place] for place, _ in seen]
    facts = {"weight when saved alike": 0, "JPEG blocks": 1}
    return [
        shortcut
        for name, column in facts.items()
        for shortcut in measure_number(
            name, [one[column] for _, one in seen], own, together, advice=_ADVICE
        )
    ]


def _kept(one: Shortcut) -> dict[str, Any]:
    return {
        "name": one.name,
        "within": one.within,
        "auc": round(one.auc, 4),
        "pictures": one.pictures,
        "found": one.found,
        "evidence": one.evidence,
    }
