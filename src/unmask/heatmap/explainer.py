"""Explain a detector's answer for one picture."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.detector.detector import Detector, Picture
from unmask.heatmap.explanation import Explanation
from unmask.heatmap.methods import METHODS, Method, class_activation, noisy_copies
from unmask.heatmap.spread import Cells
from unmask.picture.decode import Pixels
from unmask.picture.views import ViewPlan, make_views, normalise, view_boxes

Head = Literal["fake", "category"]
FAKE = "fake"


def explain(
    detector: Detector,
    picture: Picture,
    *,
    head: Head = "fake",
    method: Method = "cam",
    category: str | None = None,
) -> Explanation:
    """Explain one logit of a detector's answer.

    Args:
        detector: The detector.
        picture: Whatever `Detector.detect` takes.
        head: Explain real/fake or the category.
        method: How; ``cam`` is exact, see `methods`.
        category: With the category head, which one; the likeliest if None.

    Raises:
        PictureError: The picture cannot be read.
        ModelError: The model lacks the outputs that explain it.
        ValueError: There is no such method, head or category.
    """
    model = detector.model
    check_choice(head, method, category, model.card.categories)
    pixels = detector.pixels(picture)
    plan = model.card.views
    inputs = normalise(make_views(pixels, plan), model.card.scale)
    found = model.features(inputs)
    logits = np.array([found.fake_logits.mean(), *found.category_logits.mean(0)])
    row = target_row(logits, head, category, model.card.categories)
    weights = found.heads[row]
    if method == "smoothgradcam++":
        copies = (model.features(copy).maps for copy in noisy_copies(inputs))
        cells = np.mean([class_activation(maps, weights, method) for maps in copies], axis=0)
    else:
        cells = class_activation(found.maps, weights, method)
    target = (FAKE, *model.card.categories)[row]
    return compose(head, target, method, float(logits[row]), cells, pixels, plan)


def compose(
    head: Head,
    target: str,
    method: Method,
    logit: float,
    cells: Cells,
    pixels: Pixels,
    plan: ViewPlan,
) -> Explanation:
    """Put an explanation together from the maps of the views.

    Args:
        head: Which head.
        target: What is explained.
        method: How.
        logit: The pooled logit of the target.
        cells: The map of each view, shape (views, rows, columns).
        pixels: The picture.
        plan: How it was cut into views.
    """
    height, width = pixels.shape[:2]
    return Explanation(
        head=head,
        target=target,
        method=method,
        logit=logit,
        bias=logit - float(cells.mean(dtype=np.float64)) if method == "cam" else 0.0,
        cells=cells,
        boxes=view_boxes(height, width, plan),
        pixels=pixels,
    )


def check_choice(head: str, method: str, category: str | None, categories: tuple[str, ...]) -> None:
    """Check what is to be explained; raises ValueError where there is no such thing."""
    if method not in METHODS:
        raise ValueError(f"There is no method '{method}'; there are {', '.join(METHODS)}.")
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


def target_row(
    logits: NDArray[np.floating], head: str, category: str | None, categories: tuple[str, ...]
) -> int:
    """Return which of the logits, the fake one first, is to be explained."""
    if head == "fake":
        return 0
    return 1 + (categories.index(category) if category else int(np.argmax(logits[1:])))
