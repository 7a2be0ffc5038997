"""The tower as ONNX nodes: four bits a weight in the file, 8-bit integers at work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from unmask.lab.tower.compress import GROUP, FourBit
from unmask.lab.tower.tower import EPSILON, GRID, HEADS, PATCH, Array, Norm, Tower


class Nodes:
    """Collects nodes and constants of a graph; every name starts with one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return the name of its output, or a list of names where there are more."""
        start = f"{self.prefix}{kind.lower()}{len(self.nodes)}"
        names = [f"{start}_{place}" for place in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=start, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array: Any) -> str:
        """Add a constant; return its name."""
        name = f"{self.prefix}constant{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def half(self, array: Array) -> str:
        """Add a constant that is stored in 16 bits and used in 32."""
        stored = self.constant(np.asarray(array, dtype=np.float16))
        return str(self.add("Cast", stored, to=TensorProto.FLOAT))

    def bytes(self, array: Array) -> str:
        """Add a weight stored in 8 bits, one scale for each of its first axis, used in 32."""
        axes = tuple(range(1, array.ndim))
        scale = np.maximum(np.abs(array).max(axes, keepdims=True), 1e-12) / 127
        stored = self.constant(np.rint(array / scale).astype(np.int8))
        wide = self.add("Cast", stored, to=TensorProto.FLOAT)
        return str(self.add("Mul", wide, self.constant(scale.astype(np.float32))))

    def four_bits(self, matrix: FourBit) -> str:
        """Add a four-bit matrix, used as int8; ONNX Runtime unpacks it once, when it loads.

        It keeps what every step of that puts out until all matrices are unpacked, so the wide
        steps are as few as can be.
        """
        name = f"{self.prefix}constant{len(self.initializers)}"
        inputs, outputs = matrix.levels.shape
        grouped = (inputs // GROUP, GROUP, outputs)
        # Two's complement of level - 8 in four bits, the even places low.
        nibbles = matrix.levels.ravel() ^ 8
        packed = (nibbles[0::2] | (nibbles[1::2] << 4)).tobytes()
        self.initializers.append(
            helper.make_tensor(name, TensorProto.INT4, grouped, packed, raw=True)
        )
        levels = self.add("Cast", name, to=TensorProto.FLOAT)
        multipliers = self.constant(matrix.multipliers[:, None, :])
        wide = self.add("Cast", multipliers, to=TensorProto.FLOAT)
        whole = self.add("Cast", self.add("Mul", levels, wide), to=TensorProto.INT8)
        return str(self.add("Reshape", whole, self.constant(np.array([inputs, outputs]))))


def tower_nodes(
    nodes: Nodes,
    tower: Tower,
    matrices: Sequence[dict[str, FourBit]],
    views: str,
    taps: Sequence[int],
) -> list[str]:
    """Add a tower's nodes.

    Args:
        nodes: Where to add them.
        tower: The tower, its weights rounded.
        matrices: The four-bit matrices of each block.
        views: Name of the views, float32 (n, 3, 224, 224) in [-1, 1].
        taps: Blocks, from 0, whose outputs are wanted.

    Returns:
        Names of those outputs without the class token, float32 (n, 196, 768).
    """
    channels, tokens = tower.positions.shape[1], GRID * GRID

    def norm(of: Norm, x: str) -> str:
        scale, bias = nodes.constant(of.scale), nodes.constant(of.bias)
        return str(nodes.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON))

    def linear(matrix: FourBit, bias: Array, x: str) -> str:
        quantised, scale, zero = nodes.add("DynamicQuantizeLinear", x, outputs=3)
        weight, none = nodes.four_bits(matrix), nodes.constant(np.zeros((), dtype=np.int8))
        product = nodes.add("MatMulInteger", quantised, weight, zero, none)
        product = nodes.add("Cast", product, to=TensorProto.FLOAT)
        both = nodes.add("Mul", scale, nodes.constant(matrix.scale))
        return str(nodes.add("Add", nodes.add("Mul", product, both), nodes.constant(bias)))

    def heads(x: str, transposed: tuple[int, ...]) -> str:
        shape = nodes.constant(np.array([0, 0, HEADS, channels // HEADS]))
        return str(nodes.add("Transpose", nodes.add("Reshape", x, shape), perm=transposed))

    patches = nodes.add(
        "Conv", views, nodes.bytes(tower.patches), nodes.constant(tower.patch_bias),
        kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH],
    )  # fmt: skip
    flat = nodes.add("Reshape", patches, nodes.constant(np.array([0, channels, tokens])))
    flat = nodes.add("Transpose", flat, perm=(0, 2, 1))
    # One class token for each view: the first token times zero plus the class token.
    first = nodes.add("Slice", flat, *(nodes.constant(np.array([value])) for value in (0, 1, 1)))
    start = nodes.add("Mul", first, nodes.constant(np.float32(0)))
    start = nodes.add("Add", start, nodes.half(tower.start))
    x = nodes.add("Concat", start, flat, axis=1)
    x = norm(tower.norm, nodes.add("Add", x, nodes.half(tower.positions)))
    root = nodes.constant(np.float32((channels // HEADS) ** -0.5))
    sigmoid = nodes.constant(np.float32(1.702))
    found = []
    for place, (block, stored) in enumerate(zip(tower.blocks, matrices, strict=True)):
        qkv = linear(stored["qkv"], block.qkv.bias, norm(block.norm1, x))
        query, key, value = nodes.add(
            "Split", qkv, nodes.constant(np.array([channels] * 3)), outputs=3, axis=2
        )
        alike = nodes.add(
            "MatMul", nodes.add("Mul", heads(query, (0, 2, 1, 3)), root), heads(key, (0, 2, 3, 1))
        )
        gathered = nodes.add(
            "MatMul", nodes.add("Softmax", alike, axis=-1), heads(value, (0, 2, 1, 3))
        )
        gathered = nodes.add("Transpose", gathered, perm=(0, 2, 1, 3))
        gathered = nodes.add("Reshape", gathered, nodes.constant(np.array([0, 0, channels])))
        x = nodes.add("Add", x, linear(stored["out"], block.out.bias, gathered))
        before = linear(stored["fc1"], block.fc1.bias, norm(block.norm2, x))
        gate = nodes.add("Sigmoid", nodes.add("Mul", before, sigmoid))
        hidden = nodes.add("Mul", before, gate)
        x = nodes.add("Add", x, linear(stored["fc2"], block.fc2.bias, hidden))
        if place in taps:
            ends = (nodes.constant(np.array([value])) for value in (1, tokens + 1, 1))
            found.append(nodes.add("Slice", x, *ends))
    return found
