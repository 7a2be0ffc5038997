"""Degradations of every kind, the rule where to stop answering, and the command line."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pictures import picture
from toys import Toy
from unmask import Detector
from unmask.cli import app
from unmask.lab.robustness.degradations import CLEAN, degradations
from unmask.lab.robustness.judge_robustness import DegradedResult, Robustness, judge_robustness
from unmask.lab.robustness.robustness_files import robustness_page, stop_sentences

GRAIN = np.random.default_rng(0).integers(0, 40, (200, 320, 3), dtype=np.uint8)
PIXELS = np.asarray(picture(320, 200, 1)) // 2 + 40 + GRAIN


@pytest.mark.parametrize("setting", degradations(), ids=lambda one: f"{one.kind} {one.level}")
def test_degradations_are_repeatable_and_change_all_but_the_clean(setting: object) -> None:
    assert callable(setting)
    one, again = setting(PIXELS, 7), setting(PIXELS, 7)
    assert one.dtype == np.uint8
    assert one.ndim == 3
    assert np.array_equal(one, again)
    same = one.shape == PIXELS.shape and np.array_equal(one, PIXELS)
    assert same == (getattr(setting, "kind", "") == CLEAN)
    # Small pictures and strips must survive every kind, too.
    assert min(setting(np.asarray(picture(20, 17)), 7).shape[:2]) >= 1


def test_sizes_are_what_the_settings_say() -> None:
    big = np.asarray(picture(1600, 800, 2))
    shape = {
        f"{s.kind} {s.level}": s(big, 0).shape[:2] for s in degradations() if s.kind != "noise"
    }
    assert shape["web 768 px, JPEG 60"] == (384, 768)
    assert shape["web 512 px, JPEG 40"] == (256, 512)
    assert shape["shrunk to 50%"] == (400, 800)
    assert shape["enlarged to 200%"] == (1600, 3200)
    assert shape["crop to 60% of a side"] == (480, 960)
    assert shape["social media twice"] == (648, 1296)
    # What is small enough for a tier is compressed and not enlarged.
    small = {
        f"{s.kind} {s.level}": s(PIXELS, 0).shape[:2] for s in degradations() if s.kind == "web"
    }
    assert set(small.values()) == {(200, 320)}


def test_harsher_settings_lose_more() -> None:
    error = {
        s.kind + s.level: float(np.abs(s(PIXELS, 3).astype(float) - PIXELS).mean())
        for s in degradations()
        if s.kind in ("JPEG", "WebP", "blur", "noise", "darker", "brighter")
    }
    for kind in ("JPEG", "WebP", "blur", "noise", "darker", "brighter"):
        losses = [value for name, value in error.items() if name.startswith(kind)]
        assert losses == sorted(losses), kind


def result(kind: str, level: str, wrong: float | None) -> DegradedResult:
    spread = None if wrong is None else (wrong, wrong - 0.05, wrong + 0.05)
    some = (0.5, 0.4, 0.6)
    return DegradedResult(
        kind, level, {"auc": some, "fpr": some, "fnr": some, "ece": some}, some, spread
    )


def made(*levels: DegradedResult, promise: float | None = 0.1) -> Robustness:
    return Robustness("m", "0" * 64, "2026-01-01", "test", 5, 5, 0, promise, 0.5, 100, levels)


def test_answering_stops_at_the_first_broken_promise() -> None:
    clean = result(CLEAN, "as it is", 0.08)
    done = made(
        clean, result("JPEG", "90", 0.09), result("JPEG", "50", 0.12), result("JPEG", "20", 0.05),
        result("blur", "1", 0.10), result("blur", "2", None), result("noise", "5", 0.3),
    )  # fmt: skip
    stops = {kind: one and one.level for kind, one in done.stops().items()}
    assert stops == {"JPEG": "50", "blur": None, "noise": "5"}
    text = " ".join(stop_sentences(done))
    assert "JPEG: stop from '50' on (12.0% (7.0-17.0) wrong; the interval includes" in text
    assert "noise: stop from '5' on (30.0% (25.0-35.0) wrong)." in text
    assert "blur: kept up to '2'" in text


def test_without_a_promise_that_holds_no_point_is_read() -> None:
    broken = made(result(CLEAN, "as it is", 0.2), result("JPEG", "90", 0.3))
    assert broken.stops() == {}
    assert "does not hold even as they are" in stop_sentences(broken)[-1]
    assert "no point can be read" in stop_sentences(broken)[-1]
    # Where chance may have broken it, only what is clear counts.
    doubtful = made(
        result(CLEAN, "as it is", 0.12), result("JPEG", "90", 0.14), result("JPEG", "50", 0.2),
        result("blur", "1", 0.14),
    )  # fmt: skip
    assert {kind: one and one.level for kind, one in doubtful.stops().items()} == {
        "JPEG": "50", "blur": None,
    }  # fmt: skip
    text = " ".join(stop_sentences(doubtful))
    assert "where the whole interval lies above it. JPEG: stop from '50' on" in text
    assert "blur: not clearly broken up to '1'" in text
    nothing = made(result(CLEAN, "as it is", 0.2), promise=None)
    assert nothing.stops() == {}
    assert "promises nothing" in stop_sentences(nothing)[0]


def test_a_degradation_that_destroys_the_traces_is_seen(toy: Toy, toy_model: Path) -> None:
    rows = [row for row in toy.rows if row.split == "test"]
    chosen = [
        s for s in degradations() if s.kind == CLEAN or f"{s.kind} {s.level}" == "blur sigma 2"
    ]
    bad = replace(rows[0], path=toy.manifest)
    done = judge_robustness(
        Detector(toy_model), [*rows, bad], split="test", resamples=100, chosen=chosen
    )
    clean, blurred = (one.metrics["auc"] for one in done.degraded)
    assert clean is not None
    assert blurred is not None
    assert clean[0] > 0.85
    # A checkerboard does not survive a blur of two pixels.
    assert blurred[0] < clean[0] - 0.1
    assert (done.real, done.fake, done.unreadable) == (10, 10, 1)


def test_the_sweep_writes_page_plot_and_figures(toy: Toy, toy_model: Path, tmp_path: Path) -> None:
    arguments = ["robustness", "--data", str(toy.manifest), "--model", str(toy_model)]
    out, markdown = tmp_path / "out", tmp_path / "page.md"
    done = CliRunner().invoke(
        app,
        [*arguments, "--most", "3", "--bootstrap", "100", "--out", str(out), "--markdown",
         str(markdown)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    document = json.loads((out / "robustness.json").read_text())
    assert (document["real"], document["fake"]) == (3, 3)
    assert len(document["degraded"]) == len(degradations())
    with (out / "robustness.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6 * len(degradations())
    for plot in (out / "robustness.png", tmp_path / "page.png"):
        with Image.open(plot) as image:
            assert image.format == "PNG"
    text = markdown.read_text()
    assert "    unmask robustness --data $DATA/manifest.csv --split test" in text
    assert "](page.png)" in text
    assert all(f"| {s.kind}, {s.level} |" in text for s in degradations())


def test_the_page_names_the_rule() -> None:
    text = robustness_page(
        made(result(CLEAN, "as it is", 0.05), result("crop", "to 40%", 0.2)), "x", "x.png"
    )
    assert "more of the answers are wrong than the 10% that the model promises" in text
    assert "crop: stop from 'to 40%' on" in text


@pytest.mark.parametrize("option", ["--into-card", "--predictions=p.csv", "--cost-fp=1"])
def test_what_belongs_to_evaluating_is_refused(toy: Toy, option: str) -> None:
    done = CliRunner().invoke(app, ["robustness", "--data", str(toy.manifest), option])
    assert done.exit_code == 2
    assert "No such option" in done.output
