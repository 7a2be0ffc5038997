"""Pseudo-fakes: training rows that are made from real pictures when these are loaded.

Such a row names the real picture's file, and a generator that stands in `MAKERS`. It shares the
real picture's group, so that a sampler that knows twins draws both side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from unmask.lab.data.manifest import Row
from unmask.lab.train.augment.selfblend import self_blend
from unmask.lab.train.config import TrainConfig
from unmask.picture.decode import Pixels

SELF_BLENDED = "self-blended"
MAKERS: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {SELF_BLENDED: self_blend}
"""What turns a real picture's pixels into a pseudo-fake's, by the name of the generator."""


def add_pseudo_fakes(rows: Sequence[Row], config: TrainConfig) -> list[Row]:
    """Return training rows with the pseudo-fakes that a configuration asks for, at their end."""
    faces = [i for i, row in enumerate(rows) if not row.is_fake and row.category == "human_faces"]
    count = round(config.self_blended * len(faces))
    chosen = sorted(np.random.default_rng((config.seed, 3)).permutation(faces)[:count].tolist())
    own, made = list(rows), []
    for index in chosen:
        # A real picture alone in its group needs one, to be its pseudo-fake's twin.
        own[index] = replace(own[index], group=own[index].group or f"{SELF_BLENDED} {index}")
        made.append(replace(own[index], label="fake", generator=SELF_BLENDED, source=SELF_BLENDED))
    return own + made


def make_pseudo(row: Row, pixels: Pixels, seed: int) -> Pixels:
    """Return a row's pixels: those of its file, or what its maker makes of them."""
    maker = MAKERS.get(row.generator)
    # A stream of its own: the twin's crop and re-encoding must not depend on the blending.
    return maker(pixels, np.random.default_rng((seed, 4))) if maker else pixels
