"""The frequency-spectrum baseline: azimuthal average of the power spectrum, logistic regression.

After Durall et al. 2020, "Watch your Up-Convolution": upsampling leaves its mark in how power falls
with frequency.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from peerlib.common import Data, Outcome, milliseconds, truth, val_auc
from unmask.lab.data.manifest import Row
from unmask.picture.decode import decode, read_bytes
from unmask.picture.views import crop_at, grow_to

_SIDE = 224
_LUMA = np.array([0.299, 0.587, 0.114])
_STRENGTHS = (0.001, 0.01, 0.1, 1.0)


def run(data: Data) -> Outcome:
    """Logistic regression on 159 rings of a central crop's spectrum; its C chosen on validation."""
    spectra = {
        name: _spectra(rows)
        for name, rows in (("train", data.train), ("val", data.val), ("test", data.test))
    }
    fits = [
        make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000)).fit(
            spectra["train"], truth(data.train)
        )
        for strength in _STRENGTHS
    ]
    areas = [val_auc(data, fit.predict_proba(spectra["val"])[:, 1]) for fit in fits]
    best = int(np.argmax(areas))
    model = fits[best]

    def answer(path: Path) -> float:
        return float(model.predict_proba(_spectrum(path)[None])[0, 1])

    return Outcome(
        p_fake=model.predict_proba(spectra["test"])[:, 1].tolist(),
        milliseconds=milliseconds(answer, data.test),
        megabytes=len(pickle.dumps(model)) / 1e6,
        notes={"C": _STRENGTHS[best], "validation AUC": areas[best]},
    )


def _spectra(rows: Sequence[Row]) -> NDArray[np.float64]:
    return np.array([_spectrum(row.path) for row in rows])


def _spectrum(path: Path) -> NDArray[np.float64]:
    """Return the mean log power at each whole radius from the zero frequency."""
    pixels = decode(read_bytes(path))
    grey = crop_at(grow_to(pixels, _SIDE), _SIDE, 0.5, 0.5) @ _LUMA
    power = np.log(np.abs(np.fft.fftshift(np.fft.fft2(grey))) ** 2 + 1e-8)
    down, right = np.indices(power.shape) - _SIDE // 2
    radius = np.rint(np.hypot(down, right)).astype(np.intp).ravel()
    return np.bincount(radius, power.ravel()) / np.bincount(radius)
