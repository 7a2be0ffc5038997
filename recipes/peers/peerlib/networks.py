"""Two networks trained on the same pictures: MesoNet-4 and a plain ResNet-50, in eager PyTorch.

Both start from random weights, for none trained on anything else come with the packages used here,
and stop after a fixed CPU time: an epoch or two for MesoNet-4, much less than one for ResNet-50.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from peerlib.common import Data, Outcome, milliseconds, truth, val_auc
from unmask.lab.data.manifest import Row
from unmask.picture.decode import decode, read_bytes

_SIDE = 256
_CROP = 224
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BATCH = 32
_RATE = 1e-3
_MESONET_SHARE = 0.55
"""Of the CPU time for both networks; the rest is ResNet-50's, which is far slower."""


def mesonet4(data: Data) -> Outcome:
    """Train and ask MesoNet-4 (Afchar et al. 2018), 256 px whole pictures as its authors use."""
    return _train_and_ask(MesoNet4(), data, _MESONET_SHARE, crop=_SIDE, normalise=False)


def resnet50(data: Data) -> Outcome:
    """Train and ask a ResNet-50 with one output, 224 px, without calibration."""
    from torchvision.models import resnet50 as make

    return _train_and_ask(make(num_classes=1), data, 1 - _MESONET_SHARE, crop=_CROP, normalise=True)


class MesoNet4(nn.Module):
    """Four convolutions and two dense layers, 28 thousand parameters (Afchar et al. 2018, fig. 4).

    Takes float32 (n, 3, 256, 256) in [0, 1] to a logit, shape (n, 1).
    """

    def __init__(self) -> None:
        super().__init__()
        shapes = ((3, 8, 3, 2), (8, 8, 5, 2), (8, 16, 5, 2), (16, 16, 5, 4))
        layers: list[nn.Module] = []
        for inputs, outputs, kernel, pool in shapes:
            layers += [
                nn.Conv2d(inputs, outputs, kernel, padding="same"),
                nn.ReLU(),
                nn.BatchNorm2d(outputs),
                nn.MaxPool2d(pool),
            ]
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(1024, 16), nn.LeakyReLU(0.1), nn.Dropout(0.5),
            nn.Linear(16, 1),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits, positive for fake."""
        return self.head(self.features(pictures))


def _train_and_ask(
    network: nn.Module, data: Data, share: float, *, crop: int, normalise: bool
) -> Outcome:
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 1)
    rng = np.random.default_rng(0)
    network.apply(_start_anew)
    network = network.to(memory_format=torch.channels_last)
    pictures, fake = _pictures(tuple(data.train)), truth(data.train).astype(np.float32)
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    started, budget, seen = time.process_time(), 60 * share * data.cpu_minutes, 0
    network.train()
    while (part := (time.process_time() - started) / budget) < 1:
        if seen % len(pictures) < _BATCH:
            order = rng.permutation(len(pictures))
        chosen = order[np.arange(seen, seen + _BATCH) % len(pictures)]
        seen += _BATCH
        for group in optimizer.param_groups:
            group["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * part))
        batch = np.stack([_augment(pictures[index], crop, rng) for index in chosen])
        logits = network(_to_input(batch, normalise)).squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logits, torch.from_numpy(fake[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    spent = (time.process_time() - started) / 60
    network.eval()

    def answer(path: Path) -> float:
        return float(_ask(network, _shrink(path)[None], crop, normalise)[0])

    scores = {
        name: _ask(network, _pictures(tuple(rows)), crop, normalise)
        for name, rows in (("val", data.val), ("test", data.test))
    }
    # A second thread would spin on the core of the first and be counted.
    torch.set_num_threads(1)
    return Outcome(
        p_fake=scores["test"].tolist(),
        milliseconds=milliseconds(answer, data.test),
        megabytes=sum(4 * value.numel() for value in network.state_dict().values()) / 1e6,
        notes={
            "epochs": round(seen / len(pictures), 2),
            "CPU minutes": round(spent, 1),
            "validation AUC": val_auc(data, scores["val"]),
        },
    )


def _start_anew(layer: nn.Module) -> None:
    """Draw a layer's weights, so that the seed decides them and not who was made before."""
    if hasattr(layer, "reset_parameters"):
        layer.reset_parameters()
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


@torch.inference_mode()
def _ask(
    network: nn.Module, pictures: NDArray[np.uint8], crop: int, normalise: bool
) -> NDArray[np.float64]:
    edge = (_SIDE - crop) // 2
    middle = pictures[:, edge : edge + crop, edge : edge + crop]
    logits = [
        network(_to_input(middle[start : start + _BATCH], normalise)).squeeze(1)
        for start in range(0, len(middle), _BATCH)
    ]
    return torch.cat(logits).double().sigmoid().numpy()


def _augment(picture: NDArray[np.uint8], crop: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    down, right = rng.integers(0, _SIDE - crop + 1, 2)
    cut = picture[down : down + crop, right : right + crop]
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def _to_input(batch: NDArray[np.uint8], normalise: bool) -> Tensor:
    views = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2).float() / 255
    if normalise:
        views = (views - torch.tensor(_MEAN)[:, None, None]) / torch.tensor(_STD)[:, None, None]
    return views.contiguous(memory_format=torch.channels_last)


@cache
def _pictures(rows: tuple[Row, ...] | Sequence[Row]) -> NDArray[np.uint8]:
    return np.stack([_shrink(row.path) for row in rows])


def _shrink(path: Path) -> NDArray[np.uint8]:
    image = Image.fromarray(decode(read_bytes(path)))
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))
