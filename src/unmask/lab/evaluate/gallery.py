"""The surest answers of a model, right and wrong, as small pictures and their heatmaps."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.lab.data.manifest import Row
from unmask.lab.evaluate.evaluate import Evaluation
from unmask.picture.decode import decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.thumbnail import thumbnail

SHOWN = 5
_SIDE = 240
Heatmap = Callable[[Path, int], bytes]
"""Makes the heatmap of a picture, a PNG no side of which is longer than so many pixels."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A picture and what was said of it.

    Attributes:
        row: The picture.
        p_fake: What was said of it.
        thumbnail: A JPEG as a data URI; empty where the picture could not be read again.
        heatmap: What spoke for the answer, a PNG as a data URI; empty where nothing explains it.
    """

    row: Row
    p_fake: float
    thumbnail: str
    heatmap: str


def surest(done: Evaluation, *, right: bool, heatmap: Heatmap | None = None) -> list[Exhibit]:
    """Return the answers with the highest probability of what was called, the surest first.

    Args:
        done: An evaluation.
        right: Whether to take right or wrong calls, at the threshold.
        heatmap: Explains the answers; None where nothing does, as for predictions from a file.
    """
    answers = done.answers
    called = answers.p_fake >= done.subject.threshold
    sureness = np.where(called, answers.p_fake, 1 - answers.p_fake)
    places = np.flatnonzero((called == answers.is_fake) == right)
    best = places[np.argsort(-sureness[places], kind="stable")][:SHOWN]
    return [_exhibit(answers.rows[place], float(answers.p_fake[place]), heatmap) for place in best]


def _exhibit(row: Row, p_fake: float, heatmap: Heatmap | None) -> Exhibit:
    try:
        small = thumbnail(decode(read_bytes(row.path)), _SIDE)
        explained = heatmap(row.path, _SIDE) if heatmap else b""
    except PictureError:
        return Exhibit(row, p_fake, "", "")
    return Exhibit(row, p_fake, _uri("jpeg", small), _uri("png", explained))


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}" if data else ""
