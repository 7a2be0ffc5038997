"""Processes that decode pictures under limits on bytes, pixels, time and memory."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from unmask.media.decode import Limits
from unmask.media.errors import PictureError, PictureTooLargeError
from unmask.prepare.views import ViewPlan, Views
from unmask.service.engine import decode_worker as worker

_START_SECONDS = 30
_BUFFER = 2**20
# One thread a worker: there are as many workers as are to run at a time.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded picture.

    Attributes:
        views: uint8, shape (views, size, size, 3).
        width: Of the whole picture, upright, in pixels.
        height: Of the whole picture, upright, in pixels.
        preview: A small WebP without metadata; empty where none was asked for.
    """

    views: Views
    width: int
    height: int
    preview: bytes


class Decoders:
    """A fixed number of decoding processes; one that dies or takes too long is replaced.

    Attributes:
        deaths: How many were killed by a picture so far.
    """

    def __init__(
        self, plan: ViewPlan, limits: Limits, *, count: int, seconds: float, memory_mb: int
    ) -> None:
        self._plan, self._seconds = plan, seconds
        self._command = [
            sys.executable,
            "-m",
            worker.__name__,
            plan.model_dump_json(),
            str(limits.max_bytes),
            str(limits.max_pixels),
            str(memory_mb * 2**20),
            str(int(seconds) + 1),
        ]
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

    async def decode(self, data: bytes, *, preview: bool = False) -> Decoded:
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
                status, body = await _ask(process, data, preview)
            answered = True
        except TimeoutError:
            raise PictureError(
                f"The picture takes longer than the limit of {self._seconds:g} s to decode."
            ) from None
        # RuntimeError: uvloop's word for a pipe that was closed meanwhile.
        except (OSError, RuntimeError, asyncio.IncompleteReadError):
            raise PictureError("The picture broke its decoder and cannot be read.") from None
        finally:
            if not answered:
                # Also where the caller gave up: the process is in the middle of a picture.
                self.deaths += 1
                self._free.put_nowait(None)
                if process:
                    await asyncio.shield(self._end(process))
            else:
                self._free.put_nowait(process)
        if status != worker.OK:
            kind = PictureTooLargeError if status == worker.TOO_LARGE else PictureError
            raise kind(body.decode("utf-8", "replace"))
        return self._read(body)

    def _read(self, body: bytes) -> Decoded:
        width, height, size = worker.SHAPE.unpack_from(body)
        start = worker.SHAPE.size
        shape = (self._plan.count, self._plan.size, self._plan.size, 3)
        views = np.frombuffer(body, np.uint8, size, start).reshape(shape)
        return Decoded(views, width, height, body[start + size :])

    async def _spawn(self) -> Process:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=_BUFFER,
            env=environment | _ENVIRONMENT,
            # Ctrl-C on a terminal is for the server, which then ends its workers in order.
            start_new_session=True,
        )
        self._alive.add(process)
        # Loading Python and its libraries is not on the picture's time.
        if process.stdout is None:
            raise OSError("The process has no pipes.")
        try:
            async with asyncio.timeout(_START_SECONDS):
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


async def _ask(process: Process, data: bytes, preview: bool) -> tuple[int, bytes]:
    sink, source = process.stdin, process.stdout
    if sink is None or source is None:
        raise OSError("The process has no pipes.")
    sink.write(worker.REQUEST.pack(preview, len(data)))
    sink.write(data)
    await sink.drain()
    status, size = worker.ANSWER.unpack(await source.readexactly(worker.ANSWER.size))
    return status, await source.readexactly(size)
