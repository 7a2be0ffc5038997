"""Make the tower small: drop hidden units, keep four bits a weight."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask.lab.tower.tower import Array, Block, Linear, Tower

GROUP = 64
"""Weights that share a scale, along the inputs of a matrix."""
_LARGEST = 15
"""Of a group's multiplier: with levels -8 to 7 the products stay within 8 bits."""


@dataclass(frozen=True)
class FourBit:
    """A matrix in four bits a weight: ``(levels - 8) * multipliers * scale``.

    The first product is an integer within 8 bits, so that the matrix can be multiplied as int8.

    Attributes:
        levels: 0 to 15, uint8, (inputs, outputs).
        multipliers: 1 to 15, uint8, (inputs / `GROUP`, outputs).
        scale: float32, (outputs,).
    """

    levels: NDArray[np.uint8]
    multipliers: NDArray[np.uint8]
    scale: Array

    def int8(self) -> NDArray[np.int8]:
        """Return the matrix without its scale."""
        wide = np.repeat(self.multipliers.astype(np.int16), GROUP, axis=0)
        return ((self.levels.astype(np.int16) - 8) * wide).astype(np.int8)

    def weight(self) -> Array:
        """Return the matrix as float32."""
        return self.int8().astype(np.float32) * self.scale


def to_four_bits(weight: Array, second_moment: Array) -> FourBit:
    """Round a matrix to four bits so that its outputs change least (GPTQ, Frantar et al. 2023).

    Inputs are rounded one after the other, and the error of each is made up for by those that are
    not rounded yet, weighted by how inputs go together.

    Args:
        weight: float32, (inputs, outputs); inputs a multiple of `GROUP`.
        second_moment: Of the inputs, ``x.T @ x / n``, (inputs, inputs).
    """
    inputs, outputs = weight.shape
    left = weight.astype(np.float64)
    grouped = np.abs(left).reshape(inputs // GROUP, GROUP, outputs).max(1)
    scale = np.maximum(grouped.max(0) / 7.5 / _LARGEST, 1e-12)
    levels = np.empty((inputs, outputs), dtype=np.uint8)
    multipliers = np.empty((inputs // GROUP, outputs), dtype=np.uint8)
    damping = 0.01 * np.diag(second_moment).mean() * np.eye(inputs)
    inverse = np.linalg.inv(second_moment.astype(np.float64) + damping)
    upper = np.linalg.cholesky(inverse).T
    for group, first in enumerate(range(0, inputs, GROUP)):
        last = first + GROUP
        multiplier = _multipliers(left[first:last], scale)
        step = multiplier * scale
        errors = np.empty((GROUP, outputs))
        for row in range(first, last):
            rounded = np.clip(np.rint(left[row] / step), -8, 7)
            levels[row] = rounded + 8
            errors[row - first] = (left[row] - rounded * step) / upper[row, row]
            left[row + 1 : last] -= np.outer(upper[row, row + 1 : last], errors[row - first])
        left[last:] -= upper[first:last, last:].T @ errors
        multipliers[group] = multiplier
    return FourBit(levels, multipliers, scale.astype(np.float32))


def _multipliers(group: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Choose each output's multiplier for one group by the least squared error."""
    best = np.ones(group.shape[1])
    least = np.full(group.shape[1], np.inf)
    for multiplier in range(1, _LARGEST + 1):
        step = multiplier * scale
        error = ((group - np.clip(np.rint(group / step), -8, 7) * step) ** 2).sum(0)
        better = error < least
        best[better], least[better] = multiplier, error[better]
    return best


def compress(tower: Tower, views: Tensor, units: int) -> tuple[Tower, list[dict[str, FourBit]]]:
    """Prune and round all blocks, one after the other, on what the smaller ones before give.

    Args:
        tower: The tower.
        views: Real training views that say which inputs matter, float32 (n, 3, 224, 224).
        units: Hidden units to keep in each MLP; a multiple of `GROUP`.

    Returns:
        The tower with rounded weights, and the four-bit matrices of each block by name.
    """
    with torch.inference_mode():
        x = tower.embed(views)
        small: list[Block] = []
        matrices: list[dict[str, FourBit]] = []
        for block in tower.blocks:
            stored: dict[str, FourBit] = {}

            block = _round(block, "qkv", block.norm1(x), stored)
            gathered = block.attend(x)
            block = _round(block, "out", gathered, stored)
            x = x + block.out(gathered)
            block = prune(block, x, units)
            block = _round(block, "fc1", block.norm2(x), stored)
            hidden = block.hidden(x)
            block = _round(block, "fc2", hidden, stored)
            x = x + block.fc2(hidden)
            small.append(block)
            matrices.append(stored)
    return replace(tower, blocks=tuple(small)), matrices


def prune(block: Block, x: Tensor, units: int) -> Block:
    """Keep the hidden units that move the output most, and refit the rest of the MLP to it.

    Args:
        block: A block.
        x: Tokens before its MLP, (n, tokens, channels).
        units: Number of hidden units to keep.
    """
    hidden = block.hidden(x).flatten(0, 1)
    weight = torch.from_numpy(block.fc2.weight)
    # What is constant goes into the bias, so only what varies makes a unit worth keeping.
    worth = hidden.std(0) * weight.norm(dim=1)
    keep = worth.topk(units).indices.sort().values
    kept = torch.cat([hidden[:, keep], torch.ones(len(hidden), 1)], 1).double()
    target = (hidden @ weight).double()
    moment = kept.T @ kept
    ridge = 1e-3 * moment.diagonal()[:-1].mean() * torch.eye(units + 1, dtype=torch.float64)
    # Pulled towards the weights as they were, not towards zero.
    start = torch.cat([weight[keep], torch.zeros(1, weight.shape[1])]).double()
    refit = torch.linalg.solve(moment + ridge, kept.T @ target + ridge @ start).float()
    index = keep.numpy()
    return replace(
        block,
        fc1=Linear(np.ascontiguousarray(block.fc1.weight[:, index]), block.fc1.bias[index]),
        fc2=Linear(refit[:-1].numpy(), block.fc2.bias + refit[-1].numpy()),
    )


def _round(block: Block, name: str, inputs: Tensor, stored: dict[str, FourBit]) -> Block:
    """Round one matrix of a block, and keep its four bits under its name."""
    linear: Linear = getattr(block, name)
    stored[name] = to_four_bits(linear.weight, _second_moment(inputs))
    changes: dict[str, Any] = {name: replace(linear, weight=stored[name].weight())}
    return replace(block, **changes)


def _second_moment(inputs: Tensor) -> Array:
    flat = inputs.flatten(0, 1)
    return np.asarray((flat.T @ flat / len(flat)).numpy(), dtype=np.float32)
