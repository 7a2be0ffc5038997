"""Augmentation that breaks shortcuts: both labels go through the same random treatment.

A collection's JPEG quality, size and sharpness tell its label more easily than the traces of a
generator do. Here every picture, real or fake, may be resized, re-encoded, blurred, made noisy and
recoloured, so that none of these tells anything. A share of the pictures is left untouched, because
the finest traces survive none of it.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from unmask.picture.decode import Pixels
from unmask.picture.views import crop_at, grow_to, resize_shorter

_RESAMPLERS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


def forensic_view(
    pixels: Pixels,
    size: int,
    rng: np.random.Generator,
    *,
    whole_share: float,
    degraded_share: float,
) -> Pixels:
    """Draw one random view of a picture, of a kind that is taken at run time.

    The same generator state draws the same treatment, so that a picture and its altered twin of the
    same size get the same crop, re-encoding and noise, and differ by the alteration alone.

    Args:
        pixels: uint8, shape (height, width, 3).
        size: Side of the view, in pixels.
        rng: Source of all randomness.
        whole_share: How often the view is the whole picture, shrunk, and not a crop of its pixels.
        degraded_share: How often the picture is degraded besides being cropped and flipped.

    Returns:
        uint8, shape (size, size, 3).
    """
    whole = rng.random() < whole_share
    down, right, flip = rng.random(), rng.random(), rng.random() < 0.5
    degraded = rng.random() < degraded_share
    if whole:
        zoom = rng.uniform(1.0, 1.25)
        pixels = resize_shorter(pixels, round(size * zoom))
    elif degraded and rng.random() < 0.4:
        pixels = rescale(pixels, rng)
    pixels = grow_to(pixels, size)
    if degraded:
        # A margin of one JPEG block: the encoder's grid then falls anywhere on the view.
        pixels = crop_at(pixels, min(size + 8, *pixels.shape[:2]), down, right)
        pixels = degrade(pixels, rng)
        pixels = crop_at(pixels, size, rng.random(), rng.random())
    else:
        pixels = crop_at(pixels, size, down, right)
    return np.ascontiguousarray(pixels[:, ::-1] if flip else pixels)


def rescale(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Resize a picture by a random factor, 0.6 to 1.5, with a random filter."""
    height, width = pixels.shape[:2]
    scale = float(np.exp(rng.uniform(np.log(0.6), np.log(1.5))))
    shape = (max(8, round(width * scale)), max(8, round(height * scale)))
    resampler = _RESAMPLERS[rng.integers(len(_RESAMPLERS))]
    return np.asarray(Image.fromarray(pixels).resize(shape, resampler))


def degrade(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Recolour, blur, make noisy and re-encode a picture, each in a share of the draws."""
    image = Image.fromarray(pixels)
    if rng.random() < 0.3:
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.75, 1.3))
        image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.75, 1.3))
        image = ImageEnhance.Color(image).enhance(rng.uniform(0.6, 1.4))
    if rng.random() < 0.15:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    if rng.random() < 0.15:
        noise = rng.normal(0.0, rng.uniform(1.0, 7.0), (image.height, image.width, 3))
        noisy = np.asarray(image, dtype=np.float32) + noise
        image = Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    if rng.random() < 0.75:
        image = _re_encode(image, rng)
    return np.asarray(image)


def _re_encode(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    quality = int(rng.integers(40, 98))
    if rng.random() < 0.8:
        subsampling = "4:2:0" if rng.random() < 0.7 else "4:4:4"
        image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    else:
        image.save(buffer, "WEBP", quality=quality, method=0)
    return Image.open(buffer).convert("RGB")
