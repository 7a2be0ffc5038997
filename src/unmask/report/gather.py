"""Gather everything that unmask can say of one picture or video."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

import unmask
from unmask.detector.detector import IN_MEMORY, Detector
from unmask.evidence.inspect import inspect_bytes
from unmask.heatmap import explain
from unmask.model.card import ModelCard, ModelError
from unmask.picture.decode import FORMATS, Pixels, decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.find import is_picture
from unmask.verdict.verdict import Verdict
from unmask.video.detector import Progress, VideoDetector
from unmask.video.verdict import VideoVerdict

_SIDE = 900


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says; exactly one of ``picture`` and ``video`` is there.

    Attributes:
        name: The file's name, without its folders.
        size: Of the file, in bytes.
        sha256: Of the file.
        made: When the report was made, in UTC.
        version: Of unmask.
        card: Of the model.
        threshold: From this p(fake) on a stretch of a video looks rather fake.
        real_below: Under this p(fake) the call from pixels is real...
        fake_from: ...and from here on it is fake.
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
    card: ModelCard
    threshold: float
    real_below: float
    fake_from: float
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

    Args:
        file: A path, or the file's bytes.
        detector: Judges pictures and frames; made with ``faces=True`` it reports faces.
        videos: Makes what judges videos.
        progress: Told how far the work on a video is.

    Raises:
        PictureError: The file is neither a picture nor a video, or cannot be read.
    """
    name = IN_MEMORY if isinstance(file, bytes) else Path(file).name
    size, sha256 = _digest(file)
    picture, video, shown, heatmap = None, None, b"", b""
    if moves(file):
        video = replace(videos(detector).detect(file, progress), path=name)
        width, height = video.width or 0, video.height or 0
        if video.moments:
            heatmap = _heatmap(detector, decode(video.moments[0].jpeg))
    else:
        data = file if isinstance(file, bytes) else read_bytes(file, detector.limits)
        picture = replace(detector.detect(data), path=name)
        if detector.reads_provenance:
            found = inspect_bytes(data, deep=True, trust=detector.trust, limits=detector.limits)
            picture = replace(picture, evidence=tuple(found))
        pixels = detector.pixels(data)
        height, width = pixels.shape[:2]
        shown, heatmap = _jpeg(pixels), _heatmap(detector, pixels)
    return Report(
        name=name,
        size=size,
        sha256=sha256,
        made=datetime.now(UTC),
        version=unmask.__version__,
        card=detector.model.card,
        threshold=detector.threshold,
        real_below=detector.real_below,
        fake_from=detector.fake_from,
        picture=picture,
        video=video,
        shown=shown,
        width=width,
        height=height,
        heatmap=heatmap,
    )


def moves(file: str | Path | bytes) -> bool:
    """Say whether a file is to be judged as a video: any that is no picture, and animations.

    Raises:
        PictureError: The file cannot be read.
    """
    head = file[:16] if isinstance(file, bytes) else _head(file)
    if not head:
        raise PictureError("The file is empty.")
    if not is_picture(head):
        return True
    if not head.startswith((b"GIF8", b"\x89PNG", b"RIFF")):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = io.BytesIO(file) if isinstance(file, bytes) else file
            with Image.open(source, formats=FORMATS) as image:
                return bool(getattr(image, "is_animated", False))
    except Exception:  # A damaged picture is the picture's reader's to report.
        return False


def _head(path: str | Path) -> bytes:
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise PictureError("This is not a regular file.")
        with Path(path).open("rb") as file:
            return file.read(16)
    except FileNotFoundError:
        raise PictureError("There is no such file.") from None
    except OSError as error:
        raise PictureError(f"The file could not be read: {error.strerror or error}.") from None


def _digest(file: str | Path | bytes) -> tuple[int, str]:
    if isinstance(file, bytes):
        return len(file), hashlib.sha256(file).hexdigest()
    _head(file)
    with Path(file).open("rb") as stream:
        return Path(file).stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()


def _heatmap(detector: Detector, pixels: Pixels) -> bytes:
    try:
        return explain(detector, pixels).png(longest=_SIDE)
    except ModelError:
        return b""


def _jpeg(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
