"""Measure how many camera originals each finding of consistency accuses.

    python recipes/consistency/consistency.py --data ../shared/wild/manifest.csv \
        --out reports/consistency/consistency.json

The originals have lost their metadata, so fair EXIF and thumbnails are made for them: the size as
it is, and thumbnails as cameras and phones write them (plain, between black bars, squeezed, cut to
the middle, taken by leaving out pixels, brighter or darker than the picture), over the pictures as
they are and over night versions of them. For an earlier save, the pictures are shrunk to three
fifths, which wipes out their own saves, and saved once, by libjpeg's tables and by other ones; and
the files are taken as they are. Every finding is a false accusation.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from unmask.evidence.consistency import check_consistency, check_header
from unmask.evidence.containers import take_apart
from unmask.evidence.exif import read_exif
from unmask.evidence.recompression import EVIDENCE_NEEDED, estimate_recompression
from unmask.picture.decode import DEFAULT_LIMITS, read_bytes

QUALITIES = (75, 85, 92, 95, 97)
# A camera's own tables: steeper than libjpeg's, the same for both axes.
OWN = [
    [min(255, 2 + round(0.22 * (u + v) ** 1.5 * scale)) for u in range(8) for v in range(8)]
    for scale in (1, 2)
]


def save(image: Image.Image, **options: object) -> bytes:
    """Encode as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def thumbnails(image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Yield thumbnails as cameras write them."""
    wide = image.width >= image.height
    box = (160, 120) if wide else (120, 160)
    fit = image.copy()
    fit.thumbnail((160, 160))
    yield "plain", fit
    yield "pixels left out", image.resize(fit.size, Image.Resampling.NEAREST)
    yield "brighter", fit.point(lambda value: min(255, int(1.3 * value) + 8))
    yield "darker", fit.point(lambda value: int(0.7 * value))
    inner = image.copy()
    inner.thumbnail(box)
    bars = Image.new("RGB", box)
    bars.paste(inner, ((box[0] - inner.width) // 2, (box[1] - inner.height) // 2))
    yield "between bars", bars
    yield "squeezed", image.resize(box)
    scale = max(box[0] / image.width, box[1] / image.height)
    grown = image.resize((round(image.width * scale), round(image.height * scale)))
    left, top = (grown.width - box[0]) // 2, (grown.height - box[1]) // 2
    yield "cut to the middle", grown.crop((left, top, left + box[0], top + box[1]))


def exif(size: tuple[int, int], thumbnail: bytes) -> bytes:
    """Return an EXIF block with a camera, the picture's size and a thumbnail."""
    head = b"II*\0" + struct.pack("<I", 8)
    main = struct.pack("<H", 2)
    main += struct.pack("<HHI4s", 0x010F, 2, 4, b"Acm\0") + struct.pack("<HHII", 0x8769, 4, 1, 38)
    main += struct.pack("<I", 68)
    inner = struct.pack("<H", 2)
    for tag, side in ((0xA002, size[0]), (0xA003, size[1])):
        inner += struct.pack("<HHII", tag, 4, 1, side)
    inner += struct.pack("<I", 0)
    second = struct.pack("<H", 2) + struct.pack("<HHII", 0x0201, 4, 1, 98)
    second += struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail)) + struct.pack("<I", 0)
    return b"Exif\0\0" + head + main + inner + second + thumbnail


def accused(data: bytes) -> set[str]:
    """Return the names of the findings of consistency that accuse."""
    parts = take_apart(data)
    fields = read_exif(parts.exif)
    found = check_header(data, parts, fields)
    found += check_consistency(data, parts, fields, DEFAULT_LIMITS)
    return {one.name for one in found if one.says == "edited"}


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with options.data.open(newline="", encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["label"] == "real" and (row["kind"] == "original" or row["camera"])
        ]
    chosen = np.random.default_rng(0).permutation(len(rows))[: options.pictures]
    counts: dict[str, dict[str, int]] = {}
    evidence: dict[str, list[float]] = {}
    for place in chosen:
        data = read_bytes(options.data.parent / rows[place]["path"])
        image = Image.open(io.BytesIO(data)).convert("RGB")
        night = image.point(lambda value: int(255 * (value / 255) ** 4))
        for light, one in (("day", image), ("night", night)):
            for kind, small in thumbnails(one):
                block = exif(one.size, save(small, quality=80))
                # That these files were saved before is true of many.
                found = accused(save(one, quality=90, exif=block)) - {"consistency.recompression"}
                cell = counts.setdefault(f"{light}, thumbnail {kind}", {})
                for name in found or {"none"}:
                    cell[name] = cell.get(name, 0) + 1
        shrunk = image.resize((image.width * 3 // 5, image.height * 3 // 5))
        single = {f"quality {quality}": save(shrunk, quality=quality) for quality in QUALITIES}
        single["own tables"] = save(shrunk, qtables=OWN)
        single["as it is"] = data
        for name, once in single.items():
            with Image.open(io.BytesIO(once)) as opened:
                estimate = estimate_recompression(opened)
            if estimate is not None:
                evidence.setdefault(name, []).append(estimate.evidence)
    figures = {
        "pictures": len(chosen),
        "metadata": counts,
        "earlier save": {
            name: {
                "pictures": len(values),
                "accused": sum(value >= EVIDENCE_NEEDED for value in values),
                "largest evidence": [round(value, 4) for value in sorted(values)[-6:]],
            }
            for name, values in evidence.items()
        },
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
