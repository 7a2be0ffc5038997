"""Score a unit of items: the one function that every engine runs in its workers."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from unmask.detector.detector import Detector
from unmask.model.card import ModelError
from unmask.model.ensemble import load_model
from unmask.picture.decode import Limits
from unmask.picture.errors import PictureError
from unmask.scan.desk import Desk
from unmask.scan.items import Item
from unmask.scan.read import Reader
from unmask.scan.schema import Row
from unmask.scan.settings import ScanSettings
from unmask.verdict.verdict import Verdict


class Unit(NamedTuple):
    """What a worker is handed at a time: neighbouring items of one block.

    Attributes:
        number: Unique in the scan.
        items: The items.
    """

    number: int
    items: list[Item]

    def to_json(self) -> str:
        """Return the unit as text, for another process."""
        return json.dumps([self.number, self.items])

    @classmethod
    def from_json(cls, text: str | bytes) -> Unit:
        """Return the unit that `to_json` made text of."""
        number, items = json.loads(text)
        return cls(number, [Item(*item) for item in items])


class _Read(NamedTuple):
    item: Item
    data: bytes | None
    error: str | None
    sha256: str | None
    ms: float


class Scorer:
    """A loaded model, and what reads the pictures for it.

    Args:
        settings: What is the same for every worker.

    Raises:
        ModelError: The model cannot be loaded, or is another than the driver's.
    """

    def __init__(self, settings: ScanSettings) -> None:
        self._settings = settings
        limits = Limits(max_bytes=settings.max_bytes)
        self._detector = Detector(
            load_model(settings.model, settings.device, settings.threads),
            threshold=settings.threshold,
            limits=limits,
            calibration=settings.calibration,
            tta=settings.tta,
            provenance=settings.provenance,
            trust=settings.trust,
        )
        self._model = self._detector.model.card.sha256
        if settings.model_sha256 not in (None, self._model):
            raise ModelError("A worker has another model than the driver (SHA-256 differs).")
        self._reader = Reader(settings.column, limits)
        # Reading waits for disks and networks, which costs no core.
        self._pool = ThreadPoolExecutor(settings.batch_size, thread_name_prefix="read")

    def score(self, unit: Unit, desk: Desk) -> list[Row]:
        """Return a row for each item, in order.

        Rows of bytes that somebody else has scored, or will, have ``sha256`` and no answer.
        """
        orders = desk.begin(unit.number)
        if orders.careful:
            return self._carefully(unit, desk, dict(orders.given_up))
        rows: list[Row] = []
        for batch in self._ahead(unit.items):
            with _time_limit(self._settings.file_seconds):
                rows += self._batch(unit.number, batch, desk)
        return rows

    def _carefully(self, unit: Unit, desk: Desk, given_up: dict[int, str | None]) -> list[Row]:
        rows: list[Row] = []
        for place, item in enumerate(unit.items):
            if place in given_up:
                error = (
                    "The picture ended its process or took longer than "
                    f"{self._settings.file_seconds:g} s, each of the {self._settings.retries} "
                    "times that it was tried alone."
                )
                desk.claim(unit.number, [sha for sha in [given_up[place]] if sha])
                rows.append(self._row(_Read(item, None, error, given_up[place], 0.0)))
                continue
            with _time_limit(self._settings.file_seconds):
                desk.hand(unit.number, place, None)
                read = self._read(item)
                desk.hand(unit.number, place, read.sha256)
                rows += self._batch(unit.number, [read], desk)
        return rows

    def _ahead(self, items: list[Item]) -> Iterator[list[_Read]]:
        """Yield batches of what was read, while the next batch is being read."""
        size = self._settings.batch_size
        waiting: list[Future[_Read]] = []
        for start in range(0, len(items) + size, size):
            coming = [self._pool.submit(self._read, item) for item in items[start : start + size]]
            if waiting:
                yield [future.result() for future in waiting]
            waiting = coming

    def _read(self, item: Item) -> _Read:
        started = time.perf_counter()
        data, error, sha256 = None, None, None
        try:
            data = self._reader.read(item)
            sha256 = hashlib.sha256(data).hexdigest()
        except PictureError as problem:
            error = str(problem)
        return _Read(item, data, error, sha256, 1000 * (time.perf_counter() - started))

    def _batch(self, unit: int, batch: list[_Read], desk: Desk) -> list[Row]:
        hashed = [read for read in batch if read.sha256 is not None]
        mine = desk.claim(unit, [read.sha256 or "" for read in hashed]) if hashed else []
        wanted = [read for read, is_mine in zip(hashed, mine, strict=True) if is_mine]
        verdicts = self._detector.detect_batch([read.data or b"" for read in wanted])
        # By identity: one item may be there twice.
        answers = {id(read): verdict for read, verdict in zip(wanted, verdicts, strict=True)}
        return [self._row(read, answers.get(id(read))) for read in batch]

    def _row(self, read: _Read, verdict: Verdict | None = None) -> Row:
        row: Row = {
            "path": read.item.path,
            "sha256": read.sha256,
            "bytes": None if read.data is None else len(read.data),
            "error": read.error,
            "model": self._model,
            "read_ms": round(read.ms, 2),
        }
        if verdict is not None:
            said = verdict.to_json()
            said["path"] = read.item.path
            said["evidence"] = json.dumps(said["evidence"]) if said["evidence"] else None
            row |= said | {"score_ms": round(verdict.milliseconds or 0, 2)}
        return row


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
