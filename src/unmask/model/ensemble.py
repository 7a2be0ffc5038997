"""Several models that answer as one: a weighted sum of their logits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmask.model.base import Answer, Device, ViewModel
from unmask.model.card import ModelCard, ModelError
from unmask.model.onnx_model import Model
from unmask.picture.views import Views

SUFFIX = ".ensemble"


class Member(BaseModel):
    """One model of an ensemble.

    Attributes:
        file: Its ONNX file, from the ensemble's folder.
        sha256: Of that file.
        weight: Of its fake logit in the sum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    weight: float = Field(ge=0)


class EnsembleFile(BaseModel):
    """What an ``.ensemble`` file holds, as JSON; its card lies beside it, as a model's does.

    Attributes:
        members: The models.
        offset: Added to the weighted sum of their fake logits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: tuple[Member, ...] = Field(min_length=2)
    offset: float = 0.0


class Ensemble(ViewModel):
    """Models that are shown the same views; the first of them names the category."""

    def __init__(self, path: Path, *, device: Device = "auto", threads: int | None = None) -> None:
        """Load an ensemble and all its models.

        Args:
            path: The ``.ensemble`` file, its card beside it.
            device: As for `Model`.
            threads: As for `Model`.

        Raises:
            ModelError: A file is absent or broken, or is not the one that the ensemble names.
        """
        self.path = Path(path)
        try:
            data = self.path.read_bytes()
            file = EnsembleFile.model_validate_json(data)
        except OSError as error:
            raise ModelError(f"The ensemble {path} cannot be read: {error.strerror}.") from None
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise ModelError(f"{path} is not an ensemble: {reason}.") from None
        self.card = ModelCard.read(ModelCard.path_for(self.path))
        if hashlib.sha256(data).hexdigest() != self.card.sha256:
            raise ModelError(f"The card of {path} is of another ensemble (SHA-256 differs).")
        self._models = [
            Model(self.path.parent / one.file, device=device, threads=threads)
            for one in file.members
        ]
        for model, one in zip(self._models, file.members, strict=True):
            if model.card.sha256 != one.sha256:
                raise ModelError(
                    f"{model.path} is not the model that {path} names (SHA-256 differs)."
                )
        check_members(self._models)
        self.device = self._models[0].device
        self._weights, self._offset = [one.weight for one in file.members], file.offset

    def __call__(self, views: Views, counts: Sequence[int] | None = None) -> Answer:
        """Answer for views, as `ViewModel` says."""
        answers = [model(views, counts) for model in self._models]
        fake = sum(weight * fake for weight, (fake, _) in zip(self._weights, answers, strict=True))
        return np.asarray(fake + self._offset, dtype=np.float32), answers[0][1]


def load_model(path: Path | None, device: Device = "auto", threads: int | None = None) -> ViewModel:
    """Load an ONNX model or an ensemble, whichever the file's name says; None is the shipped model.

    Args:
        path: The file.
        device: As for `Model`.
        threads: As for `Model`.

    Raises:
        ModelError: It cannot be loaded.
    """
    if path is not None and path.suffix == SUFFIX:
        return Ensemble(path, device=device, threads=threads)
    return Model(path, device=device, threads=threads)


def check_members(models: Sequence[ViewModel]) -> None:
    """Check that models can be shown the same views.

    Raises:
        ModelError: Their views differ in size.
    """
    first = models[0].card
    for model in models[1:]:
        if model.card.views.size != first.views.size:
            raise ModelError(
                f"{first.name} sees {first.views.size} pixels and {model.card.name} "
                f"{model.card.views.size}; an ensemble needs models that see the same views."
            )


def write_ensemble(
    path: Path, models: Sequence[ViewModel], weights: Sequence[float], offset: float
) -> str:
    """Write an ``.ensemble`` file and return its SHA-256, for the card.

    Args:
        path: The file.
        models: The models.
        weights: Of their fake logits in the sum.
        offset: Added to it.
    """
    folder = path.resolve().parent
    file = EnsembleFile(
        members=tuple(
            Member(
                file=Path(os.path.relpath(model.path.resolve(), folder)).as_posix(),
                sha256=model.card.sha256,
                weight=weight,
            )
            for model, weight in zip(models, weights, strict=True)
        ),
        offset=offset,
    )
    data = (file.model_dump_json(indent=2) + "\n").encode()
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
