"""Find faces with BlazeFace (Bazarevsky et al. 2019), the model for cameras that look outwards.

The network sees 256 x 256 pixels and finds faces down to about a twelfth of that. A large picture
is therefore looked at as a whole and in overlapping tiles, so that small faces are found as well.

Weights: Google's, Apache-2.0, converted by recipes/blazeface/convert.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from unmask.picture.decode import Pixels

WEIGHTS = Path(__file__).parents[1] / "weights" / "blazeface.onnx"
SIDE = 256
MIN_SCORE = 0.7
"""Chosen by recipes/faces/faces.py: below it, animals and cars are often taken for faces."""
MOST_FACES = 100
_OVERLAP = 0.3
# Of two boxes one inside the other, from a tile and from the whole, the surer one is kept.
_INSIDE = 0.7
_TILE_SHARE = 0.6
# From this shorter side on, tiles show what the shrunk whole does not.
_TILES_FROM = 512
_FINER_FROM = 960
_BATCH = 8

Boxes = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Face:
    """A face.

    Attributes:
        box: Left, top, right and bottom edge, in pixels, within the picture.
        score: How sure the detector is, in [0, 1].
    """

    box: tuple[int, int, int, int]
    score: float


class FaceFinder:
    """Finds the faces of pictures. Safe to share between threads."""

    def __init__(self, *, min_score: float = MIN_SCORE, tiles: bool = True) -> None:
        """Load the network.

        Args:
            min_score: Faces below this score are left out.
            tiles: Whether to look for small faces in tiles of large pictures.
        """
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(
            WEIGHTS.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self._min_score, self._tiles = min_score, tiles

    def find(self, pixels: Pixels) -> list[Face]:
        """Find the faces of a picture, the surest first, at most `MOST_FACES`.

        Args:
            pixels: uint8 RGB, shape (height, width, 3).
        """
        height, width = pixels.shape[:2]
        windows = _windows(height, width) if self._tiles else [(0, 0, height, width)]
        boxes, scores = [], []
        for start in range(0, len(windows), _BATCH):
            batch = windows[start : start + _BATCH]
            inputs = np.stack([_letterbox(pixels, window) for window in batch])
            raw_boxes, raw_scores = self.run(inputs)
            for window, some_boxes, some_scores in zip(batch, raw_boxes, raw_scores, strict=True):
                found, sure = self._decode(some_boxes, some_scores)
                boxes.append(_place(found, window))
                scores.append(sure)
        kept = _merge(np.concatenate(boxes), np.concatenate(scores))
        faces = []
        for box, score in kept[:MOST_FACES]:
            left, right = (round(min(max(x, 0), width)) for x in (box[0], box[2]))
            top, bottom = (round(min(max(y, 0), height)) for y in (box[1], box[3]))
            if right - left > 2 and bottom - top > 2:
                faces.append(Face((left, top, right, bottom), score))
        return faces

    def run(self, inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the network on float32 pictures in [-1, 1], shape (n, 256, 256, 3).

        Returns:
            Raw boxes, shape (n, 896, 16), and the logits of their scores, shape (n, 896, 1).
        """
        boxes, scores = self._session.run(("boxes", "scores"), {"picture": inputs})
        return boxes, scores

    def _decode(
        self, boxes: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> tuple[Boxes, NDArray[np.float64]]:
        """Return the boxes above the least score, as edges in [0, 1] of the network's input."""
        sure = 1 / (1 + np.exp(-np.clip(scores[:, 0].astype(np.float64), -80, 80)))
        kept = sure >= self._min_score
        centre = boxes[kept, :2] / SIDE + _anchors()[kept]
        half = boxes[kept, 2:4] / SIDE / 2
        edges = np.concatenate([centre - half, centre + half], axis=1).astype(np.float64)
        whole = (half > 0).all(axis=1)
        return edges[whole], sure[kept][whole]


def _windows(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Return where to look: (top, left, height, width) of the whole and of tiles."""
    windows = [(0, 0, height, width)]
    for share, least in ((_TILE_SHARE, _TILES_FROM), (_TILE_SHARE**2, _FINER_FROM)):
        if min(height, width) < least:
            break
        # Square tiles, so that a long picture loses nothing to its letterbox.
        side = round(share * min(height, width))
        for top in _starts(height, side):
            windows += [(top, left, side, side) for left in _starts(width, side)]
    return windows[:64]


def _starts(length: int, side: int) -> list[int]:
    """Return where tiles begin that cover a length and overlap by a fifth at least."""
    count = max(1, -(-(length - side) * 5 // (side * 4)) + 1)
    return [round(place) for place in np.linspace(0, length - side, count)]


def _letterbox(pixels: Pixels, window: tuple[int, int, int, int]) -> NDArray[np.float32]:
    top, left, height, width = window
    cut = Image.fromarray(pixels[top : top + height, left : left + width])
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cut.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    square = Image.new("RGB", (SIDE, SIDE))
    square.paste(small, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(square, dtype=np.float32) / np.float32(127.5) - np.float32(1)


def _place(boxes: Boxes, window: tuple[int, int, int, int]) -> Boxes:
    """Turn edges in the network's input into pixels of the picture."""
    top, left, height, width = window
    side = max(height, width)
    offset = np.array([left - (side - width) / 2, top - (side - height) / 2] * 2)
    return np.asarray(boxes * side + offset)


def _merge(boxes: Boxes, scores: NDArray[np.float64]) -> list[tuple[Boxes, float]]:
    """Join boxes of one face: weighted non-maximum suppression, as in the original."""
    left = np.argsort(-scores, kind="stable")
    kept = []
    while left.size:
        best = left[0]
        width = np.minimum(boxes[best, 2:], boxes[left, 2:]) - np.maximum(
            boxes[best, :2], boxes[left, :2]
        )
        common = np.prod(np.maximum(width, 0), axis=1)
        areas = np.prod(boxes[left, 2:] - boxes[left, :2], axis=1)
        union = areas[0] + areas - common
        same = common > _OVERLAP * union
        weights = scores[left[same], None]
        kept.append(
            ((boxes[left[same]] * weights).sum(axis=0) / weights.sum(), float(scores[best]))
        )
        inside = common > _INSIDE * np.minimum(areas, areas[0])
        left = left[~(same | inside)]
    return kept


@cache
def _anchors() -> NDArray[np.float64]:
    """Return the centres of the anchors in [0, 1], shape (896, 2), as (x, y)."""
    centres = []
    for stride, repeats in ((16, 2), (32, 6)):
        count = SIDE // stride
        along = (np.arange(count) + 0.5) / count
        y, x = np.meshgrid(along, along, indexing="ij")
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(centres)
