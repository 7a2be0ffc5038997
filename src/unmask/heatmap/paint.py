"""Paint a map over its picture, with a colour bar."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unmask.heatmap.spread import Heat, Spread
from unmask.picture.decode import Pixels

# ColorBrewer's RdBu and its red half, which colour-blind people can tell apart too.
_AGAINST_TO_FOR = ("#053061", "#2166ac", "#4393c3", "#92c5de", "#f7f7f7", "#f4a582", "#d6604d",
                   "#b2182b", "#67001f")  # fmt: skip
_STEPS = 256
_STRONGEST = 0.75
"""Opacity of the strongest heat; the picture shows through."""
_SAMPLE = 512
_LEGIBLE = 11
# Below this width in pixels there is no room for words beside a bar.
_ROOM_FOR_WORDS = 150

Ends = tuple[str, str]


class ColourScale(NamedTuple):
    """From a value to a place in the colours.

    Attributes:
        limit: The largest absolute value.
        bend: Values well under it are drawn in proportion, those over it by their logarithm, so
            that crops of a large photograph, hundreds of times as dense as the rest, do not leave
            the rest colourless. In small pictures limit and bend are close: all is in proportion.
    """

    limit: float
    bend: float

    @classmethod
    def of(cls, heat: Heat) -> ColourScale:
        """Choose the scale for a map."""
        size = np.abs(heat)
        limit = float(size.max(initial=0.0)) or 1.0
        seen = size[size > 1e-6 * limit]
        return cls(limit, float(np.median(seen)) if seen.size else limit)

    def place(self, heat: Heat) -> Heat:
        """Return places in [-1, 1]."""
        scaled = np.arcsinh(heat / np.float32(self.bend))
        scaled /= np.float32(np.arcsinh(self.limit / self.bend))
        return np.asarray(np.clip(scaled, -1, 1), dtype=np.float32)

    def value(self, place: float) -> float:
        """Return the value that is drawn at a place in [-1, 1]."""
        return float(self.bend * np.sinh(place * np.arcsinh(self.limit / self.bend)))


def paint_png(
    pixels: Pixels, spread: Spread, *, longest: int | None, words: Ends | None, signed: bool
) -> bytes:
    """Return a picture in grey under its map, as PNG.

    Args:
        pixels: uint8, shape (height, width, 3).
        spread: The map.
        longest: Most pixels of a side; None for the picture's own size.
        words: What the two ends of the colour bar stand for; None for no bar.
        signed: Whether the map has values of both signs.
    """
    image = Image.fromarray(pixels)
    if longest is not None and max(image.size) > longest:
        # Not `thumbnail`, which would work on a copy of the whole picture.
        ratio = longest / max(image.size)
        shape = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        image = image.resize(shape, Image.Resampling.BICUBIC, reducing_gap=2.0)
    width, height = image.size
    ratio = min(1.0, _SAMPLE / max(width, height))
    scale = ColourScale.of(spread.over(max(1, round(height * ratio)), max(1, round(width * ratio))))
    grey = np.asarray(image.convert("L"))
    painted = np.empty((height, width, 3), dtype=np.uint8)
    for first, band in spread.bands(height, width):
        rows = slice(first, first + len(band))
        painted[rows] = _blend(grey[rows], scale.place(band))
    image = Image.fromarray(painted)
    if words:
        _draw_bar(image, scale, words, signed)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=3)
    return file.getvalue()


def overlay_png(spread: Spread, height: int, width: int) -> bytes:
    """Return a map alone, its colours more or less transparent, to be laid over its picture.

    Args:
        spread: The map.
        height: Of the PNG, in pixels; the picture's own or one in proportion.
        width: Likewise.
    """
    heat = spread.over(height, width)
    colours, opacity = _tables()
    palette = np.concatenate([colours, 255 * opacity[:, None]], axis=1)
    step = _steps(ColourScale.of(heat).place(heat))
    file = io.BytesIO()
    Image.fromarray(np.rint(palette).astype(np.uint8)[step]).save(file, "PNG", compress_level=6)
    return file.getvalue()


def _steps(place: Heat) -> NDArray[np.intp]:
    return np.asarray(np.rint((place + 1) * ((_STEPS - 1) / 2)), dtype=np.intp)


def _blend(grey: NDArray[np.uint8], place: Heat) -> Pixels:
    colours, opacity = _tables()
    step = _steps(place)
    share = opacity[step][..., None]
    mixed = share * colours[step] + (1 - share) * grey[..., None]
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def _tables() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return colours, shape (steps, 3), and opacities, (steps,), for places from -1 to 1."""
    stops = np.array(
        [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in _AGAINST_TO_FOR]
    )
    places = np.linspace(0, len(stops) - 1, _STEPS)
    colours = np.stack([np.interp(places, range(len(stops)), stops[:, c]) for c in range(3)], 1)
    opacity = _STRONGEST * np.abs(np.linspace(-1, 1, _STEPS)) ** 0.75
    return colours.astype(np.float32), opacity.astype(np.float32)


def _draw_bar(image: Image.Image, scale: ColourScale, words: Ends, signed: bool) -> None:
    """Draw the colours and what their ends mean into the picture's lower edge."""
    width, height = image.size
    thick = max(2, min(28, min(width, height) // 24))
    lowest = -1.0 if signed else 0.0
    worded = width >= _ROOM_FOR_WORDS and height >= 6 * _LEGIBLE
    text = max(_LEGIBLE, min(24, min(width, height) // 22)) if worded else 0
    draw = ImageDraw.Draw(image)
    margin = max(1, thick // 3)
    top = height - thick - text - 3 * margin
    if top < 0:
        return
    draw.rectangle((0, top, width, height), fill="white")
    # Over middle grey, as over a picture that is neither light nor dark.
    places = np.linspace(lowest, 1, width - 2 * margin, dtype=np.float32)[None, :]
    strip = _blend(np.full(places.shape, 128, dtype=np.uint8), places)
    image.paste(Image.fromarray(np.repeat(strip, thick, axis=0)), (margin, top + margin))
    if not worded:
        return
    font = ImageFont.load_default(text)
    below = top + thick + 2 * margin - text // 6
    left, right = (f"{scale.value(at):+.2g}" for at in (lowest, 1.0))
    left = f"{left} {words[0]}" if signed else "0"
    draw.text((margin, below), left, fill="black", font=font)
    draw.text((width - margin, below), f"{words[1]} {right}", fill="black", font=font, anchor="ra")
    if signed:
        draw.text((width / 2, below), "0", fill="black", font=font, anchor="ma")
