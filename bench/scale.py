"""Measure how fast archives are scanned, on this machine, and say what follows for many.

    python bench/scale.py make                        # 20,000 small pictures, once (2 min)
    python bench/scale.py STAGE [--files N]           # measures one stage, keeps its figures
    python bench/scale.py kills                       # 20,000 files, killed again and again
    python bench/scale.py docs --docs docs/scale.md   # writes the table

Stages: decode1 decode2 naive local1 local2 ray1 ray2 driver coordinator. Figures gather in
reports/speed/scale.json, each with the number of files it was measured on; stages of one table
should be measured one after the other on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "reports" / "speed" / "scale.json"
PICTURES = ROOT / "runs" / "scale" / "pictures"
OUT = ROOT / "runs" / "scale" / "out"
MARKS = "<!-- scale -->", "<!-- /scale -->"
FILES = 20_000
CORES, HOURLY = 2, 0.09
"""What so many cores cost an hour, in dollars: about what large clouds ask for a small machine."""
QUIET = float(CORES)
"""A load average above this before a stage tells of other work; so much the stage before leaves."""
S3_GETS = 5500
"""GET requests a second that S3 says it takes for each prefix."""


def make(data: Path, count: int) -> None:
    """Write small pictures, no two alike: crops, mirrored, brightened, at some JPEG quality."""
    rng = np.random.default_rng(0)
    with (data / "manifest.csv").open(newline="") as file:
        rows = sorted(row["path"] for row in csv.DictReader(file))
    for number in range(count):
        folder = PICTURES / f"{number // 1000:03}"
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(data / rows[number % len(rows)]) as opened:
            opened.draft("RGB", (512, 512))
            image = opened.convert("RGB")
        side = min(*image.size, int(rng.integers(200, 300)))
        left, top = (int(rng.integers(0, full - side + 1)) for full in image.size)
        image = image.crop((left, top, left + side, top + side))
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        gain = float(rng.uniform(0.8, 1.2))
        image = image.point(lambda value, gain=gain: min(255, int(value * gain)))
        image.save(folder / f"{number:05}.jpg", quality=int(rng.integers(70, 96)))


def pictures(count: int) -> list[Path]:
    """Return the first of the pictures that `make` wrote."""
    found = sorted(PICTURES.glob("*/*.jpg"))[:count]
    if len(found) < count:
        raise SystemExit("There are not as many pictures; run `make` first.")
    return found


def decode_all(paths: list[Path]) -> tuple[int, float]:
    """Read and decode, and nothing else; return how many and the core time."""
    from unmask.picture.decode import decode, read_bytes

    spent = time.process_time()
    done = sum(decode(read_bytes(path)).shape[0] > 0 for path in paths)
    return done, time.process_time() - spent


def decoding(count: int, processes: int) -> dict[str, Any]:
    """Measure the ceiling: nothing is faster than decoding alone."""
    paths = pictures(count)
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(decode_all, [paths[:8]] * processes))
        started = time.perf_counter()
        parts = [paths[start :: 4 * processes] for start in range(4 * processes)]
        done, spent = map(sum, zip(*pool.map(decode_all, parts), strict=True))
        return rate(done, time.perf_counter() - started, spent)


def naive(count: int, _: int) -> dict[str, Any]:
    """Measure the loop that anybody would write: Pillow, and one call of ONNX Runtime a file."""
    import onnxruntime as ort

    from unmask.model.card import ModelCard
    from unmask.model.open import SHIPPED
    from unmask.picture.views import cut_views

    card = ModelCard.read(ModelCard.path_for(SHIPPED))
    session = ort.InferenceSession(SHIPPED, providers=["CPUExecutionProvider"])
    started, spent = time.perf_counter(), time.process_time()
    for path in pictures(count):
        with Image.open(path) as image:
            views = cut_views(np.asarray(image.convert("RGB")), card.inputs)
        feed = {name: some[None] for name, some in views.items()}
        session.run(["logit", "category_logits"], feed)
    return rate(count, time.perf_counter() - started, time.process_time() - spent)


def scan(engine: str, count: int, workers: int) -> dict[str, Any]:
    """Measure ``unmask scan``, its start included."""
    folder = OUT / f"{engine}{workers}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed, log = folder / "list.txt", folder / "log"
    listed.write_text("".join(f"{path.resolve()}\n" for path in pictures(count)))
    command = [sys.executable, "-m", "unmask", "scan", listed, "--out", folder / "scan"]
    command += ["--engine", engine, "--workers", str(workers), "--log", log]
    with subprocess.Popen(list(map(str, command))) as running:
        cores = cpu_seconds(running)
    run = json.loads((folder / "scan" / "summary.json").read_text())["this_run"]
    figures = rate(run["files"], run["seconds"], cores)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    seen = [line for line in told if line.get("worker_bytes")]
    early = next((line for line in seen if line["files"] >= 0.2 * count), seen[-1])
    for name, line in (("early", early), ("late", seen[-1])):
        highest = max(line["worker_bytes"].values())
        figures[f"worker_mib_{name}"] = round(highest / 2**20, 1)
    return figures


def cpu_seconds(running: subprocess.Popen[bytes]) -> float:
    """Wait for a process to end; return the core time of it and of all that it started."""
    import psutil

    spent: dict[int, float] = {}
    while running.poll() is None:
        for process in [psutil.Process(running.pid), *psutil.Process(running.pid).children(True)]:
            with suppress(psutil.Error):
                times = process.cpu_times()
                spent[process.pid] = times.user + times.system
        time.sleep(0.5)
    return sum(spent.values())


def driver(count: int, _: int) -> dict[str, Any]:
    """Measure what the driver alone can take: rows in, ledger and Parquet out."""
    from unmask.scan.driver import ScanDriver, scan_folder
    from unmask.scan.items import Item
    from unmask.scan.plan import Plan
    from unmask.scan.units import UnitResult, WorkUnit

    class Instant:
        """Workers that take no time."""

        def run(self, units: Iterator[WorkUnit]) -> Iterator[UnitResult]:
            for unit in units:
                WorkUnit.from_json(unit.to_json())
                rows = [
                    {"path": item.path, "bytes": 20_000,
                     "sha256": hashlib.sha256(item.path.encode()).hexdigest(),
                     "verdict": "real", "p_fake": 0.1, "category": "animals", "read_ms": 1.0,
                     "category_confidence": 0.9, "decided_by": "pixels", "score_ms": 70.0}
                    for place, item in enumerate(unit.items)
                ]  # fmt: skip
                yield UnitResult(unit.number, json.loads(json.dumps(rows)), "1", 0)

        def done(self, unit: int, hashes: list[str]) -> None:
            pass

        def close(self) -> None:
            pass

    folder = OUT / "driver"
    shutil.rmtree(folder, ignore_errors=True)
    with scan_folder(folder) as ledger:
        plan = Plan(folder)
        plan.extend((Item(f"/archive/{n:08}.jpg", "file", f"/a/{n}") for n in range(count)), 1000)
        started = time.perf_counter()
        ScanDriver(plan, ledger, Instant()).run()
        seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in folder.glob("rows/*/*"))
    return rate(count, seconds) | {"bytes_a_row": round(size / count, 1)}


def coordinator(count: int, _: int) -> dict[str, Any]:
    """Measure what the coordinator of a Ray scan can take: one call a batch of eight files."""
    import ray

    from unmask.scan.ledger import Ledger
    from unmask.scan.ray_engine import CoordinatorActor, connect

    folder = OUT / "coordinator"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    Ledger(folder).close()
    connect(None)
    actor = ray.remote(CoordinatorActor).options(num_cpus=0).remote(str(folder), 2)
    ray.get(actor.begin.remote(0))
    started = time.perf_counter()
    asked = [
        actor.claim.remote(0, [f"{number:064x}" for number in range(start, start + 8)])
        for start in range(0, count, 8)
    ]
    ray.get(asked)
    seconds = time.perf_counter() - started
    ray.shutdown()
    return rate(count, seconds)


def kills(count: int) -> dict[str, Any]:
    """Scan with a tiny model while driver and workers are killed; check every row."""
    sys.path.insert(0, str(ROOT / "tests"))
    from test_scan import _children

    from scanning import command, poison, read_rows, tiny_model

    paths = pictures(count)
    figures: dict[str, Any] = {"files": count}
    for engine in ("local", "ray"):
        folder = OUT / f"kills-{engine}"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "patch").mkdir(parents=True)
        bad = folder / "kills.jpg"
        bad.write_bytes(paths[0].read_bytes() + b"this ends whoever decodes it")
        listed, out = folder / "list.txt", folder / "out"
        listed.write_text("".join(f"{path.resolve()}\n" for path in [*paths, bad]))
        line = command(
            listed, "--out", out, "--model", tiny_model(folder), "--engine", engine,
            "--workers", 2, "--retries", 1, "--quiet",
        )  # fmt: skip
        environment = os.environ | poison(folder / "patch")
        drivers = workers = 0
        for goal in (2, 5, 8):
            running = subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL)
            while len(list(out.glob("rows/*/*.parquet"))) < goal and running.poll() is None:
                time.sleep(0.05)
            for child in scorers(running.pid, engine, _children)[:1]:
                os.kill(child, signal.SIGKILL)
                workers += 1
            while len(list(out.glob("rows/*/*.parquet"))) < goal + 2 and running.poll() is None:
                time.sleep(0.05)
            if running.poll() is None:
                running.kill()
                drivers += 1
            running.wait()
        last = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        rows = Counter(row["path"] for row in read_rows(out))
        wanted = Counter(str(path.resolve()) for path in [*paths, bad])
        errors = [row["error"] for row in read_rows(out) if row["error"]]
        figures[engine] = {
            "drivers_killed": drivers,
            "workers_killed": workers,
            "lost": (wanted - rows).total(),
            "doubled": (rows - wanted).total(),
            "errors": len(errors),
            "exit": last.returncode,
        }
        print(engine, figures[engine], flush=True)
    return figures


def scorers(pid: int, engine: str, children: Any) -> list[int]:
    """Return the processes that score for a driver."""
    if engine == "local":
        return [child for child in children(pid) if "spawn_main" in command_of(child)]
    listed = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [one for one in listed if "MapWorker" in command_of(one)]


def command_of(pid: int) -> str:
    """Return a process's command line; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def rate(files: float, seconds: float, cores: float | None = None) -> dict[str, Any]:
    """Return figures of one stage; other work on the machine changes ``core_ms`` the least."""
    figures = {
        "files": int(files),
        "seconds": round(seconds, 2),
        "files_per_second": round(files / seconds, 2),
    }
    if cores is not None:
        figures["core_ms_a_file"] = round(1000 * cores / files, 2)
    return figures


