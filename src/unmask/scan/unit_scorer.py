"""Score a unit of items: the one function that every engine runs in its workers."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from unmask.detector.detector import Detector
from unmask.model.card import ModelError
from unmask.model.open import open_model
from unmask.picture.errors import PictureError
from unmask.scan.item_reader import ItemReader
from unmask.scan.items import Item
from unmask.scan.reading_faults import TransientError
from unmask.scan.rows import ScanRow, verdict_columns
from unmask.scan.scan_settings import ScanSettings
from unmask.scan.units import Coordinator, WorkUnit
from unmask.verdict.verdict import Verdict


class _ReadItem(NamedTuple):
    item: Item
    data: bytes | None = None
    error: PictureError | None = None
    sha256: str | None = None
    ms: float = 0.0


class UnitScorer:
    """A loaded model, and what reads the pictures for it.

    Args:
        settings: What is the same for every worker.

    Raises:
        ModelError: The model cannot be loaded, or is another than the driver's.
    """

    def __init__(self, settings: ScanSettings) -> None:
        self._settings = settings
        # One thread: there is a process a core.
        model = open_model(settings.model, device=settings.detector.device, threads=1)
        self._detector = Detector(model, settings.detector)
        self._model = model.card.sha256
        if settings.model_sha256 not in (None, self._model):
            raise ModelError("A worker has another model than the driver (SHA-256 differs).")
        self._reader = ItemReader(settings.column, settings.detector.limits)
        # Reading waits for disks and networks, which costs no core.
        self._pool = ThreadPoolExecutor(settings.batch_size, thread_name_prefix="read")

    def score(self, unit: WorkUnit, coordinator: Coordinator) -> list[ScanRow]:
        """Return a row for each item, in order.

        Rows of bytes that somebody else has scored, or will, have ``sha256`` and no answer.
        """
        instructions = coordinator.begin(unit.number)
        if instructions.careful:
            return self._carefully(unit, coordinator, dict(instructions.given_up))
        rows: list[ScanRow] = []
        for batch in self._ahead(unit.items):
            with _time_limit(self._settings.file_seconds):
                rows += self._batch(unit.number, batch, coordinator)
        return rows

    def _carefully(
        self, unit: WorkUnit, coordinator: Coordinator, given_up: dict[int, str | None]
    ) -> list[ScanRow]:
        rows: list[ScanRow] = []
        for place, item in enumerate(unit.items):
            if place in given_up:
                error = PictureError(
                    "The picture ended its process or took longer than "
                    f"{self._settings.file_seconds:g} s, each of the {self._settings.retries} "
                    "times that it was tried alone."
                )
                coordinator.claim(unit.number, [sha for sha in [given_up[place]] if sha])
                rows.append(self._row(_ReadItem(item, None, error, given_up[place])))
                continue
            with _time_limit(self._settings.file_seconds):
                coordinator.announce(unit.number, place, None)
                read = self._read(item)
                coordinator.announce(unit.number, place, read.sha256)
                rows += self._batch(unit.number, [read], coordinator)
        return rows

    def _ahead(self, items: list[Item]) -> Iterator[list[_ReadItem]]:
        """Yield batches of what was read, while the next batch is being read."""
        size = self._settings.batch_size
        waiting: list[Future[_ReadItem]] = []
        for start in range(0, len(items) + size, size):
            coming = [self._pool.submit(self._read, item) for item in items[start : start + size]]
            if waiting:
                yield [future.result() for future in waiting]
            waiting = coming

    def _read(self, item: Item) -> _ReadItem:
        started = time.perf_counter()
        try:
            data = self._reader.read(item)
        except PictureError as problem:
            return _ReadItem(item, error=problem, ms=1000 * (time.perf_counter() - started))
        sha256 = hashlib.sha256(data).hexdigest()
        return _ReadItem(item, data, None, sha256, 1000 * (time.perf_counter() - started))

    def _batch(self, unit: int, batch: list[_ReadItem], coordinator: Coordinator) -> list[ScanRow]:
        hashed = [read for read in batch if read.sha256 is not None]
        mine = coordinator.claim(unit, [read.sha256 or "" for read in hashed]) if hashed else []
        wanted = [read for read, is_mine in zip(hashed, mine, strict=True) if is_mine]
        verdicts = self._detector.detect_batch([read.data or b"" for read in wanted])
        # By identity: one item may be there twice.
        answers = {id(read): verdict for read, verdict in zip(wanted, verdicts, strict=True)}
        return [self._row(read, answers.get(id(read))) for read in batch]

    def _row(self, read: _ReadItem, verdict: Verdict | None = None) -> ScanRow:
        row: ScanRow = {
            "path": read.item.path,
            "sha256": read.sha256,
            "bytes": None if read.data is None else len(read.data),
            "error": None if read.error is None else str(read.error),
            "transient": isinstance(read.error, TransientError) or None,
            "model": self._model,
            "read_ms": round(read.ms, 2),
        }
        if verdict is not None:
            row |= verdict_columns(replace(verdict, path=read.item.path))
            row["score_ms"] = round(verdict.milliseconds or 0, 2)
        return row


def resident_bytes() -> int:
    """Return the memory that this process holds, in bytes; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """End this process where a picture takes longer: nothing less stops a decoder written in C.

    The kernel does it, by the signal's default action; the engine then sees a dead worker.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
