"""A tower and its heads become a model file with its card."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unmask.lab.tower.balance import IntegerBlock
from unmask.lab.tower.graph import INPUT, OPSET, model_graph
from unmask.lab.tower.heads import Heads
from unmask.lab.tower.tower import Tower
from unmask.model.card import ModelCard
from unmask.picture.views import ViewPlan


def plan_of(side: int) -> ViewPlan:
    """Return how a picture is shown to a tower: all of it, squeezed to a square."""
    return ViewPlan(size=side, whole="squeezed", crops=0)


def write_model(
    out: Path,
    tower: Tower,
    blocks: Sequence[IntegerBlock],
    side: int,
    taps: Sequence[int],
    heads: Heads,
    **card: Any,
) -> ModelCard:
    """Write a model and its card; the same weights give the same bytes.

    Args:
        out: The ONNX file; its card goes beside it.
        tower: The tower in floating point.
        blocks: Its blocks in integers.
        side: Of a view, in pixels.
        taps: Blocks, from 1, that the heads see.
        heads: The heads.
        card: The card's other fields, see `ModelCard`.
    """
    data = model_graph(tower, blocks, side, taps, heads).SerializeToString(deterministic=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(data)
    written = ModelCard(
        created=datetime.now(UTC).date().isoformat(),
        sha256=hashlib.sha256(data).hexdigest(),
        opset=OPSET,
        inputs={INPUT: plan_of(side)},
        **card,
    )
    written.write(ModelCard.path_for(out))
    return written
