"""A model of a few bytes, for all tests to which it does not matter what is answered."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from functools import cache
from pathlib import Path

from unmask.model.card import Band, ModelCard
from unmask.picture.views import ViewPlan

_SIDE = 32


def tiny_model(folder: Path) -> Path:
    """Write a model that answers by the mean of red in each view, and its card.

    Its categories are the means of red, green and blue, and its maps say where they come from.
    """
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["views"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "unit"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "red"], ["columns"]),
        helper.make_node("Add", ["columns", "offset"], ["view_columns"]),
        helper.make_node("Squeeze", ["view_columns", "last"], ["view_logits"]),
        helper.make_node("ReduceMean", ["view_logits"], ["logit"], axes=[1], keepdims=0),
        helper.make_node("ReduceMean", ["means"], ["category_logits"], axes=[1], keepdims=0),
        # Where the logits come from: all but the offset, place by place.
        helper.make_node("MatMul", ["scaled", "red"], ["red_map"]),
        helper.make_node("Concat", ["red_map", "scaled"], ["map_columns"], axis=4),
        helper.make_node("Transpose", ["map_columns"], ["maps"], perm=[0, 4, 1, 2, 3]),
    ]
    shape = ["pictures", "views", _SIDE, _SIDE, 3]
    maps = ["pictures", 4, "views", _SIDE, _SIDE]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("views", TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["pictures"]),
            helper.make_tensor_value_info("category_logits", TensorProto.FLOAT, ["pictures", 3]),
            helper.make_tensor_value_info("view_logits", TensorProto.FLOAT, ["pictures", "views"]),
            helper.make_tensor_value_info("maps", TensorProto.FLOAT, maps),
        ],
        [
            helper.make_tensor("unit", TensorProto.FLOAT, [], [1 / 127.5]),
            helper.make_tensor("red", TensorProto.FLOAT, [3, 1], [8.0, 0.0, 0.0]),
            helper.make_tensor("offset", TensorProto.FLOAT, [], [-8.0]),
            helper.make_tensor("last", TensorProto.INT64, [1], [2]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data = model.SerializeToString()
    path = folder / "tiny.onnx"
    path.write_bytes(data)
    onnx.checker.check_model(model)
    ModelCard(
        name="tiny", created="2025-01-01", sha256=hashlib.sha256(data).hexdigest(), opset=17,
        inputs={"views": ViewPlan(size=_SIDE)}, categories=("human_faces", "animals", "vehicles"),
        bands=(Band(real_below=0.4, fake_from=0.6),),
        licence="none", intended_use="tests", training={},
    ).write(ModelCard.path_for(path))  # fmt: skip
    return path


@cache
def shared_tiny_model() -> Path:
    """Return the path of a tiny model that all tests of this process share."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return tiny_model(folder)