STAGES: dict[str, Any] = {
    "decode1": (decoding, 1), "decode2": (decoding, 2), "naive": (naive, 1),
    "local1": (lambda count, n: scan("local", count, n), 1),
    "local2": (lambda count, n: scan("local", count, n), 2),
    "ray1": (lambda count, n: scan("ray", count, n), 1),
    "ray2": (lambda count, n: scan("ray", count, n), 2),
    "driver": (driver, 1), "coordinator": (coordinator, 1),
}  # fmt: skip
TITLES = {
    "decode1": "decoding alone, 1 process", "decode2": "decoding alone, 2 processes",
    "naive": "naive loop, ONNX Runtime's own threads", "local1": "local, 1 process",
    "local2": "local, 2 processes", "ray1": "Ray, 1 actor", "ray2": "Ray, 2 actors",
}  # fmt: skip


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| | files | files/s | core time a file | $ a million files "
        "| a worker's memory, at 20% and at the end |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, title in TITLES.items():
        if one := figures.get(name):
            cost = 1e6 * one["core_ms_a_file"] / 1000 / 3600 * HOURLY / CORES
            held = (
                f"{one['worker_mib_early']:.0f} and {one['worker_mib_late']:.0f} MiB"
                if "worker_mib_early" in one
                else ""
            )
            lines.append(
                f"| {title} | {one['files']:,} | {one['files_per_second']:.1f} "
                f"| {one['core_ms_a_file']:.1f} ms | {cost:.2f} | {held} |"
            )
    loads = [one["load_before"] for name, one in figures.items() if name in TITLES]
    load = f"{min(loads):.1f} to {max(loads):.1f} before the stages, on {os.cpu_count()} cores"
    if is_busy(figures):
        lines += [
            "",
            f"**Taken on a machine that did other work**: its load average was {load}. "
            "So files/s can be neither compared with one another nor held against the floors; "
            "core time is what other work changes least.",
        ]
    else:
        lines += ["", f"Load average: {load}, one stage right after the other."]
    lines += ["", *ratios(figures), "", *many(figures)]
    if done := figures.get("kills"):
        lines += ["", *(killed(done, engine) for engine in ("local", "ray"))]
    return "\n".join(lines)


