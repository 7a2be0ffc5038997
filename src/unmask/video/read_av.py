"""Read videos with PyAV, from an opened file and with the container's format given.

So no file can make FFmpeg open another one, or the network.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from unmask.picture.decode import SMALLEST_SIDE, Pixels
from unmask.picture.errors import PictureError
from unmask.video.frames import (
    DAMAGED,
    NO_FRAME,
    USUAL_RATE,
    Frame,
    FrameClock,
    Video,
    VideoLimits,
    check_frame_size,
)

_MOST_DAMAGED = 50
_MOST_PACKETS = 200_000
# Seconds that a last frame may stand still without being told of.
_LONG_LAST = 1.5
# Pixels are at most so many times as wide as high, or as high as wide; more is a damaged header.
_MOST_OBLONG = 8


def read_av(stream: BinaryIO, kind: str, limits: VideoLimits) -> Video:
    """Open a video.

    Args:
        stream: The file.
        kind: FFmpeg's name of the container.
        limits: What the video may cost.

    Raises:
        PictureError: It cannot be opened, holds no film or exceeds a limit.
    """
    try:
        import av
    except ImportError:
        raise PictureError(
            "Videos need the package 'av'; install it with: pip install 'unmask[media]'"
        ) from None
    av.logging.set_level(None)
    container = _open_container(stream, kind)
    film = _film(container)
    if film is None:
        only = "sound only" if container.streams.audio else "neither pictures nor sound"
        container.close()
        raise PictureError(f"The file holds {only}; there is nothing to look at.")
    source = container.streams[film]
    context = source.codec_context
    if context is None:
        raise PictureError("The video's codec is not known.")
    codec, width, height = context.name, context.width, context.height
    check_frame_size(width, height, limits)
    duration = None
    if source.duration and source.time_base:
        duration = float(source.duration * source.time_base)
    elif container.duration:
        duration = container.duration / 1e6
    else:
        # Recordings of browsers, for one, do not say how long they are.
        container.close()
        duration = _length(stream, kind, film)
        container = _open_container(stream, kind)
        source = container.streams[film]
    # A stream may change its size on the way: FFmpeg refuses larger frames before making them.
    source.codec_context.options = {"max_pixels": str(limits.max_pixels)}
    source.thread_type = "AUTO"
    rate = float(source.average_rate or source.guessed_rate or 0)
    video = Video(
        kind=container.format.name,
        codec=codec,
        width=width,
        height=height,
        duration=duration if duration and 0 < duration < 1e7 else None,
        rate=rate if 0 < rate < 1000 else USUAL_RATE,
        texts={str(key): str(value) for key, value in [*container.metadata.items()][:64]},
        frames=iter(()),
    )
    video.frames = _frames(container, source, stream, video, limits)
    return video


def _open_container(stream: BinaryIO, kind: str) -> Any:
    import av

    stream.seek(0)
    try:
        return av.open(stream, format=kind, metadata_errors="replace")
    except MemoryError:
        raise PictureError("The video needs more memory than there is.") from None
    except Exception:  # FFmpeg's errors have many classes, and damaged headers reach most of them.
        raise PictureError("The video is damaged and cannot be opened.") from None


def _film(container: Any) -> int | None:
    """Return the first stream of moving pictures: a cover, as songs and films have, is none."""
    from av.stream import Disposition

    for source in container.streams.video:
        if not source.disposition & Disposition.attached_pic:
            return int(source.index)
    return None


def _length(stream: BinaryIO, kind: str, film: int) -> float | None:
    """Return the time of the last packet, found without decoding any."""
    last = 0.0
    try:
        with _open_container(stream, kind) as container:
            packets = container.demux(container.streams[film])
            for packet in itertools.islice(packets, _MOST_PACKETS):
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
    damaged, aspect = 0, _pixel_aspect(source)
    clock = FrameClock(video, limits)
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
                small = min(frame.width, frame.height) < SMALLEST_SIDE
                if small or frame.width * frame.height > limits.max_pixels:
                    damaged += 1
                    continue
                pixels = _pixels_of(frame, aspect, limits)
                yield Frame(clock.now, clock.count - 1, pixels, _grey_of(frame))
    except PictureError:
        raise
    except Exception:  # The container breaks off: what came before counts.
        damaged += 1
    finally:
        with suppress(Exception):
            container.close()
        stream.close()
    if clock.count == 0:
        raise PictureError(NO_FRAME)
    if damaged:
        video.notes.append(DAMAGED)
    if video.duration and video.duration - clock.now > max(_LONG_LAST, video.duration / 10):
        video.notes.append(
            f"The last frame that could be read is at {clock.now:.1f} s of {video.duration:.1f} s."
        )


def _pixel_aspect(source: Any) -> float:
    """Return how many times as wide as high the pixels of a stream are shown."""
    aspect = float(source.sample_aspect_ratio or 0)
    return aspect if 1 / _MOST_OBLONG <= aspect <= _MOST_OBLONG else 1.0


def _pixels_of(frame: Any, aspect: float, limits: VideoLimits) -> Callable[[], Pixels]:
    def pixels() -> Pixels:
        # The turn that a phone writes into the container, counter-clockwise in degrees.
        turns = round((frame.rotation or 0) / 90) % 4
        if any(component.is_alpha for component in frame.format.components):
            image = Image.fromarray(frame.to_ndarray(format="rgba"))
            white = Image.new("RGBA", image.size, "white")
            array = np.asarray(Image.alpha_composite(white, image).convert("RGB"))
        else:
            array = frame.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(_squared(array, aspect, limits), turns))

    return pixels


def _squared(array: Pixels, aspect: float, limits: VideoLimits) -> Pixels:
    """Return a frame with square pixels, as a player shows it, grown rather than shrunk."""
    if aspect == 1:
        return array
    height, width = array.shape[:2]
    wide, high = (width * aspect, height) if aspect > 1 else (width, height / aspect)
    share = min(1.0, (limits.max_pixels / (wide * high)) ** 0.5)
    shape = (max(SMALLEST_SIDE, round(wide * share)), max(SMALLEST_SIDE, round(high * share)))
    return np.asarray(Image.fromarray(array).resize(shape, Image.Resampling.BICUBIC))


def _grey_of(frame: Any) -> Callable[[int, int], Pixels]:
    def grey(width: int, height: int) -> Pixels:
        small: Pixels = frame.reformat(width=width, height=height, format="gray").to_ndarray()
        return small

    return grey
