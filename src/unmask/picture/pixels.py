"""Turn an opened image into the RGB pixels that a viewer shows first, and say what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.picture.limits import FULL_PIXELS
from unmask.picture.tiff import (
    ORIENTATION,
    PHOTOMETRIC,
    SAMPLE_FORMAT,
    count_pages,
    read_directories,
    read_orientation,
)

Pixels = NDArray[np.uint8]
"""RGB pixels, shape (height, width, 3), values 0-255."""

BROKEN_EXIF = "The file's EXIF is broken and was ignored."
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A picture as it is judged.

    Attributes:
        pixels: uint8 RGB, upright, shape (height, width, 3).
        notes: What a person should know of how it was read, one sentence each; none for most.
    """

    pixels: Pixels
    notes: tuple[str, ...] = ()


def shrink_factor(width: int, height: int) -> int:
    """Return by which factor, a power of two, a picture's sides are shrunk before it is judged."""
    factor = 1
    while width * height > FULL_PIXELS * factor**2:
        factor *= 2
    return factor


def choose_frame(image: Image.Image) -> None:
    """Go to what a viewer shows first of an image that was opened a moment ago.

    That is the frame that is open already: the first, or the primary item of a HEIC. Only an
    animated PNG may have a picture before it that is for viewers which do not know animations.
    """
    if image.format == "PNG" and image.info.get("default_image"):
        image.seek(1)


def to_rgb(
    image: Image.Image,
    data: bytes = b"",
    *,
    full: tuple[int, int] | None = None,
    orientation: int | None = None,
) -> DecodedPicture:
    """Return an image's pixels.

    A picture above `FULL_PIXELS` is shrunk, the EXIF orientation is applied, transparency is laid
    on white, and pixels of more than 8 bits are scaled to 8.

    Args:
        image: The opened image, at the right frame.
        data: The file that it was opened from, where there is one.
        full: Width and height in pixels, if the image is opened at a reduced scale.
        orientation: As in EXIF, 1 to 8; None for what the image's own says.
    """
    notes: list[str] = []
    source, (width, height) = image, full or image.size
    image.load()
    if orientation is None:
        orientation, broken = _orientation(image)
        notes += [BROKEN_EXIF] if broken else []
    image = _shrink(_to_grey(image) if image.mode in _DEEP_MODES else image)
    if width * height > FULL_PIXELS:
        notes.append(
            f"It was judged at reduced size: {image.width} x {image.height} of its {width} x "
            f"{height} pixels."
        )
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    return DecodedPicture(pixels, (*notes, *_other_frames(source, data, pixels)))


def _orientation(image: Image.Image) -> tuple[int, bool]:
    """Return an image's orientation, and whether its EXIF is broken."""
    raw = image.info.get("exif", b"")
    raw = raw if isinstance(raw, bytes) else b""
    broken = bool(raw) and not read_directories(raw.removeprefix(b"Exif\0\0"))
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises nearly anything on it.
        return read_orientation(raw), True
    return (value if isinstance(value, int) else 1), broken


def _shrink(image: Image.Image) -> Image.Image:
    factor = shrink_factor(*image.size)
    if factor == 1:
        return image
    if image.mode in ("1", "P", "PA"):
        # Numbers of colours cannot be averaged.
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.reduce(factor)


def _to_grey(image: Image.Image) -> Image.Image:
    """Scale grey of 16 or 32 bits, whole or not, to 8 bits.

    Values that fit into 8 or 16 bits, or between 0 and 1, are scaled from there; any others from
    the least to the greatest one that the picture has.
    """
    tags: Any = getattr(image, "tag_v2", {})
    if image.mode in ("I", "F"):
        image = _shrink(image)
    values: NDArray[Any] = np.asarray(image)
    if image.mode == "I" and tags and tags.get(SAMPLE_FORMAT, (1,))[0] == 1:
        values = values.view(np.uint32)  # Pillow takes them for signed.
    whole = image.mode != "F"
    finite = values if whole else values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low >= 0 and whole and high <= 65535:
        grey = (values if high <= 255 else values >> 8).astype(np.uint8)
    else:
        if low >= 0 and high <= 255:
            low, high = 0.0, 1.0 if high <= 1 else 255.0
        scaled = (values.astype(np.float32) - low) * (255 / (high - low or 1))
        grey = np.rint(np.nan_to_num(scaled, posinf=255.0).clip(0, 255)).astype(np.uint8)
    white_is_zero = tags and image.mode in ("I", "F") and tags.get(PHOTOMETRIC) == 0
    return Image.fromarray(255 - grey if white_is_zero else grey)


def _other_frames(image: Image.Image, data: bytes, pixels: Pixels) -> list[str]:
    """Say where an image holds more than was judged."""
    try:
        more = bool(getattr(image, "is_animated", False))
    except Exception:  # What follows the first frame is broken.
        return []
    # MPO: most of them hold a map of brightness, or the same view for the other eye.
    if not more or image.format == "MPO":
        return []
    if image.format == "TIFF":
        return ["It has several pages; the first was judged."] if count_pages(data) > 1 else []
    if image.format == "HEIF":
        return ["It holds several pictures; the main one was judged."]
    blank = ", which is blank" if (pixels == pixels[0, 0]).all() else ""
    return [f"It moves; its first frame alone was judged{blank} (`unmask video` judges them all)."]
