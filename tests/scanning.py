"""A tiny model, pictures and a poison for the tests of scans."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pictures import encode, picture
from unmask.model.card import Band, ModelCard
from unmask.picture.views import ViewPlan

POISON = b"this ends whoever decodes it"
STALL = b"this never comes to an end"
_SIDE = 32

# Put into every process of a scan: two endings of files do to a decoder what real ones seldom do.
_PATCH = f"""
import os, signal, time
import unmask.detector.examined as module
decode = module.decode
def poisoned(data, limits):
    if data.endswith({POISON!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    while data.endswith({STALL!r}):
        time.sleep(1)
    return decode(data, limits)
module.decode = poisoned
"""


def tiny_model(folder: Path) -> Path:
    """Write a model that answers by the mean of red in each view, and its card."""
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
    ]
    shape = ["pictures", "views", _SIDE, _SIDE, 3]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("views", TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["pictures"]),
            helper.make_tensor_value_info("category_logits", TensorProto.FLOAT, ["pictures", 3]),
            helper.make_tensor_value_info("view_logits", TensorProto.FLOAT, ["pictures", "views"]),
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


def write_pictures(folder: Path, count: int, *, first: int = 0) -> None:
    """Write pictures, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        (folder / f"{seed:05}.jpg").write_bytes(encode(picture(40, 36, seed)))


def poison(folder: Path) -> dict[str, str]:
    """Write what poisons processes into a folder; returns the environment that makes them take it.

    Args:
        folder: An empty folder.
    """
    (folder / "sitecustomize.py").write_text(_PATCH)
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def command(*arguments: object) -> list[str]:
    """Return the command line of a scan."""
    return [sys.executable, "-m", "unmask", "scan", *map(str, arguments)]


def run_scan(
    *arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``unmask scan`` as a process of its own."""
    environment = os.environ | (env or {})
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=300, env=environment, cwd=cwd
    )


def read_rows(out: Path) -> list[dict[str, Any]]:
    """Return all rows of a scan, in the order of the listing."""
    files = sorted((out / "rows").glob("**/*"))
    parts = [pq.read_table(file, partitioning=None) for file in files if file.is_file()]
    return pa.concat_tables(parts).to_pylist()


def by_name(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return rows by the last part of their paths."""
    return {row["path"].rpartition("/")[2]: row for row in rows}
