"""Build a two-branch model: an exported network, the small tower beside it, one head over both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import onnx

from unmask.lab.calibrate.score import score_views
from unmask.lab.data.manifest import Row
from unmask.lab.tower.features import OPSET, SIZE
from unmask.lab.tower.fuse import Probe, fuse
from unmask.lab.tower.kept import keep_features
from unmask.lab.tower.probe import STRENGTH, fit_head, weigh
from unmask.lab.train.export import About
from unmask.model.card import ModelCard
from unmask.model.onnx_model import EXPLAIN, WHOLE_WEIGHT, Model


def build(
    network: Path,
    tower: Path,
    rows: Sequence[Row],
    out: Path,
    *,
    folder: Path,
    about: About,
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> ModelCard:
    """Write a two-branch model and its card, not yet calibrated.

    The head on the tower is fitted to training pictures; how much it counts beside the network, to
    validation pictures, for the network knows the training pictures by heart.

    Args:
        network: An exported network for views of 224 pixels, its card beside it.
        tower: An ONNX export of CLIP ViT-B/16, see `read_tower`.
        rows: A manifest's rows; only pictures of ``train`` and ``val`` are read.
        out: The ONNX file to write.
        folder: Where what the tower sees is kept, see `keep_features`.
        about: What the card says besides.
        seed: Of the pictures that say which weights matter, and of the degradations.
        report: Called with a line now and then.
        on_progress: Called with the number of pictures just done.

    Raises:
        ModelError: The network cannot be loaded.
        ValueError: The network takes other views, or the tower is no such export.
    """
    small = Model(network)
    if small.card.views.size != SIZE or not small.card.views.whole:
        raise ValueError(f"The network must look at the whole picture, at {SIZE} pixels.")
    kept = keep_features(
        tower, rows, folder, held_out=("val",), seed=seed, report=report, on_progress=on_progress
    )
    head, seen = fit_head(kept.train, STRENGTH), kept.held_out
    network_logits = score_views(small, seen.rows, small.card.views).pooled()
    own, other, bias = weigh(head(seen.values[:, 0]), network_logits, seen.rows)
    report(f"the head counts {own:.2f}, the network {other:.2f}")
    probe = Probe(own * head.weights, own * head.bias + bias, other)
    data = fuse(onnx.load(str(network)), kept.model, probe).SerializeToString()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(data)
    card = small.card.model_copy(
        update={
            "name": about.name,
            "licence": about.licence,
            "intended_use": about.intended_use,
            "created": datetime.now(UTC).date().isoformat(),
            "sha256": hashlib.sha256(data).hexdigest(),
            "opset": OPSET,
            "inputs": (
                f"{small.card.inputs}; {WHOLE_WEIGHT}: float32 (n,), for a picture's whole view "
                f"the number of its views, for all others 0; {EXPLAIN}: bool, true where the "
                "feature map is wanted, false if not given"
            ),
            "training": small.card.training
            | {
                "network": {"name": small.card.name, "sha256": small.card.sha256},
                "tower": {
                    "weights": "CLIP ViT-B/16 (Radford et al. 2021), MIT",
                    **kept.tower.model_dump(),
                    "head_strength": STRENGTH,
                    "head_counts": own,
                    "network_counts": other,
                },
            },
        }
    )
    card.write(ModelCard.path_for(out))
    return card
