"""The one configuration of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unmask.lab.train.normalise import InputScale
from unmask.picture.views import ViewPlan


class Mining(BaseModel):
    """Hard example mining within a run (as Shrivastava et al. 2016 do within a batch).

    Attributes:
        after: Epochs after which training pictures are ranked by loss, once; 0 never does.
        top: Share of the pictures, those of highest loss, that count as hard.
        boost: How many times as often a hard picture is drawn from then on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: int = Field(default=0, ge=0)
    top: float = Field(default=0.2, gt=0, lt=1)
    boost: float = Field(default=3.0, ge=1)


class TrainConfig(BaseModel):
    """Everything that decides a training run, but for the data and where it is written.

    Attributes:
        backbone: A name of `unmask.lab.train.backbones`, or any timm model name.
        pretrained: Where the backbone's first weights come from: ``bundled`` (ImageNet weights of
            EfficientNet-Lite0, from an installed package), ``none``, the path of a ``.pth`` or
            ``.safetensors`` file, or ``timm`` (timm's own download for the named tag).
        freeze: Keep the backbone's first weights and statistics; train the heads alone.
        attention: Weigh the backbone's last feature map by a learned map before pooling.
        heads: ``both`` (real/fake and category) or ``binary`` (real/fake alone).
        classifier: What the heads are: ``linear``, ``dense`` (64 units, dropout 0.4) or
            ``regularised`` (1024 and 256 units with batch norm, dropout 0.5 and 0.4).
        dropout: Before the heads.
        views: How the exported model cuts pictures until calibration chooses better.
        scale: Which numbers the network sees for the values 0 to 255; each set of first weights
            was made for one.
        augmentation: ``forensic`` (re-encoding, resizing, blur, noise, native crops), ``standard``
            (random resized crop, flip, colours), ``light`` (rotation, shift, shear, zoom, flip) or
            ``none`` (flips alone).
        whole_share: ``forensic``: how often a view is the whole picture and not a crop.
        degraded_share: ``forensic``: how often a view is re-encoded, resized, blurred, made noisy
            or recoloured, both labels alike; 0 only crops and flips.
        self_blended: Share of the real faces that get a pseudo-fake twin, blended from themselves
            when they are loaded (Shiohara and Yamasaki 2022).
        sampler: ``pairs`` (labels balanced, sources by the square root of their size, altered twins
            side by side), ``weighted`` (label x source balanced, with replacement) or ``shuffled``
            (every picture once an epoch).
        mining: Hard example mining within the run.
        loss: Of the real/fake head: ``bce`` with logits, or ``focal`` (Lin et al. 2017).
        focal_alpha: Weight of fakes in the focal loss; real pictures get 1 minus it.
        focal_gamma: How much the focal loss turns away from what is right already; 0 is BCE.
        label_smoothing: Real/fake targets are moved this far towards 0.5.
        false_positive_cost: Weight of the real pictures' loss; above 1 false alarms get dearer.
        category_weight: Weight of the category loss in the sum.
        category_balance: Weigh categories by ``inverse`` frequency, or ``none``.
        epochs: Most epochs to train.
        batch_size: Views a step, in each process.
        accumulate: Batches whose gradients are summed to one step of the optimiser.
        learning_rate: Highest learning rate of the schedule.
        optimizer: ``adamw``, ``adam`` or ``sgd`` (Nesterov momentum 0.9).
        weight_decay: Decoupled weight decay (AdamW) or L2 penalty (Adam, SGD).
        schedule: ``cosine`` to zero, ``one-cycle`` (Smith 2018), ``plateau`` (divided by 3 after
            two epochs without a better validation AUC) or ``constant``.
        warmup: Share of all steps in which the learning rate rises.
        clip: Longest gradient, by its norm over all parameters; 0 does not clip.
        ema_decay: Decay a step of the averaged weights, which are what is validated and kept; 0
            keeps the weights themselves.
        patience: Epochs without a better validation AUC before stopping.
        precision: Lightning's precision flag; ``auto`` is bf16-mixed on a GPU and 32-true on the
            CPU, where bfloat16 makes depthwise convolutions slower (reports/speed/training.json).
        device: ``auto`` takes CUDA, then MPS, then the CPU.
        devices: Processes that train together, a GPU each (DDP).
        workers: Loader processes, in each process.
        mirrored: Ask for each view and its mirror image, and take the mean (test-time
            augmentation), wherever training itself asks.
        calibration: What suits this regime: ``platt``, ``temperature`` or ``isotonic``.
        seed: Of everything random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str = "tf_efficientnet_lite0"
    pretrained: str = "bundled"
    freeze: bool = False
    attention: bool = False
    heads: Literal["both", "binary"] = "both"
    classifier: Literal["linear", "dense", "regularised"] = "linear"
    dropout: float = Field(default=0.2, ge=0, lt=1)
    views: ViewPlan = ViewPlan()
    scale: InputScale = "symmetric"
    augmentation: Literal["forensic", "standard", "light", "none"] = "forensic"
    whole_share: float = Field(default=0.5, ge=0, le=1)
    degraded_share: float = Field(default=0.35, ge=0, le=1)
    self_blended: float = Field(default=0.0, ge=0, le=1)
    sampler: Literal["pairs", "weighted", "shuffled"] = "pairs"
    mining: Mining = Mining()
    loss: Literal["bce", "focal"] = "bce"
    focal_alpha: float = Field(default=0.25, gt=0, lt=1)
    focal_gamma: float = Field(default=2.0, ge=0)
    label_smoothing: float = Field(default=0.05, ge=0, lt=0.5)
    false_positive_cost: float = Field(default=1.0, gt=0)
    category_weight: float = Field(default=0.2, ge=0)
    category_balance: Literal["inverse", "none"] = "inverse"
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=32, ge=2)
    accumulate: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    weight_decay: float = Field(default=1e-2, ge=0)
    schedule: Literal["cosine", "one-cycle", "plateau", "constant"] = "cosine"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    clip: float = Field(default=1.0, ge=0)
    ema_decay: float = Field(default=0.995, ge=0, lt=1)
    patience: int = Field(default=6, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "auto"] = "auto"
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    devices: int = Field(default=1, ge=1)
    workers: int = Field(default=2, ge=0)
    mirrored: bool = False
    calibration: Literal["platt", "temperature", "isotonic"] = "platt"
    seed: int = 0

    @model_validator(mode="after")
    def _agree(self) -> Self:
        contradictions = {
            "views.whole=false and views.crops=0 leave nothing to look at": self.views.count == 0,
            "schedule=plateau has no warm-up; set warmup=0": (
                self.schedule == "plateau" and self.warmup > 0
            ),
            "precision=16-mixed needs a GPU; on the CPU use bf16-mixed or 32-true": (
                self.precision == "16-mixed" and self.device == "cpu"
            ),
            "mining.after must lie before the last epoch, or nothing is trained afterwards": (
                self.mining.after >= self.epochs
            ),
        }
        for sentence, holds in contradictions.items():
            if holds:
                raise ValueError(sentence)
        return self


def read_config(path: Path | None, settings: Sequence[str] = ()) -> TrainConfig:
    """Read a configuration from YAML, with single settings on top.

    Args:
        path: A YAML mapping of `TrainConfig`'s keys; None for the defaults.
        settings: As in ``learning_rate=3e-4`` or, for a key within a key, ``views.size=128``.

    Raises:
        ValueError: The file cannot be read, a key is unknown (the nearest known one is named), a
            value is out of range, or two keys contradict each other.
    """
    values = _read_yaml(path) if path else {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"'{setting}' is no setting; write it as KEY=VALUE.")
        place, *inner = name.split(".")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ValueError(f"The value in '{setting}' cannot be read.") from None
        # YAML 1.1 reads 3e-4 as a word; Pydantic turns it into a number where one is due.
        if inner:
            nested = values.setdefault(place, {})
            if not isinstance(nested, dict):
                raise ValueError(f"'{place}' is not a group of settings.")
            nested[".".join(inner)] = value
        else:
            values[place] = value
    return check_config(values)


def check_config(values: dict[str, Any]) -> TrainConfig:
    """Turn a mapping of keys into a configuration; raises ValueError as `read_config` does."""
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ValueError(_explain(error)) from None


def changed(config: TrainConfig) -> dict[str, Any]:
    """Return the keys that differ from the defaults, those of groups as in ``views.size``."""
    found: dict[str, Any] = {}
    for name in TrainConfig.model_fields:
        value, default = getattr(config, name), getattr(TrainConfig(), name)
        if isinstance(value, BaseModel):
            own, theirs = value.model_dump(), default.model_dump()
            found |= {f"{name}.{key}": own[key] for key in own if own[key] != theirs[key]}
        elif value != default:
            found[name] = value
    return found


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ValueError(f"{path} is not a YAML file.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a mapping of settings.")
    return values


def _explain(error: ValidationError) -> str:
    problem = error.errors()[0]
    if not problem["loc"]:
        return f"The settings contradict each other: {problem['ctx']['error']}."
    *outer, name = (str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"The setting '{'.'.join([*outer, name])}' is not valid: {problem['msg']}."
    group: Any = TrainConfig
    for part in outer:
        group = group.model_fields[part].annotation
    near = get_close_matches(name, group.model_fields, n=1, cutoff=0.0)
    return f"There is no setting '{'.'.join([*outer, name])}'; the nearest is '{near[0]}'."
