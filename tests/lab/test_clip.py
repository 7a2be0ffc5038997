"""The frozen tower: read, made small, turned into a graph, joined with a network."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from towers import CHANNELS, HIDDEN, make_tower
from toys import Toy
from unmask.lab.data.manifest import Label, Row
from unmask.lab.tower import kept as keeping
from unmask.lab.tower.build import build
from unmask.lab.tower.compress import GROUP, FourBit, compress, prune, to_four_bits
from unmask.lab.tower.features import tower_model
from unmask.lab.tower.fuse import Probe, fuse
from unmask.lab.tower.probe import PSEUDO_FAKES_COUNT, row_weights
from unmask.lab.tower.tower import Tower, read_tower
from unmask.lab.train.export import About
from unmask.lab.train.pseudo import SELF_BLENDED
from unmask.model.card import ModelCard
from unmask.model.onnx_model import (
    EXPLAIN,
    FEATURES,
    INPUT,
    OUTPUTS,
    WHOLE_LOGIT,
    WHOLE_WEIGHT,
    Model,
)
from unmask.picture.views import ViewPlan, normalise

TAPS = (0, 1)


def _views(count: int, seed: int = 0) -> NDArray[np.float32]:
    coarse = np.random.default_rng(seed).uniform(-1, 1, (count, 3, 28, 28))
    grown = torch.nn.functional.interpolate(torch.from_numpy(coarse), 224, mode="bilinear")
    return grown.numpy().astype(np.float32)


def _seen(tower: Tower, views: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the tower's taps see, averaged over places, in PyTorch."""
    found = []
    with torch.inference_mode():
        x = tower.embed(torch.from_numpy(views))
        for block in tower.blocks:
            x = x + block.out(block.attend(x))
            x = x + block.fc2(block.hidden(x))
            found.append(x[:, 1:].mean(1).numpy())
    return np.concatenate(found, 1)


