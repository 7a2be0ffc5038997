"""The surest answers of a model, right and wrong, as small pictures."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from unmask.data.manifest import Row
from unmask.evaluation.run import Evaluation
from unmask.media.decode import decode, read_bytes
from unmask.media.errors import PictureError

SHOWN = 5
_SIDE = 240
_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A picture and what was said of it.

    Attributes:
        row: The picture.
        p_fake: What was said of it.
        thumbnail: A JPEG as a data URI; empty where the picture could not be read again.
    """

    row: Row
    p_fake: float
    thumbnail: str


def surest(done: Evaluation, *, right: bool) -> list[Exhibit]:
    """Return the answers with the highest probability of what was called, the surest first.

    Args:
        done: An evaluation.
        right: Whether to take right or wrong calls, at the threshold.
    """
    answers = done.answers
    called = answers.p_fake >= done.subject.threshold
    sureness = np.where(called, answers.p_fake, 1 - answers.p_fake)
    places = np.flatnonzero((called == answers.is_fake) == right)
    best = places[np.argsort(-sureness[places], kind="stable")][:SHOWN]
    return [
        Exhibit(answers.rows[place], float(answers.p_fake[place]), _thumbnail(answers.rows[place]))
        for place in best
    ]


def _thumbnail(row: Row) -> str:
    try:
        image = Image.fromarray(decode(read_bytes(row.path)))
    except PictureError:
        return ""
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
