"""The model that ships: an ONNX graph and its card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unmask.model.base import VIEWS_A_RUN, Answer, Device, Features, Parts, ViewModel
from unmask.model.card import ModelCard, ModelError
from unmask.model.runtime import cores, session_options
from unmask.picture.views import Views, normalise

SHIPPED = Path(__file__).parents[1] / "weights" / "unmask-duo.onnx"
INPUT, OUTPUTS = "views", ("fake_logit", "category_logits")
FEATURES = ("feature_map", "head_weights")
"""Outputs that only explanations ask for."""
EXPLAIN = "explain"
"""Of a model whose feature map costs time: an input, false if not given, that asks for it."""
WHOLE_WEIGHT, WHOLE_LOGIT = "whole_weight", "whole_logit"
"""Of a model with a branch that looks at whole pictures alone: an input, how much each view's
branch logit counts (zero: the branch does not look), and an output, those logits unweighted."""

# ONNX Runtime computes all outputs otherwise, the large feature maps too.
_ONLY_WHAT_IS_ASKED = ort.RunOptions()
_ONLY_WHAT_IS_ASKED.only_execute_path_to_fetches = True


class _Run(NamedTuple):
    """Views of one inference, and how much the branch for wholes counts for each of them."""

    views: slice
    weights: NDArray[np.float32]


class Model(ViewModel):
    """An ONNX model that answers for views."""

    def __init__(
        self, path: Path | None = None, *, device: Device = "auto", threads: int | None = None
    ) -> None:
        """Load a model.

        Args:
            path: The ONNX file, its card beside it; None for the model that ships with unmask.
            device: ``auto`` takes a GPU where the installed ONNX Runtime has one.
            threads: Inferences at a time, each on one core; None for one a core.

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

    def __call__(self, views: Views, counts: Sequence[int] | None = None) -> Answer:
        """Answer for views, as `ViewModel` says."""

        def answer(run: _Run) -> list[NDArray[np.float32]]:
            return self._infer(OUTPUTS, normalise(views[run.views], self.card.scale), run.weights)

        fake, category = zip(*self._each(answer, self._runs(len(views), counts)), strict=True)
        return np.concatenate(fake), np.concatenate(category)

    def parts(self, views: Views) -> Parts:
        """Answer for the views of one picture so that any choice of them can be pooled."""
        if not self._looks_at_wholes:
            return super().parts(views)
        whole = np.zeros(len(views), dtype=np.float32)
        whole[0] = 1
        fake, category, logits = self._infer(
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
            raise ModelError(
                f"The model {self.card.name} has no exact maps: it lacks the outputs "
                f"{' and '.join(FEATURES)}."
            )
        whole = (WHOLE_LOGIT,) if self._looks_at_wholes else ()

        def explain(run: _Run) -> list[NDArray[np.float32]]:
            wanted = (*OUTPUTS, *FEATURES, *whole)
            return self._infer(wanted, inputs[run.views], run.weights, explain=True)

        runs = self._runs(len(inputs), counts)
        parts = self._each(explain, runs)
        fake, category, maps, heads, *logits = zip(*parts, strict=True)
        branch = np.concatenate([run.weights for run in runs])
        # The branch has a logit for each view that it looks at, and none for the others.
        branch[branch != 0] *= np.concatenate(logits[0]) if logits else 0
        return Features(
            np.concatenate(fake), np.concatenate(category), np.concatenate(maps), heads[0], branch
        )

    @cached_property
    def _looks_at_wholes(self) -> bool:
        """Whether a branch of the model looks at whole pictures alone."""
        return any(one.name == WHOLE_WEIGHT for one in self._session.get_inputs())

    @cached_property
    def _has_to_be_asked(self) -> bool:
        """Whether the feature map is computed only where it is asked for."""
        return any(one.name == EXPLAIN for one in self._session.get_overridable_initializers())

    def _each(
        self, work: Callable[[_Run], list[NDArray[np.float32]]], runs: list[_Run]
    ) -> list[list[NDArray[np.float32]]]:
        """Do work for every run, several at a time, and return what came of it in their order."""
        if self._threads == 1 or len(runs) == 1:
            return [work(run) for run in runs]
        return list(self._pool.map(work, runs))

    def _runs(self, views: int, counts: Sequence[int] | None) -> list[_Run]:
        """Cut views into runs.

        A branch for wholes rounds to 8 bits what it sees in a run. It gets each whole picture in a
        run of its own, for a picture's answer would depend on its neighbours otherwise.
        """
        share = min(VIEWS_A_RUN, -(-views // self._threads))
        runs, first = [], 0
        if not self._looks_at_wholes:
            counts = [views]
        for count in counts or [views]:
            start, last = first, first + count
            if self._looks_at_wholes and self.card.views.whole:
                # The mean over the picture's views then has the branch's logit once.
                runs.append(_Run(slice(start, start + 1), np.full(1, count, dtype=np.float32)))
                start += 1
            for place in range(start, last, share):
                run = slice(place, min(place + share, last))
                runs.append(_Run(run, np.zeros(run.stop - run.start, dtype=np.float32)))
            first = last
        return runs

    def _infer(
        self,
        outputs: Sequence[str],
        inputs: NDArray[np.float32],
        weights: NDArray[np.float32],
        *,
        explain: bool = False,
    ) -> list[NDArray[np.float32]]:
        feed: dict[str, NDArray[Any]] = {INPUT: inputs}
        if self._looks_at_wholes:
            feed[WHOLE_WEIGHT] = weights
        if explain and self._has_to_be_asked:
            feed[EXPLAIN] = np.array(True)
        return list(self._session.run(outputs, feed, _ONLY_WHAT_IS_ASKED))


def _choose(device: Device) -> Literal["cpu", "cuda"]:
    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise ModelError("The installed ONNX Runtime has no CUDA; install onnxruntime-gpu.")
    return "cuda" if device != "cpu" and has_cuda else "cpu"
