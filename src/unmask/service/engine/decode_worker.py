"""A decoding process: encoded pictures on standard input, views on standard output.

It is started by `decoders.Decoders`, is told a `DecodeWork`, says `READY`, and from then on talks
in plain frames, never in pickles: whatever a hostile picture makes of this process, its parent
reads numbers and pixels from it and nothing else.

A request is ``>BI`` (whether a preview is wanted, the picture's size) and the picture. An answer is
``>BI`` (status, the size of the rest) and the rest: a sentence where the status is not `OK`, else
``>III`` (width, height, the findings' size), the views of each input of the model in turn, whose
number follows from the picture's shape, the findings on what the file says of itself as JSON, and
the preview, a WebP.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
from typing import BinaryIO

from PIL import Image
from pydantic import BaseModel

from unmask.detector.settings import DetectorSettings
from unmask.evidence.inspect import inspect_bytes
from unmask.picture.decode import Pixels, decode
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.views import ViewPlan, cut_views
from unmask.service.engine.worker_process import limit_this_process, read_work

REQUEST, ANSWER, SHAPE = struct.Struct(">BI"), struct.Struct(">BI"), struct.Struct(">III")
READY = b"\x2a"
OK, UNREADABLE, TOO_LARGE = range(3)
PREVIEW_SIDE = 1024
_GRACE = 2


class DecodeWork(BaseModel):
    """What is made of each picture, and what that may cost.

    Attributes:
        plans: Which views are cut for each input of the model.
        settings: How pictures are read.
        seconds: Time a picture may take.
        memory_mb: Address space of the process, in MiB.
    """

    plans: dict[str, ViewPlan]
    settings: DetectorSettings
    seconds: float
    memory_mb: int


def main() -> None:
    """Set this process's limits and answer until standard input ends."""
    work = read_work(sys.stdin.buffer, DecodeWork)
    limit_this_process(work.memory_mb)
    serve(sys.stdin.buffer, sys.stdout.buffer, work)


def serve(source: BinaryIO, sink: BinaryIO, work: DecodeWork) -> None:
    """Answer requests from ``source`` on ``sink`` until it ends."""
    sink.write(READY)
    sink.flush()
    while head := source.read(REQUEST.size):
        preview, size = REQUEST.unpack(head)
        data = source.read(size)
        # The parent keeps the time; this ends the process where the parent is gone.
        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = int(used.ru_utime + used.ru_stime + work.seconds) + 1 + _GRACE
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
        try:
            status, body = OK, answer(data, work, preview=bool(preview))
        except PictureTooLargeError as problem:
            status, body = TOO_LARGE, str(problem).encode()
        except PictureError as problem:
            status, body = UNREADABLE, str(problem).encode()
        except MemoryError:
            status, body = UNREADABLE, b"The picture needs more memory than it may have."
        sink.write(ANSWER.pack(status, len(body)) + body)
        sink.flush()


def answer(data: bytes, work: DecodeWork, *, preview: bool) -> bytes:
    """Decode one picture and return the body of its answer."""
    settings = work.settings
    pixels = decode(data, settings.limits)
    views = b"".join(views.tobytes() for views in cut_views(pixels, work.plans).values())
    found = []
    if settings.provenance:
        found = inspect_bytes(data, trust=settings.trust, limits=settings.limits)
    findings = json.dumps([one.to_json() for one in found]).encode()
    head = SHAPE.pack(pixels.shape[1], pixels.shape[0], len(findings))
    return head + views + findings + (make_preview(pixels) if preview else b"")


def make_preview(pixels: Pixels) -> bytes:
    """Return a small WebP made from pixels alone: no metadata of the file can be in it."""
    image = Image.fromarray(pixels)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
