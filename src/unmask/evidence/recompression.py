"""Estimate whether a JPEG was saved as JPEG before, at another quality (double compression).

Saving twice quantises each DCT coefficient by two steps. Where they differ, some of the second
step's values can hardly be reached and others are reached twice, which leaves combs in the
histograms (Lukas and Fridrich 2003; Bianchi and Piva 2012). For each quality that the first save
may have had, the likelihood of the coefficients under two saves is held against that under one;
a Laplace density stands for the coefficients before any save (Lam and Goodman 2000).

It works where the second save has kept the grid of 8 x 8 blocks (no cut or resizing between) and,
as a rule, a quality not far below the first. recipes/recompression/recompression.py measures it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from unmask.picture.jpeg import libjpeg_tables

Numbers = NDArray[np.floating] | NDArray[np.integer]

_MODES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2), (0, 3), (3, 0))
_FIRST_QUALITIES = range(40, 99)
_FURTHEST = 24
_LARGEST_SIDE = 512
_FEWEST_BLOCKS = 256
_NOISE = 0.15
EVIDENCE_NEEDED = 0.1
"""So much log-likelihood a coefficient must speak for a first save.

Chosen by recipes/consistency/consistency.py, so that under 1 in 200 camera originals is accused.
"""


class Recompression(NamedTuple):
    """What the coefficients say of an earlier save.

    Attributes:
        quality: The likeliest quality of the first save, 40-98, in libjpeg's scale.
        evidence: Log-likelihood ratio of two saves against one, mean over coefficients; a first
            save is believed from `EVIDENCE_NEEDED` on.
    """

    quality: int
    evidence: float


def estimate_recompression(image: Image.Image) -> Recompression | None:
    """Look for the traces of an earlier save.

    Args:
        image: An opened JPEG, not yet decoded.

    Returns:
        The estimate; None for anything but a JPEG of enough blocks.

    Raises:
        Exception: The picture cannot be decoded.
    """
    if not isinstance(image, JpegImageFile) or not image.quantization:
        return None
    table = np.asarray(image.quantization.get(image.layer[0][3], ()), dtype=np.int64)
    if table.size != 64:
        return None
    image.draft("L", image.size)
    coefficients = _dct(np.asarray(image.convert("L")))
    if len(coefficients) < _FEWEST_BLOCKS:
        return None
    steps = table.reshape(8, 8)
    first_tables = libjpeg_tables()[:, :64].reshape(-1, 8, 8)
    totals = np.zeros(len(_FIRST_QUALITIES))
    counted = 0
    for mode in _MODES:
        step = int(steps[mode])
        values = np.abs(np.rint(coefficients[:, mode[0], mode[1]] / step)).astype(np.int64)
        histogram = np.bincount(values[values <= _FURTHEST], minlength=_FURTHEST + 1)[1:]
        seen = int(histogram.sum())
        if seen < _FEWEST_BLOCKS // 8:
            continue
        scale = max(step / 4, float(np.abs(coefficients[:, mode[0], mode[1]]).mean()))
        once = _once(step, scale)
        counted += seen
        for place, quality in enumerate(_FIRST_QUALITIES):
            first = int(first_tables[quality - 1][mode])
            if first != step:
                twice = (1 - _NOISE) * _twice(first, step, scale) + _NOISE * once
                totals[place] += float(histogram @ np.log(twice / once))
    if counted == 0:
        return None
    best = int(np.argmax(totals))
    return Recompression(_FIRST_QUALITIES[best], float(totals[best]) / counted)


def _dct(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the DCT of the blocks of the picture's middle, shape (blocks, 8, 8)."""
    height, width = luma.shape
    top = max(0, (height - _LARGEST_SIDE) // 16 * 8)
    left = max(0, (width - _LARGEST_SIDE) // 16 * 8)
    rows, columns = min(height - top, _LARGEST_SIDE) // 8, min(width - left, _LARGEST_SIDE) // 8
    cut = luma[top : top + 8 * rows, left : left + 8 * columns].astype(np.float64) - 128
    blocks = cut.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    at = np.arange(8)
    basis = np.sqrt(2 / 8) * np.cos(np.pi * at[:, None] * (2 * at + 1) / 16)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis @ blocks @ basis.T)


def _mass(low: Numbers, high: Numbers, scale: float) -> NDArray[np.float64]:
    """Return the Laplace mass of the intervals, on the positive side."""
    near, far = np.maximum(low, 0) / scale, np.maximum(high, 0) / scale
    return np.asarray(np.exp(-near) - np.exp(-far), dtype=np.float64)


def _once(step: int, scale: float) -> NDArray[np.float64]:
    """Return the chances of the values 1 to `_FURTHEST` after one save."""
    value = np.arange(1, _FURTHEST + 1)
    return _normal(_mass((value - 0.5) * step, (value + 0.5) * step, scale))


def _twice(first: int, second: int, scale: float) -> NDArray[np.float64]:
    """Return the same after a save with step ``first`` and then one with ``second``."""
    before = np.arange(0, int((_FURTHEST + 1) * second / first) + 2)
    mass = _mass((before - 0.5) * first, (before + 0.5) * first, scale)
    value = np.rint(before * first / second).astype(np.int64)
    kept = (value >= 1) & (value <= _FURTHEST)
    return _normal(np.bincount(value[kept], mass[kept], minlength=_FURTHEST + 1)[1:])


def _normal(mass: Numbers) -> NDArray[np.float64]:
    return np.asarray((mass + 1e-12) / (mass + 1e-12).sum(), dtype=np.float64)