def is_busy(figures: dict[str, Any]) -> bool:
    """Say whether other work ran beside the stages."""
    return any(figures[name]["load_before"] > QUIET for name in TITLES if name in figures)


def ratios(figures: dict[str, Any]) -> Iterator[str]:
    """Say how stages compare: by files/s where nothing else ran, else by core time."""
    busy = is_busy(figures)
    for over, under, text, floor in (
        ("local2", "local1", "local, 2 processes over 1", 1.8),
        ("local2", "naive", "local, 2 processes over the naive loop", 2.5),
        ("ray2", "local2", "Ray over local, 2 workers", 0.8),
        ("ray1", "local1", "Ray over local, 1 worker", 0.8),
    ):
        if over not in figures or under not in figures:
            continue
        ours, theirs = figures[over], figures[under]
        if busy:
            spent = ours["core_ms_a_file"] / theirs["core_ms_a_file"]
            yield f"- {text}: {spent:.2f} times the core time a file (floor {floor}: not judged)"
            continue
        value = ours["files_per_second"] / theirs["files_per_second"]
        met = "met" if value >= floor else "**not met**"
        yield f"- {text}: {value:.2f} times the files/s (floor {floor}: {met})"


def many(figures: dict[str, Any]) -> Iterator[str]:
    """Say what many machines would do, by the model that docs/scale.md explains."""
    one = figures.get("ray2")
    if not one or "driver" not in figures or "coordinator" not in figures:
        return
    limits = {
        "the driver": figures["driver"]["files_per_second"],
        "the coordinator": figures["coordinator"]["files_per_second"],
        "GETs of one S3 prefix": float(S3_GETS),
    }
    each = 1000 * CORES / one["core_ms_a_file"]
    yield f"| machines of {CORES} cores | files/s if all scaled | by the model | held back by |"
    yield "| ---: | ---: | ---: | --- |"
    for machines in (1, 10, 100, 400, 1000):
        name = min(limits, key=lambda name: limits[name])
        got = min(machines * each, limits[name])
        held = name if limits[name] < machines * each else "scoring"
        yield f"| {machines:,} | {machines * each:,.0f} | {got:,.0f} | {held} |"
    yield ""
    yield (
        f"The driver takes {limits['the driver']:,.0f} files/s "
        f"({figures['driver']['bytes_a_row']:.0f} bytes of Parquet a row), the coordinator "
        f"{limits['the coordinator']:,.0f}."
    )
    if not is_busy(figures):
        rate = figures["ray2"]["files_per_second"]
        yield f"For two actors the model says {each:.1f} files/s; measured: {rate:.1f}."


def killed(done: dict[str, Any], engine: str) -> str:
    """Say what became of a scan that was killed again and again."""
    one = done[engine]
    return (
        f"- {engine}: {done['files']:,} files, {one['drivers_killed']} drivers and "
        f"{one['workers_killed']} workers killed (and one file that kills its worker): "
        f"{one['lost']} rows lost, {one['doubled']} doubled, {one['errors']} error row."
    )


def main() -> None:
    """Measure one stage, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=["make", "kills", "docs", *STAGES])
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "scale.md")
    options = parser.parse_args()
    if options.stage == "make":
        make(options.data, options.files)
        return
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if options.stage == "docs":
        before, rest = options.docs.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        text = f"{before}{MARKS[0]}\n{table(figures)}\n{MARKS[1]}{after}"
        options.docs.write_text(text)
        return
    if options.stage == "kills":
        figures["kills"] = kills(options.files)
    else:
        run, workers = STAGES[options.stage]
        load = round(os.getloadavg()[0], 2)
        figures[options.stage] = run(options.files, workers) | {"load_before": load}
    print(json.dumps(figures[options.stage], indent=2))
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
