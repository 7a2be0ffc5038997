"""Build a two-branch model: an exported network, the small tower beside it, one head over both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from unmask.calibrate.score import score_views
from unmask.data.manifest import Row, select
from unmask.detector.card import ModelCard
from unmask.detector.model import EXPLAIN, WHOLE_WEIGHT, Model
from unmask.media.decode import decode, read_bytes
from unmask.media.errors import PictureError
from unmask.prepare.views import normalise, whole_view
from unmask.training.clip.compress import compress
from unmask.training.clip.features import SIZE, tower_features
from unmask.training.clip.fuse import OPSET, Probe, fuse
from unmask.training.clip.probe import PSEUDO_FAKES_COUNT, fit_head, weigh
from unmask.training.clip.tower import read_tower
from unmask.training.config import TrainConfig
from unmask.training.export import About
from unmask.training.pseudo import add_pseudo_fakes

DEPTH, UNITS, TAPS = 5, 2112, (1, 2, 3, 4)
"""Blocks kept of the tower, hidden units kept in each, and the blocks that the head reads.

As many as 20 MB and 60 ms a picture allow; the middle blocks tell most (see docs/model.md)."""
DEGRADED, SELF_BLENDED, STRENGTH = 2, 0.5, 0.01
"""Degraded versions of each training picture, the share of real faces that get a self-blended
pseudo-fake, and the inverse strength of the head's L2 penalty."""
REFERENCE_PICTURES = 384
"""Training pictures that say which of the tower's weights matter."""


def build(
    network: Path,
    tower: Path,
    rows: Sequence[Row],
    out: Path,
    *,
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
        rows: A manifest's rows; only ``train`` and ``val`` are read.
        out: The ONNX file to write.
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
    train, val = select(rows, "train"), select(rows, "val")
    whole = read_tower(tower, DEPTH)
    report(f"making {DEPTH} blocks small")
    rounded, matrices = compress(whole, reference_views(train, seed), UNITS)
    report("looking at the training and validation pictures")
    learnt = tower_features(
        rounded, matrices, TAPS, with_pseudo_fakes(train, seed),
        degraded=DEGRADED, seed=seed, on_progress=on_progress,
    )  # fmt: skip
    head = fit_head(learnt, STRENGTH)
    seen = tower_features(rounded, matrices, TAPS, val, on_progress=on_progress)
    network_logits = score_views(small, seen.rows, small.card.views).pooled()
    own, other, bias = weigh(head(seen.values[:, 0]), network_logits, seen.rows)
    report(f"the head counts {own:.2f}, the network {other:.2f}")
    probe = Probe(TAPS, own * head.weights, own * head.bias + bias, other)
    data = fuse(onnx.load(str(network)), rounded, matrices, probe).SerializeToString()
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
                    "file": tower.name,
                    "sha256": hashlib.sha256(tower.read_bytes()).hexdigest(),
                    "blocks": DEPTH,
                    "hidden_units": UNITS,
                    "read_at": TAPS,
                    "head_strength": STRENGTH,
                    "degraded_versions": DEGRADED,
                    "self_blended": SELF_BLENDED,
                    "pseudo_fakes_count": PSEUDO_FAKES_COUNT,
                    "head_counts": own,
                    "network_counts": other,
                },
            },
        }
    )
    card.write(ModelCard.path_for(out))
    return card


def with_pseudo_fakes(rows: Sequence[Row], seed: int) -> list[Row]:
    """Return training rows with the pseudo-fakes that are learnt from beside them, at their end."""
    return add_pseudo_fakes(rows, TrainConfig(self_blended=SELF_BLENDED, seed=seed))


def reference_views(rows: Sequence[Row], seed: int) -> torch.Tensor:
    """Return whole views of some pictures, by which the tower is made small without their labels.

    Args:
        rows: The pictures to choose from.
        seed: Of the choice.

    Returns:
        float32, (n, 3, 224, 224), n at most `REFERENCE_PICTURES`.

    Raises:
        ValueError: None of them could be read.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(rows), min(REFERENCE_PICTURES, len(rows)), replace=False)
    views: list[NDArray[np.uint8]] = []
    for place in chosen:
        # Who looks at all pictures says which cannot be read.
        with suppress(PictureError):
            views.append(whole_view(decode(read_bytes(rows[place].path)), SIZE))
    if not views:
        raise ValueError("None of the pictures that say which weights matter could be read.")
    return torch.from_numpy(normalise(np.stack(views)))
