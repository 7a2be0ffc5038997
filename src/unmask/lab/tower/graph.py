"""The tower and its heads as an ONNX graph of 8-bit integers, by the contract of `onnx_model`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from unmask.lab.tower.balance import IntegerBlock, IntegerLinear
from unmask.lab.tower.heads import Heads
from unmask.lab.tower.tower import EPSILON, HEADS, PATCH, Array, Norm, Tower, at_side
from unmask.model.onnx_model import CATEGORIES, GRAPHIC, LOGIT, MAPS, VIEW_LOGITS

OPSET, IR_VERSION = 20, 9
INPUT, FEATURES = "whole", "features"
PARTS = 2
"""Vectors that a tap gives: the class token, and the mean of the places."""


@dataclass(frozen=True)
class Tap:
    """What a block puts out, by the names of its tensors.

    Attributes:
        token: The class token, (n, 1, channels).
        places: (n, places, channels).
    """

    token: str
    places: str


class Nodes:
    """Collects the nodes and constants of a graph; a constant that is used twice is kept once."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._known: dict[bytes, str] = {}

    def add(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        return self.split(kind, *inputs, names=[out or f"{kind.lower()}{len(self.nodes)}"],
                          **attributes)[0]  # fmt: skip

    def split(self, kind: str, *inputs: str, names: Sequence[str] | int, **more: Any) -> list[str]:
        """Add a node with several outputs; return their names."""
        if isinstance(names, int):
            names = [f"{kind.lower()}{len(self.nodes)}_{place}" for place in range(names)]
        self.nodes.append(
            helper.make_node(kind, inputs, names, name=f"node{len(self.nodes)}", **more)
        )
        return list(names)

    def constant(self, array: Any) -> str:
        """Add a constant; return its name."""
        constant = numpy_helper.from_array(np.ascontiguousarray(array).reshape(np.shape(array)))
        key = hashlib.sha256(constant.SerializeToString()).digest()
        if key not in self._known:
            constant.name = self._known[key] = f"constant{len(self.initializers)}"
            self.initializers.append(constant)
        return self._known[key]

    def ints(self, *values: int) -> str:
        """Add a constant of whole numbers."""
        return self.constant(np.array(values, dtype=np.int64))

    def half(self, array: Array) -> str:
        """Add a constant that is stored in 16 bits and used in 32."""
        stored = self.constant(np.asarray(array, dtype=np.float16))
        return self.add("Cast", stored, to=TensorProto.FLOAT)

    def norm(self, norm: Norm, x: str) -> str:
        """Add a layer norm."""
        scale, bias = self.constant(norm.scale), self.constant(norm.bias)
        return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def linear(self, matrix: IntegerLinear, x: str) -> str:
        """Add a matrix in integers, its input rounded by the largest value that comes."""
        rounded, step, zero = self.split("DynamicQuantizeLinear", x, names=3)
        none = self.constant(np.zeros(matrix.levels.shape[1], dtype=np.int8))
        product = self.add("MatMulInteger", rounded, self.constant(matrix.levels), zero, none)
        product = self.add("Cast", product, to=TensorProto.FLOAT)
        both = self.add("Mul", step, self.constant(matrix.scale))
        return self.add("Add", self.add("Mul", product, both), self.constant(matrix.bias))


def add_tower(
    nodes: Nodes, tower: Tower, blocks: Sequence[IntegerBlock], views: str, side: int,
    taps: Sequence[int],
) -> list[Tap]:  # fmt: skip
    """Add a tower's nodes.

    The class token goes beside the places through every matrix and is rounded by itself: its range
    is another.

    Args:
        nodes: Where to add them.
        tower: The tower in floating point, of which its beginning is taken.
        blocks: Its blocks in integers.
        views: Name of the views, uint8 (n, side, side, 3).
        side: In pixels, a multiple of `PATCH`.
        taps: Blocks, from 1, whose outputs are wanted.
    """
    sized = at_side(tower, side)
    channels, places = sized.positions.shape[1], sized.positions.shape[0] - 1
    by_heads, flat = nodes.ints(0, 0, HEADS, channels // HEADS), nodes.ints(0, 0, channels)
    thirds, gate = nodes.ints(channels, channels, channels), nodes.constant(np.float32(1.702))

    def heads(x: str, order: tuple[int, ...]) -> str:
        return nodes.add("Transpose", nodes.add("Reshape", x, by_heads), perm=order)

    planes = nodes.add(
        "Transpose", nodes.add("Cast", views, to=TensorProto.FLOAT), perm=(0, 3, 1, 2)
    )
    # The tower takes values in [-1, 1]; the bytes' range is folded into its first step.
    embedded = nodes.add(
        "Conv", planes, nodes.constant((sized.patches / 127.5).astype(np.float32)),
        nodes.constant(sized.patch_bias - sized.patches.sum((1, 2, 3))),
        kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH],
    )  # fmt: skip
    embedded = nodes.add("Reshape", embedded, nodes.ints(0, channels, places))
    embedded = nodes.add("Transpose", embedded, perm=(0, 2, 1))
    # One class token for each view: the first place times zero, plus the class token.
    first = nodes.add("Slice", embedded, nodes.ints(0), nodes.ints(1), nodes.ints(1))
    first = nodes.add("Mul", first, nodes.constant(np.float32(0)))
    token = nodes.add("Add", first, nodes.constant(sized.start + sized.positions[:1]))
    streams = [
        nodes.norm(sized.norm, token),
        nodes.norm(sized.norm, nodes.add("Add", embedded, nodes.half(sized.positions[1:]))),
    ]
    found: list[Tap] = []
    for number, block in enumerate(blocks, 1):
        parts = [
            nodes.split("Split", nodes.linear(block.qkv, nodes.norm(block.norm1, x)), thirds,
                        names=3, axis=2)
            for x in streams
        ]  # fmt: skip
        keys = heads(nodes.add("Concat", parts[0][1], parts[1][1], axis=1), (0, 2, 3, 1))
        values = heads(nodes.add("Concat", parts[0][2], parts[1][2], axis=1), (0, 2, 1, 3))
        gain = nodes.constant(block.gain)
        for place, (query, _, _) in enumerate(parts):
            alike = nodes.add("MatMul", heads(query, (0, 2, 1, 3)), keys)
            gathered = nodes.add("MatMul", nodes.add("Softmax", alike, axis=-1), values)
            gathered = nodes.add("Transpose", gathered, perm=(0, 2, 1, 3))
            gathered = nodes.add("Reshape", gathered, flat)
            x = nodes.add("Add", streams[place], nodes.linear(block.out, gathered))
            hidden = nodes.linear(block.fc1, nodes.norm(block.norm2, x))
            opened = nodes.add("Sigmoid", nodes.add("Mul", hidden, gate))
            hidden = nodes.add("Mul", nodes.add("Mul", hidden, opened), gain)
            streams[place] = nodes.add("Add", x, nodes.linear(block.fc2, hidden))
        if number in taps:
            found.append(Tap(*streams))
    return found


def features_graph(
    tower: Tower, blocks: Sequence[IntegerBlock], side: int, taps: Sequence[int]
) -> onnx.ModelProto:
    """Return the tower alone.

    From views, uint8 (n, side, side, 3), to features, float32 (n, taps * PARTS * channels).
    """
    nodes = Nodes()
    _add_features(nodes, add_tower(nodes, tower, blocks, INPUT, side, taps), out=FEATURES)
    return _model(
        nodes,
        {INPUT: (TensorProto.UINT8, ["n", side, side, 3])},
        {FEATURES: ["n", len(taps) * PARTS * tower.positions.shape[1]]},
    )


def model_graph(
    tower: Tower, blocks: Sequence[IntegerBlock], side: int, taps: Sequence[int], heads: Heads
) -> onnx.ModelProto:
    """Return tower and heads, with the inputs and outputs that `unmask.model.onnx_model` wants.

    `MAPS` are the gradients of the logits by the mean of the places at each tap, times what each
    place has there beyond the mean picture: how the places speak through those means. What they say
    through the class token has no such account.
    """
    nodes, channels, grid = Nodes(), tower.positions.shape[1], side // PATCH
    flat = nodes.add("Reshape", INPUT, nodes.ints(-1, side, side, 3))
    found = add_tower(nodes, tower, blocks, flat, side, taps)
    x = _add_features(nodes, found)
    mean, spread = nodes.constant(heads.mean), nodes.constant(heads.deviation)
    x = nodes.add("Div", nodes.add("Sub", x, mean), spread)
    shape = nodes.add(
        "Slice", nodes.add("Shape", INPUT), nodes.ints(0), nodes.ints(2), nodes.ints(0)
    )

    def pooled(values: str, width: int, out: str) -> None:
        by_view = nodes.add("Concat", shape, nodes.ints(width), axis=0)
        by_view = nodes.add("Reshape", values, by_view)
        nodes.add("ReduceMean", by_view, nodes.ints(1), keepdims=0, out=out)

    weights = np.concatenate([heads.linear, heads.graphic, heads.category], axis=1)
    biases = np.concatenate([heads.linear_bias, heads.graphic_bias, heads.category_bias])
    flats = nodes.add(
        "Add", nodes.add("MatMul", x, nodes.constant(weights)), nodes.constant(biases)
    )
    wide = heads.category.shape[1]
    fake, graphic, category = nodes.split("Split", flats, nodes.ints(1, 1, wide), names=3, axis=1)
    first = nodes.half(heads.hidden)
    hidden = nodes.add("Relu", nodes.add("Gemm", x, first, nodes.constant(heads.hidden_bias)))
    last = nodes.constant(heads.last)
    deep = nodes.add("Add", nodes.add("MatMul", hidden, last), nodes.constant(heads.last_bias))
    by_view = nodes.add("Reshape", nodes.add("Add", fake, deep), shape, out=VIEW_LOGITS)
    nodes.add("ReduceMean", by_view, nodes.ints(1), keepdims=0, out=LOGIT)
    graphic = nodes.add("Reshape", graphic, shape)
    nodes.add("ReduceMean", graphic, nodes.ints(1), keepdims=0, out=GRAPHIC)
    pooled(category, wide, CATEGORIES)

    active = nodes.add("Greater", hidden, nodes.constant(np.float32(0)))
    active = nodes.add("Cast", active, to=TensorProto.FLOAT)
    through = nodes.add("Mul", active, nodes.constant(heads.last.T))
    gradient = nodes.add("Add", nodes.add("Gemm", through, first, transB=1),
                         nodes.constant(heads.linear.T))  # fmt: skip
    gradient = nodes.add("Unsqueeze", nodes.add("Div", gradient, spread), nodes.ints(2))
    of_category = heads.category / heads.deviation[:, None]
    said = []
    for number, tap in enumerate(found):
        start = (PARTS * number + 1) * channels
        end = start + channels
        beyond = nodes.add("Sub", tap.places, nodes.constant(heads.mean[start:end]))
        part = nodes.add("Slice", gradient, nodes.ints(start), nodes.ints(end), nodes.ints(1))
        by_fake = nodes.add("MatMul", beyond, part)
        by_category = nodes.add("MatMul", beyond, nodes.constant(of_category[start:end]))
        said.append(nodes.add("Concat", by_fake, by_category, axis=2))
    maps = nodes.add("Concat", shape, nodes.ints(grid, grid, 1 + wide), axis=0)
    maps = nodes.add("Reshape", nodes.add("Sum", *said), maps)
    nodes.add("Transpose", maps, perm=(0, 4, 1, 2, 3), out=MAPS)
    return _model(
        nodes,
        {INPUT: (TensorProto.UINT8, ["pictures", "views", side, side, 3])},
        {
            LOGIT: ["pictures"],
            CATEGORIES: ["pictures", wide],
            VIEW_LOGITS: ["pictures", "views"],
            GRAPHIC: ["pictures"],
            MAPS: ["pictures", 1 + wide, "views", grid, grid],
        },
    )


def _add_features(nodes: Nodes, taps: Sequence[Tap], out: str | None = None) -> str:
    parts: list[str] = []
    for tap in taps:
        parts += [tap.token, nodes.add("ReduceMean", tap.places, nodes.ints(1), keepdims=1)]
    joined = nodes.add("Concat", *parts, axis=2)
    return nodes.add("Squeeze", joined, nodes.ints(1), out=out)


def _model(
    nodes: Nodes, inputs: dict[str, tuple[int, list[Any]]], outputs: dict[str, list[Any]]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes.nodes,
        "tower",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ],
        nodes.initializers,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model
