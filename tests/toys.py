"""A separable toy collection of pictures, and settings that learn it in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import picture
from unmask.lab.data.manifest import Row, Split, write_manifest

TOY_SETTINGS = [
    "backbone=resnet10t", "pretrained=none", "views.size=64", "epochs=8", "batch_size=8",
    "learning_rate=2e-3", "ema_decay=0.7", "degraded_share=0", "precision=32-true", "workers=0",
    "patience=8", "whole_share=0",
]  # fmt: skip


@dataclass(frozen=True)
class Toy:
    """A separable toy collection: the fakes carry a checkerboard, as bad upsampling leaves one."""

    manifest: Path
    rows: list[Row]


def make_toy(folder: Path, train: int = 40, held_out: int = 20) -> Toy:
    rows = []
    yy, xx = np.mgrid[:72, :72]
    checkers = (30 * ((xx + yy) % 2 * 2 - 1))[..., None]
    counts: dict[Split, int] = {"train": train, "val": held_out, "test": held_out}
    seed = 0
    for split, count in counts.items():
        for number in range(count):
            fake = number % 2 == 1
            pixels = np.asarray(picture(72, 72, seed)).astype(int)
            pixels = np.clip(pixels + checkers * fake, 0, 255).astype(np.uint8)
            path = folder / f"{split}-{number}.png"
            Image.fromarray(pixels).save(path)
            rows.append(
                Row(
                    path,
                    "fake" if fake else "real",
                    ("human_faces", "animals", "vehicles", "")[number // 2 % 4],
                    "checkers" if fake else "camera",
                    "toy",
                    split=split,
                    group=str(seed),
                )
            )
            seed += 1
    manifest = folder / "manifest.csv"
    write_manifest(manifest, rows)
    return Toy(manifest, rows)
