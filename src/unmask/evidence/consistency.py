"""Hold what a file says of itself against the file: do the parts fit together?

Nothing here decides anything. Saving, sending and cutting pictures is what everybody does; a
finding says what was done to the file, not that it was done to deceive.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.evidence.exif import Exif
from unmask.evidence.finding import Finding, clean
from unmask.evidence.parts import Bytes, Parts, as_stream
from unmask.evidence.recompression import EVIDENCE_NEEDED, estimate_recompression
from unmask.picture.decode import FORMATS, Limits
from unmask.picture.jpeg import JpegCoding, is_libjpeg, read_coding
from unmask.picture.limits import FULL_PIXELS

# Sides that text-to-image models and services put out as they are.
_GENERATOR_SIZES = frozenset(
    (
        (512, 512), (768, 768), (1024, 1024), (1024, 1536), (1024, 1792), (896, 1152),
        (832, 1216), (768, 1344), (640, 1536), (816, 1456), (928, 1232), (832, 1248), (864, 1184),
        (896, 1200), (768, 1408), (960, 1280), (512, 768), (2048, 2048),
    )
)  # fmt: skip
# Makers whose cameras have tables of their own, and who make no phones or drones, which often use
# libjpeg's.
_CAMERA_MAKERS = ("canon", "fujifilm", "olympus")
_THUMBNAIL_SIDE = 32
_LARGEST_THUMBNAIL = 1024
_SAME_PICTURE, _FITTED = 0.5, 0.9
_BLACK, _BAR_EDGE = 24, 2
_ASPECT_SLACK = 0.08


def check_header(data: Bytes, parts: Parts, exif: Exif) -> list[Finding]:
    """Run the checks that need no pixel."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(as_stream(data), formats=FORMATS) as image:
                size, coding = image.size, read_coding(image)
                exact = coding is not None and is_libjpeg(image)
    except Exception:  # What cannot be opened has nothing to be held against.
        return []
    found = [_size(size, exif), _dimensions(size, exif)]
    if coding is not None:
        found += [_coding(coding, exact=exact), _tables(exif, parts, exact=exact)]
    return [one for one in found if one is not None]


def check_consistency(data: Bytes, parts: Parts, exif: Exif, limits: Limits) -> list[Finding]:
    """Run the checks that decode the picture: its thumbnail, and an earlier save."""
    found: list[Finding | None] = []
    for check in (_thumbnail, _recompression):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(as_stream(data), formats=FORMATS) as image:
                    if image.width * image.height <= min(limits.max_pixels, FULL_PIXELS):
                        found.append(check(image, exif))
        except Exception:  # noqa: S112  (damaged pixels are the detector's to report)
            continue
    return [one for one in found if one is not None]


def _size(size: tuple[int, int], exif: Exif) -> Finding | None:
    fields = (exif.fields.get("PixelXDimension"), exif.fields.get("PixelYDimension"))
    said = [side for side in fields if isinstance(side, int) and side > 0]
    if len(said) < 2 or sorted(said) == sorted(size):
        return None
    return Finding(
        "consistency.size",
        "consistency",
        "edited",
        "weak",
        f"EXIF says {said[0]} x {said[1]} pixels, but the picture has {size[0]} x {size[1]}: it "
        "was resized or cut after EXIF was written.",
    )


def _dimensions(size: tuple[int, int], exif: Exif) -> Finding | None:
    if (min(size), max(size)) not in _GENERATOR_SIZES or exif.text("Make"):
        return None
    return Finding(
        "consistency.dimensions",
        "consistency",
        "note",
        "none",
        f"{size[0]} x {size[1]} is a size that image generators put out. Many other pictures have "
        "it too, so it counts for nothing by itself.",
    )


def _coding(coding: JpegCoding, *, exact: bool) -> Finding:
    tables = "the standard tables of" if exact else "tables of its own, nearest to those of"
    return Finding(
        "jpeg.coding",
        "consistency",
        "note",
        "none",
        f"Last saved as JPEG with {tables} quality {coding.quality}, chroma {coding.subsampling}.",
        {"tables": coding.tables},
    )


