"""Make aligned fakes of a manifest's real training pictures, and a manifest that has them too."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, JpegImagePlugin
from torch import Tensor

from unmask.data.manifest import Row, select
from unmask.media.decode import Pixels, decode, read_bytes
from unmask.media.errors import PictureError
from unmask.prepare.views import crop_at, grow_to, normalise
from unmask.training.aligned.autoencoder import Autoencoder, Upsampling, fit
from unmask.training.aligned.blend import blend
from unmask.training.aligned.warp import self_blend

DECODERS: dict[str, tuple[Upsampling, int, int]] = {
    "transposed-4": ("transposed", 2, 8),
    "nearest-8": ("nearest", 3, 32),
    "shuffle-4": ("shuffle", 2, 8),
}
"""Our decoders: kind of upsampling, number of doublings, channels of the latent."""
DECODED, SELF_BLENDED = "own-decoders", "self-blended"
_SIZE, _BATCH = 96, 8


def make_aligned(
    rows: Sequence[Row],
    out: Path,
    *,
    share: float = 0.4,
    steps: int = 700,
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> list[Row]:
    """Train the decoders on real training pictures and write a fake of each kind for a share.

    A drawn share of the real training pictures gets one fake by a decoder drawn at random; those
    of them that show human faces get a self-blended one too. A fake is saved as its original was,
    with the same JPEG tables, so that the file tells nothing; it is in its original's group.

    Args:
        rows: A manifest's rows; only real pictures of ``train`` are read.
        out: A folder for the pictures and ``decoders.json``.
        share: Of the real training pictures, how many get a fake, in (0, 1].
        steps: Training batches for each decoder.
        seed: Of everything random.
        report: Called with a line now and then.

    Returns:
        Rows of the fakes, to be trained on beside the others.
    """
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    reals = [row for row in select(rows, "train") if not row.is_fake]
    models, quality = {}, {}
    for name, (upsampling, stages, latent) in DECODERS.items():
        model = Autoencoder(upsampling, stages, latent)
        quality[name] = fit(model, _batches(reals, seed), steps)
        models[name] = model.eval()
        report(f"{name}: PSNR {quality[name]:.1f} dB")
    (out / "decoders.json").write_text(json.dumps(quality, indent=2) + "\n")
    rng = np.random.default_rng(seed)
    made: list[Row] = []
    chosen = [row for row in reals if rng.random() < share]
    for number, row in enumerate(chosen):
        try:
            data = read_bytes(row.path)
            pixels = decode(data)
        except PictureError:
            continue
        name = str(rng.choice(list(models)))
        fakes = {name: blend(pixels, _draw(models[name], pixels), rng)}
        if row.category == "human_faces":
            fakes[SELF_BLENDED] = self_blend(pixels, rng)
        for kind, fake in fakes.items():
            path = out / kind / f"{row.path.parent.parent.name}-{row.path.stem}.jpg"
            path.parent.mkdir(exist_ok=True)
            _save_as(fake, data, path)
            source = SELF_BLENDED if kind == SELF_BLENDED else DECODED
            made.append(replace(row, path=path, label="fake", generator=kind, source=source))
        if number % 200 == 0:
            report(f"{number} of {len(chosen)} pictures")
    return made


def _batches(rows: Sequence[Row], seed: int) -> Iterator[Tensor]:
    """Yield batches of random crops, halved now and then so that fine texture is dense."""
    rng = np.random.default_rng(seed)
    while True:
        views: list[Pixels] = []
        while len(views) < _BATCH:
            row = rows[int(rng.integers(len(rows)))]
            try:
                pixels = decode(read_bytes(row.path))
            except PictureError:
                continue
            # Several crops of a decoded picture: decoding costs more than cropping.
            for _ in range(4):
                native = grow_to(pixels, _SIZE)
                views.append(crop_at(native, _SIZE, rng.random(), rng.random()))
        yield torch.from_numpy(normalise(np.stack(views[:_BATCH])))


def _draw(model: Autoencoder, pixels: Pixels) -> Pixels:
    """Send a whole picture through an autoencoder."""
    height, width = pixels.shape[:2]
    down, right = -height % model.factor, -width % model.factor
    padded = np.pad(pixels, ((0, down), (0, right), (0, 0)), mode="edge")
    with torch.inference_mode():
        drawn = model(torch.from_numpy(normalise(padded[None])))[0].numpy()
    values = np.rint((drawn.transpose(1, 2, 0) + 1) * 127.5)
    return np.asarray(np.clip(values[:height, :width], 0, 255), dtype=np.uint8)


def _save_as(pixels: Pixels, original: bytes, path: Path) -> None:
    """Save a JPEG with the tables of the original, or at quality 90 where that is no JPEG."""
    with Image.open(io.BytesIO(original)) as image:
        options: dict[str, object] = {"quality": 90}
        if isinstance(image, JpegImagePlugin.JpegImageFile) and image.mode == "RGB":
            options = {
                "qtables": image.quantization,
                "subsampling": JpegImagePlugin.get_sampling(image),
            }
    Image.fromarray(pixels).save(path, "JPEG", **options)
