"""Decode hostile videos into upright RGB frames, one at a time, under hard limits."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from unmask.picture.decode import SMALLEST_SIDE, Pixels
from unmask.picture.errors import PictureError
from unmask.picture.find import is_picture

SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".webp", ".png", ".apng")
)
_MOST_DAMAGED = 50
_MOST_PACKETS = 200_000
_DEFAULT_RATE = 25.0
# Seconds that a last frame may stand still without being told of.
_LONG_LAST = 1.5
_SHORTEST_MS = 10


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


def read_video(file: str | Path | bytes, limits: VideoLimits = DEFAULT_VIDEO_LIMITS) -> Video:
    """Open a video, told by its content.

    MP4, MOV, WebM, MKV, AVI, GIF and animated PNG go through PyAV, from an opened file and with the
    container's format given, so that no file can make FFmpeg open another one or the network.
    Animated WebP, which FFmpeg does not read, goes through Pillow.

    Raises:
        PictureError: The file is no video, holds no picture, is damaged or exceeds a limit; frames
            may raise it too, where a video breaks off before its first frame.
    """
    stream = _open(file, limits)
    head = stream.read(64)
    stream.seek(0)
    if not head:
        raise PictureError("The file is empty.")
    kind = _kind(head, stream)
    if kind == "webp":
        return _read_webp(stream, limits)
    return _read_av(stream, kind, limits)


def _open(file: str | Path | bytes, limits: VideoLimits) -> BinaryIO:
    if isinstance(file, bytes):
        size, stream = len(file), io.BytesIO(file)
    else:
        path = Path(file)
        try:
            if path.exists() and not path.is_file():
                raise PictureError("This is not a regular file.")
            size, stream = path.stat().st_size, path.open("rb")  # type: ignore[assignment]
        except FileNotFoundError:
            raise PictureError("There is no such file.") from None
        except PermissionError:
            raise PictureError("There is no permission to read this file.") from None
        except OSError as error:
            raise PictureError(f"The file could not be read: {error.strerror or error}.") from None
    if size > limits.max_bytes:
        raise PictureError(
            f"The file is larger than the limit of {limits.max_bytes / 2**30:g} GiB."
        )
    return stream


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


def _kind(head: bytes, stream: BinaryIO) -> str:
    if head[4:8] == b"ftyp":
        return "mov"  # Also where the brand is a picture's: AVIF and HEIC may hold sequences.
    kind = video_kind(head)
    if kind:
        return kind
    if head.startswith(b"GIF8"):
        return "gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        start = stream.read(2**16)
        stream.seek(0)
        if b"acTL" in start:
            return "apng"
        raise PictureError("This is a picture that does not move; use `unmask detect` for it.")
    if head.startswith(b"\xff\xd8\xff"):
        raise PictureError("This is a picture that does not move; use `unmask detect` for it.")
    raise PictureError("This is not a video in a format that unmask reads.")


def _read_av(stream: BinaryIO, kind: str, limits: VideoLimits) -> Video:
    try:
        import av
    except ImportError:
        raise PictureError(
            "Videos need the package 'av'; install it with: pip install 'unmask[media]'"
        ) from None
    av.logging.set_level(None)
    try:
        container = av.open(stream, format=kind, metadata_errors="replace")
    except MemoryError:
        raise PictureError("The video needs more memory than there is.") from None
    except Exception:  # FFmpeg's errors have many classes, and damaged headers reach most of them.
        raise PictureError("The video is damaged and cannot be opened.") from None
    if not container.streams.video:
        only = "sound only" if container.streams.audio else "neither pictures nor sound"
        container.close()
        raise PictureError(f"The file holds {only}; there is nothing to look at.")
    source = container.streams.video[0]
    context = source.codec_context
    if context is None:
        raise PictureError("The video's codec is not known.")
    width, height = context.width, context.height
    _check_size(width, height, limits)
    # A stream may change its size on the way: FFmpeg refuses larger frames before making them.
    context.options = {"max_pixels": str(limits.max_pixels)}
    source.thread_type = "AUTO"
    duration = None
    if source.duration and source.time_base:
        duration = float(source.duration * source.time_base)
    elif container.duration:
        duration = container.duration / 1e6
    else:
        # Recordings of browsers, for one, do not say how long they are.
        duration = _length(stream, kind)
        container.close()
        stream.seek(0)
        container = av.open(stream, format=kind, metadata_errors="replace")
        source = container.streams.video[0]
        context = source.codec_context
        context.options = {"max_pixels": str(limits.max_pixels)}
        source.thread_type = "AUTO"
    rate = float(source.average_rate or source.guessed_rate or 0)
    video = Video(
        kind=container.format.name,
        codec=context.name,
        width=width,
        height=height,
        duration=duration if duration and 0 < duration < 1e7 else None,
        rate=rate if 0 < rate < 1000 else _DEFAULT_RATE,
        texts={str(key): str(value) for key, value in [*container.metadata.items()][:64]},
        frames=iter(()),
    )
    video.frames = _frames(container, source, stream, video, limits)
    return video


def _length(stream: BinaryIO, kind: str) -> float | None:
    """Return the time of the last packet, found without decoding any."""
    import av

    stream.seek(0)
    last = 0.0
    try:
        with av.open(stream, format=kind, metadata_errors="replace") as container:
            for packet in itertools.islice(container.demux(video=0), _MOST_PACKETS):
                if packet.pts is not None and packet.time_base:
                    last = max(
                        last, float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    )
    except Exception:  # Damage further on: what is before it has a length as well.
        return last or None
    return last or None


def _frames(
    container: Any, source: Any, stream: BinaryIO, video: Video, limits: VideoLimits
) -> Iterator[Frame]:
    damaged = 0
    clock = _Clock(video, limits)
    try:
        for packet in container.demux(source):
            try:
                decoded = packet.decode()
            except MemoryError:
                raise PictureError("The video needs more memory than there is.") from None
            except Exception:  # A damaged packet costs its frames and no others.
                damaged += 1
                if damaged > _MOST_DAMAGED:
                    break
                continue
            for frame in decoded:
                if not clock.admits(frame.time):
                    return
                if frame.width * frame.height > limits.max_pixels:
                    damaged += 1
                    continue
                yield Frame(clock.now, clock.count - 1, _av_pixels(frame), _av_grey(frame))
    except PictureError:
        raise
    except Exception:  # The container breaks off: what came before counts.
        damaged += 1
    finally:
        with suppress(Exception):
            container.close()
        stream.close()
    if clock.count == 0:
        raise PictureError("The video is damaged: no frame of it can be decoded.")
    if damaged:
        video.notes.append("Parts of the video are damaged; they were left out.")
    if video.duration and video.duration - clock.now > max(_LONG_LAST, video.duration / 10):
        video.notes.append(
            f"The last frame that could be read is at {clock.now:.1f} s of {video.duration:.1f} s."
        )


class _Clock:
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


def _av_pixels(frame: Any) -> Callable[[], Pixels]:
    def pixels() -> Pixels:
        # The turn that a phone writes into the container, counter-clockwise in degrees.
        turns = round((frame.rotation or 0) / 90) % 4
        if any(component.is_alpha for component in frame.format.components):
            image = Image.fromarray(frame.to_ndarray(format="rgba"))
            white = Image.new("RGBA", image.size, "white")
            array = np.asarray(Image.alpha_composite(white, image).convert("RGB"))
        else:
            array = frame.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(array, turns))

    return pixels


def _av_grey(frame: Any) -> Callable[[int, int], Pixels]:
    def grey(width: int, height: int) -> Pixels:
        small: Pixels = frame.reformat(width=width, height=height, format="gray").to_ndarray()
        return small

    return grey


def _read_webp(stream: BinaryIO, limits: VideoLimits) -> Video:
    try:
        image = Image.open(stream, formats=["WEBP"])
    except Exception:  # Pillow's decoders raise nearly anything on damaged input.
        raise PictureError("The video is damaged and cannot be opened.") from None
    if not getattr(image, "is_animated", False):
        raise PictureError("This is a picture that does not move; use `unmask detect` for it.")
    _check_size(*image.size, limits)
    length = _webp_length(stream)
    video = Video("webp", "webp", *image.size, length, _DEFAULT_RATE, {}, iter(()))
    video.frames = _webp_frames(image, video, limits)
    return video


def _webp_length(stream: BinaryIO) -> float | None:
    """Return how long an animated WebP lasts, from the headers of its frames."""
    place = stream.tell()
    stream.seek(12)
    total = 0
    for _ in range(_MOST_PACKETS):
        head = stream.read(8)
        if len(head) < 8:
            break
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"ANMF":
            # After position and size, 12 bytes, the duration in 24 bits.
            frame = stream.read(16)
            total += max(int.from_bytes(frame[12:15], "little"), _SHORTEST_MS)
            stream.seek(-len(frame), io.SEEK_CUR)
        stream.seek(size + size % 2, io.SEEK_CUR)
    stream.seek(place)
    return total / 1000 or None


def _webp_frames(image: Image.Image, video: Video, limits: VideoLimits) -> Iterator[Frame]:
    clock, at = _Clock(video, limits), 0.0
    with image:
        for number in itertools.count():
            try:
                image.seek(number)
                image.load()
            except EOFError:
                break
            except Exception:  # The animation breaks off: what came before counts.
                video.notes.append("Parts of the video are damaged; they were left out.")
                break
            if not clock.admits(at):
                return
            whole = image.convert("RGBA")
            white = Image.new("RGBA", whole.size, "white")
            array = np.asarray(Image.alpha_composite(white, whole).convert("RGB"))
            yield Frame(clock.now, number, partial(_same, array), _pillow_grey(array))
            at += max(float(image.info.get("duration") or 0), _SHORTEST_MS) / 1000
    if clock.count == 0:
        raise PictureError("The video is damaged: no frame of it can be decoded.")


def _same(array: Pixels) -> Pixels:
    return array


def _pillow_grey(array: Pixels) -> Callable[[int, int], Pixels]:
    return lambda width, height: np.asarray(
        Image.fromarray(array).convert("L").resize((width, height), Image.Resampling.BOX)
    )


def _check_size(width: int, height: int, limits: VideoLimits) -> None:
    if width * height > limits.max_pixels:
        raise PictureError(
            f"The video's frames are {width} x {height} pixels, more than the limit of "
            f"{limits.max_pixels / 1e6:g} megapixels."
        )
    if 0 < min(width, height) < SMALLEST_SIDE:
        raise PictureError(
            f"The video's frames are {width} x {height} pixels, too small to say anything about."
        )
