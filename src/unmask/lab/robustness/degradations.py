"""What happens to pictures on their way: each kind of degradation, from mild to harsh."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from unmask.picture.decode import Pixels

Degrade = Callable[[Image.Image, np.random.Generator], Image.Image]
CLEAN = "clean"
_SMALLEST = 16


@dataclass(frozen=True)
class Degradation:
    """One kind of degradation at one strength.

    Attributes:
        kind: What is done.
        level: How much of it, in words.
        apply: Does it to a picture; all that is random comes from the generator.
    """

    kind: str
    level: str
    apply: Degrade

    def __call__(self, pixels: Pixels, seed: int) -> Pixels:
        """Return the degraded picture, uint8, RGB.

        Args:
            pixels: uint8, shape (height, width, 3).
            seed: The same one degrades a picture the same way.
        """
        degraded = self.apply(Image.fromarray(pixels), np.random.default_rng(seed))
        return np.asarray(degraded.convert("RGB"))


def jpeg(quality: int) -> Degrade:
    """Save as JPEG with halved colours, as most programs do."""
    return lambda image, _: _saved(image, "JPEG", quality=quality, subsampling="4:2:0")


def webp(quality: int) -> Degrade:
    """Save as lossy WebP."""
    return lambda image, _: _saved(image, "WEBP", quality=quality, method=4)


def resized(factor: float, resampling: Image.Resampling = Image.Resampling.LANCZOS) -> Degrade:
    """Resize both sides by a factor."""
    return lambda image, _: _scaled(image, factor, resampling)


def blurred(sigma: float) -> Degrade:
    """Blur with a Gaussian of so many pixels."""
    return lambda image, _: image.filter(ImageFilter.GaussianBlur(sigma))


def noisy(deviation: float) -> Degrade:
    """Add Gaussian noise of so many grey levels, to each channel by itself."""

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        pixels = np.asarray(image, dtype=np.float32)
        grain = rng.normal(0.0, deviation, pixels.shape)
        return Image.fromarray(np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8))

    return apply


def cropped(share: float) -> Degrade:
    """Keep so much of either side, at a random place."""

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = (max(_SMALLEST, round(side * share)) for side in image.size)
        left = int(rng.integers(max(0, image.width - width) + 1))
        top = int(rng.integers(max(0, image.height - height) + 1))
        return image.crop((left, top, min(image.width, left + width),
                           min(image.height, top + height)))  # fmt: skip

    return apply


def brightened(factor: float) -> Degrade:
    """Multiply all values."""
    return lambda image, _: image.point(
        [min(255, round(value * factor)) for value in range(256)] * 3
    )


def shared(times: int) -> Degrade:
    """Send through social media so often: each time at most 90% of the size, and JPEG anew.

    The qualities alternate between 71 and 82, so that no saving falls on the grid of the last.
    """

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        for turn in range(times):
            image = _scaled(image, 0.9, Image.Resampling.BICUBIC)
            image = jpeg((71, 82)[turn % 2])(image, rng)
        return image

    return apply


def screenshot(zoom: float) -> Degrade:
    """Show at a zoom with a viewer's plain margins, and take what the screen shows, lossless."""

    def apply(image: Image.Image, _: np.random.Generator) -> Image.Image:
        shown = _scaled(image, zoom, Image.Resampling.BILINEAR)
        margin, bar = round(0.04 * max(shown.size)), round(0.08 * max(shown.size))
        size = (shown.width + 2 * margin, shown.height + margin + bar)
        screen = Image.new("RGB", size, (32, 33, 36))
        screen.paste(shown, (margin, bar))
        return screen

    return apply


def from_the_web(longest: int, quality: int) -> Degrade:
    """Shrink to a longest side, where it is longer, and save as JPEG."""

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        factor = min(1.0, longest / max(image.size))
        return jpeg(quality)(_scaled(image, factor, Image.Resampling.LANCZOS), rng)

    return apply


def degradations() -> list[Degradation]:
    """Return every setting by kind, each from mild to harsh; the first leaves all as it is."""
    kinds: dict[str, dict[str, Degrade]] = {
        CLEAN: {"as it is": lambda image, _: image},
        "web": {
            "768 px, JPEG 60": from_the_web(768, 60),
            "512 px, JPEG 40": from_the_web(512, 40),
        },
        "JPEG": {f"quality {q}": jpeg(q) for q in (95, 85, 75, 60, 40, 20)},
        "WebP": {f"quality {q}": webp(q) for q in (90, 75, 50, 20)},
        "shrunk": {f"to {f:.0%}": resized(f) for f in (0.75, 0.5, 0.25)},
        "enlarged": {f"to {f:.0%}": resized(f) for f in (1.5, 2.0)},
        "blur": {f"sigma {s:g}": blurred(s) for s in (0.5, 1.0, 2.0)},
        "noise": {f"sigma {s:g}": noisy(s) for s in (2, 5, 10)},
        "crop": {f"to {s:.0%} of a side": cropped(s) for s in (0.8, 0.6, 0.4)},
        "darker": {f"x {f:g}": brightened(f) for f in (0.75, 0.5)},
        "brighter": {f"x {f:g}": brightened(f) for f in (1.25, 1.6)},
        "social media": {"once": shared(1), "twice": shared(2), "four times": shared(4)},
        "screenshot": {f"at {z:.0%}": screenshot(z) for z in (1.0, 1.25, 0.67)},
    }
    return [
        Degradation(kind, level, degrade)
        for kind, levels in kinds.items()
        for level, degrade in levels.items()
    ]


def _saved(image: Image.Image, kind: str, **options: object) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    with Image.open(buffer) as read:
        return read.convert("RGB")


def _scaled(image: Image.Image, factor: float, resampling: Image.Resampling) -> Image.Image:
    size = (
        max(_SMALLEST, round(image.width * factor)),
        max(_SMALLEST, round(image.height * factor)),
    )
    return image if size == image.size else image.resize(size, resampling)
