"""Measure how well an earlier save of a JPEG is found (`unmask.evidence.recompression`).

    python recipes/recompression/recompression.py --data ../shared/data/manifest.csv \
        --out reports/recompression/recompression.json

Real validation pictures are shrunk to three fifths, which wipes out their own saves, and saved
once, or twice at different qualities, by Pillow. The share of single saves that are taken for
double ones is the false alarm rate; the threshold was chosen by recipes/consistency.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from unmask.evidence.recompression import EVIDENCE_NEEDED, estimate_recompression
from unmask.lab.data.manifest import read_manifest
from unmask.picture.decode import decode, read_bytes

FIRST, LAST = (60, 75, 85, 92), (70, 80, 90, 95)


def save(image: Image.Image, quality: int) -> bytes:
    """Encode as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def evidence(data: bytes) -> tuple[int, float]:
    """Return the quality found and the evidence for it."""
    with Image.open(io.BytesIO(data)) as image:
        estimate = estimate_recompression(image)
    return estimate or (0, 0.0)


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [
        row
        for row in read_manifest(options.data)
        if row.split == "val" and row.label == "real" and min(row.width, row.height) >= 350
    ]
    chosen = np.random.default_rng(0).permutation(len(rows))[: options.pictures]
    pictures = []
    for place in chosen:
        image = Image.fromarray(decode(read_bytes(rows[place].path)))
        pictures.append(image.resize((image.width * 3 // 5, image.height * 3 // 5)))
    once = {q: [evidence(save(one, q))[1] for one in pictures] for q in LAST}
    table = {}
    for first in FIRST:
        for last in LAST:
            found = []
            for one in pictures:
                with Image.open(io.BytesIO(save(one, first))) as image:
                    found.append(evidence(save(image.convert("RGB"), last)))
            hits = [(quality, e) for quality, e in found if e >= EVIDENCE_NEEDED]
            near = [abs(quality - first) <= 3 for quality, _ in hits]
            table[f"{first} then {last}"] = {
                "found": round(len(hits) / len(found), 3),
                "quality within 3": round(float(np.mean(near)), 3) if near else None,
            }
    alarms = [value for values in once.values() for value in values]
    figures = {
        "pictures": len(pictures),
        "threshold": EVIDENCE_NEEDED,
        "false alarms": round(float(np.mean(np.array(alarms) >= EVIDENCE_NEEDED)), 4),
        "false alarms by quality": {
            q: round(float(np.mean(np.array(v) >= EVIDENCE_NEEDED)), 3) for q, v in once.items()
        },
        "98th percentile of single saves": round(float(np.quantile(alarms, 0.98)), 4),
        "twice": table,
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
