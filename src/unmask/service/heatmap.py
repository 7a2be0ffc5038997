"""Draw the heatmap of a stored output."""

from __future__ import annotations

from typing import Literal

from unmask.heatmap.paint import overlay_png
from unmask.heatmap.spread import Spread
from unmask.model.card import ModelCard
from unmask.picture.views import list_views
from unmask.service.store.outputs import StoredOutput

Head = Literal["fake", "category"]


def heatmap_png(stored: StoredOutput, card: ModelCard, head: Head, longest: int) -> bytes:
    """Return a transparent PNG to lay over the picture.

    Args:
        stored: An output with maps.
        card: Of the model that gave it.
        head: Explain the verdict, or the likeliest category.
        longest: Longer side of the PNG, in pixels; less where the picture is smaller.

    Raises:
        ValueError: The output has no maps.
    """
    maps = stored.output.maps
    if maps is None:
        raise ValueError("The output has no maps.")
    row = 0 if head == "fake" else 1 + int(stored.output.category_logits.argmax())
    boxes = [view.box for view in list_views(stored.height, stored.width, card.inputs)]
    spread = Spread(maps[row], boxes, stored.height, stored.width)
    ratio = min(1.0, longest / max(stored.height, stored.width))
    height, width = (max(1, round(side * ratio)) for side in (stored.height, stored.width))
    return overlay_png(spread, height, width)
