"""Export a trained network to ONNX and prove that it still answers the same."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn

from unmask.data.manifest import CATEGORIES
from unmask.detector.calibration import sigmoid
from unmask.detector.card import ModelCard, TrainingData
from unmask.detector.model import FEATURES, INPUT, OUTPUTS
from unmask.training.config import TrainConfig
from unmask.training.network import TwoHeadNetwork, create_network
from unmask.training.run import CONFIG_FILE, DATA_FILE, ENVIRONMENT_FILE, WEIGHTS_FILE

OPSET = 18
MAX_DIFFERENCE = 1e-4
"""Largest difference of a probability that exporting may make."""


class ExportedNetwork(nn.Module):
    """What the ONNX file computes: both heads, and what their class-activation maps need.

    Besides the logits it puts out the last feature map, (n, channels, h, w), and the weights of
    both linear heads, (1 + categories, channels), the real/fake head first. With average pooling
    between the two, the logit is the mean over positions of weights times features, plus a bias,
    so that class-activation maps are exact (Zhou et al. 2016).
    """

    def __init__(self, network: TwoHeadNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Answer for views, float32 (n, 3, size, size) in [-1, 1]."""
        network = self.network
        feature_map = network.backbone.forward_features(views)
        features = network.backbone.forward_head(feature_map, pre_logits=True)
        heads = torch.cat([network.fake_head.weight, network.category_head.weight])
        fake_logit = network.fake_head(features).squeeze(1)
        return fake_logit, network.category_head(features), feature_map, heads


def load_run(run: Path) -> tuple[TwoHeadNetwork, TrainConfig]:
    """Load the best weights of a training run, ready to answer.

    Raises:
        ValueError: The folder holds no finished run.
    """
    try:
        config = TrainConfig.model_validate_json((run / CONFIG_FILE).read_text())
        state = load_file(run / WEIGHTS_FILE)
    except FileNotFoundError:
        raise ValueError(f"{run} holds no finished training run.") from None
    network = create_network(config.backbone, "none")
    network.load_state_dict(state)
    return network.eval(), config


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
        ValueError: The folder holds no finished run, the backbone does not end in a plain average
            pooling, or the export answers differently from the network.
    """
    network, config = load_run(run)
    probe = torch.randn(2, 3, config.views.size, config.views.size).clamp(-1, 1)
    _check_pooling(network, probe)
    exported = ExportedNetwork(network).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            exported,
            (probe,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[*OUTPUTS, *FEATURES],
            dynamic_shapes=({0: torch.export.Dim("views", min=1)},),
            verbose=False,
        )
    if program is None:
        raise ValueError("PyTorch returned no ONNX program.")
    out.parent.mkdir(parents=True, exist_ok=True)
    program.save(str(out), external_data=False)
    difference = parity(network, out, config.views.size)
    if difference > MAX_DIFFERENCE:
        raise ValueError(f"The export changes a probability by {difference:.2g}; it was not kept.")
    size, channels = config.views.size, network.fake_head.in_features
    card = ModelCard(
        name=about.name,
        created=datetime.now(UTC).date().isoformat(),
        sha256=hashlib.sha256(out.read_bytes()).hexdigest(),
        opset=OPSET,
        inputs=f"{INPUT}: float32 (n, 3, {size}, {size}), RGB, value / 127.5 - 1, n dynamic",
        outputs=(
            f"{OUTPUTS[0]}: float32 (n,), positive for fake; "
            f"{OUTPUTS[1]}: float32 (n, {len(CATEGORIES)}); "
            f"{FEATURES[0]}: float32 (n, {channels}, h, w), the last feature map; "
            f"{FEATURES[1]}: float32 ({1 + len(CATEGORIES)}, {channels}), rows fake, categories"
        ),
        views=config.views,
        categories=CATEGORIES,
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


def _check_pooling(network: TwoHeadNetwork, probe: Tensor) -> None:
    with torch.inference_mode():
        features = network.backbone.forward_features(probe)
        pooled = network.backbone.forward_head(features, pre_logits=True)
    plain = features.ndim == 4 and features.shape[1] == pooled.shape[1]
    if not plain or not torch.allclose(features.mean((2, 3)), pooled, atol=1e-4):
        raise ValueError(
            "Only backbones that end in average pooling can be exported: "
            "for others the class-activation map would not be exact."
        )
