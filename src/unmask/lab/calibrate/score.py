"""Score labelled pictures view by view, so that plans of views can be compared."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.lab.data.manifest import Row
from unmask.model.base import Parts, ViewModel
from unmask.picture.decode import decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.views import ViewPlan, Views, make_views

log = logging.getLogger(__name__)
_CHUNK = 16


@dataclass(frozen=True)
class ViewScores:
    """Logits of every view of every readable picture.

    Attributes:
        rows: The pictures that could be read.
        fake_logits: Shape (pictures, views).
        category_logits: Shape (pictures, views, categories).
        whole_logits: What a branch for whole pictures adds once to the mean over views, shape
            (pictures,); zero for models without one.
    """

    rows: list[Row]
    fake_logits: NDArray[np.float32]
    category_logits: NDArray[np.float32]
    whole_logits: NDArray[np.float32]

    def pooled(self, columns: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Return the fake logits pooled over some of the views, shape (pictures,).

        Args:
            columns: Which views, the first being the whole picture; None for all.
        """
        if columns is None:
            return np.asarray(self.fake_logits.mean(1) + self.whole_logits, dtype=np.float32)
        whole = self.whole_logits if 0 in columns else np.float32(0)
        return np.asarray(self.fake_logits[:, list(columns)].mean(1) + whole, dtype=np.float32)

    @property
    def is_fake(self) -> NDArray[np.bool_]:
        """The truth, shape (pictures,)."""
        return np.array([row.is_fake for row in self.rows])


def score_views(
    model: ViewModel,
    rows: Sequence[Row],
    plan: ViewPlan,
    on_progress: Callable[[int], None] = lambda count: None,
) -> ViewScores:
    """Run a model on all views that ``plan`` takes; unreadable pictures are logged and left out.

    Args:
        model: The model.
        rows: The pictures.
        plan: The views to take; ``plan.count`` is the number of columns.
        on_progress: Called with the number of pictures just done.
    """
    kept: list[Row] = []
    found: list[Parts] = []

    def load(row: Row) -> Views | None:
        try:
            return make_views(decode(read_bytes(row.path)), plan)
        except PictureError as error:
            log.warning("skipped %s: %s", row.path, error)
            return None

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            for row, views in zip(chunk, pool.map(load, chunk), strict=True):
                if views is not None:
                    kept.append(row)
                    found.append(model.parts(views))
            on_progress(len(chunk))
    if not kept:
        raise ValueError("None of the pictures could be read.")
    fake, category, whole = zip(*found, strict=True)
    return ViewScores(kept, np.stack(fake), np.stack(category), np.array(whole))