def _tables(exif: Exif, parts: Parts, *, exact: bool) -> Finding | None:
    make, software = exif.text("Make").lower().strip(), exif.text("Software").lower()
    if not make:
        return None
    if parts.has_adobe and "adobe" not in software:
        said = "carries Adobe's marker, which its software writes and cameras do not"
    elif exact and make.startswith(_CAMERA_MAKERS):
        said = "has the standard tables of libjpeg, which cameras of this maker seldom write"
    else:
        return None
    return Finding(
        "consistency.tables",
        "consistency",
        "edited",
        "weak",
        f"EXIF names a camera of {clean(exif.text('Make'), 40)}, but the JPEG {said}: it was saved "
        "again by software.",
    )


def _thumbnail(image: Image.Image, exif: Exif) -> Finding | None:
    if not exif.thumbnail:
        return None
    with Image.open(io.BytesIO(exif.thumbnail), formats=["JPEG"]) as small:
        if max(small.size) > _LARGEST_THUMBNAIL or min(small.size) < _THUMBNAIL_SIDE:
            return None
        thumbnail = np.asarray(small.convert("L"))
    aspect = image.width / image.height
    image.draft("L", (256, 256))
    picture = np.asarray(image.convert("L"))
    if abs(np.log(thumbnail.shape[1] / thumbnail.shape[0] / aspect)) <= _ASPECT_SLACK:
        if _likeness(thumbnail, picture) >= _SAME_PICTURE:
            return None
        said = "shows something else than the picture: the picture was changed after it"
    elif _fitted(thumbnail, picture):
        return None
    elif (inner := _between_bars(thumbnail, aspect)) is not None:
        if _likeness(inner, picture) >= _SAME_PICTURE:
            return None
        said = "shows something else than the picture: the picture was changed after it"
    else:
        said = "has another shape than the picture: the picture was cut or turned after it"
    return Finding(
        "consistency.thumbnail", "consistency", "edited", "weak", f"The thumbnail in EXIF {said}."
    )


def _centre(pixels: NDArray[np.uint8], aspect: float) -> tuple[slice, slice]:
    """Return rows and columns of the largest part of this aspect in the middle of a picture."""
    height, width = pixels.shape
    tall, wide = min(height, round(width / aspect)), min(width, round(height * aspect))
    top, left = (height - tall) // 2, (width - wide) // 2
    return slice(top, top + max(1, tall)), slice(left, left + max(1, wide))


def _between_bars(thumbnail: NDArray[np.uint8], aspect: float) -> NDArray[np.uint8] | None:
    """Return what lies between the black bars with which cameras fill a thumbnail of fixed shape.

    Where bars belong is told by the picture's shape and not by darkness: a night sky is no bar.

    Returns:
        The inner part; None where anything but black stands in the bars' places.
    """
    rows, columns = _centre(thumbnail, aspect)
    outside = thumbnail.astype(np.float64)
    # The bars' inner edges are blurred by the coding of blocks.
    outside[
        max(0, rows.start - _BAR_EDGE) : rows.stop + _BAR_EDGE,
        max(0, columns.start - _BAR_EDGE) : columns.stop + _BAR_EDGE,
    ] = np.nan
    if np.isnan(outside).all() or np.nanmean(outside) > _BLACK:
        return None
    return thumbnail[rows, columns]


def _fitted(thumbnail: NDArray[np.uint8], picture: NDArray[np.uint8]) -> bool:
    """Whether a thumbnail of another shape is the whole picture squeezed, or the middle of it."""
    rows, columns = _centre(picture, thumbnail.shape[1] / thumbnail.shape[0])
    return (
        max(_likeness(thumbnail, picture), _likeness(thumbnail, picture[rows, columns])) >= _FITTED
    )


def _likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the correlation of two pictures, shrunk to the same small square; 1 where flat."""
    side = (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE)
    flat = [
        np.asarray(
            Image.fromarray(pixels).resize(side, Image.Resampling.BOX), dtype=np.float64
        ).ravel()
        for pixels in (one, other)
    ]
    if min(values.std() for values in flat) < 2:
        return 1.0
    return float(np.corrcoef(flat[0], flat[1])[0, 1])


def _recompression(image: Image.Image, exif: Exif) -> Finding | None:
    estimate = estimate_recompression(image)
    if estimate is None or estimate.evidence < EVIDENCE_NEEDED:
        return None
    return Finding(
        "consistency.recompression",
        "consistency",
        "edited",
        "weak",
        f"The JPEG was probably saved before, at a quality of about {estimate.quality}. Services "
        "and messengers re-save what is sent through them.",
        {"evidence": f"{estimate.evidence:.3f}"},
    )
