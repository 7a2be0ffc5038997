"""Read everything a file says of itself."""

from __future__ import annotations

import mmap
from pathlib import Path

from unmask.evidence.consistency import check_consistency, check_header
from unmask.evidence.containers import take_apart
from unmask.evidence.credentials import read_credentials
from unmask.evidence.finding import Finding
from unmask.evidence.metadata import read_metadata
from unmask.picture.decode import DEFAULT_LIMITS, Limits, read_bytes

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
    return inspect_bytes(data, deep=deep, trust=trust, limits=limits)


def inspect_bytes(
    data: bytes,
    *,
    deep: bool = False,
    trust: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Finding]:
    """Do the same for bytes in memory; whatever they are, it ends in a list and not in an error."""
    parts = take_apart(data[: limits.max_bytes])
    found = read_credentials(data, trust) if parts.has_c2pa else []
    metadata, exif = read_metadata(parts)
    found += metadata
    found += check_header(data, parts, exif)
    if deep:
        found += check_consistency(data, parts, exif, limits)
    return _sorted(found)


def inspect_container(
    data: bytes | mmap.mmap, texts: dict[str, str], *, trust: str | None = None
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


def _sorted(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda one: _ORDER[one.strength])
