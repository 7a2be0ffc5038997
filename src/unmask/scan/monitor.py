"""Monitor a scan: a progress line for people, a log for machines, figures for Prometheus."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TextIO

from unmask.scan.rows import ScanRow
from unmask.scan.units import UnitResult

log = logging.getLogger("unmask.scan")
_EVERY_SECONDS = {True: 0.5, False: 30.0}
"""How often the line is told: on a terminal, and anywhere else."""
_WINDOW_SECONDS = 60.0
_LOG_SECONDS = 10.0


@dataclass
class ScanMonitor:
    """Told of each unit of a scan as it is done.

    Attributes:
        total: Inputs of the scan.
        before: Of them, those that an earlier start has written.
        errors: Inputs without an answer so far, those of earlier starts too.
        stream: Where the progress line goes; None for nowhere.
        deaths: Workers that died.
        memory: Resident bytes of each worker, when last heard of.
    """

    total: int
    before: int = 0
    errors: int = 0
    stream: TextIO | None = None
    done: int = 0
    deaths: int = 0
    memory: dict[str, int] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    _shown: float = 0.0
    _logged: float = field(default_factory=time.monotonic)
    _lately: deque[tuple[float, int]] = field(default_factory=deque)
    _width: int = 0
    _ended: float | None = None

    def __call__(self, done: UnitResult) -> None:
        """Take note of a unit's rows."""
        now = time.monotonic()
        errors = sum(row.get("error") is not None for row in done.rows)
        self.done += len(done.rows)
        self.errors += errors
        self.deaths += done.deaths
        self.memory[done.worker] = done.memory
        self._lately.append((now, self.done))
        while now - self._lately[0][0] > _WINDOW_SECONDS:
            self._lately.popleft()
        if done.deaths:
            log.warning("workers died", extra={"deaths": done.deaths})
        if now - self._logged >= _LOG_SECONDS:
            self._logged = now
            self.log("progress")
        for row in done.rows:
            if row.get("error"):
                log.info("no answer", extra={"path": row["path"], "error": row["error"]})
        if self.stream and now - self._shown >= _EVERY_SECONDS[self.stream.isatty()]:
            self._shown = now
            self._show(self.line())

    @property
    def seconds(self) -> float:
        """Since the start, in seconds; up to the last unit once the scan is closed."""
        return (self._ended or time.monotonic()) - self.started

    @property
    def rate(self) -> float:
        """Files a second over the last minute."""
        if len(self._lately) < 2:
            return self.done / max(time.monotonic() - self.started, 1e-9)
        (first, before), (last, now) = self._lately[0], self._lately[-1]
        return (now - before) / max(last - first, 1e-9)

    def line(self) -> str:
        """Return the progress line."""
        finished = self.before + self.done
        left = (self.total - finished) / self.rate if self.rate else 0.0
        return (
            f"{finished:,} of {self.total:,} files, {self.rate:.1f} files/s, "
            f"{self.errors:,} errors, {_duration(left)} left"
        )

    def log(self, message: str) -> None:
        """Log how far the scan is."""
        log.info(
            message,
            extra={
                "files": self.before + self.done,
                "total": self.total,
                "errors": self.errors,
                "files_per_second": round(self.rate, 2),
                "worker_bytes": dict(self.memory),
            },
        )

    def close(self) -> None:
        """Stop the clock, and take the line off a terminal."""
        self.log("ended")
        self._ended = time.monotonic()
        if self.stream and self.stream.isatty():
            self._show("")
            self.stream.write("\r")

    def _show(self, line: str) -> None:
        if self.stream is None:
            return
        if self.stream.isatty():
            self.stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self.stream.write(line + "\n")
        self.stream.flush()


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


class ScanMetrics:
    """Figures of a scan, for Prometheus.

    Args:
        port: Where they are served, on this machine's every address.
        monitor: Whose figures they are.

    Raises:
        ModuleNotFoundError: The package is not installed.
        OSError: The port is taken.
    """

    def __init__(self, port: int, monitor: ScanMonitor) -> None:
        from prometheus_client import (
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            start_http_server,
        )

        registry = CollectorRegistry()
        self._files = Counter(
            "unmask_scan_files",
            "Inputs done, by verdict or error.",
            ("outcome",),
            registry=registry,
        )
        self._bytes = Counter("unmask_scan_bytes", "Bytes read.", registry=registry)
        self._known = Counter(
            "unmask_scan_duplicates", "Inputs whose bytes another one had.", registry=registry
        )
        self._deaths = Counter("unmask_scan_worker_deaths", "Workers that died.", registry=registry)
        self._seconds = Histogram(
            "unmask_scan_file_seconds", "Time for decoding and inference.", registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )  # fmt: skip
        self._memory = Gauge(
            "unmask_scan_worker_bytes", "Resident memory.", ("worker",), registry=registry
        )
        left = Gauge("unmask_scan_files_left", "Inputs not yet done.", registry=registry)
        left.set_function(lambda: monitor.total - monitor.before - monitor.done)
        rate = Gauge("unmask_scan_files_per_second", "Over the last minute.", registry=registry)
        rate.set_function(lambda: monitor.rate)
        self._server, _ = start_http_server(port, registry=registry)
        self.port = self._server.server_port

    def __call__(self, done: UnitResult) -> None:
        """Take note of a unit's rows."""
        for row in done.rows:
            self._files.labels(outcome_of(row)).inc()
            self._bytes.inc(row.get("bytes") or 0)
            if outcome_of(row) == "duplicate":
                self._known.inc()
            elif row.get("score_ms") is not None:
                self._seconds.observe(row["score_ms"] / 1000)
        self._deaths.inc(done.deaths)
        self._memory.labels(done.worker).set(done.memory)

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


def outcome_of(row: ScanRow) -> str:
    """Return a row's verdict, or ``error``; ``duplicate`` where the answer is still another's."""
    if row.get("error") is not None:
        return "error"
    return str(row.get("verdict") or "duplicate")


def stderr_line(quiet: bool) -> TextIO | None:
    """Return where the progress line goes."""
    return None if quiet else sys.stderr
