"""One random life of a picture: cut, retouched, resized, framed, saved again; both labels alike.

Polish, wear, size and shape then tell nothing. Above all shape: generators like squares and cameras
3:2, and a whole picture squeezed to a square would show it.
"""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

LEAST_AREA = 0.35
_FILTERS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
)
_FRAMES = (0, 18, 255, 245)


def generator_for(*what: object) -> np.random.Generator:
    """Return a generator of random numbers that is the same for the same words in every process."""
    return np.random.default_rng(zlib.crc32("|".join(map(str, what)).encode()))


def augment(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a picture after one random life.

    Args:
        image: An RGB picture.
        rng: Chance.
    """
    if rng.random() < 0.85:
        image = cut(image, rng)
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
    if rng.random() < 0.45:
        image = retouch(image, rng)
    if rng.random() < 0.15:
        image = save_again(image, rng, lowest=50)
    if rng.random() < 0.5:
        image = resize(image, rng)
    if rng.random() < 0.12:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    if rng.random() < 0.12:
        values = np.asarray(image, dtype=np.float32)
        noise = rng.normal(0, rng.uniform(1, 7), values.shape)
        image = Image.fromarray(np.clip(np.rint(values + noise), 0, 255).astype(np.uint8))
    if rng.random() < 0.12:
        image = frame(image, rng)
    return save_again(image, rng) if rng.random() < 0.75 else image


def send(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a picture as messengers and websites hand it on: whole, smaller, saved again."""
    if rng.random() < 0.5:
        image = resize(image, rng, 0.5, 1)
    if rng.random() < 0.12:
        image = frame(image, rng)
    return save_again(image, rng, lowest=40)


def cut(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut out a rectangle of random shape, 1:2 to 2:1, of `LEAST_AREA` or more of the picture."""
    width, height = image.size
    aspect = float(np.exp(rng.uniform(-np.log(2), np.log(2))))
    area = width * height * rng.uniform(LEAST_AREA, 1)
    wide, tall = (area * aspect) ** 0.5, (area / aspect) ** 0.5
    shrink = min(1, width / wide, height / tall)
    wide = min(max(32, round(wide * shrink)), width)
    tall = min(max(32, round(tall * shrink)), height)
    left, top = (int(v) for v in (rng.integers(0, width - wide + 1),
                                  rng.integers(0, height - tall + 1)))  # fmt: skip
    return image.crop((left, top, left + wide, top + tall))


def retouch(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Do what cameras, editors and beauty filters do to tones and edges."""
    if rng.random() < 0.5:
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.75, 1.3))
    if rng.random() < 0.5:
        image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.75, 1.35))
    if rng.random() < 0.5:
        image = ImageEnhance.Color(image).enhance(rng.uniform(0.5, 1.5))
    if rng.random() < 0.3:
        gains, gamma = rng.uniform(0.9, 1.1, 3), float(np.exp(rng.uniform(-0.3, 0.3)))
        curve = 255 * (np.arange(256) / 255) ** gamma
        tables = [np.clip(curve * gain, 0, 255).astype(np.uint8) for gain in gains]
        image = image.point(np.concatenate(tables).tolist())
    if rng.random() < 0.25:
        smooth = image.filter(ImageFilter.MedianFilter(3))
        image = Image.blend(image, smooth, rng.uniform(0.3, 1))
    if rng.random() < 0.3:
        mask = ImageFilter.UnsharpMask(rng.uniform(0.6, 2.5), int(rng.integers(30, 160)), 2)
        image = image.filter(mask)
    return image


def resize(
    image: Image.Image, rng: np.random.Generator, least: float = 0.3, most: float = 1.5
) -> Image.Image:
    """Resize by a random factor with a random filter."""
    factor = float(np.exp(rng.uniform(np.log(least), np.log(most))))
    factor = max(factor, min(1, 128 / max(image.size)))
    width, height = (max(16, round(side * factor)) for side in image.size)
    return image.resize((width, height), _FILTERS[rng.integers(len(_FILTERS))])


def frame(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Lay the picture on bars, or on a screenshot's border."""
    width, height = image.size
    grey = [rng.choice(_FRAMES)] * 3
    colour = tuple(int(v) for v in (rng.integers(0, 256, 3) if rng.random() < 0.3 else grey))
    if rng.random() < 0.5:
        left, top, right, bottom = (
            int(rng.uniform(0.01, 0.12) * side) for side in (width, height, width, height)
        )
    else:
        bar = int(rng.uniform(0.05, 0.25) * (height if rng.random() < 0.5 else width))
        left, top, right, bottom = (0, bar, 0, bar) if rng.random() < 0.5 else (bar, 0, bar, 0)
    framed = Image.new("RGB", (width + left + right, height + top + bottom), colour)
    framed.paste(image, (left, top))
    return framed


def save_again(image: Image.Image, rng: np.random.Generator, lowest: int = 30) -> Image.Image:
    """Save the picture as a JPEG, or one time in five as a WebP, of random quality."""
    quality = int(rng.integers(lowest, 96))
    if rng.random() < 0.8:
        subsampling = int(rng.choice([0, 2, 2]))
        return encoded(image, "JPEG", quality=quality, subsampling=subsampling)
    return encoded(image, "WEBP", quality=quality, method=1)


def encoded(image: Image.Image, kind: str, **options: int) -> Image.Image:
    """Return a picture as it comes back from a file of some kind."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")
