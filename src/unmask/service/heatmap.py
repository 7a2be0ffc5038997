"""Draw the heatmap of a stored answer."""

from __future__ import annotations

from typing import Literal

import numpy as np

from unmask.heatmap.paint import overlay_png
from unmask.heatmap.spread import Spread
from unmask.model.card import ModelCard
from unmask.picture.views import view_boxes
from unmask.service.engine.engine import Answer

Head = Literal["fake", "category"]


def heatmap_png(answer: Answer, card: ModelCard, head: Head, longest: int) -> bytes:
    """Return a transparent PNG to lay over the picture.

    Args:
        answer: An answer with maps.
        card: Of the model that gave it.
        head: Explain the verdict, or the likeliest category.
        longest: Longer side of the PNG, in pixels; less where the picture is smaller.

    Raises:
        ValueError: The answer has no maps.
    """
    if answer.maps is None:
        raise ValueError("The answer has no maps.")
    row = 0 if head == "fake" else 1 + int(answer.category_logits.mean(0).argmax())
    boxes = view_boxes(answer.height, answer.width, card.views)
    spread = Spread(answer.maps[row].astype(np.float32), boxes, answer.height, answer.width)
    ratio = min(1.0, longest / max(answer.height, answer.width))
    height, width = (max(1, round(side * ratio)) for side in (answer.height, answer.width))
    return overlay_png(spread, height, width)
