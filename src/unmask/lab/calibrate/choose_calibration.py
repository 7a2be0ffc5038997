"""Choose by measurement which calibration a model gets: cross-validation, groups kept whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.lab.calibrate.fit import Truth, fit_beta, fit_isotonic, fit_platt, fit_temperature
from unmask.lab.evaluate.bootstrap import members
from unmask.lab.evaluate.metrics import ece
from unmask.model.calibration import Calibration, CalibrationName, Logits, Probabilities

FITS: dict[CalibrationName, Callable[[Logits, Truth], Calibration]] = {
    "temperature": fit_temperature,
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}
"""How each calibration is fitted, those with the fewest parameters first."""
FOLDS, REPEATS = 10, 5
# A probability of 0 or 1 that is wrong would cost infinitely much.
_FLOOR = 1e-4


@dataclass(frozen=True)
class CalibrationScore:
    """How well a calibration does on pictures that it was not fitted on.

    Attributes:
        name: Of the calibration.
        log_loss: Mean over pictures, lower is better.
        behind: How far its log loss lies above that of the best, a mean over groups...
        error: ...and the standard error of that.
        ece: Calibration error.
    """

    name: CalibrationName
    log_loss: float
    behind: float
    error: float
    ece: float


def fit_all(logits: Logits, is_fake: Truth) -> dict[CalibrationName, Calibration]:
    """Fit every calibration of `FITS`; arguments and errors as for `fit_platt`."""
    return {name: fit(logits, is_fake) for name, fit in FITS.items()}


def score_calibrations(
    logits: Logits, is_fake: Truth, groups: Sequence[str], seed: int = 0
) -> list[CalibrationScore]:
    """Cross-validate every calibration, `REPEATS` times in `FOLDS` folds of whole groups.

    Log loss is a proper score: no calibration gains by saying anything but what it believes. ECE is
    not, and on a thousand pictures it is mostly noise; it is told, not chosen by.

    Args:
        logits: Pooled fake logits of validation pictures, shape (n,).
        is_fake: Their truth.
        groups: Their groups; an empty one is a picture alone.
        seed: Of the folds.

    Returns:
        A score for each of `FITS`, in their order; none where a label has fewer than `FOLDS`
        groups, so that a fold might lack it.
    """
    rng = np.random.default_rng(seed)
    member = members(groups)
    if min(np.unique(member[is_fake == label]).size for label in (False, True)) < FOLDS:
        return []
    held_out = {name: np.zeros((REPEATS, len(logits))) for name in FITS}
    for repeat in range(REPEATS):
        fold = (rng.permutation(member.max() + 1) % FOLDS)[member]
        for number in range(FOLDS):
            out = fold == number
            for name, fit in FITS.items():
                held_out[name][repeat, out] = fit(logits[~out], is_fake[~out])(logits[out])
    losses = {name: _log_loss(is_fake, p_fake).mean(0) for name, p_fake in held_out.items()}
    best = min(losses.values(), key=np.mean)
    return [
        CalibrationScore(
            name=name,
            log_loss=float(losses[name].mean()),
            behind=float((losses[name] - best).mean()),
            error=_standard_error(losses[name] - best, member),
            ece=float(np.mean([ece(is_fake, p_fake) for p_fake in held_out[name]])),
        )
        for name in FITS
    ]


def choose_calibration(scored: Sequence[CalibrationScore]) -> CalibrationName:
    """Return the calibration with fewest parameters that is not clearly worse than the best.

    Clearly is by more than one standard error of the difference (Breiman et al. 1984). Where none
    could be scored it is Platt scaling, which asks for few pictures.
    """
    return next((score.name for score in scored if score.behind <= score.error), "platt")


def _log_loss(is_fake: Truth, p_fake: Probabilities) -> NDArray[np.float64]:
    p = np.clip(p_fake, _FLOOR, 1 - _FLOOR)
    return np.asarray(-np.where(is_fake, np.log(p), np.log1p(-p)), dtype=np.float64)


def _standard_error(values: NDArray[np.float64], member: NDArray[np.int64]) -> float:
    """Return the standard error of a mean over pictures whose groups stand or fall together."""
    sums = np.bincount(member, weights=values - values.mean())
    return float(np.sqrt((sums**2).sum()) / values.size)
