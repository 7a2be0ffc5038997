"""Read hostile videos: upright RGB frames, one at a time, under hard limits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from unmask.picture.errors import PictureError
from unmask.picture.kind import kind_of
from unmask.picture.peek import read_head
from unmask.video.frames import DEFAULT_VIDEO_LIMITS as DEFAULT_VIDEO_LIMITS
from unmask.video.frames import Frame as Frame
from unmask.video.frames import Video as Video
from unmask.video.frames import VideoLimits as VideoLimits
from unmask.video.read_av import read_av
from unmask.video.read_webp import read_webp

SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".webp", ".png", ".apng")
)
_STILL = "This is a picture that does not move; use `unmask detect` for it."


def read_video(file: str | Path | bytes, limits: VideoLimits = DEFAULT_VIDEO_LIMITS) -> Video:
    """Open a video, told by its content.

    MP4, MOV, WebM, MKV, AVI, GIF and animated PNG go through PyAV, from an opened file and with the
    container's format given, so that no file can make FFmpeg open another one or the network.
    Animated WebP, which FFmpeg does not read, goes through Pillow.

    Raises:
        PictureError: The file is no video, holds no picture, is damaged or exceeds a limit; frames
            may raise it too, where a video breaks off before its first frame.
    """
    head = read_head(file)
    stream = _open(file, limits)
    kind = _kind(head, stream)
    if kind == "webp":
        return read_webp(stream, limits)
    return read_av(stream, kind, limits)


def _open(file: str | Path | bytes, limits: VideoLimits) -> BinaryIO:
    try:
        stream = io.BytesIO(file) if isinstance(file, bytes) else Path(file).open("rb")  # noqa: SIM115
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
    except OSError as error:
        raise PictureError(f"The file could not be read: {error.strerror or error}.") from None
    if size > limits.max_bytes:
        raise PictureError(
            f"The file is larger than the limit of {limits.max_bytes / 2**30:g} GiB."
        )
    return stream


def _kind(head: bytes, stream: BinaryIO) -> str:
    kind = kind_of(head)
    if kind.is_raw:
        raise PictureError(f"This is not a video but {kind.name}.")
    if head[4:8] == b"ftyp":
        return "mov"  # Also where the brand is a picture's: AVIF and HEIC may hold sequences.
    if kind.is_video:
        return "matroska" if head[0] == 0x1A else "avi" if head.startswith(b"RIFF") else "mov"
    if head.startswith(b"GIF8"):
        return "gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        start = stream.read(2**16)
        stream.seek(0)
        if b"acTL" in start:
            return "apng"
        raise PictureError(_STILL)
    if head.startswith(b"\xff\xd8\xff"):
        raise PictureError(_STILL)
    what = f"but {kind.name}" if kind.name else "in a format that unmask reads"
    raise PictureError(f"This is not a video {what}.")
