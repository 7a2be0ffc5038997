"""Ask a model about labelled pictures, once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.lab.data.manifest import Row
from unmask.lab.evaluate.metrics import auc
from unmask.model.model import Model, ModelOutput
from unmask.picture.decode import decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.views import PictureViews, ViewPlan, cut_views

log = logging.getLogger(__name__)
_CHUNK = 16


@dataclass(frozen=True)
class Scores:
    """What a model says of every readable picture.

    Attributes:
        rows: The pictures that could be read.
        outputs: What was said of each.
    """

    rows: list[Row]
    outputs: list[ModelOutput]

    @property
    def logits(self) -> NDArray[np.float32]:
        """The pooled fake logits, shape (pictures,)."""
        return np.array([output.logit for output in self.outputs], dtype=np.float32)

    @property
    def category_logits(self) -> NDArray[np.float32]:
        """Shape (pictures, categories)."""
        return np.stack([output.category_logits for output in self.outputs])

    @property
    def is_fake(self) -> NDArray[np.bool_]:
        """The truth, shape (pictures,)."""
        return np.array([row.is_fake for row in self.rows])

    def auc_by_source(self, logits: NDArray[np.floating]) -> float:
        """Return the mean over sources of the AUC within a source.

        No difference of sources can help it. Sources with one label have no AUC and are left out;
        without any other source it is the AUC over all pictures.

        Args:
            logits: Of the pictures.
        """
        sources, is_fake = np.array([row.source for row in self.rows]), self.is_fake
        each = [
            auc(is_fake[sources == source], logits[sources == source])
            for source in np.unique(sources)
        ]
        known = [value for value in each if not np.isnan(value)]
        return float(np.mean(known)) if known else auc(is_fake, logits)


def score(
    model: Model,
    rows: Sequence[Row],
    plans: Mapping[str, ViewPlan] | None = None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Scores:
    """Ask a model about pictures; unreadable ones are logged and left out.

    Args:
        model: The model.
        rows: The pictures.
        plans: Which views are cut for each input; None for those of the model's card.
        on_progress: Called with the number of pictures just done.

    Raises:
        ValueError: None of the pictures could be read.
    """
    wanted = plans or model.card.inputs
    kept: list[Row] = []
    outputs: list[ModelOutput] = []

    def load(row: Row) -> PictureViews | None:
        try:
            return cut_views(decode(read_bytes(row.path)), wanted)
        except PictureError as error:
            log.warning("skipped %s: %s", row.path, error)
            return None

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            read = list(zip(chunk, pool.map(load, chunk), strict=True))
            kept += [row for row, views in read if views is not None]
            outputs += model.answer([views for _, views in read if views is not None])
            on_progress(len(chunk))
    if not kept:
        raise ValueError("None of the pictures could be read.")
    return Scores(kept, outputs)
