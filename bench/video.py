"""Measure the detector of videos on clips made from labelled stills, and its speed.

    python bench/video.py quality --data ../shared/data/manifest.csv \
        --out reports/video/video.json
    python bench/video.py speed --out reports/speed/video-speed.json

Quality. A clip is six stills of one source, two seconds each, panned over or zoomed into, at 8
frames a second and 240 x 240 pixels, encoded with H.264 at several bit rates. Of each source there
are clips of real stills only, of fakes only, and of real stills with a fake stretch of two to six
seconds, so that the truth is known for every frame. Pools are compared on stills of the validation
split, and everything else is told of the test split. This is no benchmark of face swaps: no frame
here was altered in a video, and nothing moves but the camera.

Speed. A minute of 1280 x 720 at 30 frames a second, H.264, on two cores, with default sampling,
with and without faces; and the peak memory for clips of one and of three minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clips import Array, clip
from pictures import picture
from unmask.detector.detector import Detector
from unmask.lab.data.manifest import Row, read_manifest
from unmask.lab.evaluate.metrics import auc
from unmask.model.card import ModelCard
from unmask.model.open import SHIPPED
from unmask.picture.decode import decode, read_bytes
from unmask.video.detector import VideoDetector
from unmask.video.pool import POOLS, Segment, find_segments
from unmask.video.sample import SamplingPlan
from unmask.video.verdict import VideoVerdict

SOURCES = ("ffhq256-stylegan", "ffhq-stylegan2", "hard-faces", "nano-banana", "photo-game")
SIDE, RATE, STILL_SECONDS, STILLS = 240, 8, 2, 6
BIT_RATES = (2000, 500, 200, 80)


@dataclass
class Made:
    """A clip and its truth: the label of each still in it."""

    kind: str
    source: str
    fake: list[bool]
    pictures: list[Array]


def still_frames(row: Row, rng: np.random.Generator) -> list[Array]:
    """Pan over or zoom into a still."""
    image = Image.fromarray(decode(read_bytes(row.path)))
    if min(image.size) < SIDE + 16:
        grow = (SIDE + 16) / min(image.size)
        image = image.resize((round(image.width * grow), round(image.height * grow)))
    count = RATE * STILL_SECONDS
    room = np.array([image.width - SIDE, image.height - SIDE])
    start, end = rng.integers(0, room + 1), rng.integers(0, room + 1)
    zoom = rng.random() < 0.5
    frames = []
    for step in np.linspace(0, 1, count):
        left, top = (int(v) for v in np.rint(start + (end - start) * step * (not zoom)))
        inset = 12 * step if zoom else 0
        box = (left + inset, top + inset, left + SIDE - inset, top + SIDE - inset)
        cut = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
        frames.append(np.asarray(cut))
    return frames


def make_clips(rows: list[Row], a_kind: int) -> Iterator[Made]:
    """Make clips of each source and kind."""
    rng = np.random.default_rng(0)
    for source in SOURCES:
        pools = {
            label: [row for row in rows if row.source == source and row.label == label]
            for label in ("real", "fake")
        }
        for kind in ("real", "fake", "part"):
            for _ in range(a_kind):
                fake = [kind == "fake"] * STILLS
                if kind == "part":
                    length = int(rng.integers(1, 4))
                    first = int(rng.integers(0, STILLS - length + 1))
                    fake[first : first + length] = [True] * length
                pictures = []
                for is_fake in fake:
                    pool = pools["fake" if is_fake else "real"]
                    pictures += still_frames(pool[rng.integers(len(pool))], rng)
                yield Made(kind, source, fake, pictures)


def segments_at(verdict: VideoVerdict, threshold: float) -> list[Segment]:
    """Return the segments found at a threshold."""
    return find_segments(
        np.array([frame.time for frame in verdict.frames]),
        np.array([frame.p_fake for frame in verdict.frames]),
        threshold,
        STILLS * STILL_SECONDS,
    )


def segment_f1(made: list[Made], found: list[list[Segment]]) -> float:
    """Return the F1 of moments, over the clips that are fake in part."""
    grid = np.arange(0, STILLS * STILL_SECONDS, 0.05) + 0.025
    both = truth = said = 0
    for one, segments in zip(made, found, strict=True):
        if one.kind == "part":
            true = np.array(one.fake)[(grid // STILL_SECONDS).astype(int)]
            called = np.zeros(grid.size, dtype=bool)
            for segment in segments:
                called |= (grid >= segment.start) & (grid < segment.end)
            both += (true & called).sum()
            truth += true.sum()
            said += called.sum()
    return round(float(2 * both / (truth + said)), 4)


def real_in_segments(made: list[Made], found: list[VideoVerdict]) -> float:
    """Return the share of the time of real clips that segments take for fake."""
    times = [
        sum(segment.end - segment.start for segment in verdict.segments)
        for one, verdict in zip(made, found, strict=True)
        if one.kind == "real"
    ]
    return round(float(np.mean(times)) / (STILLS * STILL_SECONDS), 4)


def judge(made: list[Made], detector: VideoDetector, bit_rate: int) -> list[VideoVerdict]:
    """Encode and judge clips at a bit rate."""
    options = {"preset": "medium", "b": f"{bit_rate}k", "maxrate": f"{bit_rate}k"}
    options["bufsize"] = f"{bit_rate}k"
    return [detector.detect(clip(m.pictures, rate=RATE, options=options)) for m in made]


def figures_of(made: list[Made], found: list[VideoVerdict], base: Detector) -> dict:
    """Return all figures of clips at one bit rate."""
    card = base.model.card
    frame_truth, frame_p = [], []
    for one, verdict in zip(made, found, strict=True):
        for frame in verdict.frames:
            frame_truth.append(one.fake[min(int(frame.time // STILL_SECONDS), STILLS - 1)])
            frame_p.append(frame.p_fake)
    kinds = np.array([one.kind for one in made])
    logits = [np.array([frame.logit for frame in verdict.frames]) for verdict in found]
    pools = {}
    for name, pool in POOLS.items():
        p_fake = card.calibration(np.array([float(pool(values)) for values in logits]))
        pools[name] = {
            "AUC, fake against real": pair_auc(kinds, p_fake, "fake"),
            "AUC, part against real": pair_auc(kinds, p_fake, "part"),
            "real called fake from the threshold on": share(
                p_fake[kinds == "real"], card.threshold
            ),
            "part called fake from the threshold on": share(
                p_fake[kinds == "part"], card.threshold
            ),
            "fake called fake from the threshold on": share(
                p_fake[kinds == "fake"], card.threshold
            ),
        }
    return {
        "frame AUC": round(auc(np.array(frame_truth), np.array(frame_p)), 4),
        "segment F1": segment_f1(made, [list(verdict.segments) for verdict in found]),
        "segment F1 at the cut for fake": segment_f1(
            made, [segments_at(verdict, card.fake_from) for verdict in found]
        ),
        "share of real clips in segments": real_in_segments(made, found),
        "segment F1 if all were called fake": segment_f1(
            made, [[Segment(0, STILLS * STILL_SECONDS, 1.0)]] * len(made)
        ),
        "pools": pools,
        "verdicts": counted(kinds, [verdict.verdict for verdict in found]),
        "verdicts by the mean alone": counted(
            kinds,
            [
                "fake" if p >= card.fake_from else "real" if p < card.real_below else "unsure"
                for p in (verdict.p_fake for verdict in found)
            ],
        ),
        "clips with a stretch from the cut for fake on": {
            kind: sum(
                bool(segments_at(v, card.fake_from))
                for v, k in zip(found, kinds, strict=True)
                if k == kind
            )
            for kind in ("real", "part", "fake")
        },
        "mean p(fake)": {
            kind: round(
                float(np.mean([v.p_fake for v, k in zip(found, kinds, strict=True) if k == kind])),
                3,
            )
            for kind in ("real", "part", "fake")
        },
    }


def counted(kinds: np.ndarray, calls: list[str]) -> dict:
    """Count the calls of each kind of clip."""
    return {
        kind: {
            call: sum(c == call for c, k in zip(calls, kinds, strict=True) if k == kind)
            for call in ("real", "unsure", "fake")
        }
        for kind in ("real", "part", "fake")
    }


def pair_auc(kinds: np.ndarray, p_fake: np.ndarray, kind: str) -> float:
    """Return the AUC of the clips of a kind against the real ones."""
    chosen = (kinds == kind) | (kinds == "real")
    return round(auc(kinds[chosen] == kind, p_fake[chosen]), 4)


def share(p_fake: np.ndarray, threshold: float) -> float:
    """Return the share that reaches a threshold."""
    return round(float(np.mean(p_fake >= threshold)), 3)


def quality(options: argparse.Namespace) -> dict:
    """Make, judge and measure the clips."""
    rows = read_manifest(options.data)
    base = Detector()
    detector = VideoDetector(base, plan=SamplingPlan(rate=2.0), faces=False)
    out: dict = {"model": base.model.card.sha256[:12], "clips of a kind and source": options.clips}
    for split in ("val", "test"):
        made = list(make_clips([row for row in rows if row.split == split], options.clips))
        rates = BIT_RATES if split == "test" else BIT_RATES[1:3]
        out[split] = {}
        for rate in rates:
            found = judge(made, detector, rate)
            out[split][f"{rate} kb/s"] = figures_of(made, found, base)
    return out


def minutes(count: int) -> bytes:
    """Return so many minutes of 720p that pan over a picture, with grain."""
    rng = np.random.default_rng(0)
    wide = np.asarray(picture(1280 + 256, 720), dtype=np.int16)
    noise = rng.integers(-6, 7, wide.shape, dtype=np.int16)
    still = np.clip(wide + noise, 0, 255).astype(np.uint8)
    frames = [still[:, place : place + 1280] for place in range(0, 256, 2)]

    class Long:
        def __getitem__(self, place: int) -> Array:
            if place >= 1800 * count:
                raise IndexError
            return frames[place % len(frames)]

    return clip(Long(), rate=30, options={"crf": "26"})  # type: ignore[arg-type]


def one_speed(path: Path, *, faces: bool) -> dict:
    """Judge one file on two cores; seconds, frames and peak memory."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:2]))
    detector = VideoDetector(faces=faces)
    started, busy = time.perf_counter(), time.process_time()
    found = detector.detect(path)
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - busy, 1),
        "frames_judged": len(found.frames),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def speed(options: argparse.Namespace) -> dict:
    """Measure each case in a process of its own."""
    out: dict = {"model": ModelCard.read(ModelCard.path_for(SHIPPED)).sha256[:12]}
    with tempfile.TemporaryDirectory() as folder:
        for count in (1, 3):
            path = Path(folder) / f"{count}.mp4"
            path.write_bytes(minutes(count))
            for faces in (True, False) if count == 1 else (True,):
                command = [sys.executable, __file__, "one", str(path), *["--faces"] * faces]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                name = f"{count} min of 720p, {path.stat().st_size / 2**20:.0f} MiB, "
                name += "with faces" if faces else "without"
                out[name] = json.loads(done.stdout)
    return out


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["quality", "speed", "one"])
    parser.add_argument("path", type=Path, nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--faces", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--clips", type=int, default=2, help="of each kind and source")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.what == "one":
        print(json.dumps(one_speed(options.path, faces=options.faces)))
        return
    text = json.dumps((quality if options.what == "quality" else speed)(options), indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
