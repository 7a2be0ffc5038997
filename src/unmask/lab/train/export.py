"""Export a trained network to ONNX and prove that it still answers the same."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch.nn.functional import interpolate

from unmask.lab.train.artefacts import DATA_FILE, ENVIRONMENT_FILE, faults_of
from unmask.lab.train.finished import load_run
from unmask.lab.train.picture_network import VIEWS, PictureNetwork
from unmask.model.calibration import sigmoid
from unmask.model.card import ModelCard, TrainingData
from unmask.model.onnx_model import LOGIT, VIEW_LOGITS
from unmask.picture.views import Views

OPSET = 18
MAX_DIFFERENCE = 1e-4
"""Largest difference of a probability that exporting may make."""


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

    The numbers of pictures and of views are dynamic, the operator set is `OPSET`, and all weights
    are in the one file.

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
    faults = faults_of(run)
    if faults:
        raise ValueError(
            f"Faults were put into {run} on purpose ({', '.join(faults)}); it is no model to "
            "release and is not exported."
        )
    model = PictureNetwork(network, config).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            model,
            (torch.from_numpy(_noise(2, 3, config.views.size)),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[VIEWS],
            output_names=model.outputs,
            dynamic_shapes=(
                {0: torch.export.Dim("pictures", min=1), 1: torch.export.Dim("views", min=1)},
            ),
            verbose=False,
        )
    if program is None:
        raise ValueError("PyTorch returned no ONNX program.")
    out.parent.mkdir(parents=True, exist_ok=True)
    graph = program.model_proto
    forget_where_it_was_made(graph.graph)
    onnx.save(graph, str(out))
    difference = parity(model, out)
    if difference > MAX_DIFFERENCE:
        raise ValueError(f"The export changes a probability by {difference:.2g}; it was not kept.")
    card = ModelCard(
        name=about.name,
        created=datetime.now(UTC).date().isoformat(),
        sha256=hashlib.sha256(out.read_bytes()).hexdigest(),
        opset=OPSET,
        inputs={VIEWS: config.views},
        categories=network.categories,
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


def parity(model: PictureNetwork, file: Path) -> float:
    """Return the largest difference of a p(fake), of a picture or a view, that exporting made.

    The pictures are flat noise and smooth noise, to reach different parts of the network.
    """
    views = _noise(4, 4, model.config.views.size)
    session = ort.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    theirs = session.run([LOGIT, VIEW_LOGITS], {VIEWS: views})
    with torch.inference_mode():
        found = model.answer(torch.from_numpy(views))
    ours = (found.logit.numpy(), found.view_logits.numpy())
    return max(
        float(np.abs(sigmoid(own) - sigmoid(other)).max())
        for own, other in zip(ours, theirs, strict=True)
    )


def _noise(pictures: int, views: int, size: int) -> Views:
    rng = np.random.default_rng(0)
    rough = rng.uniform(0, 255, (pictures // 2, views, size, size, 3))
    coarse = torch.from_numpy(rng.uniform(0, 255, ((pictures - pictures // 2) * views, 3, 8, 8)))
    smooth = interpolate(coarse, size, mode="bilinear").permute(0, 2, 3, 1).numpy()
    every = np.concatenate([rough, smooth.reshape(-1, views, size, size, 3)])
    return np.asarray(np.rint(every), dtype=np.uint8)
