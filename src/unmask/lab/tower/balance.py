"""A tower in 8-bit integers: ranges balanced between what a matrix takes in and its weights.

A transformer's activations have a few channels that are a hundred times as large as the others, so
that one step for all of them rounds the others away. SmoothQuant (Xiao et al. 2023) divides each
channel by a factor before it is rounded, and multiplies the weights that it meets; nothing changes
but the rounding. Where the factor can be folded into what comes before (a norm, the values of the
attention), it costs nothing at run time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from unmask.lab.tower.tower import HEADS, Array, Block, Linear, Norm, Tower, at_side
from unmask.picture.views import Views

ALPHA = 0.7
"""How much of a channel's range goes over to the weights, in [0, 1]; by validation."""
_LEAST_INPUT, _LEAST_WEIGHT = 1e-3, 1e-4
Ranges = dict[tuple[int, str], Array]
"""Largest absolute input of each channel of a matrix, by block and the matrix' name."""


@dataclass(frozen=True)
class IntegerLinear:
    """``(x @ levels) * scale + bias``.

    Attributes:
        levels: int8, (inputs, outputs).
        scale: float32, one step an output, (outputs,).
        bias: float32, (outputs,).
    """

    levels: np.ndarray
    scale: Array
    bias: Array


@dataclass(frozen=True)
class IntegerBlock:
    """A transformer block whose matrices are integers.

    Attributes:
        norm1: Before the attention.
        qkv: Queries (the softmax's root folded in), keys and values.
        out: What the heads gathered, back to channels.
        norm2: Before the MLP.
        fc1: To its hidden units.
        gain: By what the hidden units are multiplied after their nonlinearity, (units,).
        fc2: Back to channels.
    """

    norm1: Norm
    qkv: IntegerLinear
    out: IntegerLinear
    norm2: Norm
    fc1: IntegerLinear
    gain: Array
    fc2: IntegerLinear


def measure_ranges(tower: Tower, views: Iterable[Views], side: int) -> Ranges:
    """Find the largest input of every channel of every matrix.

    Args:
        tower: The tower.
        views: Of some training pictures, each uint8 (1, side, side, 3).
        side: In pixels.
    """
    found: Ranges = {}
    sized = at_side(tower, side)

    def note(block: int, name: str, x: torch.Tensor) -> None:
        largest = x.abs().amax((0, 1)).numpy()
        found[block, name] = np.maximum(found.get((block, name), largest), largest)

    with torch.inference_mode():
        for one in views:
            pixels = torch.from_numpy(one.transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1
            x = sized.embed(pixels)
            for number, block in enumerate(sized.blocks):
                note(number, "qkv", block.norm1(x))
                gathered = block.attend(x)
                note(number, "out", gathered)
                x = x + block.out(gathered)
                note(number, "fc1", block.norm2(x))
                hidden = block.hidden(x)
                note(number, "fc2", hidden)
                x = x + block.fc2(hidden)
    return found


def balance(tower: Tower, ranges: Ranges) -> list[IntegerBlock]:
    """Return the tower's blocks in integers."""
    return [_balanced(block, ranges, number) for number, block in enumerate(tower.blocks)]


def _balanced(block: Block, ranges: Ranges, number: int) -> IntegerBlock:
    channels = block.out.weight.shape[0]
    root = np.ones(3 * channels, dtype=np.float32)
    root[:channels] = (channels // HEADS) ** -0.5
    qkv = Linear(block.qkv.weight * root, block.qkv.bias * root)
    down, qkv_levels = _rounded(qkv, ranges[number, "qkv"])
    norm1 = Norm(block.norm1.scale * down, block.norm1.bias * down)
    # What the heads gather is a mean of values: their columns carry the factor.
    down, out = _rounded(block.out, ranges[number, "out"])
    values = np.concatenate([np.ones(2 * channels, dtype=np.float32), down])
    qkv_levels = IntegerLinear(
        qkv_levels.levels, qkv_levels.scale * values, qkv_levels.bias * values
    )
    down, fc1 = _rounded(block.fc1, ranges[number, "fc1"])
    norm2 = Norm(block.norm2.scale * down, block.norm2.bias * down)
    gain, fc2 = _rounded(block.fc2, ranges[number, "fc2"])
    return IntegerBlock(norm1, qkv_levels, out, norm2, fc1, gain, fc2)


def _rounded(linear: Linear, largest: Array) -> tuple[Array, IntegerLinear]:
    """Return by what a matrix' inputs are to be multiplied, and the matrix that then fits."""
    of_weights = np.maximum(np.abs(linear.weight).max(1), _LEAST_WEIGHT)
    up = np.maximum(largest, _LEAST_INPUT) ** ALPHA / of_weights ** (1 - ALPHA)
    weight = linear.weight * up[:, None]
    scale = np.abs(weight).max(0) / 127
    levels = np.rint(weight / scale).astype(np.int8)
    return (1 / up).astype(np.float32), IntegerLinear(
        levels, scale.astype(np.float32), linear.bias.astype(np.float32)
    )
