"""Read animated WebP, which FFmpeg does not, with Pillow."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

import numpy as np
from PIL import Image

from unmask.picture.decode import Pixels
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

_MOST_CHUNKS = 200_000
_SHORTEST_MS = 10


def read_webp(stream: BinaryIO, limits: VideoLimits) -> Video:
    """Open an animated WebP; raises PictureError where it is none, or too large."""
    try:
        image = Image.open(stream, formats=["WEBP"])
    except Exception:  # Pillow's decoders raise nearly anything on damaged input.
        raise PictureError("The video is damaged and cannot be opened.") from None
    if not getattr(image, "is_animated", False):
        raise PictureError("This is a picture that does not move; use `unmask detect` for it.")
    check_frame_size(*image.size, limits)
    length = _webp_length(stream)
    video = Video("webp", "webp", *image.size, length, USUAL_RATE, {}, iter(()))
    video.frames = _webp_frames(image, video, limits)
    return video


def _webp_length(stream: BinaryIO) -> float | None:
    """Return how long an animated WebP lasts, from the headers of its frames."""
    place = stream.tell()
    stream.seek(12)
    total = 0
    for _ in range(_MOST_CHUNKS):
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
    clock, at = FrameClock(video, limits), 0.0
    with image:
        for number in itertools.count():
            try:
                image.seek(number)
                image.load()
            except EOFError:
                break
            except Exception:  # The animation breaks off: what came before counts.
                video.notes.append(DAMAGED)
                break
            if not clock.admits(at):
                return
            whole = image.convert("RGBA")
            white = Image.new("RGBA", whole.size, "white")
            array = np.asarray(Image.alpha_composite(white, whole).convert("RGB"))
            yield Frame(clock.now, number, partial(_same, array), _pillow_grey(array))
            at += max(float(image.info.get("duration") or 0), _SHORTEST_MS) / 1000
    if clock.count == 0:
        raise PictureError(NO_FRAME)


def _same(array: Pixels) -> Pixels:
    return array


def _pillow_grey(array: Pixels) -> Callable[[int, int], Pixels]:
    return lambda width, height: np.asarray(
        Image.fromarray(array).convert("L").resize((width, height), Image.Resampling.BOX)
    )
