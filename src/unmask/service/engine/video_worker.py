"""A process that judges one video: the file on standard input, the answer on standard output.

FFmpeg reads hostile bytes here and nowhere else. The process has the file open and no name for it,
may write no file, and ends when it has used its time or memory. Whatever a video makes of it, its
parent reads one frame from it: ``>BI`` (status, the size of the rest) and the rest, a sentence
where the status is not `OK`, else what was found, as JSON.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import struct
import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from unmask.detector.detector import Detector
from unmask.evidence.credentials import read_trust_list
from unmask.model.calibration import CalibrationName
from unmask.picture.errors import PictureError
from unmask.video.detector import VideoDetector
from unmask.video.read import VideoLimits
from unmask.video.sample import Sampling, SamplingPlan

ANSWER = struct.Struct(">BI")
OK, UNREADABLE = range(2)
GRACE = 15
_FILE = "/dev/stdin"


class Order(BaseModel):
    """What is asked of the process.

    Attributes:
        model: The model's file; None for the one that ships with unmask.
        device: Where it runs.
        calibration: Which calibration; None for the card's own.
        provenance: Whether to read what the file says of itself.
        trust: Root certificates (PEM) of the signers that may decide; None for any.
        sampling: Which frames are judged.
        max_bytes: Largest file.
        max_pixels: Largest frame.
        seconds: Time after which no more frames are judged.
        memory_mb: Address space, in MiB.
    """

    model: Path | None
    device: Literal["auto", "cpu", "cuda"]
    calibration: CalibrationName | None
    provenance: bool
    trust: Path | None
    sampling: Sampling
    max_bytes: int
    max_pixels: int
    seconds: float
    memory_mb: int


def main() -> None:
    """Set this process's limits and answer once."""
    order = Order.model_validate_json(sys.argv[1])
    # What a library prints must not get between the bytes of the answer.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Pictures, which are answered at once, go first.
    os.nice(5)
    memory = order.memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # The parent keeps the time; this ends the process where the parent is gone.
    used = int(order.seconds + GRACE) * (os.cpu_count() or 1)
    resource.setrlimit(resource.RLIMIT_CPU, (used, used))
    try:
        status, body = OK, answer(order)
    except PictureError as problem:
        status, body = UNREADABLE, str(problem).encode()
    except MemoryError:
        status, body = UNREADABLE, b"The video needs more memory than it may have."
    sink.write(ANSWER.pack(status, len(body)) + body)
    sink.flush()


def answer(order: Order) -> bytes:
    """Judge the video on standard input and return what was found."""
    detector = Detector(
        order.model,
        device=order.device,
        calibration=order.calibration,
        provenance=order.provenance,
        trust=read_trust_list(order.trust) if order.trust else None,
    )
    limits = VideoLimits(
        max_bytes=order.max_bytes, max_pixels=order.max_pixels, max_time=order.seconds
    )
    found = VideoDetector(detector, plan=SamplingPlan(order.sampling), limits=limits).detect(_FILE)
    fields = found.to_json()
    for shown, moment in zip(fields["moments"], found.moments, strict=True):
        shown["picture"] = base64.b64encode(moment.jpeg).decode()
    return json.dumps(fields).encode()


if __name__ == "__main__":
    main()
