"""Explain a detector's answer for one picture."""

from __future__ import annotations

from typing import Literal

import numpy as np

from unmask.detector.detector import Detector
from unmask.detector.examined import ExaminedPicture, Picture
from unmask.heatmap.explanation import Explanation
from unmask.heatmap.methods import CAM, OCCLUSION
from unmask.heatmap.occlusion import occlusion_map
from unmask.model.model import Model, ModelOutput
from unmask.picture.views import Box

Head = Literal["fake", "category"]
FAKE = "fake"


def explain(
    detector: Detector,
    picture: Picture | ExaminedPicture,
    *,
    head: Head = "fake",
    method: str | None = None,
    category: str | None = None,
) -> Explanation:
    """Explain one logit of a detector's answer.

    Example::

        from unmask import Detector, explain

        found = explain(Detector(), "photo.jpg")
        png = found.png(longest=1024)  # the picture under its heatmap
        heat = found.map()  # float32 (height, width)

    Args:
        detector: The detector.
        picture: Whatever `Detector.detect` takes, or a picture that this detector has examined.
        head: Explain real/fake or the category.
        method: One of the model's `methods`; None for the first of them.
        category: With the category head, which one; the likeliest if None.

    Raises:
        PictureError: The picture cannot be read.
        ValueError: There is no such method, head or category.
    """
    model = detector.model
    method = check_choice(model, head, method, category)
    examined = picture if isinstance(picture, ExaminedPicture) else detector.examine(picture)
    output = examined.mapped_output
    row = _row(output, head, category, model.card.categories)
    height, width = examined.pixels.shape[:2]
    boxes = [view.box for view in examined.shown]
    if method == OCCLUSION:
        cells = occlusion_map(model, examined.pixels, output, lambda one: _logits(one)[row])
        boxes = [Box(0, 0, height, width)]
    elif method == CAM and output.maps is not None:
        cells = output.maps[row]
    else:
        cells = model.explain_views(examined.plain_views, row, method)
    logit = _logits(output)[row]
    return Explanation(
        head=head,
        target=(FAKE, *model.card.categories)[row],
        method=method,
        logit=logit,
        bias=logit - float(cells.mean(dtype=np.float64)) if method == CAM else 0.0,
        cells=cells,
        boxes=boxes,
        pixels=examined.pixels,
    )


def check_choice(model: Model, head: str, method: str | None, category: str | None) -> str:
    """Check what is to be explained, and return by which method.

    Raises:
        ValueError: There is no such thing.
    """
    method, categories = method or model.methods[0], model.card.categories
    if method not in model.methods:
        raise ValueError(
            f"There is no method '{method}' for {model.card.name}; "
            f"there are {', '.join(model.methods)}."
        )
    if head not in ("fake", "category"):
        raise ValueError(f"There is no head '{head}'; there are fake and category.")
    if head == "category" and not categories:
        raise ValueError(
            "This model tells no categories; only its answer on fake can be explained."
        )
    if category is not None and head != "category":
        raise ValueError("A category goes with the category head.")
    if category is not None and category not in categories:
        raise ValueError(f"There is no category '{category}'; there are {', '.join(categories)}.")
    return method


def _logits(output: ModelOutput) -> list[float]:
    return [output.logit, *output.category_logits.tolist()]


def _row(output: ModelOutput, head: str, category: str | None, categories: tuple[str, ...]) -> int:
    """Return which of the logits, the fake one first, is to be explained."""
    if head == "fake":
        return 0
    return 1 + (categories.index(category) if category else int(output.category_logits.argmax()))
