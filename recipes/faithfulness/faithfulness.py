"""Measure whether heatmaps are true, and write reports/faithfulness.

    python recipes/faithfulness/faithfulness.py --data ../shared/data/manifest.csv \
        [--model one.onnx]

Sanity check by shuffled weights, deletion and insertion curves against random maps, and whether
maps point where a picture was changed. Takes 10 minutes of CPU time with the shipped model.
Writes faithfulness.json, faithfulness.png and the figures of faithfulness.md, all in
reports/faithfulness.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from faithlib.common import evenly
from faithlib.curves import curves
from faithlib.pointing import pairs, where_a_patch_changed, where_all_changed
from faithlib.randomise import sanity
from faithlib.report import insert, plot
from unmask import Detector
from unmask.lab.data.manifest import read_manifest, select
from unmask.model.open import SHIPPED

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "faithfulness"
GENERATORS = ("latent-autoencoder", "photoshop")


def measure(model: Path, data: Path, pictures: int) -> dict[str, Any]:
    """Return all figures."""
    rows = select(read_manifest(data), "test")
    detector = Detector(model)
    card = detector.model.card
    few, many = evenly(rows, min(60, pictures)), evenly(rows, pictures)
    result: dict[str, Any] = {"model": card.name, "sha256": card.sha256}
    with tempfile.TemporaryDirectory() as folder:
        result["randomised"] = sanity(model, few, Path(folder))
    drawn, result["areas"] = curves(detector, many)
    result["curves"] = {name: curve.round(4).tolist() for name, curve in drawn.items()}
    twins = {name: list(pairs(rows, name)) for name in GENERATORS}
    for key, ask in (("all changed", where_all_changed), ("patch changed", where_a_patch_changed)):
        result[key] = {name: ask(detector, found) for name, found in twins.items() if found}
    result["pictures"] = {
        "randomised": len(few),
        "curves": len(many),
        "pairs": {name: len(found) for name, found in twins.items()},
    }
    return result


def main() -> None:
    """Measure, and write figures, plot and page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the manifest")
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--pictures", type=int, default=200, help="for the curves")
    parser.add_argument("--out", type=Path, default=REPORT / "faithfulness.json")
    parser.add_argument("--page", type=Path, default=REPORT / "faithfulness.md")
    options = parser.parse_args()
    result = measure(options.model, options.data, options.pictures)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    picture = options.page.with_name("faithfulness.png")
    plot(result, picture)
    insert(options.page, result, picture.name)
    print(f"wrote {options.out}, {picture} and {options.page}")
    print(f"{time.process_time() / 60:.1f} minutes of CPU time", file=sys.stderr)


if __name__ == "__main__":
    main()
