"""Tell what a file is from its content: a picture, an animation, or a video."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

from PIL import Image

from unmask.picture.decode import FORMATS, SUFFIXES
from unmask.picture.errors import PictureError

HEAD_BYTES = 16
"""So many bytes tell a picture from a video."""
_HEIF_BRANDS = frozenset((b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1"))
_ANIMATED = (b"GIF8", b"\x89PNG", b"RIFF")


def is_picture(head: bytes) -> bool:
    """Say whether a file's first 16 bytes are those of a picture in a format that unmask reads."""
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\0", b"MM\0*"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS)
    )


def looks_like_picture(path: str) -> bool:
    """Say whether a file has a picture's suffix, or else a picture's first bytes."""
    if os.path.splitext(path)[1].lower() in SUFFIXES:
        return True
    try:
        return is_picture(_head(path))
    except OSError:
        return False


def video_kind(head: bytes) -> str | None:
    """Name the container whose first 16 bytes these are, of those that hold videos alone."""
    if is_picture(head):
        return None
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    return None


def is_animated(data: bytes) -> bool:
    """Say whether an encoded picture has several frames to be shown one after another."""
    if not data.startswith(_ANIMATED):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return bool(getattr(image, "is_animated", False))
    except Exception:  # A damaged picture is the picture's reader's to report.
        return False


def read_head(file: str | Path | bytes) -> bytes:
    """Return a file's first 16 bytes.

    Raises:
        PictureError: The file is empty or cannot be read.
    """
    if isinstance(file, bytes):
        head = file[:HEAD_BYTES]
    else:
        try:
            if Path(file).exists() and not Path(file).is_file():
                raise PictureError("This is not a regular file.")
            head = _head(file)
        except FileNotFoundError:
            raise PictureError("There is no such file.") from None
        except PermissionError:
            raise PictureError("There is no permission to read this file.") from None
        except OSError as error:
            raise PictureError(f"The file could not be read: {error.strerror or error}.") from None
    if not head:
        raise PictureError("The file is empty.")
    return head


def _head(path: str | Path) -> bytes:
    # O_NONBLOCK: opening a named pipe must not wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        return file.read(HEAD_BYTES)