def _network() -> onnx.ModelProto:
    """A network as exporting writes it, but tiny: one convolution, two heads."""
    rng = np.random.default_rng(1)
    heads = rng.normal(size=(4, 8)).astype(np.float32)
    constants = {
        "conv": rng.normal(0, 0.02, (8, 3, 32, 32)).astype(np.float32),
        "heads": heads,
        "fake": heads[:1],
        "category": heads[1:],
        "axes": np.array([2, 3]),
        "last": np.array([1]),
    }
    node = helper.make_node
    nodes = [
        node("Conv", [INPUT, "conv"], [FEATURES[0]], strides=[32, 32]),
        node("ReduceMean", [FEATURES[0], "axes"], ["pooled"], keepdims=0),
        node("Gemm", ["pooled", "fake"], ["column"], transB=1),
        node("Squeeze", ["column", "last"], [OUTPUTS[0]]),
        node("Gemm", ["pooled", "category"], [OUTPUTS[1]], transB=1),
        node("Identity", ["heads"], [FEATURES[1]]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "network", [value(INPUT, TensorProto.FLOAT, ["n", 3, 224, 224])],
        [value(name, TensorProto.FLOAT, None) for name in (*OUTPUTS, *FEATURES)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture(scope="module")
def small() -> tuple[Tower, list[dict[str, FourBit]]]:
    return compress(make_tower(), torch.from_numpy(_views(6)), 3 * GROUP)


@pytest.fixture(scope="module")
def fused(small: tuple[Tower, list[dict[str, FourBit]]]) -> tuple[ort.InferenceSession, Probe]:
    weights = np.random.default_rng(2).normal(size=len(TAPS) * CHANNELS).astype(np.float32)
    probe = Probe(weights, bias=0.25, network_scale=0.5)
    model = fuse(_network(), tower_model(*small, TAPS), probe)
    return ort.InferenceSession(model.SerializeToString()), probe


def test_four_bits_are_integers_within_eight_that_come_near() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(500, 2 * GROUP)) @ rng.normal(size=(2 * GROUP, 2 * GROUP))
    weight = rng.normal(size=(2 * GROUP, 5)).astype(np.float32)
    moment = (inputs.T @ inputs / len(inputs)).astype(np.float32)
    rounded = to_four_bits(weight, moment)
    assert rounded.levels.max() <= 15
    np.testing.assert_allclose(rounded.weight(), rounded.int8() * rounded.scale, rtol=1e-6)
    error = np.square(inputs @ (rounded.weight() - weight)).mean()
    assert error < 0.01 * np.square(inputs @ weight).mean()
    # Rounding that knows how inputs go together beats rounding each weight by itself.
    alone = to_four_bits(weight, np.eye(2 * GROUP, dtype=np.float32)).weight()
    assert error < np.square(inputs @ (alone - weight)).mean()


def test_pruning_drops_what_does_nothing() -> None:
    block = make_tower().blocks[0]
    idle = block.fc2.weight.copy()
    idle[::2] = 0
    block = replace(block, fc2=replace(block.fc2, weight=idle))
    x = torch.randn(2, 9, CHANNELS, generator=torch.Generator().manual_seed(0))
    pruned = prune(block, x, HIDDEN // 2)
    assert pruned.fc1.weight.shape == (CHANNELS, HIDDEN // 2)
    np.testing.assert_allclose(
        pruned.fc2(pruned.hidden(x)).numpy(), block.fc2(block.hidden(x)).numpy(), atol=2e-2
    )


def test_a_small_tower_sees_about_the_same(small: tuple[Tower, list[dict[str, FourBit]]]) -> None:
    views = _views(8, seed=3)
    whole, less = _seen(make_tower(), views), _seen(small[0], views)
    assert (less - whole).std() < 0.5 * (whole - whole.mean(0)).std()


def test_the_graph_answers_as_pytorch_does(
    small: tuple[Tower, list[dict[str, FourBit]]],
    fused: tuple[ort.InferenceSession, Probe],
) -> None:
    views = _views(4, seed=5)
    feed = {INPUT: views, WHOLE_WEIGHT: np.ones(4, dtype=np.float32)}
    (theirs,) = fused[0].run([WHOLE_LOGIT], feed)
    ours = _seen(small[0], views) @ fused[1].weights
    # The graph rounds activations to 8 bits, PyTorch does not.
    assert np.abs(theirs - ours).max() < 0.15 * np.abs(ours).max()


def test_the_mean_over_views_is_network_and_tower_together(
    fused: tuple[ort.InferenceSession, Probe],
) -> None:
    session, probe = fused
    views = _views(3)
    weight = np.array([3, 0, 0], dtype=np.float32)
    names = [*OUTPUTS, *FEATURES, WHOLE_LOGIT]
    fake, category, features, heads, whole = session.run(
        names, {INPUT: views, WHOLE_WEIGHT: weight, EXPLAIN: np.array(True)}
    )
    alone = ort.InferenceSession(_network().SerializeToString())
    own, own_category = alone.run(list(OUTPUTS), {INPUT: views})
    expected = probe.network_scale * own.mean() + probe.bias + whole[0]
    assert whole.shape == (1,)
    assert fake.mean() == pytest.approx(expected, abs=0.02)
    np.testing.assert_allclose(category, own_category, atol=0.05)
    # The map explains each logit but for the same bias.
    np.testing.assert_allclose(
        fake - np.einsum("nkhw,k->nhw", features, heads[0]).mean((1, 2)), probe.bias, atol=1e-3
    )
    # Unless it is asked for, it is not computed, and all else stays as it is.
    same, *_, none = session.run([*OUTPUTS, FEATURES[0]], {INPUT: views, WHOLE_WEIGHT: weight})
    np.testing.assert_array_equal(same, fake)
    assert none.shape == (0, *features.shape[1:])


def test_a_model_counts_the_tower_once_a_picture(
    small: tuple[Tower, list[dict[str, FourBit]]], tmp_path: Path
) -> None:
    weights = np.random.default_rng(2).normal(size=len(TAPS) * CHANNELS).astype(np.float32)
    tower = tower_model(*small, TAPS)
    data = fuse(_network(), tower, Probe(weights, 0.25, 0.5)).SerializeToString()
    path = tmp_path / "both.onnx"
    path.write_bytes(data)
    ModelCard(
        name="both", created="2026-01-01", sha256=hashlib.sha256(data).hexdigest(), opset=21,
        inputs="", outputs="", views=ViewPlan(size=224, crops=2), categories=("a", "b", "c"),
        licence="", intended_use="", training={},
    ).write(ModelCard.path_for(path))  # fmt: skip
    model = Model(path)
    rng = np.random.default_rng(4)
    first, second = rng.integers(0, 256, (2, 3, 224, 224, 3), dtype=np.uint8)
    both, _ = model.answer([first, second])
    assert both[0] == pytest.approx(model(first)[0].mean(), abs=1e-4)
    assert both[1] == pytest.approx(model(second)[0].mean(), abs=1e-4)
    # Any choice of views can be pooled afterwards; fewer crops leave the tower's part as it is.
    parts = model.parts(first)
    assert parts.fake_logits.mean() + parts.whole_logit == pytest.approx(both[0], abs=1e-4)
    fewer = parts.fake_logits[:2].mean() + parts.whole_logit
    assert model.answer([first[:2]])[0][0] == pytest.approx(fewer, abs=1e-4)
    assert abs(parts.whole_logit) > 0.1
    found = model.features(normalise(np.concatenate([first, second])), [3, 3])
    np.testing.assert_allclose(found.fake_logits.reshape(2, 3).mean(1), both, atol=1e-4)


def test_building_looks_at_no_test_picture_and_goes_on_where_it_was_stopped(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "read_tower", lambda path, depth: make_tower())
    monkeypatch.setattr(keeping, "UNITS", 3 * GROUP)
    monkeypatch.setattr(keeping, "TAPS", TAPS)
    network, tower, out = (tmp_path / f"{name}.onnx" for name in ("network", "tower", "both"))
    tower.write_bytes(b"a tower")
    network.write_bytes(_network().SerializeToString())
    ModelCard(
        name="network", created="2026-01-01", opset=18, inputs="", outputs="",
        sha256=hashlib.sha256(network.read_bytes()).hexdigest(), views=ViewPlan(crops=2),
        categories=("a", "b", "c"), licence="", intended_use="", training={},
    ).write(ModelCard.path_for(network))  # fmt: skip
    about = About(name="both", licence="none", intended_use="tests")
    folder = tmp_path / "seen"
    card = build(network, tower, toy.rows, out, folder=folder, about=about)
    assert Model(out).card.sha256 == card.sha256
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"train", "val"}
    assert card.training["tower"]["head_counts"] + card.training["tower"]["network_counts"] > 0
    monkeypatch.setattr(keeping, "compress", None)
    monkeypatch.setattr(keeping, "look", None)
    assert build(network, tower, toy.rows, out, folder=folder, about=about).sha256 == card.sha256


def test_pseudo_fakes_count_less_and_labels_alike() -> None:
    def some(count: int, label: Label, generator: str) -> list[Row]:
        source = SELF_BLENDED if generator == SELF_BLENDED else "web"
        return [Row(Path("x"), label, "", generator, source, split="train") for _ in range(count)]

    rows = [*some(9, "real", ""), *some(4, "fake", "gan"), *some(4, "fake", SELF_BLENDED)]
    real, fake, made = np.split(row_weights(rows), [9, 13])
    assert made == pytest.approx(PSEUDO_FAKES_COUNT * fake)
    assert real.sum() == pytest.approx(fake.sum() + made.sum())


def test_a_file_that_is_no_tower_is_one_sentence(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    onnx.save(_network(), str(other))
    with pytest.raises(ValueError, match="no ONNX export of CLIP"):
        read_tower(other, 1)
    with pytest.raises(ValueError, match="no ONNX export of CLIP"):
        read_tower(tmp_path / "absent.onnx", 1)
