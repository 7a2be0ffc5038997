"""Measure how fast training goes: the default recipe, a naive loop, and the cache.

    python bench/training.py --data ../shared/data/manifest.csv --out reports/speed/training.json

Both loops train the same network on the same draws, with the same augmentation, optimiser and batch
size, one after the other in turns, so that other work on the machine meets both. The naive loop
opens files with Pillow in the training process, in float32 and with the memory laid out as NCHW.
Loading is measured apart: pictures a second that become training views, from files and from the
cache. Run it on a machine that does nothing else; the figures are by the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from unmask.lab.data.cache import PictureCache, write_cache
from unmask.lab.data.manifest import Row, read_manifest, select
from unmask.lab.recipes import recipe_file
from unmask.lab.train.augment import training_view
from unmask.lab.train.config import TrainConfig, read_config
from unmask.lab.train.dataset import TrainingViews, loader, read_pixels
from unmask.lab.train.device import choose_precision
from unmask.lab.train.losses import NetworkAnswers, fake_loss, loss_sum
from unmask.lab.train.network import network_for
from unmask.lab.train.normalise import normalise
from unmask.lab.train.samplers import create_sampler
from unmask.picture.decode import Pixels

WARM_UP = 2


class Naive:
    """Decode, augment, forward and backward, one after another, in one process."""

    def __init__(self, rows: Sequence[Row], config: TrainConfig) -> None:
        self.rows, self.config = rows, config
        self.network = network_for(config).train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), config.learning_rate)

    def run(self, batches: int) -> float:
        """Train for some batches; pictures a second, after a warm-up."""
        draws = iter(create_sampler(self.rows, self.config))
        size = self.config.batch_size
        started = 0.0
        for number in range(WARM_UP + batches):
            if number == WARM_UP:
                started = time.perf_counter()
            views, fake = [], []
            for index, seed in (next(draws) for _ in range(size)):
                row = self.rows[index]
                pixels = np.asarray(Image.open(row.path).convert("RGB"))
                view = torch.tensor(training_view(pixels, self.config, seed)[None])
                views.append(normalise(view, self.config.scale)[0])
                fake.append(float(row.is_fake))
            logits, _ = self.network(torch.stack(views))
            loss = F.binary_cross_entropy_with_logits(logits, torch.tensor(fake))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return batches * size / (time.perf_counter() - started)


class Default:
    """The loader, memory layout, precision and losses of the default recipe."""

    def __init__(self, rows: Sequence[Row], config: TrainConfig) -> None:
        self.rows, self.config = rows, config
        self.network = network_for(config).to(memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), config.learning_rate)
        self.loss = loss_sum(config, rows, fake_loss(config))

    def batches(self) -> Iterator[dict[str, Any]]:
        """Feed batches as training does."""
        sampler = create_sampler(self.rows, self.config)
        yield from loader(TrainingViews(self.rows, self.config), self.config, sampler=sampler)

    def run(self, batches: int) -> float:
        """Train for some batches; pictures a second, after a warm-up."""
        started, number = 0.0, 0
        half = choose_precision("cpu", self.config) == "bf16-mixed"
        for number, batch in zip(range(WARM_UP + batches), self.batches(), strict=False):
            if number == WARM_UP:
                started = time.perf_counter()
            views = batch["views"].squeeze(1).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                fake, category = self.network(views)
            loss = self.loss(NetworkAnswers(fake.float(), category.float()), batch)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return (number + 1 - WARM_UP) * self.config.batch_size / (time.perf_counter() - started)


def loading(rows: Sequence[Row], config: TrainConfig, read: Any, count: int) -> float:
    """Turn pictures into training views, in one process; pictures a second."""
    data = TrainingViews(rows, config, read)
    for index in range(8):
        data[index, 0]
    started = time.perf_counter()
    for number in range(count):
        data[number % len(rows), number]
    return count / (time.perf_counter() - started)


def decoding(rows: Sequence[Row], read: Any, count: int) -> float:
    """Only read pixels, all of them, without augmentation; pictures a second."""
    started = time.perf_counter()
    for number in range(count):
        pixels: Pixels = read(rows[number % len(rows)])
        pixels.sum()
    return count / (time.perf_counter() - started)


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--loads", type=int, default=400)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = select(read_manifest(options.data), "train")
    config = read_config(recipe_file("lite0"))
    loops = {
        "naive": Naive(rows, config),
        "default": Default(rows, config),
        "default in bfloat16": Default(rows, config.model_copy(update={"precision": "bf16-mixed"})),
    }
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(options.turns):
        for name, loop in loops.items():
            speeds[name].append(loop.run(options.batches))
    figures: dict[str, Any] = {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "training_pictures_per_second": {
            name: round(statistics.median(values), 2) for name, values in speeds.items()
        },
    }
    trained = figures["training_pictures_per_second"]
    figures["default_to_naive"] = round(trained["default"] / trained["naive"], 2)
    some = rows[:: max(1, len(rows) // options.loads)]
    with tempfile.TemporaryDirectory() as folder:
        write_cache(some, Path(folder) / "cache")
        cache = PictureCache(Path(folder) / "cache")
        figures["loading_pictures_per_second"] = {
            "views from files": round(loading(some, config, read_pixels, options.loads), 1),
            "views from the cache": round(loading(some, config, cache.read, options.loads), 1),
            "pixels from files": round(decoding(some, read_pixels, options.loads), 1),
            "pixels from the cache": round(decoding(some, cache.read, options.loads), 1),
        }
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
