"""Models: whatever answers for views, and the one that ships, an ONNX graph and its card."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unmask.detector.card import ModelCard, ModelError
from unmask.prepare.views import Views, normalise

SHIPPED = Path(__file__).parents[1] / "weights" / "unmask-duo.onnx"
Device = Literal["auto", "cpu", "cuda"]
Answer = tuple[NDArray[np.float32], NDArray[np.float32]]
INPUT, OUTPUTS = "views", ("fake_logit", "category_logits")
FEATURES = ("feature_map", "head_weights")
"""Outputs that only explanations ask for."""
WHOLE_WEIGHT, WHOLE_LOGIT = "whole_weight", "whole_logit"
"""Of a model with a branch that looks at whole pictures alone: an input, how much each view's
branch logit counts (zero: the branch does not look), and an output, those logits unweighted."""

_VIEWS_A_RUN = 16
# ONNX Runtime computes all outputs otherwise, the large feature maps too.
_ONLY_WHAT_IS_ASKED = ort.RunOptions()
_ONLY_WHAT_IS_ASKED.only_execute_path_to_fetches = True


class Parts(NamedTuple):
    """Logits of one picture's views, and what is said of the whole picture beside them.

    Attributes:
        fake_logits: Of the views alone, shape (n,).
        category_logits: Shape (n, categories).
        whole_logit: Added once to the mean over views that have the whole picture among them.
    """

    fake_logits: NDArray[np.float32]
    category_logits: NDArray[np.float32]
    whole_logit: np.float32


class Features(NamedTuple):
    """What explains the logits of views: each is the mean over positions of weights x features + b.

    Attributes:
        fake_logits: Shape (n,).
        category_logits: Shape (n, categories).
        maps: Last feature maps, shape (n, channels, rows, columns).
        heads: Weights of the heads, shape (1 + categories, channels), the fake head first.
        branch: What of each fake logit came from a branch that looks at whole pictures, shape (n,):
            its logit times the picture's number of views in the first view, zero in the others.
    """

    fake_logits: NDArray[np.float32]
    category_logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    heads: NDArray[np.float32]
    branch: NDArray[np.float32]


class ViewModel(ABC):
    """Anything that answers for views and has a card that says how to read the answer.

    Attributes:
        path: The file that the card describes.
        card: The model's card.
        device: Where it runs, ``cpu`` or ``cuda``.
    """

    path: Path
    card: ModelCard
    device: Literal["cpu", "cuda"]

    @abstractmethod
    def __call__(self, views: Views, counts: Sequence[int] | None = None) -> Answer:
        """Answer for views.

        Args:
            views: uint8, shape (n, size, size, 3).
            counts: How many of them belong to each picture, one after the other; None where all
                belong to one.

        Returns:
            The fake logits, shape (n,), and the category logits, shape (n, categories). Their means
            over the views of a picture are the picture's logits.
        """

    def parts(self, views: Views) -> Parts:
        """Answer for the views of one picture so that any choice of them can be pooled.

        Args:
            views: uint8, shape (n, size, size, 3), the whole picture first.
        """
        return Parts(*self(views), np.float32(0))

    @property
    def explains(self) -> bool:
        """Whether it can say what explains its answers."""
        return False

    def features(
        self, inputs: NDArray[np.float32], counts: Sequence[int] | None = None
    ) -> Features:
        """Answer for network inputs, and say what explains the answers.

        Args:
            inputs: Views as `normalise` returns them, float32, shape (n, 3, size, size).
            counts: How many of them belong to each picture; None where all belong to one.

        Raises:
            ModelError: The model puts out no such features.
        """
        raise ModelError(
            f"The model {self.card.name} has no exact maps: it lacks the outputs "
            f"{' and '.join(FEATURES)}."
        )

    def answer(self, batch: list[Views]) -> Answer:
        """Answer for pictures: logits pooled over each picture's views by their mean.

        Args:
            batch: The views of each picture.

        Returns:
            Pooled fake logits, shape (pictures,), and category logits, (pictures, categories).
        """
        starts = np.cumsum([0, *(len(views) for views in batch[:-1])])
        counts = np.array([len(views) for views in batch])
        fake, category = self(np.concatenate(batch), counts.tolist())
        pooled_fake = np.add.reduceat(fake, starts) / counts
        pooled_category = np.add.reduceat(category, starts, axis=0) / counts[:, None]
        return pooled_fake.astype(np.float32), pooled_category.astype(np.float32)


class Model(ViewModel):
    """An ONNX model that answers for views."""

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
        path = self.path = Path(path or SHIPPED)
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

    def __call__(self, views: Views, counts: Sequence[int] | None = None) -> Answer:
        """Answer for views, as `ViewModel` says."""
        answers = [
            self._run(OUTPUTS, normalise(views[run], self.card.scale), weights)
            for run, weights in self._runs(len(views), counts)
        ]
        fake, category = zip(*answers, strict=True)
        return np.concatenate(fake), np.concatenate(category)

    def parts(self, views: Views) -> Parts:
        """Answer for the views of one picture so that any choice of them can be pooled."""
        if not self._looks_at_wholes:
            return super().parts(views)
        whole = np.zeros(len(views), dtype=np.float32)
        whole[0] = 1
        fake, category, logits = self._run(
            (*OUTPUTS, WHOLE_LOGIT), normalise(views, self.card.scale), whole
        )
        fake[0] -= logits[0]
        return Parts(fake, category, logits[0])

    @property
    def explains(self) -> bool:
        """Whether the file has the outputs that explain its answers."""
        return set(FEATURES) <= {output.name for output in self._session.get_outputs()}

    def features(
        self, inputs: NDArray[np.float32], counts: Sequence[int] | None = None
    ) -> Features:
        """Answer for network inputs, as `ViewModel` says."""
        if not self.explains:
            return super().features(inputs)
        whole = (WHOLE_LOGIT,) if self._looks_at_wholes else ()
        runs = self._runs(len(inputs), counts)
        parts = [
            self._run((*OUTPUTS, *FEATURES, *whole), inputs[run], weights) for run, weights in runs
        ]
        fake, category, maps, heads, *logits = zip(*parts, strict=True)
        branch = np.concatenate([weights for _, weights in runs])
        # The branch has a logit for each view that it looks at, and none for the others.
        branch[branch != 0] *= np.concatenate(logits[0]) if logits else 0
        return Features(
            np.concatenate(fake), np.concatenate(category), np.concatenate(maps), heads[0], branch
        )

    @property
    def _looks_at_wholes(self) -> bool:
        """Whether a branch of the model looks at whole pictures alone."""
        return any(one.name == WHOLE_WEIGHT for one in self._session.get_inputs())

    def _runs(
        self, views: int, counts: Sequence[int] | None
    ) -> list[tuple[slice, NDArray[np.float32]]]:
        """Cut views into runs; say of each which views and how the branch for wholes weighs them.

        With such a branch a run holds views of one picture alone: it rounds to 8 bits what it sees
        in a run, so that a picture's answer would depend on its neighbours otherwise.
        """
        if not self._looks_at_wholes:
            counts = [views]
        runs, first = [], 0
        for count in counts or [views]:
            for start in range(first, first + count, _VIEWS_A_RUN):
                run = slice(start, min(start + _VIEWS_A_RUN, first + count))
                weights = np.zeros(run.stop - run.start, dtype=np.float32)
                if start == first and self.card.views.whole:
                    # The mean over the picture's views then has the branch's logit once.
                    weights[0] = count
                runs.append((run, weights))
            first += count
        return runs

    def _run(
        self, outputs: Sequence[str], inputs: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> list[NDArray[np.float32]]:
        feed = {INPUT: inputs}
        if self._looks_at_wholes:
            feed[WHOLE_WEIGHT] = weights
        return list(self._session.run(outputs, feed, _ONLY_WHAT_IS_ASKED))


def in_runs(views: Views) -> list[Views]:
    """Cut views into what one inference takes: more gains nothing on a CPU and costs memory."""
    return [views[start : start + _VIEWS_A_RUN] for start in range(0, len(views), _VIEWS_A_RUN)]


def _choose(device: Device) -> Literal["cpu", "cuda"]:
    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise ModelError("The installed ONNX Runtime has no CUDA; install onnxruntime-gpu.")
    return "cuda" if device != "cpu" and has_cuda else "cpu"
