"""Gather everything that unmask can say of one picture or video."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import unmask
from unmask.detector.detector import Detector
from unmask.detector.examined import IN_MEMORY, ExaminedPicture
from unmask.heatmap import explain
from unmask.model.card import ModelError
from unmask.picture.kind import is_picture
from unmask.picture.peek import is_animated, read_head
from unmask.picture.thumbnail import thumbnail
from unmask.verdict.decide import Scale
from unmask.verdict.verdict import Verdict
from unmask.video.detector import Progress, VideoDetector
from unmask.video.verdict import VideoVerdict

_SIDE = 900
_QUALITY = 88


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says; exactly one of ``picture`` and ``video`` is there.

    Attributes:
        name: The file's name, without its folders.
        size: Of the file, in bytes.
        sha256: Of the file.
        made: When the report was made, in UTC.
        version: Of unmask.
        scale: The scale of p(fake), with its cuts and the model's card.
        picture: The verdict on a picture.
        video: The verdict on a video.
        shown: The picture, shrunk, as JPEG; empty for a video.
        width: Of the upright picture or frame, in pixels.
        height: The same.
        heatmap: What in the picture, or in a video's most suspicious moment, speaks for and against
            fake, as PNG; empty where the model cannot explain itself.
    """

    name: str
    size: int
    sha256: str
    made: datetime
    version: str
    scale: Scale
    picture: Verdict | None
    video: VideoVerdict | None
    shown: bytes
    width: int
    height: int
    heatmap: bytes


def gather(
    file: str | Path | bytes,
    detector: Detector,
    *,
    videos: Callable[[Detector], VideoDetector] = VideoDetector,
    progress: Progress | None = None,
) -> Report:
    """Judge a file and gather the report.

    A picture is read once, and everything in its report is of the same bytes.

    Args:
        file: A path, or the file's bytes.
        detector: Judges pictures and frames; made with ``faces=True`` it reports faces.
        videos: Makes what judges videos.
        progress: Told how far the work on a video is.

    Raises:
        PictureError: The file is neither a picture nor a video, or cannot be read.
    """
    examined: ExaminedPicture | None = None
    video: VideoVerdict | None = None
    if is_picture(read_head(file)):
        examined = detector.examine(file, deep=True)
        if is_animated(examined.data or b""):
            examined = None
    if examined is not None:
        size, sha256 = _digest(examined.data or b"")
        height, width = examined.pixels.shape[:2]
        # Before the verdict: with maps asked for first, both come from the same inference.
        heatmap = _heatmap(detector, examined)
    else:
        size, sha256 = _digest(file)
        video = replace(videos(detector).detect(file, progress), path=_name(file))
        height, width = video.height or 0, video.width or 0
        heatmap = b""
        if video.moments:
            heatmap = _heatmap(detector, detector.examine(video.moments[0].jpeg))
    return Report(
        name=_name(file),
        size=size,
        sha256=sha256,
        made=datetime.now(UTC),
        version=unmask.__version__,
        scale=detector.scale,
        picture=replace(examined.verdict, path=_name(file)) if examined else None,
        video=video,
        shown=thumbnail(examined.pixels, _SIDE, quality=_QUALITY) if examined else b"",
        width=width,
        height=height,
        heatmap=heatmap,
    )


def _name(file: str | Path | bytes) -> str:
    return IN_MEMORY if isinstance(file, bytes) else Path(file).name


def _digest(file: str | Path | bytes) -> tuple[int, str]:
    if isinstance(file, bytes):
        return len(file), hashlib.sha256(file).hexdigest()
    with Path(file).open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), sha256


def _heatmap(detector: Detector, examined: ExaminedPicture) -> bytes:
    try:
        return explain(detector, examined).png(longest=_SIDE)
    except ModelError:
        return b""
