"""The model that the tests of the service are served by, unless the shipped one is the point."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tiny import tiny_model
from unmask.model.calibration import Beta, Isotonic, Platt
from unmask.model.card import Band, Figure, ModelCard, Unseen


@cache
def served_model() -> Path:
    """Return the path of a tiny model whose card leaves out nothing that the service can show."""
    folder = Path(tempfile.mkdtemp(prefix="served-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = tiny_model(folder)
    card = ModelCard.read(ModelCard.path_for(path))
    platt = Platt(slope=0.5, offset=-0.2)
    changed = {
        "calibration": platt,
        "alternatives": {
            "platt": platt,
            "beta": Beta(below=0.4, above=0.6, offset=-0.3),
            "isotonic": Isotonic(logits=(-8, 0, 8), probabilities=(0.05, 0.4, 0.9)),
        },
        "prior": 0.4,
        "bands": (
            Band(real_below=0.3, fake_from=0.7, most_wrong=0.05),
            Band(real_below=0.2, fake_from=0.8, most_wrong=0.02),
        ),
        "test": (
            Figure(
                slice="overall", real=70, fake=60, auc=(0.9, 0.85, 0.95), accuracy=(0.8, 0.7, 0.9),
                fpr=(0.1, 0.05, 0.2), fnr=(0.3, 0.2, 0.4),
            ),
        ),
        "unseen": Unseen(
            generators=7, real=80, fake=90, auc=(0.71, 0.66, 0.76), fpr=(0.1, 0.05, 0.2),
            fnr=(0.4, 0.3, 0.5), answered=(0.6, 0.5, 0.7), wrong=(0.23, 0.18, 0.29),
        ),
    }  # fmt: skip
    card.model_copy(update=changed).write(ModelCard.path_for(path))
    return path
