"""Metrics against scikit-learn on scores with ties, and the bootstrap over groups."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from unmask.lab.evaluate import metrics
from unmask.lab.evaluate.bootstrap import centred_interval, interval, resample, share_interval
from unmask.lab.evaluate.metrics import METRICS, ece_by_chance, measure, measure_intervals, share
from unmask.lab.evaluate.sweep import Sweep

Sample = tuple[np.ndarray, np.ndarray]


def draw(seed: int, size: int = 500) -> Sample:
    rng = np.random.default_rng(seed)
    is_fake = rng.random(size) < 0.4
    # Rounded, so that there are ties.
    return is_fake, np.clip(np.round(rng.normal(0.4 + 0.2 * is_fake, 0.2), 1), 0, 1)


@pytest.fixture
def sample() -> Sample:
    return draw(0)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_scikit_learn(seed: int) -> None:
    is_fake, p_fake = draw(seed)
    called = p_fake >= 0.5
    found = {k: v[0] for k, v in measure(is_fake, p_fake, 0.5, np.ones((1, 500))).items()}
    assert list(found) == list(METRICS)
    fpr, tpr, _ = reference.roc_curve(is_fake, p_fake, drop_intermediate=False)
    expected = {
        "accuracy": reference.accuracy_score(is_fake, called),
        "balanced_accuracy": reference.balanced_accuracy_score(is_fake, called),
        "precision": reference.precision_score(is_fake, called),
        "recall": reference.recall_score(is_fake, called),
        "f1": reference.f1_score(is_fake, called),
        "specificity": reference.recall_score(~is_fake, ~called),
        "fpr": 1 - reference.recall_score(~is_fake, ~called),
        "fnr": 1 - reference.recall_score(is_fake, called),
        "auc": reference.roc_auc_score(is_fake, p_fake),
        "average_precision": reference.average_precision_score(is_fake, p_fake),
        "eer": crossing(fpr, 1 - tpr),
        "fpr_at_95_tpr": fpr[tpr >= 0.95].min(),
        "brier": reference.brier_score_loss(is_fake, p_fake),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert metrics.auc(is_fake, p_fake) == pytest.approx(expected["auc"])
    assert metrics.ece(is_fake, p_fake) == pytest.approx(found["ece"])


def crossing(fpr: np.ndarray, fnr: np.ndarray) -> float:
    """The equal error rate, by bisection on the curve of straight lines."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        along = middle * (len(fpr) - 1)
        steps = np.arange(len(fpr))
        wrong = np.interp(along, steps, fpr) - np.interp(along, steps, fnr)
        low, high = (middle, high) if wrong < 0 else (low, middle)
    return float(np.interp(low * (len(fpr) - 1), np.arange(len(fpr)), fpr))


def test_resampled_metrics_are_those_of_repeated_pictures(sample: Sample) -> None:
    is_fake, p_fake = sample
    weights = resample([str(i // 3) for i in range(500)], 20)
    found = measure(is_fake, p_fake, 0.5, weights)
    for place, drawn in enumerate(weights.astype(int)):
        again_fake, again_p = np.repeat(is_fake, drawn), np.repeat(p_fake, drawn)
        again = measure(again_fake, again_p, 0.5, np.ones((1, again_p.size)))
        # The bins of the calibration error are those of the pictures themselves.
        for name in set(METRICS) - {"ece"}:
            assert found[name][place] == pytest.approx(again[name][0]), name


def test_many_pictures_are_swept_in_parts(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    is_fake, p_fake = sample
    weights = resample([""] * 500, 20)
    whole = measure(is_fake, p_fake, 0.5, weights)
    monkeypatch.setattr(metrics, "_CELLS", 1500)
    assert np.array_equal(measure(is_fake, p_fake, 0.5, weights)["eer"], whole["eer"])


def test_metrics_that_need_both_labels_are_absent_without() -> None:
    p_fake = np.array([0.1, 0.6, 0.7])
    fakes_only = measure_intervals(np.ones(3, bool), p_fake, 0.5, resample([""] * 3, 100), [""] * 3)
    there = {name for name, value in fakes_only.items() if value}
    assert there == {"accuracy", "recall", "fnr", "ece", "brier"}
    reals_only = measure_intervals(
        np.zeros(3, bool), p_fake, 0.5, resample([""] * 3, 100), [""] * 3
    )
    there = {name for name, value in reals_only.items() if value}
    assert there == {"accuracy", "specificity", "fpr", "ece", "brier"}
    assert np.isnan(metrics.auc(np.ones(3, bool), p_fake))
    assert np.isnan(metrics.auc(np.ones(0, bool), np.ones(0)))
    assert np.isnan(metrics.ece(np.ones(0, bool), np.ones(0)))


def test_ece_of_true_and_of_boastful_probabilities() -> None:
    p = np.random.default_rng(0).random(50_000)
    is_fake = np.random.default_rng(1).random(50_000) < p
    assert metrics.ece(is_fake, p) < 0.01
    # Of 50,000 certain answers a quarter is wrong; one bin holds both zeros and ones.
    assert metrics.ece(is_fake, np.round(p)) == pytest.approx(0.25 * 14 / 15, abs=0.01)


def test_the_interval_of_a_calibration_error_holds_the_error() -> None:
    p = np.random.default_rng(0).random(400)
    is_fake = np.random.default_rng(1).random(400) < p
    groups = [""] * 400
    values = measure(is_fake, p, 0.5, resample(groups, 400))["ece"]
    plain, centred = interval(values), centred_interval(values)
    assert plain is not None
    assert centred is not None
    assert plain[1] > centred[1]
    assert centred[1] < centred[0] < centred[2]


def test_the_sweep_ends_at_all_and_starts_at_none() -> None:
    sweep = Sweep(np.array([True, False, True]), np.array([0.5, 0.5, 0.9]), np.ones((1, 3)))
    assert sweep.thresholds.tolist() == [0.9, 0.5]
    assert sweep.hits.tolist() == [[0, 1, 2]]
    assert sweep.alarms.tolist() == [[0, 0, 1]]


def test_resampling_single_copies_would_narrow_the_interval(sample: Sample) -> None:
    is_fake, p_fake = sample
    hits = (p_fake >= 0.5) == is_fake
    alone = [str(i) for i in range(500)]

    def width(groups: list[str], hits: np.ndarray) -> float:
        found = interval(share(resample(groups, 2000), hits))
        assert found is not None
        return found[2] - found[1]

    honest = width(alone, hits)
    assert width(alone * 2, np.tile(hits, 2)) == pytest.approx(honest, rel=0.1)
    assert width([""] * 1000, np.tile(hits, 2)) < 0.8 * honest


def test_no_error_among_few_pictures_is_not_certain() -> None:
    # The rule of three: of n groups without an error, up to about 3.7 / n can still be wrong.
    none = share_interval(np.zeros(101), 40)
    assert none is not None
    assert none[:2] == (0, 0)
    assert none[2] == pytest.approx(0.0881, abs=1e-4)
    assert share_interval(np.ones(101), 40) == pytest.approx((1, 1 - none[2], 1))
    assert share_interval(np.full(101, np.nan), 0) is None


def test_chance_alone_makes_a_calibration_error_that_more_pictures_lower() -> None:
    rng = np.random.default_rng(0)
    few, many = (ece_by_chance(rng.random(count), draws=50) for count in (300, 30_000))
    assert 0.05 < few < 0.12
    assert many < few / 5
    # A score that is sure and right has no error to show.
    assert ece_by_chance(np.repeat([0.0, 1.0], 100)) == 0
