"""CLIP's image tower is read from an ONNX export as it computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from unmask.lab.tower.tower import GRID, HEADS, MEAN, PATCH, STD, read_tower

CHANNELS, HIDDEN = 2 * HEADS, 48


def some(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(0, 0.1, shape).astype(np.float32)


def save(path: Path, *, eight_bit: bool) -> dict[str, np.ndarray]:
    """Write one block as Hugging Face's export has it; returns its arrays as they compute."""
    layer = "encoder.layers.0"
    arrays = {
        "embeddings.patch_embedding.weight": some(CHANNELS, 3, PATCH, PATCH),
        "embeddings.class_embedding": some(CHANNELS),
        "embeddings.position_embedding.weight": some(GRID * GRID + 1, CHANNELS),
    }
    for norm in ("pre_layrnorm", f"{layer}.layer_norm1", f"{layer}.layer_norm2"):
        arrays |= {f"{norm}.weight": 1 + some(CHANNELS), f"{norm}.bias": some(CHANNELS)}
    shapes = {f"self_attn.{one}_proj": (CHANNELS, CHANNELS) for one in ("q", "k", "v", "out")}
    shapes |= {"mlp.fc1": (CHANNELS, HIDDEN), "mlp.fc2": (HIDDEN, CHANNELS)}
    stored = {f"vision_model.{name}": array for name, array in arrays.items()}
    nodes = []
    for number, (name, shape) in enumerate(shapes.items()):
        weight, bias = some(*shape), some(shape[1])
        stored[f"vision_model.{layer}.{name}.bias"] = bias
        node, given = f"/vision_model/{layer}/{name.replace('.', '/')}/MatMul", f"onnx::{number}"
        node = node.replace(layer, "encoder/layers.0")
        if eight_bit:
            scale, zero = np.float32(np.abs(weight).max() / 127), np.uint8(128)
            levels = np.clip(np.rint(weight / scale) + 128, 0, 255).astype(np.uint8)
            weight = (levels.astype(np.float32) - 128) * scale
            stored |= {f"{given}_quantized": levels, f"{given}_scale": scale}
            stored[f"{given}_zero_point"] = zero
            inputs = ["x", f"{given}_quantized", "x_zero", f"{given}_zero_point"]
            nodes.append(helper.make_node("MatMulInteger", inputs, [node], f"{node}_quant"))
        else:
            stored[given] = weight
            nodes.append(helper.make_node("MatMul", ["x", given], [node], node))
        arrays |= {f"{name}.weight": weight, f"{name}.bias": bias}
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    constants = [numpy_helper.from_array(np.asarray(a), name) for name, a in stored.items()]
    graph = helper.make_graph(nodes, "tower", [value], [], constants)
    onnx.save(helper.make_model(graph), str(path))
    return arrays


@pytest.mark.parametrize("eight_bit", [False, True])
def test_a_tower_is_read_as_it_computes(tmp_path: Path, eight_bit: bool) -> None:
    arrays = save(tmp_path / "clip.onnx", eight_bit=eight_bit)
    tower = read_tower(tmp_path / "clip.onnx", 1)
    (block,) = tower.blocks
    np.testing.assert_array_equal(block.fc1.weight, arrays["mlp.fc1.weight"])
    np.testing.assert_array_equal(block.out.bias, arrays["self_attn.out_proj.bias"])
    query = arrays["self_attn.q_proj.weight"]
    np.testing.assert_array_equal(block.qkv.weight[:, :CHANNELS], query)
    # It takes values from -1 to 1 and answers as for CLIP's own range.
    views = torch.rand(2, 3, PATCH * GRID, PATCH * GRID, generator=torch.Generator().manual_seed(0))
    mean, deviation = (torch.from_numpy(part).view(-1, 1, 1) for part in (MEAN, STD))
    patches = torch.from_numpy(arrays["embeddings.patch_embedding.weight"])
    conv = torch.nn.functional.conv2d((views - mean) / deviation, patches, stride=PATCH)
    start = torch.from_numpy(arrays["embeddings.class_embedding"]).expand(2, 1, -1)
    tokens = torch.cat([start, conv.flatten(2).transpose(1, 2)], 1)
    tokens = tokens + torch.from_numpy(arrays["embeddings.position_embedding.weight"])
    expected = tower.norm(tokens).numpy()
    np.testing.assert_allclose(tower.embed(2 * views - 1).numpy(), expected, atol=1e-3)
    assert block.attend(torch.from_numpy(expected)).shape == expected.shape
    assert block.hidden(torch.from_numpy(expected)).shape == (*expected.shape[:2], HIDDEN)


def test_a_file_that_is_no_tower_is_one_sentence(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    graph = helper.make_graph([], "none", [], [])
    onnx.save(helper.make_model(graph), str(other))
    for path in (other, tmp_path / "absent.onnx"):
        with pytest.raises(ValueError, match="no ONNX export of CLIP"):
            read_tower(path, 1)
