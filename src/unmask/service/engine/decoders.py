"""Processes that decode pictures under limits on bytes, pixels, time and memory."""

from __future__ import annotations

import asyncio
import struct
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from unmask.detector.face_views import MOST_JUDGED, CutFaces
from unmask.detector.settings import DetectorSettings
from unmask.evidence.finding import Finding
from unmask.faces.finder import Face
from unmask.model.card import ModelCard
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.views import MOST_PIECES, PictureViews, ViewPlan, Views, plan_views
from unmask.service.engine import decode_worker as worker
from unmask.service.engine.worker_process import command, options, pack_work

_START_SECONDS = 30
# Beside views an answer has a small preview and findings, whose fields are cut short.
_MOST_BESIDE = 16 * 2**20
_BROKEN = "The picture broke its decoder and cannot be read."
_BUFFER = 2**20
# One thread a worker: there are as many workers as are to run at a time.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """A decoded picture.

    Attributes:
        views: What the model is to be shown.
        width: Of the whole picture, upright, in pixels.
        height: Of the whole picture, upright, in pixels.
        plain: Whether there is nothing to see on it.
        notes: What to know of how it was read.
        evidence: What the file says of itself, the strongest first.
        faces: Its faces, and the views of those that can be judged.
        preview: A small WebP without metadata; empty where none was asked for.
    """

    views: PictureViews
    width: int
    height: int
    plain: bool
    notes: tuple[str, ...]
    evidence: tuple[Finding, ...]
    faces: CutFaces
    preview: bytes


class Decoders:
    """A fixed number of decoding processes; one that dies or takes too long is replaced.

    Attributes:
        deaths: How many were killed by a picture so far.
    """

    def __init__(
        self,
        card: ModelCard,
        plans: Mapping[str, ViewPlan],
        settings: DetectorSettings,
        *,
        count: int,
        seconds: float,
        memory_mb: int,
        finds_faces: bool = False,
    ) -> None:
        self._plans, self._face_plans, self._seconds = dict(plans), card.inputs, seconds
        self._max_pixels = settings.limits.max_pixels
        self._most = _MOST_BESIDE + _most_bytes(self._plans)
        self._most += MOST_JUDGED * _most_bytes(self._face_plans)
        self._command = command(worker.__name__)
        self._work = pack_work(
            worker.DecodeWork(
                card=card,
                plans=self._plans,
                settings=settings,
                finds_faces=finds_faces,
                seconds=seconds,
                memory_mb=memory_mb,
            )
        )
        self._count = count
        self._free: asyncio.Queue[Process | None] = asyncio.Queue()
        self._alive: set[Process] = set()
        self.deaths = 0

    async def start(self) -> None:
        """Start the processes."""
        for process in await asyncio.gather(*(self._spawn() for _ in range(self._count))):
            self._free.put_nowait(process)

    async def close(self) -> None:
        """End the processes."""
        for process in list(self._alive):
            await self._end(process)

    async def decode(self, data: bytes, *, preview: bool = False) -> PreparedPicture:
        """Decode one picture in the next free process.

        Raises:
            PictureError: The picture cannot be decoded, or not within the limits.
        """
        process = await self._free.get()
        answered = False
        try:
            if process and process.returncode is not None:
                # It died while it had nothing to do, through no fault of this picture.
                await self._end(process)
                process = None
            process = process or await self._spawn()
            async with asyncio.timeout(self._seconds):
                status, body = await _ask(process, data, preview, self._most)
                decoded = self._read(body) if status == worker.OK else None
            answered = True
        except TimeoutError:
            raise PictureError(
                f"The picture takes longer than the limit of {self._seconds:g} s to decode."
            ) from None
        # RuntimeError: uvloop's word for a pipe that was closed meanwhile. ValueError and
        # struct.error: it says what it should not, as one would that a picture has taken over.
        except (OSError, RuntimeError, asyncio.IncompleteReadError, ValueError, struct.error):
            raise PictureError(_BROKEN) from None
        finally:
            if not answered:
                # Also where the caller gave up: the process is in the middle of a picture.
                self.deaths += 1
                self._free.put_nowait(None)
                if process:
                    await asyncio.shield(self._end(process))
            else:
                self._free.put_nowait(process)
        if decoded is None:
            kind = PictureTooLargeError if status == worker.TOO_LARGE else PictureError
            raise kind(body.decode("utf-8", "replace"))
        return decoded

    def _read(self, body: bytes) -> PreparedPicture:
        width, height, said = worker.SHAPE.unpack_from(body)
        if not 0 < width * height <= self._max_pixels:
            raise ValueError("No picture of this size may be decoded.")
        start = worker.SHAPE.size + said
        notes = worker.PictureNotes.model_validate_json(body[worker.SHAPE.size : start])
        counts = [_view_count(height, width, plan) for plan in self._plans.values()]
        views, start = _take_views(body, start, self._plans, counts)
        of_faces: dict[int, PictureViews] = {}
        for place, face in enumerate(notes.faces):
            if face.views is not None:
                of_faces[place], start = _take_views(body, start, self._face_plans, face.views)
        faces = CutFaces([Face(face.box, face.score) for face in notes.faces], of_faces)
        if len(of_faces) > MOST_JUDGED:
            raise ValueError("So many faces are not judged.")
        return PreparedPicture(
            views, width, height, notes.plain, notes.notes, notes.evidence, faces, body[start:]
        )

    async def _spawn(self) -> Process:
        started = options()
        process = await asyncio.create_subprocess_exec(
            *self._command,
            **started | {"env": started["env"] | _ENVIRONMENT},
            stderr=DEVNULL,
            limit=_BUFFER,
        )
        self._alive.add(process)
        # Loading Python and its libraries is not on the picture's time.
        if process.stdin is None or process.stdout is None:
            raise OSError("The process has no pipes.")
        try:
            async with asyncio.timeout(_START_SECONDS):
                process.stdin.write(self._work)
                await process.stdin.drain()
                await process.stdout.readexactly(len(worker.READY))
        except BaseException:
            await asyncio.shield(self._end(process))
            raise
        return process

    async def _end(self, process: Process) -> None:
        self._alive.discard(process)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        # The transport closes its pipes only when told to, where a write was still under way.
        process._transport.close()  # type: ignore[attr-defined]


async def _ask(process: Process, data: bytes, preview: bool, most: int) -> tuple[int, bytes]:
    sink, source = process.stdin, process.stdout
    if sink is None or source is None:
        raise OSError("The process has no pipes.")
    sink.write(worker.REQUEST.pack(preview, len(data)))
    sink.write(data)
    await sink.drain()
    status, size = worker.ANSWER.unpack(await source.readexactly(worker.ANSWER.size))
    if size > most:
        raise ValueError("The process says more than it has to say.")
    return status, await source.readexactly(size)


def _take_views(
    body: bytes, start: int, plans: Mapping[str, ViewPlan], counts: Sequence[int]
) -> tuple[PictureViews, int]:
    """Return the views that start at a place, as many as are counted, and where they end.

    Raises:
        ValueError: They are not there, or are not as many as can be.
    """
    views: dict[str, Views] = {}
    for (name, plan), count in zip(plans.items(), counts, strict=True):
        if not 1 <= count <= _most_views(plan):
            raise ValueError("No picture has so many views.")
        shape = (count, plan.size, plan.size, 3)
        flat = np.frombuffer(body, np.uint8, int(np.prod(shape)), start)
        views[name] = flat.reshape(shape)
        start += len(flat)
    return views, start


def _view_count(height: int, width: int, plan: ViewPlan) -> int:
    """Return how many views a picture of this shape has, also under test-time augmentation."""
    return (len(plan_views(height, width, plan)) + plan.crops * len(plan.scales)) * (1 + plan.flips)


def _most_views(plan: ViewPlan) -> int:
    return _view_count(1, 4 * MOST_PIECES, plan)  # A strip has the most.


def _most_bytes(plans: Mapping[str, ViewPlan]) -> int:
    return sum(3 * _most_views(plan) * plan.size**2 for plan in plans.values())
