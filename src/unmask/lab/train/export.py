"""Export a trained network to ONNX and prove that it still answers the same."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnxruntime as ort
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from unmask.lab.train.artefacts import (
    DATA_FILE,
    ENVIRONMENT_FILE,
    WEIGHTS_FILE,
    read_metadata,
)
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.finished import load_run as load_run
from unmask.lab.train.network import TwoHeadNetwork
from unmask.model.calibration import sigmoid
from unmask.model.card import ModelCard, TrainingData
from unmask.model.onnx_model import FEATURES, INPUT, OUTPUTS
from unmask.picture.views import Scale

OPSET = 18
MAX_DIFFERENCE = 1e-4
"""Largest difference of a probability that exporting may make."""
_SCALES: dict[Scale, str] = {
    "symmetric": "value / 127.5 - 1",
    "unit": "value / 255",
    "imagenet": "value / 255, less (0.485, 0.456, 0.406), by (0.229, 0.224, 0.225)",
}


class ExportedNetwork(nn.Module):
    """What the ONNX file computes: the logits, and what exact class-activation maps need.

    Linear heads over an average pooling have exact maps: the logit is the mean over positions of
    weights times features, plus a bias (Zhou et al. 2016). For such a network the last feature map,
    (n, channels, h, w), is put out besides, and the weights of the heads, (1 + categories,
    channels), the real/fake head first. Others have no such maps, and neither output.

    Args:
        network: The network.
        maps: Whether its maps are exact.
    """

    def __init__(self, network: TwoHeadNetwork, *, maps: bool) -> None:
        super().__init__()
        self.network, self.maps = network, maps

    def forward(self, views: Tensor) -> tuple[Tensor, ...]:
        """Answer for views, float32 (n, 3, size, size)."""
        network = self.network
        feature_map = network.feature_map(views)
        answers = network.classify(network.pool(feature_map))
        if not self.maps:
            return answers
        heads = [network.fake_head] + [network.category_head] * bool(network.categories)
        return *answers, feature_map, torch.cat([cast(Tensor, head.weight) for head in heads])


class About(BaseModel):
    """What a card says that no run can know.

    Attributes:
        name: The model's name.
        licence: Terms of the weights.
        intended_use: What the model is for, and what it is not for.
        sources: Terms of the pictures of each source, by its name in the manifest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    licence: str
    intended_use: str
    sources: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path) -> About:
        """Read it from JSON; raises ValueError where the file is not valid."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ValueError(f"{path} is not valid: {place}: {first['msg']}.") from None


def export(run: Path, out: Path, about: About) -> ModelCard:
    """Write a run's network as ``out`` (ONNX), and its card beside it, not yet calibrated.

    The batch is dynamic, the operator set is `OPSET`, and all weights are in the one file.

    Args:
        run: The folder of a finished run.
        out: The ONNX file to write.
        about: What the card says besides.

    Returns:
        The card.

    Raises:
        ValueError: The folder holds no finished run, faults were put into the run, or the export
            answers differently from the network.
    """
    network, config = load_run(run)
    _refuse_faults(run, config)
    size, categories = config.views.size, network.categories
    probe = torch.randn(2, 3, size, size).clamp(-1, 1)
    maps = network.has_exact_maps(probe)
    exported = ExportedNetwork(network, maps=maps).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            exported,
            (probe,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[*OUTPUTS, *(FEATURES if maps else ())],
            dynamic_shapes=({0: torch.export.Dim("views", min=1)},),
            verbose=False,
        )
    if program is None:
        raise ValueError("PyTorch returned no ONNX program.")
    out.parent.mkdir(parents=True, exist_ok=True)
    graph = program.model_proto
    forget_where_it_was_made(graph.graph)
    onnx.save(graph, str(out))
    difference = parity(network, out, size)
    if difference > MAX_DIFFERENCE:
        raise ValueError(f"The export changes a probability by {difference:.2g}; it was not kept.")
    card = ModelCard(
        name=about.name,
        created=datetime.now(UTC).date().isoformat(),
        sha256=hashlib.sha256(out.read_bytes()).hexdigest(),
        opset=OPSET,
        inputs=f"{INPUT}: float32 (n, 3, {size}, {size}), RGB, {_SCALES[config.scale]}, n dynamic",
        outputs=_outputs(network, maps=maps),
        views=config.views,
        scale=config.scale,
        categories=categories,
        licence=about.licence,
        intended_use=about.intended_use,
        training_data=tuple(
            TrainingData(
                source=source, pictures=count, licence=about.sources.get(source, "unknown")
            )
            for source, count in json.loads((run / DATA_FILE).read_text()).items()
        ),
        training={
            "config": config.model_dump(),
            "environment": json.loads((run / ENVIRONMENT_FILE).read_text()),
            "parity_max_difference": difference,
        },
    )
    card.write(ModelCard.path_for(out))
    return card


def forget_where_it_was_made(graph: onnx.GraphProto) -> None:
    """Drop what PyTorch notes beside the graph: stack traces with the paths of this machine."""
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    del graph.metadata_props[:]


def parity(network: TwoHeadNetwork, model: Path, size: int, views: int = 16) -> float:
    """Return the largest difference between PyTorch's and ONNX Runtime's p(fake), on noise.

    Half of the views are flat noise and half smooth, to reach different parts of the network.
    """
    rng = np.random.default_rng(0)
    rough = rng.uniform(-1, 1, (views // 2, 3, size, size))
    coarse = rng.uniform(-1, 1, (views - views // 2, 3, 8, 8))
    smooth = nn.functional.interpolate(torch.from_numpy(coarse), size, mode="bilinear").numpy()
    batch = np.concatenate([rough, smooth]).astype(np.float32)
    session = ort.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    theirs = sigmoid(session.run([OUTPUTS[0]], {INPUT: batch})[0])
    with torch.inference_mode():
        ours = sigmoid(network(torch.from_numpy(batch))[0].numpy())
    return float(np.abs(ours - theirs).max())


def _outputs(network: TwoHeadNetwork, *, maps: bool) -> str:
    count = len(network.categories)
    said = [
        f"{OUTPUTS[0]}: float32 (n,), positive for fake",
        f"{OUTPUTS[1]}: float32 (n, {count})",
    ]
    if maps:
        channels = cast(nn.Linear, network.fake_head).in_features
        rows = "rows fake, categories" if count else "row fake"
        said += [
            f"{FEATURES[0]}: float32 (n, {channels}, h, w), the last feature map",
            f"{FEATURES[1]}: float32 ({1 + count}, {channels}), {rows}",
        ]
    return "; ".join(said)


def _refuse_faults(run: Path, config: TrainConfig) -> None:
    """Refuse a run with faults, whether its configuration or its weights tell of them."""
    # Runs from before the weights carried a configuration had no faults either.
    kept = read_metadata(run / WEIGHTS_FILE).get("config")
    trained = TrainConfig.model_validate_json(kept) if kept else config
    faults = config.faults.active or trained.faults.active
    if faults:
        raise ValueError(
            f"Faults were put into {run} on purpose ({', '.join(faults)}); it is no model to "
            "release and is not exported."
        )
