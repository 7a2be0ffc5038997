"""A finished run, ready to answer."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

from unmask.lab.train.artefacts import CONFIG_FILE, WEIGHTS_FILE
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.network import TwoHeadNetwork, network_for


def load_run(run: Path) -> tuple[TwoHeadNetwork, TrainConfig]:
    """Load the best weights of a training run, ready to answer.

    Raises:
        ValueError: The folder holds no finished run.
    """
    try:
        config = TrainConfig.model_validate_json((run / CONFIG_FILE).read_text())
        state = load_file(run / WEIGHTS_FILE)
        network = network_for(config, pretrained=False)
        network.load_state_dict(state)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{run} holds no finished training run.") from None
    except (ValidationError, SafetensorError, RuntimeError):
        raise ValueError(f"The training run in {run} is broken, or not of this version.") from None
    return network.eval(), config
