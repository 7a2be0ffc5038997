"""The local engine: one process a worker, each started, watched and replaced by itself.

What goes through the pipes is JSON and never a pickle: whatever a hostile picture makes of a
worker, the driver reads text from it and nothing else.
"""

from __future__ import annotations

import json
import multiprocessing
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from unmask.scan.coordinator import LedgerCoordinator
from unmask.scan.scan_settings import ScanSettings
from unmask.scan.unit_scorer import UnitScorer, resident_bytes
from unmask.scan.units import UnitInstructions, UnitResult, WorkUnit

_STARTS = 3
"""So many workers in a row may die before they are ready; then it is not by chance."""


class WorkerError(ValueError):
    """Workers cannot be started; the message says why in one sentence."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    ready: bool = False
    unit: WorkUnit | None = None


@dataclass
class LocalEngine:
    """Workers on this machine.

    Attributes:
        coordinator: The scan's coordinator.
        settings: What every worker is told.
        processes: How many workers.
    """

    coordinator: LedgerCoordinator
    settings: ScanSettings
    processes: int
    _workers: list[_Worker] = field(default_factory=list)
    _failed_starts: int = 0
    _deaths: int = 0

    def run(self, units: Iterator[WorkUnit]) -> Iterator[UnitResult]:
        """Yield the rows of every unit.

        Raises:
            WorkerError: Workers die before they are ready.
        """
        again: deque[WorkUnit] = deque()
        self._workers = [self._start() for _ in range(self.processes)]
        more = True
        while True:
            for worker in self._workers:
                if worker.ready and worker.unit is None and (again or more):
                    unit = again.popleft() if again else next(units, None)
                    if unit is None:
                        more = False
                    else:
                        self._hand_over(worker, unit)
            if not (more or again or any(worker.unit for worker in self._workers)):
                return
            pipes = {worker.pipe: worker for worker in self._workers}
            for pipe in wait(list(pipes)):
                worker = pipes[pipe]  # type: ignore[index]
                try:
                    message = json.loads(worker.pipe.recv_bytes())
                except (EOFError, OSError):
                    self._replace(worker, again)
                    continue
                if done := self._receive(worker, message):
                    yield done

    def _receive(self, worker: _Worker, message: list[Any]) -> UnitResult | None:
        kind, *rest = message
        if kind == "rows" and worker.unit is not None:
            rows, memory = rest
            done = UnitResult(
                worker.unit.number, rows, str(worker.process.pid), memory, self._deaths
            )
            worker.unit, self._deaths = None, 0
            return done
        if kind == "ready":
            worker.ready, self._failed_starts = True, 0
        elif kind == "failed":
            raise WorkerError(str(rest[0]))
        elif kind in ("begin", "announce", "claim"):
            answer = getattr(self.coordinator, kind)(*rest)
            if kind != "announce":
                with suppress(OSError):
                    worker.pipe.send_bytes(json.dumps(answer).encode())
        return None

    def done(self, unit: int, hashes: list[str]) -> None:
        """Tell the coordinator that a unit, and the answers for hashes, are in the ledger."""
        self.coordinator.done(unit, hashes)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers = []

    def _start(self) -> _Worker:
        # Spawned: a fork would take the driver's threads and files along.
        context = multiprocessing.get_context("spawn")
        mine, its = context.Pipe()
        process = context.Process(
            target=_work,
            args=(its, self.settings.model_dump_json()),
            name="unmask-scan",
            daemon=True,
        )
        process.start()
        its.close()
        return _Worker(process, mine)

    def _hand_over(self, worker: _Worker, unit: WorkUnit) -> None:
        worker.unit = unit
        # A worker that has died meanwhile is met when its pipe is read.
        with suppress(OSError):
            worker.pipe.send_bytes(unit.to_json().encode())

    def _replace(self, worker: _Worker, again: deque[WorkUnit]) -> None:
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        self._deaths += 1
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                code = worker.process.exitcode
                raise WorkerError(f"Worker processes end as soon as they start (code {code}).")
        if worker.unit is not None:
            again.append(worker.unit)
        self._workers[self._workers.index(worker)] = self._start()


@dataclass
class _PipedCoordinator:
    """The coordinator as a worker sees it: at the other end of the pipe."""

    pipe: Connection

    def begin(self, unit: int) -> UnitInstructions:
        careful, given_up = self._ask("begin", unit)
        return UnitInstructions(careful, [(place, sha256) for place, sha256 in given_up])

    def announce(self, unit: int, place: int, sha256: str | None) -> None:
        self.pipe.send_bytes(json.dumps(["announce", unit, place, sha256]).encode())

    def claim(self, unit: int, hashes: list[str]) -> list[bool]:
        return list(self._ask("claim", unit, hashes))

    def _ask(self, *message: object) -> Any:
        self.pipe.send_bytes(json.dumps(message).encode())
        return json.loads(self.pipe.recv_bytes())


def _work(pipe: Connection, settings: str) -> None:
    """Run in a worker: score units until the driver is gone."""
    import signal

    # Ctrl-C on a terminal is for the driver, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            scorer = UnitScorer(ScanSettings.model_validate_json(settings))
        except ValueError as error:
            pipe.send_bytes(json.dumps(["failed", str(error)]).encode())
            return
        pipe.send_bytes(json.dumps(["ready"]).encode())
        coordinator = _PipedCoordinator(pipe)
        while True:
            unit = WorkUnit.from_json(pipe.recv_bytes())
            rows = scorer.score(unit, coordinator)
            pipe.send_bytes(json.dumps(["rows", rows, resident_bytes()]).encode())
    except (EOFError, OSError):
        return  # The driver is gone.
