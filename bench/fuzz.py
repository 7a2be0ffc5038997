"""Feed 20,000 damaged files to the readers of metadata: none may crash or take long.

    python bench/fuzz.py --cases 20000 --out reports/hostile/fuzz.json

The cases are seeded mutations of small files of every format with every kind of metadata, and of
bare EXIF, XMP and IPTC blocks; `make test` runs the first few hundred of the same ones. One in
twenty is also read with the checks that decode pixels. With `c2pa-python` installed, and with
`--videos N`, signed pictures and short videos are damaged as well.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fuzzing import PARSERS, cases, mutate
from pictures import encode, picture
from signing import AI, manifest, sign
from unmask.evidence.inspect import inspect_bytes
from unmask.picture.errors import PictureError

SLOW = 5.0


def signed_cases(count: int) -> list[tuple[str, bytes]]:
    """Return damaged files with Content Credentials."""
    rng = np.random.default_rng(1)
    files = [
        sign(encode(picture(), kind), manifest(AI), f"image/{kind.lower()}")
        for kind in ("JPEG", "PNG", "WEBP")
    ]
    return [("credentials", mutate(files[place % 3], rng)) for place in range(count)]


def video_cases(count: int) -> list[tuple[str, bytes]]:
    """Return damaged videos."""
    from clips import clip, frames

    rng = np.random.default_rng(2)
    files = [clip(frames(8), suffix) for suffix in ("mp4", "webm", "mkv", "gif")]
    return [("video", mutate(files[place % 4], rng)) for place in range(count)]


def watch(data: bytes) -> None:
    """Read a video to its end, as `unmask video` does."""
    from unmask.video.read import read_video

    try:
        for _ in read_video(data).frames:
            pass
    except PictureError:
        pass


def main() -> None:
    """Run all cases and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--signed", type=int, default=600)
    parser.add_argument("--videos", type=int, default=400)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    parsers = {
        **PARSERS,
        "deep": lambda data: inspect_bytes(data, deep=True),
        "credentials": inspect_bytes,
        "video": watch,
    }
    todo = cases(options.cases)
    todo += [("deep", data) for kind, data in todo if kind == "container"][::20]
    todo += signed_cases(options.signed) + video_cases(options.videos)
    counts, crashes, slowest = Counter[str](), [], {"seconds": 0.0, "case": -1}
    for place, (kind, data) in enumerate(todo):
        started, busy = time.perf_counter(), time.process_time()
        try:
            parsers[kind](data)
        except Exception as error:  # Whatever it is, it is a crash to be told.
            crashes.append(f"case {place} ({kind}): {type(error).__name__}: {error}")
        seconds = time.perf_counter() - started
        if seconds > slowest["seconds"]:
            cpu = time.process_time() - busy
            slowest = {"seconds": round(seconds, 3), "cpu": round(cpu, 3), "case": place}
        counts[kind] += 1
    figures = {
        "cases": dict(counts),
        "crashes": crashes,
        "slowest": slowest,
        "limit_seconds": SLOW,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    sys.exit(1 if crashes or slowest["seconds"] > SLOW else 0)


if __name__ == "__main__":
    main()
