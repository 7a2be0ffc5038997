"""Training end to end on a toy that a working pipeline must separate, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from toys import Toy
from unmask.lab.calibrate.score import score
from unmask.lab.data.manifest import ManifestError, Row
from unmask.lab.evaluate.metrics import auc
from unmask.lab.train.augment import training_view
from unmask.lab.train.config import TrainConfig, read_config
from unmask.lab.train.dataset import UNREADABLE, TrainingViews, Unreadable, collate
from unmask.lab.train.losses import category_weights
from unmask.lab.train.network import create_network
from unmask.lab.train.samplers import balanced_pairs
from unmask.lab.train.train import train
from unmask.model.open import open_model


def test_forty_pictures_beat_chance_on_unseen_ones(toy: Toy, toy_model: Path) -> None:
    rows = [row for row in toy.rows if row.split == "test"]
    scores = score(open_model(toy_model), rows)
    assert auc(scores.is_fake, scores.logits) > 0.85


def test_a_run_leaves_its_artefacts(toy_run: Path) -> None:
    with (toy_run / "training_log.csv").open() as file:
        log = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in log] == list(range(8))
    assert float(log[-1]["train_loss"]) < float(log[0]["train_loss"])
    assert json.loads((toy_run / "data.json").read_text()) == {"toy": 40}
    for name in ("best.safetensors", "last.ckpt", "curves.png", "environment.json"):
        assert (toy_run / name).stat().st_size > 0


def test_a_folder_keeps_to_its_configuration(toy: Toy, toy_run: Path) -> None:
    with pytest.raises(ValueError, match="another configuration"):
        train(toy.rows, toy_run, TrainConfig(), progress=False)


def test_data_that_cannot_be_trained_on_is_refused_at_once(toy: Toy, tmp_path: Path) -> None:
    rows = toy.rows
    only_real = [row for row in rows if row.split == "train" or row.label == "real"]
    straddling = [replace(row, group="same") for row in rows]
    absent = [*rows, replace(rows[0], path=tmp_path / "absent.png", group="new")]
    cases = {"no fake picture": only_real, "straddle": straddling, "do not exist": absent}
    for sentence, bad in cases.items():
        with pytest.raises(ManifestError, match=sentence):
            train(bad, tmp_path / "run", TrainConfig(), progress=False)


def test_an_unreadable_picture_is_left_out_and_never_blank(toy: Toy, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    rows = [replace(toy.rows[0], path=bad), toy.rows[1]]
    data = TrainingViews(rows, TrainConfig())
    assert data[0, 1] == Unreadable(0)
    batch = collate([data[0, 1], data[1, 1]])
    assert batch["index"].tolist() == [1]
    assert batch[UNREADABLE].tolist() == [0]
    assert set(collate([data[0, 1]])) == {UNREADABLE}


def test_draws_balance_labels_and_bring_twins_with_one_seed() -> None:
    rows = [Row(Path(f"r{i}"), "real", source="a", group=f"r{i}") for i in range(90)]
    rows += [Row(Path(f"f{i}"), "fake", source="a", group=f"f{i}") for i in range(10)]
    rows += [Row(Path("x"), "real", source="b", group="pair"),
             Row(Path("y"), "fake", source="b", group="pair")]  # fmt: skip
    labels: Counter[str] = Counter()
    for epoch in range(40):
        sampler = balanced_pairs(rows, seed=3)
        sampler.set_epoch(epoch)
        draws = list(sampler)
        assert len(draws) == len(rows)
        labels.update(rows[index].label for index, _ in draws)
        for place, (index, seed) in enumerate(draws[:-1]):
            if index in (100, 101):
                neighbours = [draws[place + 1], draws[place - 1]]
                assert (201 - index, seed) in neighbours
    assert abs(labels["fake"] / labels.total() - 0.5) < 0.03


def test_twins_get_the_same_treatment() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 280, 3), dtype=np.uint8)
    for preset in ("forensic", "standard", "light", "none"):
        config = read_config(
            None, ["views.size=96", f"augmentation={preset}", "degraded_share=0.7"]
        )
        views = [training_view(pixels, config, seed) for seed in range(12)]
        again = [training_view(pixels, config, seed) for seed in range(12)]
        assert all(view.shape == (96, 96, 3) for view in views)
        assert all(map(np.array_equal, views, again))
        assert len({view.tobytes() for view in views}) > 1


def test_category_weights_are_inverse_to_frequency() -> None:
    rows = [Row(Path("p"), "real", "animals")] * 3 + [Row(Path("p"), "real", "vehicles")]
    rows += [Row(Path("p"), "real")] * 9
    assert category_weights(rows).tolist() == pytest.approx([0.0, 4 / 6, 2.0])


def test_local_weights_are_loaded_and_wrong_ones_refused(tmp_path: Path) -> None:
    donor = create_network("resnet10t").backbone
    path = tmp_path / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in donor.state_dict().items()}, path)
    loaded = create_network("resnet10t", str(path)).backbone
    assert all(map(torch.equal, loaded.state_dict().values(), donor.state_dict().values()))
    with pytest.raises(ValueError, match="lacks the backbone's tensor"):
        create_network("resnet18", str(path))
    with pytest.raises(ValueError, match="no weights file"):
        create_network("resnet10t", str(tmp_path / "absent.pth"))
    with pytest.raises(ValueError, match="no backbone named"):
        create_network("resnet-of-dreams")


def test_bundled_weights_map_onto_lite0() -> None:
    bundled = create_network("tf_efficientnet_lite0", "bundled").backbone.conv_stem.weight
    assert bundled.abs().mean() > 0.05
    with pytest.raises(ValueError, match="alone"):
        create_network("resnet10t", "bundled")


def test_settings_are_read_and_wrong_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("epochs: 3\nviews:\n  size: 128\n")
    config = read_config(path, ["epochs=5", "learning_rate=3e-4", "views.crops=2"])
    assert (config.epochs, config.views.size, config.views.crops) == (5, 128, 2)
    assert config.learning_rate == pytest.approx(3e-4)
    for setting, sentence in {
        "epoch=5": "nearest is 'epochs'",
        "views.siz=64": "nearest is 'size'",
        "epochs=0": "'epochs' is not valid",
        "epochs": "KEY=VALUE",
        "epochs.more=1": "not a group",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            read_config(path, [setting])
    path.write_text("[1, 2")
    with pytest.raises(ValueError, match="not a YAML file"):
        read_config(path)
