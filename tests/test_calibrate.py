"""Calibration against data whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unmask.calibrate.band import choose_band, choose_category_cut
from unmask.calibrate.fit import fit_isotonic, fit_platt, fit_temperature
from unmask.calibrate.score import ViewScores
from unmask.calibrate.views import choose_plan, score_plans
from unmask.data.manifest import Row
from unmask.detector.calibration import Isotonic, Platt, sigmoid
from unmask.evaluation.metrics import ece


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000)
    is_fake = rng.random(20_000) < sigmoid(0.5 * logits - 0.7)
    return logits, is_fake


def test_platt_finds_the_true_slope_and_offset(sample: tuple[np.ndarray, np.ndarray]) -> None:
    fit = fit_platt(*sample)
    assert fit.slope == pytest.approx(0.5, abs=0.02)
    assert fit.offset == pytest.approx(-0.7, abs=0.05)
    assert fit(np.array([fit.logit(0.3)]))[0] == pytest.approx(0.3)


def test_all_fits_lower_the_error_and_isotonic_rises(
    sample: tuple[np.ndarray, np.ndarray],
) -> None:
    logits, is_fake = sample
    raw = ece(is_fake, Platt()(logits))
    for fit in (fit_platt, fit_isotonic):
        assert ece(is_fake, fit(logits, is_fake)(logits)) < 0.02 < raw
    assert ece(is_fake, fit_temperature(logits, is_fake)(logits)) < raw
    curve = fit_isotonic(logits, is_fake)(np.linspace(-20, 20, 500))
    assert np.all(np.diff(curve) >= 0)
    assert 0 < curve[0] < curve[-1] < 1


def test_separable_and_one_sided_data() -> None:
    logits = np.array([-2.0, -1.0, 1.0, 2.0])
    assert np.isfinite(fit_platt(logits, logits > 0).slope)
    for fit in (fit_platt, fit_temperature, fit_isotonic):
        with pytest.raises(ValueError, match="real pictures and fakes"):
            fit(logits, np.ones(4, bool))


def test_knots_that_fall_are_refused() -> None:
    with pytest.raises(ValueError, match="rise"):
        Isotonic(logits=(0.0, 1.0), probabilities=(0.6, 0.4))


def test_the_promise_holds_on_fresh_data() -> None:
    rng = np.random.default_rng(1)
    broken = 0
    for _ in range(40):
        p = rng.beta(0.4, 0.4, 1000)
        band = choose_band(rng.random(1000) < p, p)
        assert band.most_wrong is not None
        fresh = rng.beta(0.4, 0.4, 20_000)
        is_fake = rng.random(20_000) < fresh
        answered = (fresh < band.real_below) | (fresh >= band.fake_from)
        broken += np.mean((fresh >= 0.5)[answered] != is_fake[answered]) > band.most_wrong
    assert broken <= 4


def test_a_coin_promises_nothing() -> None:
    rng = np.random.default_rng(2)
    band = choose_band(rng.random(1000) < 0.5, rng.random(1000))
    assert (band.real_below, band.fake_from, band.most_wrong) == (0.5, 0.5, None)


def test_category_cut_loses_no_more_than_asked() -> None:
    confidence = np.random.default_rng(0).random(1000)
    assert np.mean(confidence < choose_category_cut(confidence, 0.01)) <= 0.01


def test_the_plan_that_scores_best_is_chosen() -> None:
    rng = np.random.default_rng(0)
    rows = [Row(Path(str(i)), "fake" if i % 2 else "real", source="s") for i in range(400)]
    fake = rng.normal(0, 1, (400, 6)).astype(np.float32)
    fake[:, 5] += [2.0 * (i % 2) for i in range(400)]
    scores = ViewScores(rows, fake, np.zeros((400, 6, 3), np.float32))
    best = choose_plan(score_plans(scores, 64))
    assert (best.plan.whole, best.plan.crops, best.columns) == (False, 1, (5,))
