"""Export: the ONNX file answers as PyTorch does, and carries what explanations need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import unmask
from toys import Toy
from unmask.lab.data.manifest import read_manifest
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.export import MAX_DIFFERENCE, About, export, parity
from unmask.lab.train.finished import load_run
from unmask.lab.train.network import create_network
from unmask.lab.train.picture_network import VIEWS, PictureNetwork
from unmask.lab.train.quantise import quantise
from unmask.model.card import ModelCard
from unmask.model.model import ModelOutput
from unmask.model.onnx_model import CATEGORIES, LOGIT, MAPS, VIEW_LOGITS
from unmask.model.open import SHIPPED, open_model
from unmask.picture.decode import decode
from unmask.picture.views import cut_views


def test_probabilities_are_those_of_pytorch(toy_run: Path, toy_model: Path) -> None:
    network, config = load_run(toy_run)
    assert parity(PictureNetwork(network, config).eval(), toy_model) <= MAX_DIFFERENCE
    other = PictureNetwork(create_network(config.backbone).eval(), config).eval()
    assert parity(other, toy_model) > 10 * MAX_DIFFERENCE


@pytest.mark.parametrize(("pictures", "views"), [(1, 1), (1, 5), (3, 2)])
def test_both_numbers_are_dynamic_and_the_map_explains_the_logit(
    toy_model: Path, pictures: int, views: int
) -> None:
    session = ort.InferenceSession(str(toy_model), providers=["CPUExecutionProvider"])
    shape = (pictures, views, 64, 64, 3)
    seen = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    fake, category, by_view, maps = session.run(
        [LOGIT, CATEGORIES, VIEW_LOGITS, MAPS], {VIEWS: seen}
    )
    assert (fake.shape, category.shape) == ((pictures,), (pictures, 3))
    assert maps.shape[:3] == (pictures, 4, views)
    np.testing.assert_allclose(by_view.mean(1), fake, atol=1e-5)
    # The mean of a map is its logit but for one bias, the same for every picture and view.
    logits = np.concatenate([fake[:, None], category], 1)
    assert np.ptp(logits - maps.mean((2, 3, 4)), axis=0).max() < 1e-4
    without_bias = by_view - maps[:, 0].mean((2, 3))
    assert np.ptp(without_bias) < 1e-4


@pytest.mark.parametrize("scale", ["symmetric", "unit", "imagenet"])
def test_the_graph_takes_bytes_and_knows_the_scale(scale: str) -> None:
    import torch

    config = TrainConfig.model_validate({"scale": scale, "views": {"size": 64}})
    network = create_network("resnet10t").eval()
    seen = np.random.default_rng(0).integers(0, 256, (1, 1, 64, 64, 3), dtype=np.uint8)
    values = seen[0].transpose(0, 3, 1, 2).astype(np.float32) / 255
    if scale == "symmetric":
        values = 2 * values - 1
    if scale == "imagenet":
        mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        values = (values - np.array(mean).reshape(3, 1, 1)) / np.array(deviation).reshape(3, 1, 1)
    with torch.inference_mode():
        expected, _ = network(torch.from_numpy(values.astype(np.float32)))
        found = PictureNetwork(network, config).eval().answer(torch.from_numpy(seen))
    assert float(found.logit[0]) == pytest.approx(float(expected[0]), abs=1e-4)


def test_the_card_names_the_training(toy: Toy, toy_model: Path) -> None:
    card = ModelCard.read(ModelCard.path_for(toy_model))
    assert card.training["config"]["backbone"] == "resnet10t"
    assert [(part.source, part.pictures) for part in card.training_data] == [("toy", 40)]
    assert card.validation["pictures"] == sum(r.split == "val" for r in read_manifest(toy.manifest))
    assert set(card.alternatives) == {"temperature", "platt", "beta", "isotonic"}
    assert set(card.inputs) == {VIEWS}


def test_the_file_does_not_tell_where_it_was_made(toy_model: Path) -> None:
    for model in (toy_model, SHIPPED):
        data = model.read_bytes()
        assert b"stack_trace" not in data
        assert str(Path(unmask.__file__).parent).encode() not in data


@pytest.mark.slow
def test_integers_answer_about_the_same_in_a_third_of_the_size(
    toy: Toy, toy_run: Path, tmp_path: Path
) -> None:
    whole, small = tmp_path / "whole.onnx", tmp_path / "small.onnx"
    export(toy_run, whole, About(name="toy", licence="none", intended_use="tests"))
    card = quantise(whole, toy.rows, small)
    assert small.stat().st_size < 0.4 * whole.stat().st_size
    reached = card.training["quantised"]["auc_by_source"]
    assert reached["float32"] > 0.9
    assert abs(reached["int8"] - reached["float32"]) < 0.1
    assert card.sha256 != ModelCard.read(ModelCard.path_for(whole)).sha256
    pictures = [cut_views(decode(row.path.read_bytes()), card.inputs) for row in toy.rows]

    def answers(path: Path) -> list[ModelOutput]:
        return open_model(path).answer(pictures, maps=True)

    ours, theirs = answers(small), answers(whole)
    both = np.concatenate([[one.view_logits for one in each] for each in (ours, theirs)], axis=1)
    first, second = np.split(both, 2, axis=1)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.98
    # Only convolutions are rounded: the map still explains the logit.
    without_bias = [one.logit - one.maps[0].mean() for one in ours if one.maps is not None]
    assert len(without_bias) == len(toy.rows)
    assert np.ptp(without_bias) < 1e-4


def test_no_run_no_model(tmp_path: Path) -> None:
    about = About(name="x", licence="y", intended_use="z")
    with pytest.raises(ValueError, match="no finished training run"):
        export(tmp_path, tmp_path / "m.onnx", about)
    bad = tmp_path / "about.json"
    bad.write_text('{"name": "x"}')
    with pytest.raises(ValueError, match="licence"):
        About.read(bad)
