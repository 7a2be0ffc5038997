"""Look at the beginning of a file, before it is read as a whole."""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path

from PIL import Image

from unmask.picture.decode import FORMATS, SUFFIXES
from unmask.picture.errors import PictureError
from unmask.picture.kind import HEAD_BYTES, is_picture

_ANIMATED = (b"GIF8", b"\x89PNG", b"RIFF")
_APPLE_DOUBLE = "._"


def named_as_picture(name: str) -> bool:
    """Say whether a name has a picture's suffix, and is not of what macOS notes beside a picture.

    Those AppleDouble files are named after it, as in ``._photo.jpg``.
    """
    suffix = os.path.splitext(name)[1].lower()
    return suffix in SUFFIXES and not os.path.basename(name).startswith(_APPLE_DOUBLE)


def looks_like_picture(path: str) -> bool:
    """Say whether a file has a picture's name, or else a picture's first bytes."""
    if named_as_picture(path):
        return True
    try:
        return is_picture(_head(path))
    except OSError:
        return False


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
    """Return a file's first `HEAD_BYTES`, or fewer where it ends before.

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
    """Return the first bytes of a regular file; none of anything else."""
    # O_NONBLOCK: opening a named pipe must not wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        return file.read(HEAD_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
