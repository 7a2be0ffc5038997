"""Decode hostile bytes into the RGB pixels that a viewer shows first, under limits."""

from __future__ import annotations

import io
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.kind import HEAD_BYTES, kind_of
from unmask.picture.limits import DEFAULT_LIMITS as DEFAULT_LIMITS
from unmask.picture.limits import SMALLEST_SIDE as SMALLEST_SIDE
from unmask.picture.limits import Limits as Limits
from unmask.picture.limits import check_density, check_passes, check_size, costly_format
from unmask.picture.limits import read_bytes as read_bytes
from unmask.picture.mend import CUT_OFF, MendedFile, cut_missing_rows, is_cut_off, mend
from unmask.picture.pixels import DecodedPicture as DecodedPicture
from unmask.picture.pixels import Pixels as Pixels
from unmask.picture.pixels import choose_frame, shrink_factor, to_rgb
from unmask.picture.raw import find_jpeg, is_raw

# Named one by one: Pillow also opens formats that run other programs (EPS) or that nobody sends.
# JPEG includes MPO, which many phones write under the name .jpg.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
SUFFIXES = frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".dib",
        ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif",
    )
)  # fmt: skip
_JPEGS = ("JPEG", "MPO")
_BIG_PICTURE = 20_000_000
_big_picture_turn = threading.Lock()
# Pillow logs what is wrong with a damaged file; here that becomes a sentence, and nothing else.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Return the pixels of `decode_picture`, without its notes."""
    return decode_picture(data, limits).pixels


def decode_picture(data: bytes, limits: Limits = DEFAULT_LIMITS) -> DecodedPicture:
    """Decode one encoded picture, told by its content and not by its name.

    What is judged is what a viewer shows first: the first frame of an animation, the first page,
    the main picture of a HEIC, the JPEG inside a camera raw; turned as EXIF says, on white where it
    is transparent, of 8 bits a value, and shrunk by a whole factor where it is very large. What
    browsers show is decoded, though its metadata be broken or its end missing; notes say so.

    Args:
        data: The encoded bytes.
        limits: What the picture may cost.

    Raises:
        PictureError: The bytes are no picture in a known format, are damaged, or exceed a limit.
    """
    if not data:
        raise PictureError("The file is empty.")
    if len(data) > limits.max_bytes:
        raise PictureTooLargeError(
            f"The file is larger than the limit of {limits.max_bytes / 2**20:g} MiB."
        )
    if is_raw(data):
        return _decode_raw(data, limits)
    try:
        return _decode(data, limits)
    except (PictureError, MemoryError) as error:
        raise _as_sentence(data, error) from None
    except Exception as error:  # Decoders raise nearly anything on damaged input.
        mended = mend(data)
        if mended is None:
            raise _as_sentence(data, error) from None
        try:
            found = _decode(mended.data, limits, mended)
        except Exception as still:
            raise _as_sentence(data, still) from None
        return DecodedPicture(found.pixels, (mended.note, *found.notes))


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """Open an encoded picture with Pillow, whatever its size; the caller checks that.

    Raises:
        Exception: Whatever Pillow raises on damaged input.
    """
    _register_heif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        except Image.DecompressionBombError:
            image = _open_unchecked(data)
        with image:
            yield image


def from_image(image: Image.Image, limits: Limits = DEFAULT_LIMITS) -> DecodedPicture:
    """Take the pixels of an opened Pillow image, treated as `decode_picture` treats a file.

    Raises:
        PictureError: The image exceeds a limit or cannot be decoded.
    """
    check_size(*image.size, limits)
    try:
        if getattr(image, "is_animated", False) and image.format != "HEIF":
            image.seek(0)
            choose_frame(image)
        return to_rgb(image)
    except PictureError:
        raise
    except Exception as error:
        raise _as_sentence(b"", error) from None


def from_array(array: NDArray[np.generic], limits: Limits = DEFAULT_LIMITS) -> DecodedPicture:
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


def _decode(data: bytes, limits: Limits, mended: MendedFile | None = None) -> DecodedPicture:
    with open_image(data) as image:
        progressive = bool(image.info.get("progressive"))
        passes = data.count(b"\xff\xda") if image.format in _JPEGS else 1
        full = image.size
        check_size(*full, limits, costly_format(str(image.format), progressive=progressive))
        check_density(full[0] * full[1], len(data))
        check_passes(full[0] * full[1], passes)
        # One giant at a time, so that memory does not grow with the number of workers.
        giant = full[0] * full[1] > _BIG_PICTURE
        with _big_picture_turn if giant else nullcontext():
            factor = shrink_factor(*full)
            if factor > 1 and image.format in _JPEGS:
                image.draft(None, (full[0] // factor, full[1] // factor))
            choose_frame(image)
            shown: Any = cut_missing_rows(image) if mended and mended.ends_early else image
            return to_rgb(
                shown, data, full=full, orientation=mended.orientation if mended else None
            )


def _decode_raw(data: bytes, limits: Limits) -> DecodedPicture:
    jpeg = find_jpeg(data)
    if jpeg is None:
        raise PictureError(
            "This is a camera raw, which holds no finished picture: develop it, and have the JPEG "
            "or TIFF judged."
        )
    note = f"The JPEG of {jpeg.width} x {jpeg.height} pixels inside this camera raw was judged."
    try:
        found = _decode(jpeg.data, limits, MendedFile(jpeg.data, note, jpeg.orientation))
    except Exception as error:
        raise _as_sentence(jpeg.data, error) from None
    return DecodedPicture(found.pixels, (note, *found.notes))


def _open_unchecked(data: bytes) -> Image.Image:
    """Open a picture that Pillow holds too large, in the formats whose limit is ours alone."""
    for name in ("JPEG", "PNG", "TIFF", "BMP", "GIF"):
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(data[:16]) is True:
            return factory(io.BytesIO(data), "")
    raise Image.DecompressionBombError


def _as_sentence(data: bytes, error: BaseException) -> PictureError:
    """Return what a person is told of what a decoder raised."""
    if isinstance(error, PictureError):
        return error
    if isinstance(error, Image.DecompressionBombError):
        return PictureTooLargeError(
            "The picture has more pixels than its format is read with; save it as JPEG or PNG."
        )
    if isinstance(error, MemoryError):
        return PictureError("The picture needs more memory than there is.")
    kind = kind_of(data[:HEAD_BYTES])
    if data and not kind.is_picture:
        return PictureError(kind.refusal)
    if is_cut_off(data) or "truncated" in str(error).lower():
        return PictureError(CUT_OFF)
    if isinstance(error, UnidentifiedImageError):
        return PictureError(kind.refusal)
    return PictureError("The picture is damaged and cannot be decoded.")


@cache
def _register_heif() -> None:
    # Once a process, on first use: importing libheif is slow.
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
