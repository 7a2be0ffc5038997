"""Videos, each judged in a process of its own, a few at a time."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec

from pydantic import BaseModel, Field, ValidationError

from unmask.detector.settings import DetectorSettings
from unmask.evidence.finding import Finding
from unmask.picture.errors import PictureError
from unmask.service.engine import video_worker as worker
from unmask.service.engine.picture_engine import QueueFullError
from unmask.service.engine.worker_process import command, options, pack_work
from unmask.service.metrics import DECODER_DEATHS, PENDING_VIDEOS
from unmask.service.settings import Settings
from unmask.verdict.decide import Call, DecidedBy, Reason
from unmask.video.read import VideoLimits
from unmask.video.sample import Sampling

_MOST_SAID = 16 * 2**20
_BROKEN = "The video broke its decoder and cannot be read."
Share = Field(ge=0, le=1)


class FrameFinding(BaseModel):
    """One judged frame."""

    time: float = Field(description="seconds from the start")
    frame: int = Field(description="its number, from 0")
    p_fake: float = Share
    faces: int = Field(description="how many were found")
    face_p_fake: float | None = Field(description="of the face that looks most fake")


class SegmentFinding(BaseModel):
    """A stretch that looks rather fake than real: a hint where to look, and no verdict."""

    start: float = Field(description="seconds from the start")
    end: float
    p_fake: float = Share


class TrackFinding(BaseModel):
    """A face followed over time; it does not enter the verdict."""

    track: int
    start: float = Field(description="seconds from the start")
    end: float
    frames: int
    p_fake: float | None = Field(description="null where the face is too small to be judged")


class MomentFinding(BaseModel):
    """A frame that looks most fake."""

    time: float = Field(description="seconds from the start")
    p_fake: float = Share
    picture: str | None = Field(
        None,
        pattern="^[A-Za-z0-9+/]*=*$",
        description="a small JPEG in base64; only in the answer to the upload, as it is not kept",
    )


class VideoFinding(BaseModel):
    """What was found in a video."""

    verdict: Call
    decided_by: DecidedBy = Field(description="what the verdict rests on")
    reason: Reason | None = Field(None, description="what keeps the verdict unsure, where it is")
    p_fake: float = Field(ge=0, le=1, description="from the frames' pixels alone")
    interval: list[float] = Field(
        min_length=2,
        max_length=2,
        description="where p_fake would lie, 19 times in 20, had other frames been looked at",
    )
    pool: str = Field(description="how the frames' scores became one")
    duration: float = Field(ge=0, description="seconds")
    width: int
    height: int
    codec: str
    frames_judged: int
    segments: list[SegmentFinding]
    faces: list[TrackFinding]
    moments: list[MomentFinding] = Field(description="the most suspicious first")
    evidence: list[Finding] = Field(description="what the file says of itself")
    notes: list[str] = Field(
        description="what was left out, and what the verdict heeds beside p_fake"
    )
    timeline: list[FrameFinding]


class VideoEngine:
    """Judges videos; more than may wait are refused."""

    def __init__(self, settings: Settings, judging: DetectorSettings) -> None:
        self._settings = settings
        # Faces are always followed.
        self._judging = judging.model_copy(update={"faces": True})
        self._room = asyncio.Semaphore(settings.video_workers)
        self._pending = 0
        self._alive: set[Process] = set()

    @staticmethod
    def can(settings: Settings) -> bool:
        """Say whether this service takes videos: it wants to, and has what reads them."""
        return settings.max_video_mb > 0 and find_spec("av") is not None

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue.

        Raises:
            QueueFullError: There is none.
        """
        if self._pending >= self._settings.video_queue:
            raise QueueFullError
        self._pending += 1
        PENDING_VIDEOS.inc()
        try:
            yield
        finally:
            self._pending -= 1
            PENDING_VIDEOS.dec()

    async def judge(self, file: int, sampling: Sampling) -> VideoFinding:
        """Judge one video.

        Args:
            file: Descriptor of a file on disk that holds it.
            sampling: Which frames are judged.

        Raises:
            PictureError: It cannot be read within the limits.
        """
        settings = self._settings
        work = worker.VideoWork(
            file=file,
            model=settings.model and settings.model.absolute(),
            settings=self._judging,
            sampling=sampling,
            limits=VideoLimits(max_bytes=settings.max_video_bytes, max_time=settings.video_seconds),
            memory_mb=settings.video_memory_mb,
        )
        async with self._room:
            process = await asyncio.create_subprocess_exec(
                *command(worker.__name__), **options(), stderr=DEVNULL, pass_fds=(file,)
            )
            self._alive.add(process)
            try:
                async with asyncio.timeout(settings.video_seconds + worker.GRACE):
                    return await _ask(process, work)
            except PictureError:
                raise
            except TimeoutError:
                DECODER_DEATHS.inc()
                raise PictureError(
                    f"The video takes longer than the limit of {settings.video_seconds:g} s."
                ) from None
            # ValueError: it says what it should not, as one would that a video has taken over.
            except (OSError, RuntimeError, asyncio.IncompleteReadError, ValueError):
                DECODER_DEATHS.inc()
                raise PictureError(_BROKEN) from None
            finally:
                self._alive.discard(process)
                await asyncio.shield(_end(process))

    async def close(self) -> None:
        """End what still runs; the server has finished accepted requests by then."""
        for process in list(self._alive):
            await _end(process)


async def _ask(process: Process, work: worker.VideoWork) -> VideoFinding:
    if process.stdin is None or process.stdout is None:
        raise OSError("The process has no pipes.")
    process.stdin.write(pack_work(work))
    await process.stdin.drain()
    return await _read_answer(process.stdout)


async def _read_answer(source: asyncio.StreamReader) -> VideoFinding:
    head = await source.readexactly(worker.ANSWER.size)
    status, size = worker.ANSWER.unpack(head)
    if size > _MOST_SAID:
        raise ValueError("The process says more than it has to say.")
    body = await source.readexactly(size)
    if status != worker.OK:
        raise PictureError(body.decode("utf-8", "replace"))
    try:
        return VideoFinding.model_validate_json(body)
    except ValidationError as error:
        raise ValueError("The process says something else than it was asked.") from error


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]
