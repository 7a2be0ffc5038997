"""The one configuration of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmask.prepare.views import ViewPlan


class TrainConfig(BaseModel):
    """Everything that decides a training run, but for the data and where it is written.

    Attributes:
        backbone: A timm model name.
        pretrained: Where the backbone's first weights come from: ``bundled`` (ImageNet weights of
            EfficientNet-Lite0, from an installed package), ``none``, the path of a ``.pth`` or
            ``.safetensors`` file, or ``timm`` (timm's own download for the named tag).
        views: How the exported model cuts pictures until calibration chooses better.
        whole_share: How often a training view is the whole picture and not a crop.
        degraded_share: How often a training view is re-encoded, resized, blurred, made noisy or
            recoloured, both labels alike; 0 only crops and flips.
        epochs: Most epochs to train.
        batch_size: Views a step.
        learning_rate: Highest learning rate of the schedule.
        optimizer: ``adamw`` or ``adam``.
        weight_decay: Decoupled weight decay (AdamW) or L2 penalty (Adam).
        warmup: Share of all steps in which the learning rate rises; it then falls as a cosine.
        dropout: Before both heads.
        label_smoothing: Real/fake targets are moved this far towards 0.5.
        category_weight: Weight of the category loss in the sum.
        ema_decay: Decay a step of the averaged weights, which are what is validated and kept.
        patience: Epochs without a better validation AUC before stopping.
        precision: Lightning's precision flag.
        workers: Loader processes.
        seed: Of everything random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str = "tf_efficientnet_lite0"
    pretrained: str = "bundled"
    views: ViewPlan = ViewPlan()
    whole_share: float = Field(default=0.5, ge=0, le=1)
    degraded_share: float = Field(default=0.35, ge=0, le=1)
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=5e-4, gt=0)
    optimizer: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = Field(default=1e-2, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    label_smoothing: float = Field(default=0.05, ge=0, lt=0.5)
    category_weight: float = Field(default=0.2, ge=0)
    ema_decay: float = Field(default=0.995, ge=0, lt=1)
    patience: int = Field(default=6, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"
    workers: int = Field(default=2, ge=0)
    seed: int = 0


def read_config(path: Path | None, settings: Sequence[str] = ()) -> TrainConfig:
    """Read a configuration from YAML, with single settings on top.

    Args:
        path: A YAML mapping of `TrainConfig`'s keys; None for the defaults.
        settings: As in ``learning_rate=3e-4`` or, for a key within a key, ``views.size=128``.

    Raises:
        ValueError: The file cannot be read, a key is unknown (the nearest known one is named), or
            a value is out of range.
    """
    values = _read_yaml(path) if path else {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"'{setting}' is no setting; write it as KEY=VALUE.")
        place, *inner = name.split(".")
        value = yaml.safe_load(text)
        # YAML 1.1 reads 3e-4 as a word; Pydantic turns it into a number where one is due.
        if inner:
            nested = values.setdefault(place, {})
            if not isinstance(nested, dict):
                raise ValueError(f"'{place}' is not a group of settings.")
            nested[".".join(inner)] = value
        else:
            values[place] = value
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ValueError(_explain(error)) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ValueError(f"{path} is not a YAML file.") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a mapping of settings.")
    return values


def _explain(error: ValidationError) -> str:
    problem = error.errors()[0]
    *outer, name = (str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"The setting '{'.'.join([*outer, name])}' is not valid: {problem['msg']}."
    known = ViewPlan.model_fields if outer else TrainConfig.model_fields
    near = get_close_matches(name, known, n=1, cutoff=0.0)
    return f"There is no setting '{'.'.join([*outer, name])}'; the nearest is '{near[0]}'."
