"""Calibration against data whose truth is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from toys import Toy
from unmask import Detector
from unmask.cli import app
from unmask.lab.calibrate.calibrate import calibrate
from unmask.lab.calibrate.choose_bands import OFFERED, choose_bands, choose_category_cut
from unmask.lab.calibrate.choose_calibration import FITS, choose_calibration, score_calibrations
from unmask.lab.calibrate.choose_views import choose_plan, full_plan, score_plans
from unmask.lab.calibrate.fit import (
    fit_beta,
    fit_isotonic,
    fit_platt,
    fit_stack,
    fit_temperature,
)
from unmask.lab.calibrate.score import Scores, score
from unmask.lab.data.manifest import Row
from unmask.lab.evaluate.metrics import ece
from unmask.lab.train.config import read_config
from unmask.lab.train.finished import load_run
from unmask.lab.train.predict import predict
from unmask.lab.train.train import train
from unmask.model.calibration import Beta, CalibrationName, Isotonic, Platt, sigmoid
from unmask.model.card import ModelCard, ModelError
from unmask.model.model import ModelOutput
from unmask.model.open import open_model
from unmask.picture.decode import decode, read_bytes
from unmask.picture.views import ViewPlan, cut_views


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
        band, *_ = choose_bands(rng.random(1000) < p, p)
        assert band.most_wrong is not None
        fresh = rng.beta(0.4, 0.4, 20_000)
        is_fake = rng.random(20_000) < fresh
        answered = (fresh < band.real_below) | (fresh >= band.fake_from)
        broken += np.mean((fresh >= 0.5)[answered] != is_fake[answered]) > band.most_wrong
    assert broken <= 4


def test_a_coin_promises_nothing() -> None:
    rng = np.random.default_rng(2)
    (band,) = choose_bands(rng.random(1000) < 0.5, rng.random(1000))
    assert (band.real_below, band.fake_from, band.most_wrong) == (0.5, 0.5, None)


def test_each_promise_of_a_card_holds_by_itself() -> None:
    rng = np.random.default_rng(7)
    fresh = rng.beta(0.2, 0.2, 50_000)
    truth = rng.random(50_000) < fresh
    broken, wanted = dict.fromkeys(OFFERED, 0), dict.fromkeys(OFFERED, 0)
    for _ in range(40):
        p = rng.beta(0.2, 0.2, 1000)
        first, *others = choose_bands(rng.random(1000) < p, p)
        assert first.most_wrong == 0.05
        kept = [band.most_wrong for band in others]
        assert kept == [one for one in (0.02, 0.1) if one in kept]
        shares = {}
        for band in (first, *others):
            assert band.most_wrong is not None
            answered = (fresh < band.real_below) | (fresh >= band.fake_from)
            wrong = np.mean((fresh >= 0.5)[answered] != truth[answered])
            wanted[band.most_wrong] += 1
            broken[band.most_wrong] += wrong > band.most_wrong
            shares[band.most_wrong] = answered.mean()
        # Who allows more errors gets more answers.
        ordered = [shares[one] for one in sorted(shares)]
        assert ordered == sorted(ordered)
    assert min(wanted.values()) > 20
    assert max(broken.values()) <= 5


def test_category_cut_loses_no_more_than_asked() -> None:
    confidence = np.random.default_rng(0).random(1000)
    assert np.mean(confidence < choose_category_cut(confidence, 0.01)) <= 0.01


def test_the_plan_that_scores_best_is_chosen() -> None:
    rng = np.random.default_rng(0)
    rows = [Row(Path(str(i)), "fake" if i % 2 else "real", source="s") for i in range(400)]
    fake = rng.normal(0, 1, (400, 6)).astype(np.float32)
    fake[:, 5] += [2.0 * (i % 2) for i in range(400)]
    nothing = np.zeros(3, np.float32)
    outputs = [ModelOutput(float(views.mean()), nothing, views) for views in fake]
    best = choose_plan(score_plans(Scores(rows, outputs), 64))
    # One crop is the one of the centre, the last of five.
    assert (best.plan.whole, best.plan.crops) == (None, 1)


def test_views_are_chosen_only_where_a_model_leaves_a_choice() -> None:
    crops = ViewPlan(size=64, whole=None, crops=2)
    assert full_plan({"views": crops}) == {"views": ViewPlan(size=64, crops=5)}
    whole = ViewPlan(size=64, crops=0)
    for inputs in (
        {"views": whole},
        {"views": crops.model_copy(update={"whole": "squeezed"})},
        {"whole": whole, "crops": crops},
    ):
        assert full_plan(inputs) == {}


def test_beta_finds_two_slopes_and_never_falls() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000)
    truth = Beta(below=0.3, above=1.2, offset=-0.4)
    fit = fit_beta(logits, rng.random(20_000) < truth(logits))
    assert fit.below == pytest.approx(0.3, abs=0.03)
    assert fit.above == pytest.approx(1.2, abs=0.06)
    assert fit.offset == pytest.approx(-0.4, abs=0.1)
    # Fakes at both ends: no slope may turn round.
    fit = fit_beta(logits, rng.random(20_000) < sigmoid(np.abs(logits) - 2))
    assert np.all(np.diff(fit(np.linspace(-20, 20, 500))) >= 0)


def test_the_calibration_that_data_was_made_by_is_chosen() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, 1500)
    groups = [str(place // 2) for place in range(1500)]
    for truth, allowed in {
        Platt(slope=0.5): {"temperature"},
        Platt(slope=0.5, offset=-1.0): {"platt"},
        Beta(below=0.1, above=1.5, offset=-0.5): {"beta"},
    }.items():
        scored = score_calibrations(logits, rng.random(1500) < truth(logits), groups)
        assert choose_calibration(scored) in allowed
        assert [score.name for score in scored] == list(FITS)


def test_a_calibration_is_judged_on_groups_it_has_not_seen() -> None:
    # Each group is one picture fifty times, its label a coin: who has seen it seems to know it.
    rng = np.random.default_rng(4)
    logits = np.repeat(rng.normal(0, 1, 60), 50) + rng.normal(0, 1e-3, 3000)
    is_fake = np.repeat(rng.random(60) < 0.5, 50)
    groups = np.repeat(np.arange(60), 50).astype(str).tolist()
    whole = {score.name: score for score in score_calibrations(logits, is_fake, groups)}
    alone = {score.name: score for score in score_calibrations(logits, is_fake, [""] * 3000)}
    assert alone["isotonic"].log_loss < 0.67 < 0.75 < whole["isotonic"].log_loss


def test_too_few_pictures_are_not_cross_validated(toy: Toy, toy_model: Path) -> None:
    few = [row for row in toy.rows if row.split == "val"][:12]
    copy = toy_model.with_name("few.onnx")
    shutil.copy(toy_model, copy)
    shutil.copy(toy_model.with_suffix(".json"), copy.with_suffix(".json"))
    done = calibrate(copy, few)
    assert done.calibrations == []
    assert done.card.calibration == done.card.alternatives["platt"]
    assert "ece_cross_validated" not in done.card.validation


def test_a_stack_weighs_by_worth_and_drops_who_is_wrong() -> None:
    rng = np.random.default_rng(5)
    is_fake = rng.random(4000) < 0.5
    shift = np.where(is_fake, 1.0, -1.0)
    good, poor = shift + rng.normal(0, 1, 4000), 0.2 * shift + rng.normal(0, 1, 4000)
    weights, _ = fit_stack(np.stack([good, poor, -good], axis=1), is_fake)
    assert weights[0] > 3 * weights[1] > 0
    assert weights[2] == 0
    with pytest.raises(ValueError, match="real pictures and fakes"):
        fit_stack(np.zeros((3, 2)), np.ones(3, bool))


def test_the_band_answers_more_than_a_test_of_every_cut_and_still_keeps_its_promise() -> None:
    rng = np.random.default_rng(6)
    big = rng.beta(0.6, 0.6, 50_000)
    truth = rng.random(50_000) < big
    strict, broken = 0, 0
    for _ in range(60):
        p = rng.beta(0.6, 0.6, 985)
        band, *_ = choose_bands(rng.random(985) < p, p)
        answered = (big < band.real_below) | (big >= band.fake_from)
        strict += band.most_wrong == 0.05
        broken += np.mean((big >= 0.5)[answered] != truth[answered]) > (band.most_wrong or 1)
    # Bonferroni over ten cuts and four promises reached 5% in one case of twelve.
    assert strict >= 24
    assert broken <= 6


def test_all_calibrations_call_the_same_pictures(toy: Toy, toy_model: Path) -> None:
    paths = [row.path for row in toy.rows if row.split == "test"]
    own = list(Detector(toy_model).detect_many(paths))
    assert {verdict.verdict for verdict in own} > {"real"}
    raw = [verdict.p_fake for verdict in Detector(toy_model, calibration="none").detect_many(paths)]
    order = np.argsort(raw)
    names: tuple[CalibrationName, ...] = ("platt", "temperature", "isotonic", "beta", "none")
    for name in names:
        other = list(Detector(toy_model, calibration=name).detect_many(paths))
        assert [verdict.verdict for verdict in other] == [verdict.verdict for verdict in own]
        assert np.all(np.diff(np.array([verdict.p_fake for verdict in other])[order]) >= -1e-12)
    model = open_model(toy_model)
    views = cut_views(decode(read_bytes(paths[0])), model.card.inputs)
    (output,) = model.answer([views])
    assert raw[0] == pytest.approx(float(sigmoid(np.array(output.logit))), abs=1e-4)


def test_a_card_names_only_what_was_fitted(toy_model: Path) -> None:
    card = ModelCard.read(ModelCard.path_for(toy_model))
    assert set(card.alternatives) == set(FITS)
    bare = card.model_copy(update={"alternatives": {}, "calibration": Platt()})
    assert bare.calibration_by("none") == bare.calibration_by(None) == Platt()
    with pytest.raises(ModelError, match="no isotonic calibration"):
        bare.calibration_by("isotonic")
    older = card.model_copy(
        update={"calibration": Platt(slope=2), "alternatives": {"temperature": Platt(slope=3)}}
    )
    assert older.calibration_by("platt") == Platt(slope=2)


def test_an_ensemble_is_made_read_and_refused_when_it_changes(
    toy: Toy, toy_model: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        for suffix in (".onnx", ".json"):
            (tmp_path / name).with_suffix(suffix).write_bytes(
                toy_model.with_suffix(suffix).read_bytes()
            )
    paths = [tmp_path / "one.onnx", tmp_path / "two.onnx"]
    out = tmp_path / "both.ensemble"
    done = CliRunner().invoke(
        app,
        ["calibrate", str(paths[0]), "--ensemble", str(paths[1]), "--combine", "mean", "--out",
         str(out), "--data", str(toy.manifest)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    # Twice the same model is that model.
    pictures = [row.path for row in toy.rows if row.split == "test"]
    own, both = (
        [verdict.p_fake for verdict in Detector(model).detect_many(pictures)]
        for model in (toy_model, out)
    )
    assert both == pytest.approx(own, abs=1e-5)
    paths[1].with_suffix(".json").write_text(
        paths[1].with_suffix(".json").read_text().replace('"sha256": "', '"sha256": "0', 1)
    )
    with pytest.raises(ModelError):
        Detector(out)
    out.write_text(out.read_text().replace("0.5", "0.6", 1))
    with pytest.raises(ModelError, match="SHA-256 differs"):
        Detector(out)
    with pytest.raises(ModelError, match="cannot be read"):
        Detector(tmp_path / "absent.ensemble")


def test_a_training_run_answers_as_its_export_does(
    toy: Toy, toy_run: Path, toy_model: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(toy_run, run)
    weights = run / "best.safetensors"
    plain = open_model(weights)
    assert plain.card.calibration == Platt()
    assert [(one.real_below, one.fake_from) for one in plain.card.bands] == [(0.5, 0.5)]
    views = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    pictures = [{"views": views[:5]}, {"views": views[5:]}]
    exported = open_model(toy_model)
    assert plain.has_maps and exported.has_maps
    for ours, theirs in zip(
        plain.answer(pictures, maps=True), exported.answer(pictures, maps=True), strict=True
    ):
        for name in ("logit", "category_logits", "view_logits", "maps"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-3), name
    # A run can be calibrated as a model can, and evaluated.
    calibrate(run, toy.rows)
    calibrated = open_model(run)
    card = ModelCard.read(ModelCard.path_for(toy_model))
    assert calibrated.card.inputs == card.inputs
    assert calibrated.card.bands[0].real_below == pytest.approx(card.bands[0].real_below, abs=0.01)
    done = CliRunner().invoke(
        app,
        ["evaluate", "--data", str(toy.manifest), "--model", str(run), "--bootstrap", "100",
         "--out", str(tmp_path / "out")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.output.startswith("run on 10 real pictures and 10 fakes")
    # With heatmaps, and all else that was promised.
    report = (tmp_path / "out" / "report.html").read_text()
    assert report.count("data:image/png") == report.count("data:image/jpeg") > 0
    assert (tmp_path / "out" / "test.csv").is_file()
    shutil.copy(weights, run / "other.safetensors")
    for path, sentence in {
        run / "other.safetensors": "neither a run's folder",
        tmp_path: "no finished training run",
    }.items():
        with pytest.raises(ModelError, match=sentence):
            open_model(path)
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelError, match="other weights"):
        open_model(run)
    weights.write_bytes(data[:100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_model(run)


def test_more_views_are_taken_only_when_they_are_asked_for(toy: Toy, toy_model: Path) -> None:
    paths = [row.path for row in toy.rows if row.split == "test"][:4]
    plain, wide = Detector(toy_model), Detector(toy_model, tta=True)
    card = plain.model.card
    (plan,) = card.inputs.values()
    assert (plan.flips, plan.scales) == (False, ())
    augmented = {"views": plan.augmented()}
    model = open_model(toy_model)
    for path, verdict in zip(paths, wide.detect_many(paths), strict=True):
        (output,) = model.answer([cut_views(decode(read_bytes(path)), augmented)])
        p_fake = float(card.calibration(np.array(output.logit)))
        assert verdict.p_fake == pytest.approx(p_fake, abs=1e-4)
    assert ViewPlan(size=64, crops=4).augmented().count == 32


@pytest.fixture(scope="module")
def binary_run(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one head, no average pooling, and values from 0 to 1."""
    run = tmp_path_factory.mktemp("binary") / "run"
    settings = ["backbone=cnn", "pretrained=none", "heads=binary", "scale=unit", "views.size=64",
                "views.crops=0", "augmentation=none", "sampler=shuffled", "epochs=4",
                "batch_size=8", "learning_rate=2e-3", "ema_decay=0", "precision=32-true",
                "workers=0"]  # fmt: skip
    train(toy.rows, run, read_config(None, settings), progress=False)
    return run


