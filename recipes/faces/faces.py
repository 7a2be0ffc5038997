"""Measure the detection of faces, and whether judging the face alone tells fakes better.

    python recipes/faces/faces.py --data ../shared/data/manifest.csv --out reports/faces/faces.json

Recall: the share of pictures labelled `human_faces` in which a face is found; each has one at
least. Precision cannot be read off the labels exactly: the share of animal and vehicle pictures
in which anything is found is counted, and some of them do show people. The gain: AUC on validation
pictures, of the whole picture, of the surest face's crop, and of the mean of both logits; by
source, for those with photoshopped and StyleGAN faces.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from unmask.faces.crop import crop_face
from unmask.faces.finder import FaceFinder
from unmask.lab.data.manifest import Row, read_manifest
from unmask.lab.evaluate.bootstrap import resample
from unmask.lab.evaluate.metrics import auc
from unmask.lab.evaluate.sweep import Sweep
from unmask.model.open import open_model
from unmask.picture.decode import decode, read_bytes
from unmask.picture.views import cut_views

GAIN_SOURCES = ("photoshopped-faces", "ffhq256-stylegan", "ffhq-stylegan2", "nano-banana")


def pick(rows: list[Row], most: int, seed: int = 0) -> list[Row]:
    """Return at most so many rows, drawn with a seed."""
    chosen = np.random.default_rng(seed).permutation(len(rows))[:most]
    return [rows[place] for place in sorted(chosen)]


def find(rows: list[Row], finders: dict[str, FaceFinder], most: int) -> dict[str, object]:
    """Return the shares of pictures with a face, by finder, category and source."""
    table: dict[str, object] = {}
    by_kind: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row.category or "no category"].append(row)
    for kind, some in by_kind.items():
        counts: defaultdict[str, list[int]] = defaultdict(list)
        for row in pick(some, most):
            pixels = decode(read_bytes(row.path))
            for name, finder in finders.items():
                counts[name].append(len(finder.find(pixels)))
        table[kind] = {
            "pictures": len(next(iter(counts.values()))),
            **{
                name: {
                    "with a face": round(float(np.mean(np.array(found) > 0)), 4),
                    "faces a picture": round(float(np.mean(found)), 3),
                }
                for name, found in counts.items()
            },
        }
    return table


def gain(rows: list[Row], finder: FaceFinder, most: int) -> dict[str, object]:
    """Return AUCs of whole, face and both, by source."""
    model = open_model()
    table = {}
    for source in GAIN_SOURCES:
        logits: dict[str, list[float]] = {"whole": [], "face": [], "both": []}
        labels, groups = [], []
        for row in pick([row for row in rows if row.source == source], most):
            pixels = decode(read_bytes(row.path))
            faces = finder.find(pixels)
            crop = crop_face(pixels, faces[0].box) if faces else None
            if crop is None:
                continue
            views = [cut_views(part, model.card.inputs) for part in (pixels, crop)]
            whole, face = (output.logit for output in model.answer(views))
            for name, value in (("whole", whole), ("face", face), ("both", (whole + face) / 2)):
                logits[name].append(value)
            labels.append(row.label == "fake")
            groups.append(row.group)
        truth = np.array(labels)
        table[source] = {
            "pictures with a face": len(labels),
            **{name: round(auc(truth, np.array(values)), 4) for name, values in logits.items()},
            "both minus whole, 95%": difference(
                truth, np.array(logits["whole"]), np.array(logits["both"]), groups
            ),
        }
    return table


def difference(
    truth: np.ndarray, one: np.ndarray, other: np.ndarray, groups: list[str]
) -> list[float]:
    """Return the interval of the difference of two AUCs on the same pictures."""
    weights = resample(groups)
    gaps = Sweep(truth, other, weights).auc() - Sweep(truth, one, weights).auc()
    return [round(float(value), 4) for value in np.nanquantile(gaps[1:], (0.025, 0.975))]


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=80, help="a category and a source")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [row for row in read_manifest(options.data) if row.split == "val"]
    finders = {f"score {score}": FaceFinder(min_score=score) for score in (0.5, 0.6, 0.7, 0.8)}
    finders["score 0.7, no tiles"] = FaceFinder(min_score=0.7, tiles=False)
    figures = {
        "model": open_model().card.sha256[:12],
        "finding": find(rows, finders, options.pictures),
        "gain": gain(rows, FaceFinder(), options.pictures),
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
