"""Ask a trained network, outside of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unmask.lab.data.manifest import Row
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.dataset import EvaluationViews, Reader, loader, read_pixels
from unmask.lab.train.network import TwoHeadNetwork
from unmask.picture.views import ViewPlan


@dataclass(frozen=True)
class NetworkAnswers:
    """Answers on the pictures that could be read.

    Attributes:
        index: Row number of each, shape (n,).
        fake_logits: Mean over its views, and their mirror images where the configuration asks for
            these, shape (n,).
    """

    index: NDArray[np.int64]
    fake_logits: NDArray[np.float64]


def predict(
    network: TwoHeadNetwork,
    config: TrainConfig,
    rows: Sequence[Row],
    *,
    plan: ViewPlan | None = None,
    read: Reader = read_pixels,
    on_progress: Callable[[int], None] = lambda count: None,
) -> NetworkAnswers:
    """Answer for whole pictures.

    Args:
        network: Ready to answer, on the CPU.
        config: What it was trained with.
        rows: The pictures.
        plan: How they are cut; None for the configuration's own views.
        read: Where pixels come from.
        on_progress: Called with the number of pictures just done.

    Raises:
        ValueError: None of the pictures could be read.
    """
    index: list[int] = []
    logits: list[float] = []
    views = EvaluationViews(rows, plan or config.views, config.scale, read)
    for batch in loader(views, config):
        if "views" in batch:
            with torch.inference_mode():
                pictures, count = batch["views"].shape[:2]
                flat = batch["views"].flatten(0, 1)
                fake_logit, _ = network(flat)
                if config.mirrored:
                    fake_logit = (fake_logit + network(flat.flip(-1))[0]) / 2
            index += batch["index"].tolist()
            logits += fake_logit.view(pictures, count).mean(1).tolist()
            on_progress(pictures)
    if not index:
        raise ValueError("None of the pictures could be read.")
    return NetworkAnswers(np.array(index), np.array(logits))
