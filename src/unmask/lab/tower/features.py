"""What the tower sees in labelled pictures: its features, clean and degraded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from unmask.lab.data.manifest import Row
from unmask.lab.tower.compress import FourBit
from unmask.lab.tower.graph import Nodes, tower_nodes
from unmask.lab.tower.tower import GRID, Tower
from unmask.lab.train.augment.forensic import degrade, rescale
from unmask.lab.train.pseudo import make_pseudo
from unmask.model.runtime import session_options
from unmask.picture.decode import Pixels, decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.views import crop_at, normalise, resize_shorter, whole_view

SIZE = 224
OPSET = 21
"""The first operator set with four-bit integers."""
VIEWS, TOKENS, SEEN = "clip_views", "clip_tokens", "clip_seen"
"""The tower's input, float32 (n, 3, 224, 224) in [-1, 1]; what its taps put out at each place,
(n, 196, taps * 768); and the mean of that over the places, (n, taps * 768)."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TowerFeatures:
    """Features of the pictures that could be read.

    Attributes:
        rows: The pictures.
        values: float16, (pictures, versions, taps * 768), averaged over places; the first version
            is the picture as it is, the others are degraded.
    """

    rows: list[Row]
    values: NDArray[np.float16]

    def only(self, wanted: Sequence[bool]) -> TowerFeatures:
        """Return the features of some of the pictures, one flag a picture."""
        chosen = np.flatnonzero(np.asarray(wanted, dtype=bool))
        return TowerFeatures([self.rows[place] for place in chosen], self.values[chosen])


def look(
    session: ort.InferenceSession,
    rows: Sequence[Row],
    *,
    degraded: int = 0,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda count: None,
) -> TowerFeatures:
    """Run a session of `tower_session` on pictures.

    Args:
        session: The tower.
        rows: The pictures, pseudo-fakes among them; unreadable ones are logged and left out.
        degraded: Degraded versions of each besides the clean one. Pictures of one group, as a photo
            and its altered twin, are degraded alike.
        seed: Of the degradations.
        on_progress: Called with the number of pictures just done.
    """

    def see(row: Row) -> NDArray[np.float16] | None:
        try:
            pixels = make_pseudo(row, decode(read_bytes(row.path)), seed + hash_of(row.group))
        except PictureError as error:
            log.warning("skipped %s: %s", row.path, error)
            return None
        views = [whole_view(pixels, SIZE)]
        for version in range(degraded):
            key = hash_of(row.group or str(row.path))
            views.append(degraded_view(pixels, np.random.default_rng((seed, version, key))))
        (seen,) = session.run([SEEN], {VIEWS: normalise(np.stack(views))})
        return np.asarray(seen, dtype=np.float16)

    kept, values = [], []
    # One picture a thread: the decoder and the tower both let go of the interpreter's lock.
    with ThreadPoolExecutor() as pool:
        for row, seen in zip(rows, pool.map(see, rows), strict=True):
            if seen is not None:
                kept.append(row)
                values.append(seen)
            on_progress(1)
    nothing = np.empty((0, 1 + degraded, session.get_outputs()[0].shape[1]), dtype=np.float16)
    return TowerFeatures(kept, np.stack(values) if values else nothing)


def hash_of(text: str) -> int:
    """Return a number for a text that is the same in every process."""
    return int.from_bytes(text.encode("utf-8", "surrogateescape")[-7:].rjust(8, b"\0"), "big")


def degraded_view(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return a whole view of the picture after what happens to pictures on the web."""
    if rng.random() < 0.6:
        pixels = rescale(pixels, rng)
    pixels = degrade(pixels, rng)
    pixels = resize_shorter(pixels, round(SIZE * rng.uniform(1.0, 1.2)))
    pixels = crop_at(pixels, SIZE, rng.random(), rng.random())
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def tower_model(
    tower: Tower, matrices: list[dict[str, FourBit]], taps: Sequence[int]
) -> onnx.ModelProto:
    """Return the tower alone, from `VIEWS` to `TOKENS` and `SEEN`.

    Args:
        tower: The tower, its weights rounded.
        matrices: Its matrices in four bits.
        taps: Blocks, from 0, whose outputs are wanted, one after the other.
    """
    nodes = Nodes("clip_")
    found = tower_nodes(nodes, tower, matrices, VIEWS, taps)
    nodes.nodes.append(helper.make_node("Concat", found, [TOKENS], axis=2))
    axis = nodes.constant(np.array([1]))
    nodes.nodes.append(helper.make_node("ReduceMean", [TOKENS, axis], [SEEN], keepdims=0))
    value, width = helper.make_tensor_value_info, len(taps) * tower.positions.shape[1]
    graph = helper.make_graph(
        nodes.nodes,
        "tower",
        [value(VIEWS, TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [
            value(SEEN, TensorProto.FLOAT, ["n", width]),
            value(TOKENS, TensorProto.FLOAT, ["n", GRID * GRID, width]),
        ],
        nodes.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def tower_session(model: onnx.ModelProto) -> ort.InferenceSession:
    """Make a model of `tower_model` ready to run."""
    return ort.InferenceSession(model.SerializeToString(), session_options())
