"""A process that judges one video, and writes the answer on standard output.

FFmpeg reads hostile bytes here and nowhere else. The process is told a `VideoWork` on standard
input, has the file open and no name for it, may write no file, and ends when it has used its time
or memory. Whatever a video makes of it, its parent reads one frame from it: ``>BI`` (status, the
size of the rest) and the rest, a sentence where the status is not `OK`, else what was found, as
JSON.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import struct
import sys
from pathlib import Path

from pydantic import BaseModel

from unmask.detector.detector import Detector
from unmask.detector.settings import DetectorSettings
from unmask.picture.errors import PictureError
from unmask.service.engine.worker_process import limit_this_process, read_work
from unmask.video.detector import VideoDetector
from unmask.video.read import VideoLimits
from unmask.video.sample import Sampling, SamplingPlan

ANSWER = struct.Struct(">BI")
OK, UNREADABLE = range(2)
GRACE = 15


class VideoWork(BaseModel):
    """What is asked of the process.

    Attributes:
        file: Descriptor of the video.
        model: The model's file; None for the one that ships with unmask.
        settings: How frames are judged, and what the file says of itself.
        sampling: Which frames are judged.
        limits: What the video may cost.
        memory_mb: Address space, in MiB.
    """

    file: int
    model: Path | None
    settings: DetectorSettings
    sampling: Sampling
    limits: VideoLimits
    memory_mb: int


def main() -> None:
    """Set this process's limits and answer once."""
    work = read_work(sys.stdin.buffer, VideoWork)
    # What a library prints must not get between the bytes of the answer.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Pictures, which are answered at once, go first.
    os.nice(5)
    limit_this_process(work.memory_mb)
    # The parent keeps the time; this ends the process where the parent is gone.
    used = int(work.limits.max_time + GRACE) * (os.cpu_count() or 1)
    resource.setrlimit(resource.RLIMIT_CPU, (used, used))
    try:
        status, body = OK, answer(work)
    except PictureError as problem:
        status, body = UNREADABLE, str(problem).encode()
    except MemoryError:
        status, body = UNREADABLE, b"The video needs more memory than it may have."
    sink.write(ANSWER.pack(status, len(body)) + body)
    sink.flush()


def answer(work: VideoWork) -> bytes:
    """Judge the video and return what was found."""
    detector = VideoDetector(
        Detector(work.model, work.settings), plan=SamplingPlan(work.sampling), limits=work.limits
    )
    found = detector.detect(f"/dev/fd/{work.file}")
    fields = found.to_json()
    for shown, moment in zip(fields["moments"], found.moments, strict=True):
        shown["picture"] = base64.b64encode(moment.jpeg).decode()
    return json.dumps(fields).encode()


if __name__ == "__main__":
    main()
