"""Measure how fast detecting is, and what memory it takes, on this machine.

    python bench/speed.py [--pictures 200] [--out reports/speed/speed.json]

Makes photo-like JPEGs of one megapixel (smooth colours and noise, about 300 KB each) and measures,
each in a process of its own: one picture at a time on one core, warm (median of decode and
inference); a batch on two cores; and the peak resident memory of the batch run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDES = (1216, 832)


def make_pictures(folder: Path, count: int) -> list[Path]:
    """Write ``count`` JPEGs of about one megapixel, no two alike."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 36, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(SIDES, Image.Resampling.BICUBIC), dtype=np.int16)
        noise = rng.integers(-8, 9, smooth.shape, dtype=np.int16)
        paths.append(folder / f"{number:04}.jpg")
        Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8)).save(
            paths[-1], quality=88
        )
    return paths


def one_by_one(paths: list[Path]) -> dict[str, float]:
    """Answer for one picture at a time on one core; milliseconds."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from unmask import Detector

    detector = Detector()
    for path in paths[:5]:
        detector.detect(path)
    times = []
    for path in paths[5:]:
        started = time.perf_counter()
        detector.detect(path)
        times.append(1000 * (time.perf_counter() - started))
    return {"median_ms": statistics.median(times), "p95_ms": statistics.quantiles(times, n=20)[-1]}


def batch(paths: list[Path]) -> dict[str, float]:
    """Answer for all pictures on two cores; pictures a second and peak megabytes."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:2]))
    from unmask import Detector

    detector = Detector()
    detector.detect(paths[0])
    started = time.perf_counter()
    count = sum(1 for _ in detector.detect_many(paths))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"pictures_per_second": count / seconds, "peak_mib": peak}


def main() -> None:
    """Run each measurement in a fresh process and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", choices=["one_by_one", "batch"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run = one_by_one if options.only == "one_by_one" else batch
        print(json.dumps(run(sorted(options.folder.glob("*.jpg")))))
        return
    figures: dict[str, object] = {"machine": platform.machine(), "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        paths = make_pictures(Path(folder), options.pictures)
        figures["picture"] = f"{SIDES[0]} x {SIDES[1]} JPEG"
        figures["kib_per_picture"] = round(
            statistics.mean(path.stat().st_size for path in paths) / 1024
        )
        for name in ("one_by_one", "batch"):
            command = [sys.executable, __file__, "--only", name, "--folder", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            figures[name] = {key: round(v, 1) for key, v in json.loads(done.stdout).items()}
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
