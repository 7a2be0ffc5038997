"""Several models that answer as one: a weighted sum of their logits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmask.model.card import ModelCard, ModelError
from unmask.model.model import Device, Model, ModelOutput
from unmask.model.onnx_model import OnnxModel
from unmask.picture.views import PictureViews

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


class Ensemble(Model):
    """Models that are shown the same views; the first of them names the category."""

    def __init__(self, path: Path, *, device: Device = "auto", threads: int | None = None) -> None:
        """Load an ensemble and all its models.

        Args:
            path: The ``.ensemble`` file, its card beside it.
            device: As for `OnnxModel`.
            threads: As for `OnnxModel`.

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
            OnnxModel(self.path.parent / one.file, device=device, threads=threads)
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

    def answer(self, pictures: Sequence[PictureViews], *, maps: bool = False) -> list[ModelOutput]:
        """Answer for pictures, as `Model` says; an ensemble has no maps."""
        each = [model.answer(pictures) for model in self._models]
        return [self._sum(outputs) for outputs in zip(*each, strict=True)]

    def _sum(self, outputs: Sequence[ModelOutput]) -> ModelOutput:
        def total(values: Sequence[Any]) -> Any:
            weighted = zip(self._weights, values, strict=True)
            return sum(weight * value for weight, value in weighted) + self._offset

        return replace(
            outputs[0],
            logit=float(total([output.logit for output in outputs])),
            view_logits=np.asarray(
                total([output.view_logits for output in outputs]), dtype=np.float32
            ),
        )


def check_members(models: Sequence[Model]) -> None:
    """Check that models can be shown the same views.

    Raises:
        ModelError: Their views differ.
    """
    first = models[0].card
    for model in models[1:]:
        if model.card.inputs != first.inputs:
            raise ModelError(
                f"{first.name} and {model.card.name} are shown different views "
                f"({_described(first)}; {_described(model.card)}); an ensemble needs models that "
                "see the same."
            )


def write_ensemble(
    path: Path, models: Sequence[Model], weights: Sequence[float], offset: float
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


def _described(card: ModelCard) -> str:
    plans = card.inputs.values()
    return ", ".join(f"{plan.count} of {plan.size} pixels" for plan in plans)
