"""A model as an ONNX graph.

The graph has an input for each entry of the card's ``inputs``: uint8, shape (pictures, views, size,
size, 3), RGB. It normalises, pools over views, and puts out for each picture

- ``logit``, float32 (pictures,), positive for fake;
- ``category_logits``, float32 (pictures, categories);
- ``view_logits``, float32 (pictures, views), what each view says by itself;
- ``graphic_logit``, float32 (pictures,), positive for what is no photograph: not in every model;
- ``maps``, float32 (pictures, 1 + categories, views, rows, columns), see `ModelOutput`: likewise.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unmask.model.card import ModelCard, ModelError
from unmask.model.model import Device, Model, ModelOutput
from unmask.model.runtime import cores, session_options
from unmask.picture.views import PictureViews

LOGIT, CATEGORIES, VIEW_LOGITS = "logit", "category_logits", "view_logits"
GRAPHIC, MAPS = "graphic_logit", "maps"

# ONNX Runtime computes all outputs otherwise, the maps too.
_ONLY_WHAT_IS_ASKED = ort.RunOptions()
_ONLY_WHAT_IS_ASKED.only_execute_path_to_fetches = True


class OnnxModel(Model):
    """A model in an ONNX file."""

    def __init__(self, path: Path, *, device: Device = "auto", threads: int | None = None) -> None:
        """Load a model.

        Args:
            path: The ONNX file, its card beside it.
            device: ``auto`` takes a GPU where the installed ONNX Runtime has one.
            threads: Pictures at a time, each on one core; None for one a core.

        Raises:
            ModelError: The file or its card is absent or broken, their hashes differ, the graph is
                not what the card says, or the device is not there.
        """
        self.path = path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(f"The model {path} cannot be read: {error.strerror}.") from None
        self.card = ModelCard.read(ModelCard.path_for(path))
        if hashlib.sha256(data).hexdigest() != self.card.sha256:
            raise ModelError(
                f"The model {path} is not the one its card describes (SHA-256 differs)."
            )
        self.device = _choose(device)
        self._threads = threads or (1 if self.device == "cuda" else cores())
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="model")
        providers = ["CPUExecutionProvider"]
        if self.device == "cuda":
            providers.insert(0, "CUDAExecutionProvider")
        try:
            # From bytes: what was hashed is what runs, and a graph cannot point at other files.
            # Many small inferences, each on one core, end sooner than one after the other on all.
            self._session = ort.InferenceSession(data, session_options(), providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions have no common base.
            reason = str(error).splitlines()[0]
            raise ModelError(f"ONNX Runtime cannot load the model {path}: {reason}") from None
        wanted = {one.name for one in self._session.get_inputs()}
        self._outputs = {one.name for one in self._session.get_outputs()}
        if wanted != set(self.card.inputs) or not {LOGIT, CATEGORIES, VIEW_LOGITS} <= self._outputs:
            raise ModelError(f"The inputs or outputs of {path} are not those of its card.")

    @property
    def has_maps(self) -> bool:
        """Whether it can say exactly where its logits come from."""
        return MAPS in self._outputs

    def answer(self, pictures: Sequence[PictureViews], *, maps: bool = False) -> list[ModelOutput]:
        """Answer for pictures, as `Model` says."""
        if self.device == "cuda":
            return self._in_batches(pictures, maps)
        # One by one: a graph in 8-bit integers rounds by the largest value that it sees, so that a
        # picture's answer would hang on its neighbours in the batch.
        if self._threads == 1 or len(pictures) == 1:
            return [self._run([one], maps)[0] for one in pictures]
        return list(self._pool.map(lambda one: self._run([one], maps)[0], pictures))

    def _in_batches(self, pictures: Sequence[PictureViews], maps: bool) -> list[ModelOutput]:
        """Answer for pictures with equally many views together."""
        alike: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for place, picture in enumerate(pictures):
            alike[tuple(len(views) for views in picture.values())].append(place)
        found: dict[int, ModelOutput] = {}
        for places in alike.values():
            outputs = self._run([pictures[place] for place in places], maps)
            found.update(zip(places, outputs, strict=True))
        return [found[place] for place in range(len(pictures))]

    def _run(self, pictures: Sequence[PictureViews], maps: bool) -> list[ModelOutput]:
        names = [LOGIT, CATEGORIES, VIEW_LOGITS, *([GRAPHIC] if GRAPHIC in self._outputs else [])]
        if maps and self.has_maps:
            names.append(MAPS)
        feed: dict[str, NDArray[np.uint8]] = {
            name: np.stack([picture[name] for picture in pictures]) for name in self.card.inputs
        }
        found = dict(zip(names, self._session.run(names, feed, _ONLY_WHAT_IS_ASKED), strict=True))
        return [
            ModelOutput(
                logit=float(found[LOGIT][place]),
                category_logits=found[CATEGORIES][place],
                view_logits=found[VIEW_LOGITS][place],
                graphic_logit=float(found[GRAPHIC][place]) if GRAPHIC in found else None,
                maps=found[MAPS][place] if MAPS in found else None,
            )
            for place in range(len(pictures))
        ]


def _choose(device: Device) -> Literal["cpu", "cuda"]:
    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise ModelError("The installed ONNX Runtime has no CUDA; install onnxruntime-gpu.")
    return "cuda" if device != "cpu" and has_cuda else "cpu"
