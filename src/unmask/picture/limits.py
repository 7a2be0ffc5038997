"""What one picture may cost, and files read under it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from unmask.picture.errors import PictureError, PictureTooLargeError

FULL_PIXELS = 64_000_000
"""So many pixels are judged as they are; a larger picture is shrunk by a whole factor first."""
SMALLEST_SIDE = 8
_COSTLY = frozenset(("WEBP", "AVIF", "HEIF"))
_MOST_PIXELS_A_BYTE = 100
_FREE_PASSES, _MOST_WORK = 24, 250_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one picture may cost.

    Attributes:
        max_bytes: Largest encoded size, in bytes.
        max_pixels: Largest size, in pixels, checked in the header before decoding. JPEGs above
            `FULL_PIXELS` are decoded at a half, a quarter or an eighth of their sides; pictures in
            other formats are decoded whole and then shrunk. What needs several times the memory a
            pixel (WebP, AVIF, HEIF and progressive JPEG) may have half as many above `FULL_PIXELS`.
    """

    max_bytes: int = 100 * 2**20
    max_pixels: int = 250_000_000


DEFAULT_LIMITS = Limits()


def check_size(width: int, height: int, limits: Limits, costly: str = "") -> None:
    """Refuse a picture for its size.

    Args:
        width: In pixels.
        height: In pixels.
        limits: What the picture may cost.
        costly: The format's name, if its pixels need several times the memory of others.

    Raises:
        PictureError: It is too large or too small.
    """
    most, half = limits.max_pixels, ""
    if costly and most > FULL_PIXELS:
        most, half = max(FULL_PIXELS, most // 2), f" for {costly}, half"
    if width * height > most:
        raise PictureTooLargeError(
            f"The picture is {width} x {height} pixels, more than the limit of "
            f"{most / 1e6:g} megapixels{half} (option max-megapixels)."
        )
    if min(width, height) < SMALLEST_SIDE:
        raise PictureError(
            f"The picture is {width} x {height} pixels, too small to say anything about."
        )


def costly_format(name: str, *, progressive: bool) -> str:
    """Return the name of a format that needs much memory a pixel; empty for any other."""
    if progressive:
        return "progressive JPEG"
    return name if name in _COSTLY else ""


def check_density(pixels: int, size: int) -> None:
    """Refuse a giant that a small file stands for, as only a surface of one colour can be stored.

    Args:
        pixels: Of the picture.
        size: Of its file, in bytes.

    Raises:
        PictureError: It is one.
    """
    if pixels > FULL_PIXELS and pixels > _MOST_PIXELS_A_BYTE * size:
        raise PictureTooLargeError(
            f"The picture has {pixels / 1e6:.0f} megapixels in a file of {size / 2**20:.1f} MiB, "
            "as only an empty one can have; it was not decoded."
        )


def check_passes(pixels: int, passes: int) -> None:
    """Refuse a picture that is stored in so many passes that decoding it would take minutes.

    Args:
        pixels: Of the picture.
        passes: So often all of it is gone through.

    Raises:
        PictureError: They are too many.
    """
    if passes > _FREE_PASSES and pixels * passes > _MOST_WORK:
        raise PictureTooLargeError(
            f"The picture is stored in {passes:,} passes, which would take too long to decode."
        )


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
