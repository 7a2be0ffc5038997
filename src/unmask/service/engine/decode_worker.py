"""A decoding process: encoded pictures on standard input, views on standard output.

It is started by `decoders.Decoders`, says `READY`, and from then on talks in plain frames, never
in pickles: whatever a hostile picture makes of this process, its parent reads numbers and pixels
from it and nothing else.

A request is ``>BI`` (whether a preview is wanted, the picture's size) and the picture. An answer is
``>BI`` (status, the size of the rest) and the rest: a sentence where the status is not `OK`, else
``>III`` (width, height, the views' size), the views and the preview, a WebP.
"""

from __future__ import annotations

import io
import resource
import struct
import sys
from typing import BinaryIO

from PIL import Image

from unmask.media.decode import Limits, Pixels, decode
from unmask.media.errors import PictureError, PictureTooLargeError
from unmask.prepare.views import ViewPlan, make_views

REQUEST, ANSWER, SHAPE = struct.Struct(">BI"), struct.Struct(">BI"), struct.Struct(">III")
READY = b"\x2a"
OK, UNREADABLE, TOO_LARGE = range(3)
PREVIEW_SIDE = 1024
_GRACE = 2


def main() -> None:
    """Set this process's limits and answer until standard input ends."""
    plan = ViewPlan.model_validate_json(sys.argv[1])
    max_bytes, max_pixels, memory, seconds = (int(argument) for argument in sys.argv[2:6])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # It has all the files it needs, and writes none.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer, plan, Limits(max_bytes, max_pixels), seconds)


def serve(source: BinaryIO, sink: BinaryIO, plan: ViewPlan, limits: Limits, seconds: int) -> None:
    """Answer requests from ``source`` on ``sink`` until it ends."""
    sink.write(READY)
    sink.flush()
    while head := source.read(REQUEST.size):
        preview, size = REQUEST.unpack(head)
        data = source.read(size)
        # The parent keeps the time; this ends the process where the parent is gone.
        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = int(used.ru_utime + used.ru_stime) + seconds + _GRACE
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
        try:
            status, body = OK, answer(data, plan, limits, preview=bool(preview))
        except PictureTooLargeError as problem:
            status, body = TOO_LARGE, str(problem).encode()
        except PictureError as problem:
            status, body = UNREADABLE, str(problem).encode()
        except MemoryError:
            status, body = UNREADABLE, b"The picture needs more memory than it may have."
        sink.write(ANSWER.pack(status, len(body)) + body)
        sink.flush()


def answer(data: bytes, plan: ViewPlan, limits: Limits, *, preview: bool) -> bytes:
    """Decode one picture and return the body of its answer."""
    pixels = decode(data, limits)
    views = make_views(pixels, plan).tobytes()
    head = SHAPE.pack(pixels.shape[1], pixels.shape[0], len(views))
    return head + views + (make_preview(pixels) if preview else b"")


def make_preview(pixels: Pixels) -> bytes:
    """Return a small WebP made from pixels alone: no metadata of the file can be in it."""
    image = Image.fromarray(pixels)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
