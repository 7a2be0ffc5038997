"""The one configuration of a training run."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from unmask.prepare.views import ViewPlan


class TrainConfig(BaseModel):
    """Everything that decides a training run, but for the data and where it is written.

    Attributes:
        backbone: A timm model name.
        pretrained: Where the backbone's first weights come from: ``bundled`` (ImageNet weights of
            EfficientNet-Lite0, from an installed package), ``none``, the path of a ``.pth`` or
            ``.safetensors`` file, or ``timm`` (timm's own download for the named tag).
        views: How validation and the exported model cut pictures; training draws from the same
            kinds of view.
        augmentation: ``forensic`` re-encodes, resizes, blurs and adds noise to both labels alike;
            ``light`` only flips.
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
    augmentation: Literal["forensic", "light"] = "forensic"
    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    optimizer: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = Field(default=1e-2, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    label_smoothing: float = Field(default=0.05, ge=0, lt=0.5)
    category_weight: float = Field(default=0.2, ge=0)
    ema_decay: float = Field(default=0.998, ge=0, lt=1)
    patience: int = Field(default=6, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"
    workers: int = Field(default=2, ge=0)
    seed: int = 0
