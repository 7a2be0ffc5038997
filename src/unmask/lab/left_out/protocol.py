"""The capped recipe of a generalisation protocol: what is trained for every fold, and on how much.

A protocol trains a network a fold, so each fold gets a small, stated share of the pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmask.lab.train.config import TrainConfig, read_config


class Recipe(BaseModel):
    """What is trained for every fold.

    Attributes:
        config: The training, with its epochs and size of views.
        train_pictures: Most training pictures of a source, generator and label.
        val_pictures: Most validation pictures of them; these choose the epoch, the calibration and
            the threshold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: TrainConfig
    train_pictures: int = Field(ge=2)
    val_pictures: int = Field(ge=2)

    def settings(self) -> dict[str, Any]:
        """Return all that differs from the defaults, for JSON: new settings do not change it."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def sentence(self) -> str:
        """Say what the caps are."""
        config = self.config
        return (
            f"{config.backbone} from {config.pretrained} weights, {config.epochs} "
            f"epoch{'s' * (config.epochs > 1)}, views of {config.views.size} pixels, at most "
            f"{self.train_pictures} training and {self.val_pictures} validation pictures of a "
            "source, generator and label"
        )


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from YAML.

    Keys: ``config``, a training configuration beside the file; ``settings``, a list of
    ``key=value`` that win over it; ``train_pictures`` and ``val_pictures``.

    Raises:
        ValueError: The file cannot be read, or a key or value is not valid.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"The recipe {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ValueError(f"{path} is not a YAML file.") from None
    if not isinstance(values, dict) or not isinstance(values.get("config"), str):
        raise ValueError(f"{path} names no training configuration under 'config'.")
    settings = values.pop("settings", None) or []
    values["config"] = read_config(path.parent / values["config"], [str(one) for one in settings])
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path} is not valid: {place}: {first['msg']}.") from None
