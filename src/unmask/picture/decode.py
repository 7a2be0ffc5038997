"""Decode hostile bytes into RGB pixels, under limits on bytes and pixels."""

from __future__ import annotations

import io
import logging
import os
import stat
import threading
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from unmask.picture.errors import PictureError, PictureTooLargeError

Pixels = NDArray[np.uint8]
"""RGB pixels, shape (height, width, 3), values 0-255."""

# Named one by one: Pillow also opens formats that run other programs (EPS) or that nobody sends.
# JPEG includes MPO, which many phones write under the name .jpg.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
SUFFIXES = frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".dib",
        ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif",
    )
)  # fmt: skip
SMALLEST_SIDE = 8
_BIG_PICTURE = 20_000_000
_big_picture_turn = threading.Lock()
# Pillow logs what is wrong with a damaged file; here that becomes a sentence, and nothing else.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Limits:
    """What one picture may cost.

    Attributes:
        max_bytes: Largest encoded size, in bytes.
        max_pixels: Largest decoded size, in pixels, checked in the header before decoding.
    """

    max_bytes: int = 100 * 2**20
    max_pixels: int = 64_000_000


DEFAULT_LIMITS = Limits()


def read_bytes(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Read a regular file of at most ``limits.max_bytes``.

    Raises:
        PictureError: The file is absent, empty, too large, not readable or not a regular file.
    """
    try:
        # O_NONBLOCK: opening a named pipe must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PictureError("This is not a regular file.")
            data = file.read(limits.max_bytes + 1)
    except FileNotFoundError:
        raise PictureError("There is no such file.") from None
    except PermissionError:
        raise PictureError("There is no permission to read this file.") from None
    except IsADirectoryError:
        raise PictureError("This is a folder, not a picture.") from None
    except ValueError as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(
            "The file's name holds a character that no file name can have."
        ) from None
    except OSError as error:
        raise PictureError(f"The file could not be read: {error.strerror or error}.") from None
    return data


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Decode one encoded picture, told by its content and not by its name.

    The EXIF orientation is applied, transparency is laid on white, 16-bit grey is scaled to 8 bits,
    and of an animation or a multi-page file the first frame is taken.

    Args:
        data: The encoded bytes.
        limits: What the picture may cost.

    Returns:
        RGB pixels, uint8, shape (height, width, 3).

    Raises:
        PictureError: The bytes are no picture in a known format, are damaged, or exceed a limit.
    """
    if not data:
        raise PictureError("The file is empty.")
    if len(data) > limits.max_bytes:
        raise PictureTooLargeError(
            f"The file is larger than the limit of {limits.max_bytes / 2**20:g} MiB."
        )
    _register_heif()
    try:
        # The pixel limit below is ours and is checked before any pixel is decoded.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(*image.size, limits)
                # One giant at a time, so that memory does not grow with the number of workers.
                giant = image.width * image.height > _BIG_PICTURE
                with _big_picture_turn if giant else nullcontext():
                    return _to_rgb(image, ours=True)
    except PictureError:
        raise
    except UnidentifiedImageError:
        if data[4:8] in (b"ftyp", b"moov") or data[:4] == b"\x1a\x45\xdf\xa3":
            raise PictureError("This is not a picture; for videos use `unmask video`.") from None
        raise PictureError("This is not a picture in a format that unmask reads.") from None
    except Image.DecompressionBombError:
        raise PictureTooLargeError(
            f"The picture has more than the limit of {limits.max_pixels / 1e6:g} megapixels "
            "(option max-megapixels)."
        ) from None
    except MemoryError:
        raise PictureError("The picture needs more memory than there is.") from None
    except Exception as error:  # Decoders raise nearly anything on damaged input.
        if "truncated" in str(error).lower():
            raise PictureError("The picture is cut off before its end.") from None
        raise PictureError("The picture is damaged and cannot be decoded.") from None


def from_image(image: Image.Image, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Take the pixels of an opened Pillow image, treated as `decode` treats a file.

    Raises:
        PictureError: The image exceeds a limit or cannot be decoded.
    """
    _check_size(*image.size, limits)
    try:
        return _to_rgb(image, ours=False)
    except PictureError:
        raise
    except Exception:
        raise PictureError("The picture is damaged and cannot be decoded.") from None


def from_array(array: NDArray[np.generic], limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Check an array of pixels.

    Args:
        array: uint8, shape (height, width) grey, (height, width, 3) RGB or (height, width, 4) RGBA.
        limits: What the picture may cost.

    Raises:
        PictureError: The array has another type or shape, or exceeds a limit.
    """
    if array.dtype != np.uint8:
        raise PictureError(f"An array of pixels must be uint8 (0-255), not {array.dtype}.")
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise PictureError(
            f"An array of pixels must have shape (height, width, 3), not {array.shape}."
        )
    return from_image(Image.fromarray(np.ascontiguousarray(array)), limits)


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise PictureTooLargeError(
            f"The picture is {width} x {height} pixels, more than the limit of "
            f"{limits.max_pixels / 1e6:g} megapixels (option max-megapixels)."
        )
    if min(width, height) < SMALLEST_SIDE:
        raise PictureError(
            f"The picture is {width} x {height} pixels, too small to say anything about."
        )


def _to_rgb(image: Image.Image, *, ours: bool) -> Pixels:
    """Return an image's pixels; one that is ours may be changed, for a copy costs milliseconds."""
    image.seek(0) if getattr(image, "n_frames", 1) > 1 else None
    if ours:
        ImageOps.exif_transpose(image, in_place=True)
    else:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I"):
        # Pillow would clip 16 bits at 255 and so turn most of the picture white.
        grey = np.asarray(image).astype(np.int64)
        grey = grey >> 8 if grey.max(initial=0) > 255 else grey
        image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise PictureError("Pictures of floating-point pixels are not supported.")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


@cache
def _register_heif() -> None:
    # Once a process, on first use: importing libheif is slow.
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
