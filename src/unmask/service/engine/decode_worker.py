"""A decoding process: encoded pictures on standard input, views on standard output.

It is started by `decoders.Decoders`, says `READY`, and from then on talks in plain frames, never
in pickles: whatever a hostile picture makes of this process, its parent reads numbers and pixels
from it and nothing else.

A request is ``>BI`` (whether a preview is wanted, the picture's size) and the picture. An answer is
``>BI`` (status, the size of the rest) and the rest: a sentence where the status is not `OK`, else
``>IIII`` (width, height, the views' size, the findings' size), the views, the findings on what the
file says of itself as JSON, and the preview, a WebP.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from unmask.evidence.credentials import read_trust_list
from unmask.evidence.inspect import inspect_bytes
from unmask.picture.decode import Limits, Pixels, decode
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.views import ViewPlan, make_views

REQUEST, ANSWER, SHAPE = struct.Struct(">BI"), struct.Struct(">BI"), struct.Struct(">IIII")
READY = b"\x2a"
OK, UNREADABLE, TOO_LARGE = range(3)
PREVIEW_SIDE = 1024
NO_PROVENANCE, ANY_SIGNER = "-", ""
"""Given instead of a trust list: not to read what files say, or to let any signer decide."""
_GRACE = 2


class Work(NamedTuple):
    """What is made of a picture.

    Attributes:
        plan: Which views are cut.
        limits: What the picture may cost.
        reads_provenance: Whether to read what the file says of itself.
        trust: Root certificates in PEM of the signers that may decide; None for any.
    """

    plan: ViewPlan
    limits: Limits
    reads_provenance: bool = True
    trust: str | None = None


def main() -> None:
    """Set this process's limits and answer until standard input ends."""
    plan = ViewPlan.model_validate_json(sys.argv[1])
    max_bytes, max_pixels, memory, seconds = (int(argument) for argument in sys.argv[2:6])
    trust = sys.argv[6]
    work = Work(
        plan,
        Limits(max_bytes, max_pixels),
        trust != NO_PROVENANCE,
        None if trust in (NO_PROVENANCE, ANY_SIGNER) else read_trust_list(Path(trust)),
    )
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # It has all the files it needs, and writes none.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer, work, seconds)


def serve(source: BinaryIO, sink: BinaryIO, work: Work, seconds: int) -> None:
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
            status, body = OK, answer(data, work, preview=bool(preview))
        except PictureTooLargeError as problem:
            status, body = TOO_LARGE, str(problem).encode()
        except PictureError as problem:
            status, body = UNREADABLE, str(problem).encode()
        except MemoryError:
            status, body = UNREADABLE, b"The picture needs more memory than it may have."
        sink.write(ANSWER.pack(status, len(body)) + body)
        sink.flush()


def answer(data: bytes, work: Work, *, preview: bool) -> bytes:
    """Decode one picture and return the body of its answer."""
    pixels = decode(data, work.limits)
    views = make_views(pixels, work.plan).tobytes()
    found = []
    if work.reads_provenance:
        found = inspect_bytes(data, trust=work.trust, limits=work.limits)
    findings = json.dumps([one.to_json() for one in found]).encode() if found else b""
    head = SHAPE.pack(pixels.shape[1], pixels.shape[0], len(views), len(findings))
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
