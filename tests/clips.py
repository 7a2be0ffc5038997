"""Short videos that tests and benchmarks make for themselves, from pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pictures import picture

Array = NDArray[np.uint8]
_CODECS = {
    "mp4": ("mp4", "libx264", "yuv420p"),
    "mov": ("mov", "libx264", "yuv420p"),
    "webm": ("webm", "libvpx-vp9", "yuv420p"),
    "mkv": ("matroska", "libx264", "yuv420p"),
    "gif": ("gif", "gif", "rgb8"),
    "apng": ("apng", "apng", "rgb24"),
    "avi": ("avi", "mpeg4", "yuv420p"),
}


def frames(count: int, width: int = 96, height: int = 64, seed: int = 0) -> list[Array]:
    """Return a pan over one picture."""
    wide = np.asarray(picture(width + 2 * count, height, seed))
    return [wide[:, 2 * place : 2 * place + width] for place in range(count)]


def clip(
    pictures: Sequence[Array],
    suffix: str = "mp4",
    *,
    rate: int = 10,
    codec: str | None = None,
    pixel_format: str | None = None,
    times: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> bytes:
    """Encode pictures as a video.

    Args:
        pictures: uint8 RGB or RGBA, all of one even size.
        suffix: The container.
        rate: Frames a second.
        codec: In place of the container's usual one.
        pixel_format: In place of the codec's usual one.
        times: Seconds of each frame, for a variable rate.
        options: Of the codec, as bit rate or preset.
        metadata: Text fields of the container.
        aspect: How many times as wide as high the pixels are shown.
    """
    import av

    container_name, usual, usual_format = _CODECS[suffix]
    buffer = io.BytesIO()
    # Matroska and QuickTime write user fields only when asked to.
    flags = {"movflags": "use_metadata_tags"} if suffix in ("mp4", "mov") else {}
    with av.open(buffer, "w", format=container_name, options=flags) as container:
        stream: Any = container.add_stream(codec or usual, rate=rate)
        container.metadata.update(metadata or {})
        stream.height, stream.width = pictures[0].shape[:2]
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        stream.pix_fmt = pixel_format or usual_format
        stream.options = {"preset": "ultrafast", **(options or {})} if suffix != "gif" else {}
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for place, pixels in enumerate(pictures):
            kind = "rgba" if pixels.shape[2] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=kind)
            frame.time_base = Fraction(1, 1000)
            at = times[place] if times is not None else place / rate
            frame.pts = round(1000 * at)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def sound(seconds: float = 0.2) -> bytes:
    """Return an MP4 that holds sound and no picture."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream("aac", rate=16000)
        silence = np.zeros((1, int(16000 * seconds)), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def covered(data: bytes) -> bytes:
    """Return an MP4 with a cover as its first stream, as songs and films of shops have."""
    import av
    from av.stream import Disposition

    buffer = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(buffer, "w", format="mp4") as container:
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.height = cover.width = 80
        cover.pix_fmt = "yuvj420p"
        cover.disposition = Disposition.attached_pic
        streams = {one.index: container.add_stream_from_template(one) for one in source.streams}
        shown = av.VideoFrame.from_ndarray(np.asarray(picture(80, 80, 9)), format="rgb24")
        container.mux([*cover.encode(shown), *cover.encode()])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    return buffer.getvalue()


def turned(data: bytes) -> bytes:
    """Write a quarter turn into an MP4's track header, as phones do."""
    straight = b"".join(n.to_bytes(4) for n in (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000))
    quarter = b"".join(n.to_bytes(4) for n in (0, 0x10000, 0, 0xFFFF0000, 0, 0, 0, 0, 0x40000000))
    place = data.index(b"tkhd")
    at = data.index(straight, place)
    return data[:at] + quarter + data[at + len(straight) :]


def webp(pictures: Sequence[Array], milliseconds: int = 100) -> bytes:
    """Return an animated WebP."""
    images = [Image.fromarray(one) for one in pictures]
    buffer = io.BytesIO()
    images[0].save(buffer, "WEBP", save_all=True, append_images=images[1:], duration=milliseconds)
    return buffer.getvalue()
