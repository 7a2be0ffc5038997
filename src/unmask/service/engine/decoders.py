"""Processes that decode pictures under limits on bytes, pixels, time and memory."""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from unmask.evidence.finding import Finding
from unmask.picture.decode import Limits
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.views import ViewPlan, Views
from unmask.service.engine import decode_worker as worker

_START_SECONDS = 30
# Beside its views an answer has a small preview and findings, whose fields are cut short.
_MOST_BESIDE = 16 * 2**20
_FINDINGS = TypeAdapter(tuple[Finding, ...])
_BROKEN = "The picture broke its decoder and cannot be read."
_BUFFER = 2**20
# One thread a worker: there are as many workers as are to run at a time.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
"""What processes of ours are told of the environment."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded picture.

    Attributes:
        views: uint8, shape (views, size, size, 3).
        width: Of the whole picture, upright, in pixels.
        height: Of the whole picture, upright, in pixels.
        evidence: What the file says of itself, the strongest first.
        preview: A small WebP without metadata; empty where none was asked for.
    """

    views: Views
    width: int
    height: int
    evidence: tuple[Finding, ...]
    preview: bytes


class Decoders:
    """A fixed number of decoding processes; one that dies or takes too long is replaced.

    Attributes:
        deaths: How many were killed by a picture so far.
    """

    def __init__(
        self,
        plan: ViewPlan,
        limits: Limits,
        *,
        count: int,
        seconds: float,
        memory_mb: int,
        provenance: bool = True,
        trust: Path | None = None,
    ) -> None:
        self._plan, self._seconds = plan, seconds
        self._most = plan.count * plan.size**2 * 3 + _MOST_BESIDE
        self._command = [
            sys.executable,
            "-m",
            worker.__name__,
            plan.model_dump_json(),
            str(limits.max_bytes),
            str(limits.max_pixels),
            str(memory_mb * 2**20),
            str(int(seconds) + 1),
            str(trust or worker.ANY_SIGNER) if provenance else worker.NO_PROVENANCE,
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

    def _read(self, body: bytes) -> Decoded:
        width, height, size, said = worker.SHAPE.unpack_from(body)
        start = worker.SHAPE.size
        shape = (self._plan.count, self._plan.size, self._plan.size, 3)
        views = np.frombuffer(body, np.uint8, size, start).reshape(shape)
        findings, rest = body[start + size :][:said], body[start + size + said :]
        evidence = _FINDINGS.validate_json(findings) if findings else ()
        return Decoded(views, width, height, evidence, rest)

    async def _spawn(self) -> Process:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
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
