"""The controls find what they are there to find, and nothing where there is nothing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image

from controllib import shuffled
from controllib.areas import ALL, over_seeds
from controllib.mix import blocking, shortcuts_of_mix, weight
from controllib.page import page
from controllib.shuffled import dealt_to_halves
from pictures import picture
from unmask.lab.calibrate.score import Scores
from unmask.lab.data.manifest import Label, Row, Split, write_manifest
from unmask.lab.left_out.protocol import Recipe
from unmask.lab.train.config import TrainConfig, read_config
from unmask.lab.train.faults import Faults
from unmask.model.model import ModelOutput

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def collection(splits: dict[Split, int]) -> list[Row]:
    """Two sources, three quarters of the second one fake."""
    rows = []
    for split, count in splits.items():
        for number in range(count):
            for source, fake in (("even", number % 2 == 0), ("fakes", number % 4 > 0)):
                name = f"{split}-{source}-{number}"
                label: Label = "fake" if fake else "real"
                rows.append(Row(Path(name), label, "", "gan" if fake else "camera", source,
                                split=split, group=name))  # fmt: skip
    return rows


def test_labels_are_dealt_as_is_said() -> None:
    rows = collection({"train": 400})
    dealt = dealt_to_halves(rows, 1)
    for source in ("even", "fakes"):
        assert np.mean([row.is_fake for row in dealt if row.source == source]) == 0.5
    changed = Counter(old.label for old, new in zip(rows, dealt, strict=True) if old != new)
    assert min(changed["real"], changed["fake"]) > 50
    assert dealt_to_halves(rows, 2) != dealt


def test_no_true_label_reaches_a_network_that_must_learn_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = collection({"train": 80, "val": 80})
    trained: dict[str, tuple[list[Row], Faults]] = {}

    def keep(
        given: list[Row], run: Path, config: TrainConfig, *, progress: bool, faults: Faults
    ) -> None:
        trained[run.name] = given, faults

    def oracle(model: object, given: list[Row]) -> Scores:
        nothing = np.zeros(3, np.float32)
        return Scores(given, [ModelOutput(float(row.is_fake), nothing, nothing) for row in given])

    monkeypatch.setattr(shuffled, "train", keep)
    monkeypatch.setattr(shuffled, "open_model", MagicMock())
    monkeypatch.setattr(shuffled, "score", oracle)
    recipe = Recipe(config=TrainConfig(), train_pictures=20, val_pictures=20)
    found = shuffled.networks(rows, recipe, 2, tmp_path / "runs", tmp_path / "nothing")
    assert list(trained) == ["shuffled-0", "shuffled-1", "nothing"]
    true_labels = {row.path: row.is_fake for row in rows}
    for name, (given, faults) in trained.items():
        val = [row for row in given if row.split == "val"]
        right = np.mean([row.is_fake == true_labels[row.path] for row in val])
        # The fault deals the training labels; who calls deals those that choose the epoch.
        assert faults.shuffled_labels == (name != "nothing")
        assert right == pytest.approx(1.0 if name == "nothing" else 0.5)
    # The judge knows the true ones.
    assert found["dealt to halves"][ALL][0] == 1.0
    assert found["val"] == 160


def test_the_mean_over_seeds_has_students_interval() -> None:
    found = over_seeds([{ALL: (value, value, value)} for value in (0.4, 0.5, 0.6)])
    half = 4.303 * 0.1 / 3**0.5
    assert found[ALL] == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-3)


def test_blocks_and_weight_are_seen_in_views() -> None:
    noise = np.random.default_rng(0).normal(0, 12, (224, 224, 3))
    pixels = np.clip(np.asarray(picture(224, 224)) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=20)
    blocky = np.asarray(Image.open(buffer))
    assert blocking(pixels) < 1.1 < blocking(blocky)
    # Wherever the grid lies.
    assert blocking(blocky[3:, 5:]) > 1.1
    assert weight(blocky) < weight(pixels)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """Pictures of one kind, the fakes saved worse than the real ones."""
    folder = tmp_path_factory.mktemp("saved")
    rows: list[Row] = []
    counts: dict[Split, int] = {"train": 100, "val": 60, "test": 60}
    for split, count in counts.items():
        for number in range(count):
            label: Label = "fake" if number % 2 else "real"
            path, seed = folder / f"{split}-{number}.jpg", len(rows)
            noise = np.random.default_rng(seed).normal(0, 8, (232, 232, 3))
            pixels = np.clip(np.asarray(picture(232, 232, seed)) + noise, 0, 255)
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(path, quality=45 if label == "fake" else 92)
            rows.append(Row(path, label, "", "gan" if number % 2 else "camera", "one",
                            split=split, group=str(seed)))  # fmt: skip
    return rows


def test_a_label_in_the_files_is_found_and_augmentation_takes_most_of_it(saved: list[Row]) -> None:
    train = [row for row in saved if row.split == "train"]
    config = read_config(None, ["whole_share=0.2", "degraded_share=0.65"])
    found = shortcuts_of_mix(train, config, most=100)

    def measured(name: str) -> dict[str, float]:
        return {
            stage: one["auc"]
            for stage, shortcuts in found["stages"].items()
            for one in shortcuts
            if one["name"] == name and not one["within"]
        }

    assert measured("JPEG quality") == {"files, each once": 1.0, "files, as drawn": 1.0}
    blocks = measured("JPEG blocks")
    weights = measured("weight when saved alike")
    for fact in (blocks, weights):
        assert fact["crops, untouched"] > 0.95
        assert fact["the network's views"] < fact["crops, untouched"] - 0.1


def test_the_command_writes_page_and_figures(saved: list[Row], tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    write_manifest(manifest, saved)
    out, said = tmp_path / "controls.json", tmp_path / "controls.md"
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "controls.py", "--data", manifest, "--only", "files",
         "--out", out, "--page", said],
        check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    assert "measuring files" in done.stdout
    figures = json.loads(out.read_text())["files"]
    # Gradient boosting finds the quality, on both splits.
    assert figures["val"]["all"][0] > 0.99
    assert figures["test"]["one"][0] > 0.99
    text = said.read_text()
    assert "| one | 1.000" in text
    assert "Labels that mean nothing" not in text


def test_verdicts_on_the_page_are_computed() -> None:
    part = {
        "seeds": 3, "train": 100, "val": 50,
        "true labels": {ALL: (0.9, 0.8, 1.0), "a": (0.9, 0.8, 1.0)},
        "dealt to halves": {ALL: (0.5, 0.4, 0.6), "a": (0.7, 0.6, 0.8)},
        "recipe": "tiny",
    }  # fmt: skip
    assert "**1 of 2 intervals exclude 0.5** (a)" in page({"networks": part}, "command")
    part["dealt to halves"]["a"] = (0.5, 0.4, 0.6)
    assert "all 2 intervals include 0.5." in page({"networks": part}, "command")


def test_a_page_without_a_source_large_enough_has_no_mean() -> None:
    known = {ALL: (0.7, 0.6, 0.8)}
    part = {"train": 9, "model": "m", "sha256": "0" * 64, "val": known, "test": known,
            "model on test": {ALL: (0.9, 0.8, 1.0)}}  # fmt: skip
    text = page({"files": part}, "command")
    assert "Mean over sources of the files alone: - on validation, - on test." in text
    assert "the intervals overlapping: none." in text
