"""Make an exported network compute in 8-bit integers, and measure what that costs."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from unmask.lab.calibrate.score import score
from unmask.lab.data.manifest import Row, select
from unmask.model.card import ModelCard
from unmask.model.onnx_model import OnnxModel
from unmask.picture.decode import decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.views import PictureViews, cut_views

PICTURES = 128
"""Training pictures whose views say how large what layers put out can be."""
_KINDS = ("Conv", "Clip", "Add")
"""What is computed in integers. The pooling and the heads are not: they cost nothing, and a logit
stays exactly the mean over places of its map, plus a bias."""


def quantise(
    network: Path,
    rows: Sequence[Row],
    out: Path,
    *,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda count: None,
) -> ModelCard:
    """Write a network whose convolutions multiply integers, and its card, not yet calibrated.

    Each weight has 8 bits and each output channel a scale; what layers put out has 8 bits and one
    scale for each layer, from the smallest and largest value that training pictures bring about
    (Jacob et al. 2018). The card tells the AUC on validation before and after.

    Args:
        network: An exported network, its card beside it.
        rows: A manifest's rows; only ``train`` and ``val`` are read.
        out: The ONNX file to write.
        seed: Of the choice of training pictures.
        on_progress: Called with the number of validation pictures just done.

    Raises:
        ModelError: The network cannot be loaded.
    """
    whole = OnnxModel(network)
    train, val = select(rows, "train"), select(rows, "val")
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(train), min(PICTURES, len(train)), replace=False)
    views = _views([train[place] for place in chosen], whole.card)
    data = _in_integers(onnx.load(str(network)), views).SerializeToString()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(data)
    card = whole.card.model_copy(
        update={
            "created": datetime.now(UTC).date().isoformat(),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    )
    card.write(ModelCard.path_for(out))
    reached = {}
    for name, model in (("float32", whole), ("int8", OnnxModel(out))):
        scores = score(model, val, on_progress=on_progress)
        reached[name] = round(scores.auc_by_source(scores.logits), 4)
    quantised = {"pictures": len(chosen), "seed": seed, "auc_by_source": reached}
    card = card.model_copy(update={"training": card.training | {"quantised": quantised}})
    card.write(ModelCard.path_for(out))
    return card


def _views(rows: Sequence[Row], card: ModelCard) -> Iterator[PictureViews]:
    for row in rows:
        # Whoever trained on them was told which cannot be read.
        with suppress(PictureError):
            yield cut_views(decode(read_bytes(row.path)), card.inputs)


def _in_integers(model: onnx.ModelProto, views: Iterator[PictureViews]) -> onnx.ModelProto:
    # PyTorch's export has folded all that ONNX Runtime would otherwise warn about.
    add_pre_process_metadata(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        quantize_static(
            model,
            path,
            _Reader(views),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_KINDS),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load(str(path))


class _Reader(CalibrationDataReader):
    """Hands ONNX Runtime the views of one picture after the other."""

    def __init__(self, pictures: Iterator[PictureViews]) -> None:
        self._pictures = pictures

    def get_next(self) -> dict[str, Any] | None:
        """Return the next views by input, or None after the last ones."""
        picture = next(self._pictures, None)
        if picture is None:
            return None
        return {name: views[None] for name, views in picture.items()}
