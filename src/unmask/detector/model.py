"""A model: an ONNX graph and its card, run on views."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unmask.detector.card import ModelCard, ModelError
from unmask.prepare.views import Views, normalise

SHIPPED = Path(__file__).parents[1] / "weights" / "unmask-lite0.onnx"
Device = Literal["auto", "cpu", "cuda"]
INPUT, OUTPUTS = "views", ("fake_logit", "category_logits")
FEATURES = ("feature_map", "head_weights")
"""Outputs that only explanations ask for; ONNX Runtime computes what is asked."""

# Larger runs gain nothing on a CPU and cost memory in proportion.
_VIEWS_A_RUN = 16


class Features(NamedTuple):
    """What explains the logits of views: each is the mean over positions of weights x features + b.

    Attributes:
        fake_logits: Shape (n,).
        category_logits: Shape (n, categories).
        maps: Last feature maps, shape (n, channels, rows, columns).
        heads: Weights of the heads, shape (1 + categories, channels), the fake head first.
    """

    fake_logits: NDArray[np.float32]
    category_logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    heads: NDArray[np.float32]


class Model:
    """An ONNX model that answers for views.

    Attributes:
        card: The model's card.
        device: Where it runs, ``cpu`` or ``cuda``.
    """

    def __init__(
        self, path: Path | None = None, *, device: Device = "auto", threads: int | None = None
    ) -> None:
        """Load a model.

        Args:
            path: The ONNX file, its card beside it; None for the model that ships with unmask.
            device: ``auto`` takes a GPU where the installed ONNX Runtime has one.
            threads: Threads of one inference; None for one a core.

        Raises:
            ModelError: The file or its card is absent or broken, their hashes differ, or the
                device is not there.
        """
        path = Path(path or SHIPPED)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(f"The model {path} cannot be read: {error.strerror}.") from None
        self.card = ModelCard.read(ModelCard.path_for(path))
        if hashlib.sha256(data).hexdigest() != self.card.sha256:
            raise ModelError(
                f"The model {path} is not the one its card describes (SHA-256 differs)."
            )
        self.device: Literal["cpu", "cuda"] = _choose(device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        # Threads that spin while they wait would take the cores that decoding needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CPUExecutionProvider"]
        if self.device == "cuda":
            providers.insert(0, "CUDAExecutionProvider")
        try:
            # From bytes: what was hashed is what runs, and a graph cannot point at other files.
            self._session = ort.InferenceSession(data, options, providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions have no common base.
            reason = str(error).splitlines()[0]
            raise ModelError(f"ONNX Runtime cannot load the model {path}: {reason}") from None

    def __call__(self, views: Views) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Answer for views.

        Args:
            views: uint8, shape (n, size, size, 3).

        Returns:
            The fake logits, shape (n,), and the category logits, shape (n, categories).
        """
        answers = [
            self._session.run(OUTPUTS, {INPUT: normalise(views[start : start + _VIEWS_A_RUN])})
            for start in range(0, len(views), _VIEWS_A_RUN)
        ]
        fake, category = zip(*answers, strict=True)
        return np.concatenate(fake), np.concatenate(category)

    def features(self, inputs: NDArray[np.float32]) -> Features:
        """Answer for network inputs, and say what explains the answers.

        Args:
            inputs: As `normalise` returns them, float32, shape (n, 3, size, size).

        Raises:
            ModelError: The ONNX file has no such outputs.
        """
        missing = set(FEATURES) - {output.name for output in self._session.get_outputs()}
        if missing:
            raise ModelError(f"The model {self.card.name} has no output {min(missing)} to explain.")
        parts = [
            self._session.run([*OUTPUTS, *FEATURES], {INPUT: inputs[start : start + _VIEWS_A_RUN]})
            for start in range(0, len(inputs), _VIEWS_A_RUN)
        ]
        fake, category, maps, heads = zip(*parts, strict=True)
        return Features(
            np.concatenate(fake), np.concatenate(category), np.concatenate(maps), heads[0]
        )

    def answer(self, batch: list[Views]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Answer for pictures: logits pooled over each picture's views by their mean.

        Args:
            batch: The views of each picture.

        Returns:
            Pooled fake logits, shape (pictures,), and category logits, (pictures, categories).
        """
        starts = np.cumsum([0, *(len(views) for views in batch[:-1])])
        counts = np.array([len(views) for views in batch])
        fake, category = self(np.concatenate(batch))
        pooled_fake = np.add.reduceat(fake, starts) / counts
        pooled_category = np.add.reduceat(category, starts, axis=0) / counts[:, None]
        return pooled_fake.astype(np.float32), pooled_category.astype(np.float32)


def _choose(device: Device) -> Literal["cpu", "cuda"]:
    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise ModelError("The installed ONNX Runtime has no CUDA; install onnxruntime-gpu.")
    return "cuda" if device != "cpu" and has_cuda else "cpu"
