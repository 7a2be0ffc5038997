"""Measure the service under load beside the usual server, on this machine, in one run.

    python bench/load.py [--out reports/speed/load.json] [--docs docs/service.md]

Three rounds, each with 50 concurrent clients of Locust on the same cores as the server:

usual    FastAPI and PyTorch (`usual_server.py`), pictures posted for ``--seconds``.
fresh    ours, for ``--seconds``, every upload with bytes of its own: the model answers each.
long     ours, ``--requests`` uploads of ``--distinct`` pictures in turn: each is answered by the
         model once and from the store thereafter. Resident memory of the server and its decoding
         processes is read every second.

The pictures are the collection's test split (``--data``). In both of our rounds every answer is
compared with what `unmask detect` says about the picture. Leave the machine alone meanwhile: about
twelve minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unmask.model.card import ModelCard
from unmask.model.open import SHIPPED

HERE = Path(__file__).parent
CLIENTS = 50
MARKS = "<!-- load -->", "<!-- /load -->"


def pictures_of(data: Path, most: int) -> list[str]:
    """Return paths of readable pictures of the test split, one from each source in turn."""
    with (data / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    by_source: dict[str, list[str]] = {}
    for row in rows:
        by_source.setdefault(row["source"], []).append(str(data / row["path"]))
    turns: list[str] = []
    while any(by_source.values()) and len(turns) < most:
        turns += [paths.pop() for paths in by_source.values() if paths]
    return turns[:most]


def expected_of(paths: list[str]) -> dict[str, Any]:
    """Return what the command line says about pictures."""
    command = [sys.executable, "-m", "unmask", "detect", "--jsonl", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {row["path"]: row for row in map(json.loads, done.stdout.splitlines())}


@contextmanager
def server(command: list[str], port: int, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the context ends."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "UNMASK_DATA_DIR": folder}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            wait_until_ready(port, ready)
            yield process
        finally:
            process.terminate()
            process.wait(90)


def wait_until_ready(port: int, path: str) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("The server did not start.")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load(port: int, path: str, seconds: int, folder: Path, **settings: object) -> dict[str, Any]:
    """Run Locust against a server and return its figures."""
    out = folder / "out.json"
    environment = {**os.environ, "LOAD_PATH": path, "LOAD_OUT": str(out)}
    environment |= {f"LOAD_{name.upper()}": str(value) for name, value in settings.items()}
    command = [
        sys.executable, "-m", "locust", "--locustfile", str(HERE / "load_user.py"), "--headless",
        "--users", str(CLIENTS), "--spawn-rate", str(CLIENTS), "--run-time", f"{seconds}s",
        "--stop-timeout", "120", "--host", f"http://127.0.0.1:{port}", "--only-summary",
    ]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if not out.exists():
        raise SystemExit(done.stderr)
    raw = json.loads(out.read_text())
    times = raw.pop("milliseconds")
    marks = statistics.quantiles(times, n=100)
    return {
        **raw,
        "seconds": round(raw["seconds"], 1),
        "requests_per_second": round(raw["answered"] / raw["seconds"], 1),
        "p50_ms": round(marks[49]),
        "p95_ms": round(marks[94]),
        "p99_ms": round(marks[98]),
    }


class Memory(threading.Thread):
    """Reads the resident memory of a process and its children every second, in MiB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.done, self.read = pid, threading.Event(), []

    def run(self) -> None:
        """Read until told to stop."""
        while not self.done.wait(1):
            self.read.append(sum(map(resident, [self.pid, *children(self.pid)])))

    def drift(self) -> dict[str, float]:
        """Compare the last tenth with the second one, when all is warm."""
        self.done.set()
        self.join()
        tenth = max(1, len(self.read) // 10)
        early = statistics.mean(self.read[tenth : 2 * tenth] or self.read)
        late = statistics.mean(self.read[-tenth:])
        return {
            "early_mib": round(early), "late_mib": round(late), "peak_mib": round(max(self.read)),
            "growth": round(late / early - 1, 3),
        }  # fmt: skip


def children(pid: int) -> list[int]:
    """Return a process's children."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


def resident(pid: int) -> float:
    """Return a process's resident memory in MiB; 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the three rounds."""
    paths = pictures_of(options.data, options.distinct)
    card = ModelCard.read(ModelCard.path_for(SHIPPED))
    figures: dict[str, Any] = {
        "model": f"{card.name} {card.sha256[:12]}",
        "machine": platform.machine(), "cores": os.cpu_count(), "clients": CLIENTS,
        "distinct_pictures": len(paths), "load_before": round(os.getloadavg()[0], 2),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"asking the command line about {len(paths)} pictures", flush=True)
        expected = expected_of(paths)
        paths = [path for path in paths if expected[path]["error"] is None]
        (folder / "pictures.json").write_text(json.dumps(paths))
        (folder / "expected.json").write_text(json.dumps(expected))
        (folder / "nothing.json").write_text("{}")
        lists = {"pictures": folder / "pictures.json", "expected": folder / "expected.json"}
        no_answers = lists | {"expected": folder / "nothing.json"}
        endless = 10**9

        print("round: usual", flush=True)
        port = free_port()
        with server([sys.executable, str(HERE / "usual_server.py"), str(port)], port, "/docs"):
            load(port, "/predict", 5, folder, requests=200, **no_answers)
            figures["usual"] = load(
                port, "/predict", options.seconds, folder, requests=endless, **no_answers
            )
        port = free_port()
        ours = [sys.executable, "-m", "unmask", "serve", "--port", str(port)]
        with server(ours, port, "/readyz") as process:
            print("round: fresh", flush=True)
            load(port, "/v1/detections", 5, folder, requests=200, unique=1, **lists)
            figures["fresh"] = load(
                port, "/v1/detections", options.seconds, folder, requests=endless, unique=1, **lists
            )
            print("round: long", flush=True)
            memory = Memory(process.pid)
            memory.start()
            figures["long"] = load(
                port, "/v1/detections", 3600, folder, requests=options.requests, **lists
            )
            figures["memory"] = memory.drift()
    figures["times_the_usual"] = round(
        figures["fresh"]["requests_per_second"] / figures["usual"]["requests_per_second"], 2
    )
    return figures


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    rounds = {"usual": "the usual server", "fresh": "ours, the model answers each",
              "long": "ours, pictures come again"}  # fmt: skip
    lines = [
        f"With {figures['model']}, {figures['cores']} cores, {figures['clients']} concurrent "
        f"clients on the same cores, {figures['distinct_pictures']} pictures; load average before "
        f"{figures['load_before']}.",
        "",
        "| round | requests | a second | p50 | p95 | lost | mixed up | by the model "
        "| from the store |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, title in rounds.items():
        one = figures[name]
        mixed = "not checked" if name == "usual" else one["mixed_up"]
        by_the_model = one["answered"] - one["from_store"]
        lines.append(
            f"| {title} | {one['answered']:,} | {one['requests_per_second']} | {one['p50_ms']} ms "
            f"| {one['p95_ms']} ms | {one['lost']} | {mixed} | {by_the_model:,} "
            f"| {one['from_store']:,} |"
        )
    memory = figures["memory"]
    lines += [
        "",
        f"Where the model answers each, ours makes {figures['times_the_usual']:g} times the "
        "requests of the usual server. Resident memory over the long round, decoding processes "
        f"included: {memory['early_mib']} MiB early, {memory['late_mib']} MiB at the end "
        f"({memory['growth']:+.1%}).",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--distinct", type=int, default=900)
    parser.add_argument("--seconds", type=int, default=90)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    figures = measure(options)
    print(json.dumps(figures, indent=2))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")
    if options.docs:
        text = options.docs.read_text()
        before, rest = text.split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        options.docs.write_text(f"{before}{MARKS[0]}\n{table(figures)}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
