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

from unmask.scan.desk import LocalDesk, Orders
from unmask.scan.engine import Done, resident_bytes
from unmask.scan.score import Scorer, Unit
from unmask.scan.settings import ScanSettings

_STARTS = 3
"""So many workers in a row may die before they are ready; then it is not by chance."""


class WorkerError(ValueError):
    """Workers cannot be started; the message says why in one sentence."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    ready: bool = False
    unit: Unit | None = None


@dataclass
class LocalEngine:
    """Workers on this machine.

    Attributes:
        desk: The scan's desk.
        settings: What every worker is told.
        processes: How many workers.
    """

    desk: LocalDesk
    settings: ScanSettings
    processes: int
    _workers: list[_Worker] = field(default_factory=list)
    _failed_starts: int = 0
    _deaths: int = 0

    def run(self, units: Iterator[Unit]) -> Iterator[Done]:
        """Yield the rows of every unit.

        Raises:
            WorkerError: Workers die before they are ready.
        """
        again: deque[Unit] = deque()
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
                if done := self._heed(worker, message):
                    yield done

    def _heed(self, worker: _Worker, message: list[Any]) -> Done | None:
        kind, *rest = message
        if kind == "rows" and worker.unit is not None:
            rows, memory = rest
            done = Done(worker.unit.number, rows, str(worker.process.pid), memory, self._deaths)
            worker.unit, self._deaths = None, 0
            return done
        if kind == "ready":
            worker.ready, self._failed_starts = True, 0
        elif kind == "failed":
            raise WorkerError(str(rest[0]))
        elif kind in ("begin", "hand", "claim"):
            answer = getattr(self.desk, kind)(*rest)
            if kind != "hand":
                with suppress(OSError):
                    worker.pipe.send_bytes(json.dumps(answer).encode())
        return None

    def settle(self, units: list[int], hashes: list[str]) -> None:
        """Tell the desk that units are done, and that hashes are in the ledger."""
        for unit in units:
            self.desk.done(unit)
        self.desk.settle(hashes)

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

    def _hand_over(self, worker: _Worker, unit: Unit) -> None:
        worker.unit = unit
        # A worker that has died meanwhile is met when its pipe is read.
        with suppress(OSError):
            worker.pipe.send_bytes(unit.to_json().encode())

    def _replace(self, worker: _Worker, again: deque[Unit]) -> None:
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
class _PipeDesk:
    """The desk as a worker sees it: at the other end of the pipe."""

    pipe: Connection

    def begin(self, unit: int) -> Orders:
        careful, given_up = self._ask("begin", unit)
        return Orders(careful, [(place, sha256) for place, sha256 in given_up])

    def hand(self, unit: int, place: int, sha256: str | None) -> None:
        self.pipe.send_bytes(json.dumps(["hand", unit, place, sha256]).encode())

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
            scorer = Scorer(ScanSettings.model_validate_json(settings))
        except ValueError as error:
            pipe.send_bytes(json.dumps(["failed", str(error)]).encode())
            return
        pipe.send_bytes(json.dumps(["ready"]).encode())
        desk = _PipeDesk(pipe)
        while True:
            unit = Unit.from_json(pipe.recv_bytes())
            rows = scorer.score(unit, desk)
            pipe.send_bytes(json.dumps(["rows", rows, resident_bytes()]).encode())
    except (EOFError, OSError):
        return  # The driver is gone.
