"""Read everything a file says of itself."""

from __future__ import annotations

import mmap
from pathlib import Path

from unmask.evidence.consistency import check_consistency, check_header
from unmask.evidence.containers import take_apart
from unmask.evidence.credentials import read_credentials
from unmask.evidence.finding import Finding
from unmask.evidence.metadata import read_metadata
from unmask.evidence.parts import Bytes
from unmask.evidence.stealth import read_stealth
from unmask.evidence.visible_marks import read_visible_marks
from unmask.evidence.watermark import read_watermark
from unmask.picture.decode import DEFAULT_LIMITS, Limits, Pixels, decode, read_bytes
from unmask.picture.errors import PictureError

_ORDER = {"decisive": 0, "strong": 1, "weak": 2, "none": 3}


def inspect_file(
    file: str | Path | bytes,
    *,
    deep: bool = True,
    trust: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Finding]:
    """Return what a file says of itself, the strongest first.

    Example::

        from unmask import inspect_file

        for finding in inspect_file("photo.jpg"):
            print(finding.source, finding.text, finding.strength)

    Args:
        file: A path, or the file's bytes.
        deep: Also decode the picture for the checks of consistency that need its pixels.
        trust: Root certificates of trusted signers of Content Credentials, in PEM; None to take
            any intact signature, whoever signed.
        limits: What the file may cost.

    Raises:
        PictureError: The file cannot be read.
    """
    data = file if isinstance(file, bytes) else read_bytes(file, limits)
    if isinstance(file, bytes) or len(data) <= limits.max_bytes:
        return inspect_bytes(data, deep=deep, trust=trust, limits=limits)
    # Mapped and not read: a film may be larger than memory, and a part of it proves nothing.
    with (
        Path(file).open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        return inspect_bytes(mapped, deep=deep, trust=trust, limits=limits)


def inspect_bytes(
    data: Bytes,
    *,
    pixels: Pixels | None = None,
    deep: bool = False,
    trust: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Finding]:
    """Do the same for a file in memory; whatever it is, it ends in a list and not in an error.

    Args:
        data: The file's bytes, or the file mapped into memory.
        pixels: What it shows, uint8 RGB, shape (height, width, 3), for the marks in it; None to
            decode it if ``deep``, and else to leave the marks out.
        deep: As for `inspect_file`.
        trust: As for `inspect_file`.
        limits: As for `inspect_file`.
    """
    parts = take_apart(data)
    found = read_credentials(data, trust) if parts.has_c2pa else []
    metadata, exif = read_metadata(parts)
    found += metadata
    if hidden := read_stealth(data, limits):
        found.append(hidden)
    if pixels is None and deep:
        pixels = _decoded(data, limits)
    if pixels is not None:
        found += [one for one in [read_watermark(pixels)] if one]
    if pixels is not None and deep:
        # They decide nothing, so that only who asks for everything waits for them.
        found += read_visible_marks(pixels)
    found += check_header(data, parts, exif)
    if deep:
        found += check_consistency(data, parts, exif, limits)
    return _sorted(found)


def inspect_container(
    data: Bytes, texts: dict[str, str], *, trust: str | None = None
) -> list[Finding]:
    """Return what a video says of itself.

    Args:
        data: The file's bytes, or the file mapped into memory.
        texts: The text fields of its container.
        trust: As for `inspect_file`.
    """
    parts = take_apart(data)
    found = read_credentials(data, trust) if parts.has_c2pa else []
    parts.texts += [(key, value) for key, value in texts.items() if (key, value) not in parts.texts]
    return _sorted(found + read_metadata(parts)[0])


def _decoded(data: Bytes, limits: Limits) -> Pixels | None:
    """Return a picture's pixels; None for what cannot be decoded, which is not for here to tell."""
    if not isinstance(data, bytes):
        return None
    try:
        return decode(data, limits)
    except PictureError:
        return None


def _sorted(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda one: _ORDER[one.strength])
