"""The metadata-only baseline: what a file's header tells, without looking at a pixel.

It is no detector but a yardstick: what it reaches, any detector may owe to how the collection was
saved.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import HistGradientBoostingClassifier

from peerlib.common import Data, Outcome, milliseconds, truth, val_auc
from unmask.lab.data.manifest import Row
from unmask.picture.decode import read_bytes
from unmask.picture.jpeg import read_coding

_SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "4:4:0", "grey", "other")
_TABLES = 2


def run(data: Data) -> Outcome:
    """Gradient boosting on size, bytes a pixel, quality, subsampling and quantisation tables."""
    model = fit(data.train)

    def answer(path: Path) -> float:
        return float(model.predict_proba(_features_of([path]))[0, 1])

    scores = {name: ask(model, rows) for name, rows in (("val", data.val), ("test", data.test))}
    return Outcome(
        p_fake=scores["test"].tolist(),
        milliseconds=milliseconds(answer, data.test),
        megabytes=len(pickle.dumps(model)) / 1e6,
        notes={"validation AUC": val_auc(data, scores["val"])},
    )


def fit(rows: Sequence[Row]) -> HistGradientBoostingClassifier:
    """Fit the classifier to training pictures."""
    model = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.05, random_state=0)
    return model.fit(_features_of([row.path for row in rows]), truth(rows))


def ask(model: HistGradientBoostingClassifier, rows: Sequence[Row]) -> NDArray[np.float64]:
    """Return p(fake) of pictures, shape (n,)."""
    return model.predict_proba(_features_of([row.path for row in rows]))[:, 1]


def _features_of(paths: list[Path]) -> NDArray[np.float64]:
    return np.array([_features(read_bytes(path)) for path in paths])


def _features(data: bytes) -> list[float]:
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        coding = read_coding(image)
        tables = getattr(image, "quantization", None) or {}
    values = [
        float(value)
        for number in range(_TABLES)
        for value in tables.get(number, (np.nan,) * 64)
    ]  # fmt: skip
    quality = float(coding.quality) if coding else np.nan
    subsampling = float(_SUBSAMPLINGS.index(coding.subsampling)) if coding else np.nan
    weight = len(data) / (width * height)
    return [len(data), weight, width, height, width / height, quality, subsampling, *values]
