"""Export: the ONNX file answers as PyTorch does, and carries what explanations need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import unmask
from toys import Toy
from unmask.lab.data.manifest import read_manifest
from unmask.lab.train.export import MAX_DIFFERENCE, About, export, parity
from unmask.lab.train.finished import load_run
from unmask.lab.train.network import create_network
from unmask.lab.train.quantise import quantise
from unmask.model.card import ModelCard
from unmask.model.onnx_model import FEATURES, INPUT, OUTPUTS, SHIPPED, Model
from unmask.picture.decode import decode
from unmask.picture.views import make_views, normalise


def test_probabilities_are_those_of_pytorch(toy_run: Path, toy_model: Path) -> None:
    network, config = load_run(toy_run)
    assert parity(network, toy_model, config.views.size) <= MAX_DIFFERENCE
    other = create_network(config.backbone).eval()
    assert parity(other, toy_model, config.views.size) > 10 * MAX_DIFFERENCE


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_batch_is_dynamic_and_the_map_explains_the_logit(toy_model: Path, count: int) -> None:
    session = ort.InferenceSession(str(toy_model), providers=["CPUExecutionProvider"])
    views = np.random.default_rng(0).uniform(-1, 1, (count, 3, 64, 64)).astype(np.float32)
    fake, category, features, heads = session.run([*OUTPUTS, *FEATURES], {INPUT: views})
    assert fake.shape == (count,)
    assert category.shape == (count, 3)
    # Weights times mean features are the logit but for one bias, the same for every picture.
    without_bias = np.einsum("nkhw,k->nhw", features, heads[0]).mean((1, 2))
    assert np.ptp(fake - without_bias) < 1e-4


def test_the_card_names_the_training(toy: Toy, toy_model: Path) -> None:
    card = ModelCard.read(ModelCard.path_for(toy_model))
    assert card.training["config"]["backbone"] == "resnet10t"
    assert [(part.source, part.pictures) for part in card.training_data] == [("toy", 40)]
    assert card.validation["pictures"] == sum(r.split == "val" for r in read_manifest(toy.manifest))
    assert set(card.alternatives) == {"temperature", "platt", "beta", "isotonic"}


def test_the_file_does_not_tell_where_it_was_made(toy_model: Path) -> None:
    for model in (toy_model, SHIPPED):
        data = model.read_bytes()
        assert b"stack_trace" not in data
        assert str(Path(unmask.__file__).parent).encode() not in data


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
    views = np.stack([make_views(decode(row.path.read_bytes()), card.views)[0] for row in toy.rows])
    ours, theirs = Model(small)(views)[0], Model(whole)(views)[0]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.98
    session = ort.InferenceSession(str(small), providers=["CPUExecutionProvider"])
    fake, features, heads = session.run([OUTPUTS[0], *FEATURES], {INPUT: normalise(views[:4])})
    # Only convolutions are rounded: the map still explains the logit.
    without_bias = np.einsum("nkhw,k->nhw", features, heads[0]).mean((1, 2))
    assert np.ptp(fake - without_bias) < 1e-4


def test_no_run_no_model(tmp_path: Path) -> None:
    about = About(name="x", licence="y", intended_use="z")
    with pytest.raises(ValueError, match="no finished training run"):
        export(tmp_path, tmp_path / "m.onnx", about)
    bad = tmp_path / "about.json"
    bad.write_text('{"name": "x"}')
    with pytest.raises(ValueError, match="licence"):
        About.read(bad)
