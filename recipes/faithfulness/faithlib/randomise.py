"""Sanity check by randomising the model (Adebayo et al. 2018).

A map that stays the same when what the model has learnt is destroyed shows edges or faces and not
what the model looks at. Weights are shuffled within each tensor, which keeps their distribution, in
a cascade from the heads down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from faithlib.common import Figure, mean_of, spearman
from unmask import Detector
from unmask.heatmap import explain
from unmask.lab.data.manifest import Row
from unmask.model.card import ModelCard

# The share of the graph's weight tensors that are shuffled, from the output on.
STAGES = {"heads": 0.0, "last quarter": 0.25, "last half": 0.5, "all": 1.0}


def sanity(model: Path, rows: Sequence[Row], folder: Path) -> dict[str, Figure]:
    """Return by stage the rank correlation of the maps with those of the model itself.

    Args:
        model: An ONNX model with its card.
        rows: Pictures.
        folder: Where the spoilt models may be written.
    """
    itself = Detector(model)
    maps = [explain(itself, row.path).cells for row in rows]
    result = {}
    for stage, share in STAGES.items():
        spoilt = Detector(_spoil(model, share, folder))
        likeness = [
            spearman(cells, explain(spoilt, row.path).cells)
            for cells, row in zip(maps, rows, strict=True)
        ]
        result[stage] = mean_of(likeness)
    return result


def _spoil(model: Path, share: float, folder: Path) -> Path:
    """Write a copy with shuffled weights, and its card, whose hash is that of the copy."""
    graph = onnx.load(model)
    weights = {one.name: one for one in graph.graph.initializer if len(one.dims) >= 2}
    # In the order of use, which ONNX keeps sorted; heads, which are matrices, come last.
    used = list(dict.fromkeys(n for node in graph.graph.node for n in node.input if n in weights))
    used += [name for name in weights if name not in used]
    filters = [name for name in used if len(weights[name].dims) == 4]
    heads = [name for name in used if len(weights[name].dims) == 2]
    rng = np.random.default_rng(0)
    for name in heads + filters[len(filters) - round(share * len(filters)) :]:
        values = numpy_helper.to_array(weights[name])
        shuffled = rng.permutation(values.ravel()).reshape(values.shape)
        weights[name].CopyFrom(numpy_helper.from_array(shuffled, name))
    data = graph.SerializeToString()
    path = folder / "spoilt.onnx"
    path.write_bytes(data)
    card = ModelCard.read(ModelCard.path_for(model))
    card = card.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    card.write(ModelCard.path_for(path))
    return path
