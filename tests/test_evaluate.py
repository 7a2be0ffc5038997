"""Evaluation: metrics against scikit-learn, slices, intervals and the page."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from conftest import Toy
from unmask import Detector
from unmask.data.manifest import Row
from unmask.evaluation import metrics
from unmask.evaluation.bootstrap import auc, interval, resample, share
from unmask.evaluation.page import results_page
from unmask.evaluation.run import evaluate, write_predictions
from unmask.evaluation.slices import figures, slices


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    is_fake = rng.random(500) < 0.4
    # Rounded, so that there are ties.
    return is_fake, np.clip(np.round(rng.normal(0.4 + 0.2 * is_fake, 0.2), 1), 0, 1)


def test_metrics_agree_with_scikit_learn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    is_fake, p_fake = sample
    called = p_fake >= 0.5
    assert metrics.auc(is_fake, p_fake) == pytest.approx(reference.roc_auc_score(is_fake, p_fake))
    assert metrics.brier(is_fake, p_fake) == pytest.approx(
        reference.brier_score_loss(is_fake, p_fake)
    )
    assert metrics.accuracy(is_fake, called) == reference.accuracy_score(is_fake, called)
    assert metrics.balanced_accuracy(is_fake, called) == pytest.approx(
        reference.balanced_accuracy_score(is_fake, called)
    )
    recall = reference.recall_score(is_fake, called)
    assert metrics.false_negative_rate(is_fake, called) == pytest.approx(1 - recall)


def test_an_absent_label_has_no_auc() -> None:
    assert np.isnan(metrics.auc(np.ones(3, bool), np.arange(3.0)))
    assert np.isnan(metrics.false_positive_rate(np.ones(3, bool), np.ones(3, bool)))


def test_ece_of_true_and_of_boastful_probabilities() -> None:
    p = np.random.default_rng(0).random(50_000)
    is_fake = np.random.default_rng(1).random(50_000) < p
    assert metrics.ece(is_fake, p) < 0.01
    # Of 50,000 certain answers a quarter is wrong; one bin holds both zeros and ones.
    assert metrics.ece(is_fake, np.round(p)) == pytest.approx(0.25 * 14 / 15, abs=0.01)


def test_weighted_auc_is_the_auc_of_repeated_pictures(
    sample: tuple[np.ndarray, np.ndarray],
) -> None:
    is_fake, p_fake = sample
    weights = resample([str(i // 3) for i in range(500)], 20)
    values = auc(weights, is_fake, p_fake)
    assert values[0] == pytest.approx(metrics.auc(is_fake, p_fake))
    for drawn, value in zip(weights.astype(int), values, strict=True):
        again = metrics.auc(np.repeat(is_fake, drawn), np.repeat(p_fake, drawn))
        assert value == pytest.approx(again)


def test_doubling_every_picture_does_not_narrow_the_interval(
    sample: tuple[np.ndarray, np.ndarray],
) -> None:
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


def test_a_generator_is_set_against_real_pictures_of_its_sources() -> None:
    rows = [
        Row(Path("a"), "real", generator="camera", source="one"),
        Row(Path("b"), "fake", "animals", generator="gan", source="one"),
        Row(Path("c"), "real", generator="camera", source="two"),
        Row(Path("d"), "fake", generator="diffusion", source="three"),
    ]
    cut = {name: mask.tolist() for name, mask in slices(rows)}
    assert cut["generator: gan"] == [True, True, False, False]
    assert cut["generator: diffusion"] == [True, False, True, True]
    assert cut["source: two"] == [False, False, True, False]
    assert cut["category: animals"] == [False, True, False, False]
    found = {f.slice: f for f in figures(rows, np.array([0.1, 0.9, 0.6, 0.2]), 0.5, 50)}
    assert found["overall"].auc is not None
    assert found["overall"].auc[0] == 0.75
    assert found["overall"].fpr is not None
    assert found["overall"].fpr[0] == 0.5
    assert found["source: two"].auc is None
    assert found["source: two"].fnr is None


def test_an_evaluation_says_what_it_could_not_read(
    toy: Toy, toy_model: Path, tmp_path: Path
) -> None:
    rows = [row for row in toy.rows if row.split == "test"]
    rows.append(replace(rows[0], path=tmp_path / "absent.png"))
    done = evaluate(Detector(toy_model), rows, resamples=50)
    assert len(done.unreadable) == 1
    assert done.figures[0].real + done.figures[0].fake == len(rows) - 1
    page = results_page(done, "unmask evaluate", "test")
    assert "could not be read: 1" in page
    assert "| checkers |" in page
    out = tmp_path / "test.csv"
    write_predictions(done, out)
    with out.open() as file:
        written = list(csv.DictReader(file))
    p_fake = np.array([float(row["p_fake"]) for row in written])
    is_fake = np.array([row["label"] == "fake" for row in written])
    value = done.figures[0].auc
    assert value is not None
    assert reference.roc_auc_score(is_fake, p_fake) == pytest.approx(value[0], abs=0.02)
