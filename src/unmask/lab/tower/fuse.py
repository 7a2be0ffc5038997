"""Join a small network and the frozen tower in one ONNX file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unmask.lab.tower.features import OPSET, SEEN, TOKENS, VIEWS
from unmask.lab.tower.graph import Nodes
from unmask.lab.tower.tower import GRID, Array
from unmask.lab.train.export import forget_where_it_was_made
from unmask.model.onnx_model import EXPLAIN, FEATURES, INPUT, OUTPUTS, WHOLE_LOGIT, WHOLE_WEIGHT

_SMALL = "small_"


@dataclass(frozen=True)
class Probe:
    """A linear real/fake head on what the tower sees, averaged over places.

    Attributes:
        weights: float32, (taps * 768,).
        bias: Added.
        network_scale: By how much the network's own logit counts beside the probe's.
    """

    weights: Array
    bias: float
    network_scale: float


def fuse(network: onnx.ModelProto, tower: onnx.ModelProto, probe: Probe) -> onnx.ModelProto:
    """Return a model whose fake logit is the scaled network's plus the probe's.

    The network answers for every view; the tower, which costs as much as ten of its answers, for
    those views whose ``whole_weight`` is not zero. With the number of a picture's views as the
    weight of its first, the whole picture, the mean over its views is ``scale * mean of the
    network's logits + bias + probe``. All that the network's own export promises still holds: each
    view's logit is the mean over positions of ``head_weights`` times ``feature_map``, plus a bias.

    Args:
        network: As `unmask.lab.train.export.export` writes it, for views of 224 pixels, or what
            `unmask.lab.train.quantise.quantise` makes of that.
        tower: The tower, as `unmask.lab.tower.features.tower_model` writes it.
        probe: The head on the tower.
    """
    graph = _prefixed(network.graph)
    forget_where_it_was_made(graph)
    heads = _head_weights(network.graph)
    channels, seen = heads.shape[1], len(probe.weights)
    heads[0] *= probe.network_scale
    both = np.zeros((len(heads), channels + seen), dtype=np.float32)
    both[:, :channels], both[0, channels:] = heads, probe.weights

    nodes = Nodes("both_")
    places = nodes.add("NonZero", WHOLE_WEIGHT)
    places = nodes.add("Reshape", places, nodes.constant(np.array([-1])))
    weight = nodes.add("Gather", WHOLE_WEIGHT, places)
    nodes.nodes.append(helper.make_node("Gather", [INPUT, places], [VIEWS]))
    nodes.nodes.extend(tower.graph.node)
    whole = nodes.add("MatMul", SEEN, nodes.constant(probe.weights.astype(np.float32)))
    nodes.nodes.append(helper.make_node("Identity", [whole], [WHOLE_LOGIT]))
    none = nodes.add("Mul", WHOLE_WEIGHT, nodes.constant(np.float32(0)))
    spread = nodes.add("ScatterElements", none, places, nodes.add("Mul", weight, whole))
    own = nodes.add("Mul", f"{_SMALL}{OUTPUTS[0]}", nodes.constant(np.float32(probe.network_scale)))
    own = nodes.add("Add", own, nodes.constant(np.float32(probe.bias)))
    nodes.nodes.append(helper.make_node("Add", [own, spread], [OUTPUTS[0]]))
    nodes.nodes.append(helper.make_node("Identity", [f"{_SMALL}{OUTPUTS[1]}"], [OUTPUTS[1]]))
    _feature_map(nodes, places, weight, seen)
    nodes.nodes.append(helper.make_node("Identity", [nodes.constant(both)], [FEATURES[1]]))

    size = network.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    value = helper.make_tensor_value_info
    joined = helper.make_graph(
        [*graph.node, *nodes.nodes],
        "unmask",
        [
            value(INPUT, TensorProto.FLOAT, ["views", 3, size, size]),
            value(WHOLE_WEIGHT, TensorProto.FLOAT, ["views"]),
        ],
        [
            value(OUTPUTS[0], TensorProto.FLOAT, ["views"]),
            value(OUTPUTS[1], TensorProto.FLOAT, ["views", len(heads) - 1]),
            value(FEATURES[0], TensorProto.FLOAT, ["views", channels + seen, GRID, GRID]),
            value(FEATURES[1], TensorProto.FLOAT, list(both.shape)),
            value(WHOLE_LOGIT, TensorProto.FLOAT, ["wholes"]),
        ],
        [*graph.initializer, *tower.graph.initializer, *nodes.initializers],
    )
    only_where_asked(joined, FEATURES[0], (channels + seen, GRID, GRID))
    model = helper.make_model(
        joined, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10,
        producer_name="unmask",
    )  # fmt: skip
    onnx.checker.check_model(model)
    return model


def only_where_asked(graph: onnx.GraphProto, output: str, shape: tuple[int, ...]) -> None:
    """Compute an output only where the input `EXPLAIN`, false if not given, is true.

    ONNX Runtime computes all outputs, wanted or not, and the feature map takes a tenth of the time.

    Args:
        graph: Is changed: what only this output needs goes into a branch of its own.
        output: The output's name.
        shape: Its shape but for the first axis, which has no entry where the output is not asked
            for.
    """
    makers = {name: node for node in graph.node for name in node.output}
    waiting = [one.name for one in graph.output if one.name != output]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in makers and name not in needed:
            needed.update(makers[name].output)
            waiting.extend(makers[name].input)
    kept = [node for node in graph.node if needed.intersection(node.output)]
    moved = [node for node in graph.node if not needed.intersection(node.output)]
    asked, not_asked = f"{output}_asked", f"{output}_not_asked"
    for node in moved:
        node.output[:] = [asked if name == output else name for name in node.output]
    none = numpy_helper.from_array(np.zeros((0, *shape), dtype=np.float32))
    constant = helper.make_node("Constant", [], [not_asked], value=none)

    def branch(nodes: list[onnx.NodeProto], name: str) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph(nodes, name, [], [value])

    choice = helper.make_node(
        "If", [EXPLAIN], [output],
        then_branch=branch(moved, asked), else_branch=branch([constant], not_asked),
    )  # fmt: skip
    del graph.node[:]
    graph.node.extend([*kept, choice])
    graph.input.append(helper.make_tensor_value_info(EXPLAIN, TensorProto.BOOL, []))
    graph.initializer.append(numpy_helper.from_array(np.array(False), EXPLAIN))


def _feature_map(nodes: Nodes, places: str, weight: str, seen: int) -> None:
    """Add the feature map of both: the network's doubled in size beside the tower's."""
    scales = nodes.constant(np.array([1, 1, 2, 2], dtype=np.float32))
    own = nodes.add(
        "Resize", f"{_SMALL}{FEATURES[0]}", "", scales,
        mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    grid = nodes.add("Transpose", TOKENS, perm=(0, 2, 1))
    grid = nodes.add("Reshape", grid, nodes.constant(np.array([0, seen, GRID, GRID])))
    wide = nodes.add("Reshape", weight, nodes.constant(np.array([-1, 1, 1, 1])))
    count = nodes.add("Shape", WHOLE_WEIGHT)
    shape = nodes.add("Concat", count, nodes.constant(np.array([seen, GRID, GRID])), axis=0)
    none = nodes.add("Expand", nodes.constant(np.zeros((1, 1, 1, 1), dtype=np.float32)), shape)
    at = nodes.add("Reshape", places, nodes.constant(np.array([-1, 1])))
    spread = nodes.add("ScatterND", none, at, nodes.add("Mul", grid, wide))
    nodes.nodes.append(helper.make_node("Concat", [own, spread], [FEATURES[0]], axis=1))


def _prefixed(graph: onnx.GraphProto) -> onnx.GraphProto:
    """Return the network's graph with every name but its input's made its own."""
    return onnx.compose.add_prefix_graph(graph, _SMALL, rename_inputs=False, rename_nodes=True)


def _head_weights(graph: onnx.GraphProto) -> NDArray[np.float32]:
    """Return the constant behind the network's output ``head_weights``."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}

    def value(name: str) -> NDArray[np.float32]:
        if name in constants:
            return np.asarray(constants[name], dtype=np.float32)
        node = makers[name]
        if node.op_type == "Concat":
            return np.concatenate([value(part) for part in node.input])
        if node.op_type == "Identity":
            return value(node.input[0])
        raise ValueError("The network's head weights are no constant.")

    return np.array(value(FEATURES[1]), dtype=np.float32)
