"""What a video is while it is read: its limits, and its frames in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from unmask.picture.decode import SMALLEST_SIDE, Pixels
from unmask.picture.errors import PictureError

USUAL_RATE = 25.0
"""Frames a second of a video that does not say."""
DAMAGED = "Parts of the video are damaged; they were left out."
NO_FRAME = "The video is damaged: no frame of it can be decoded."


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What one video may cost.

    Attributes:
        max_bytes: Largest file; a video is read as it is decoded, so this is not memory.
        max_seconds: So much of the video is looked at, from its start.
        max_frames: So many frames are decoded at most, judged or not.
        max_pixels: Largest frame.
        max_time: Seconds of work after which no more frames are decoded.
    """

    max_bytes: int = 4 * 2**30
    max_seconds: float = 600.0
    max_frames: int = 40_000
    max_pixels: int = 36_000_000
    max_time: float = 300.0


DEFAULT_VIDEO_LIMITS = VideoLimits()


class Frame:
    """A decoded frame; its pixels are only made when asked for.

    Attributes:
        time: Seconds from the first frame.
        number: Place in the video, from 0.
    """

    __slots__ = ("_grey", "_pixels", "number", "time")

    def __init__(
        self,
        at: float,
        number: int,
        pixels: Callable[[], Pixels],
        grey: Callable[[int, int], Pixels],
    ) -> None:
        self.time, self.number = at, number
        self._pixels, self._grey = pixels, grey

    def pixels(self) -> Pixels:
        """Return the upright RGB pixels, transparency laid on white."""
        return self._pixels()

    def grey(self, width: int, height: int) -> Pixels:
        """Return a small grey version, not turned upright, uint8 (height, width)."""
        return self._grey(width, height)


@dataclass
class Video:
    """An opened video.

    Attributes:
        kind: Name of the container.
        codec: Name of the codec.
        width: Of a stored frame, before any turn.
        height: Of a stored frame.
        duration: Seconds, as the file says; None where it says nothing.
        rate: Frames a second on average, as the file says.
        texts: The container's own text fields.
        frames: The frames in order, decoded as they are taken.
        notes: What was left out, in sentences; complete once the frames are taken.
    """

    kind: str
    codec: str
    width: int
    height: int
    duration: float | None
    rate: float
    texts: dict[str, str]
    frames: Iterator[Frame]
    notes: list[str] = field(default_factory=list)


class FrameClock:
    """Keeps the time and the limits while frames come in."""

    def __init__(self, video: Video, limits: VideoLimits) -> None:
        self._video, self._limits = video, limits
        self._started = time.monotonic()
        self._first: float | None = None
        self.now, self.count = 0.0, 0

    def admits(self, at: float | None) -> bool:
        """Take the next frame's time; say whether it may still be looked at."""
        limits = self._limits
        if at is None:
            at = (self._first or 0.0) + self.now + (1 / self._video.rate if self.count else 0.0)
        if self._first is None:
            self._first = at
        now = max(self.now, at - self._first)
        reason = None
        if now > limits.max_seconds:
            reason = f"Only the first {limits.max_seconds:g} seconds were looked at."
        elif self.count >= limits.max_frames:
            reason = f"Only the first {limits.max_frames} frames were looked at."
        elif time.monotonic() - self._started > limits.max_time:
            reason = (
                f"The work was stopped after {limits.max_time:g} seconds, at {now:.0f} s of the "
                "video."
            )
        if reason:
            self._video.notes.append(reason)
            return False
        self.now, self.count = now, self.count + 1
        return True


def check_frame_size(width: int, height: int, limits: VideoLimits) -> None:
    """Raise PictureError for frames that are too large, or too small to say anything about."""
    if width * height > limits.max_pixels:
        raise PictureError(
            f"The video's frames are {width} x {height} pixels, more than the limit of "
            f"{limits.max_pixels / 1e6:g} megapixels."
        )
    if 0 < min(width, height) < SMALLEST_SIDE:
        raise PictureError(
            f"The video's frames are {width} x {height} pixels, too small to say anything about."
        )