def test_a_run_with_one_head_and_a_scale_of_its_own_answers_as_it_was_trained(
    toy: Toy, binary_run: Path
) -> None:
    model = open_model(binary_run)
    assert (model.card.categories, model.has_maps) == ((), False)
    rows = [row for row in toy.rows if row.split == "val"]
    network, config = load_run(binary_run)
    expected = predict(network, config, rows).fake_logits
    scores = score(model, rows)
    np.testing.assert_allclose(scores.logits, expected, atol=1e-4)
    assert scores.category_logits.shape == (20, 0)
    # Evaluation and calibration see the same numbers.
    shown = [one.p_fake for one in Detector(model).detect_many(row.path for row in rows)]
    np.testing.assert_allclose(shown, sigmoid(expected), atol=1e-4)
    card = calibrate(binary_run, toy.rows).card
    np.testing.assert_allclose(
        fit_platt(expected, scores.is_fake).slope, card.alternatives["platt"].slope, rtol=1e-3
    )
    assert card.prior == 0.5


def test_a_run_is_explained_by_derivatives_whatever_its_network(
    toy: Toy, toy_run: Path, binary_run: Path
) -> None:
    row = toy.rows[1]
    for path, methods in {
        toy_run: ("cam", "gradcam", "gradcam++", "smoothgradcam++", "occlusion"),
        binary_run: ("gradcam", "gradcam++", "smoothgradcam++", "occlusion"),
    }.items():
        model = open_model(path)
        assert model.methods == methods
        views = cut_views(decode(read_bytes(row.path)), model.card.inputs)
        for method in methods:
            if method.startswith(("grad", "smooth")):
                cells = model.explain_views(views, 0, method)
                assert (cells.ndim, len(cells)) == (3, len(views["views"]))
                assert cells.min() >= 0
        with pytest.raises(ModelError, match="cannot be explained by 'cam'"):
            model.explain_views(views, 0, "cam")
    # On a linear head over average-pooled features Grad-CAM is CAM without its negative half.
    model = open_model(toy_run)
    views = cut_views(decode(read_bytes(row.path)), model.card.inputs)
    (output,) = model.answer([views], maps=True)
    assert output.maps is not None
    for head_row in (0, 2):
        cells = model.explain_views(views, head_row, "gradcam")
        np.testing.assert_allclose(cells, np.maximum(output.maps[head_row], 0), atol=1e-4)
