"""A tiny tower with random weights, for tests that need no real one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.lab.tower.compress import GROUP
from unmask.lab.tower.tower import GRID, HEADS, PATCH, Block, Linear, Norm, Tower

CHANNELS, HIDDEN, DEPTH = 16 * HEADS, 4 * GROUP, 2


def make_tower() -> Tower:
    rng = np.random.default_rng(0)

    def some(*shape: int, scale: float = 0.08) -> NDArray[np.float32]:
        return rng.normal(0, scale, shape).astype(np.float32)

    def linear(inputs: int, outputs: int) -> Linear:
        return Linear(some(inputs, outputs), some(outputs))

    def norm() -> Norm:
        return Norm(1 + some(CHANNELS), some(CHANNELS))

    def block() -> Block:
        return Block(
            norm(), linear(CHANNELS, 3 * CHANNELS), linear(CHANNELS, CHANNELS),
            norm(), linear(CHANNELS, HIDDEN), linear(HIDDEN, CHANNELS),
        )  # fmt: skip

    return Tower(
        patches=some(CHANNELS, 3, PATCH, PATCH),
        patch_bias=some(CHANNELS),
        start=some(1, 1, CHANNELS),
        positions=some(GRID * GRID + 1, CHANNELS, scale=0.5),
        norm=norm(),
        blocks=tuple(block() for _ in range(DEPTH)),
    )
