"""Does the verdict hang on how a picture was delivered? Writes reports/delivery/delivery.md.

    python recipes/delivery/delivery.py --data ../shared/wild/manifest.csv [--most 100]

Each picture is asked about as it is, and saved again in other formats, sizes and frames (about five
minutes on two cores for 100 pictures).
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

from unmask import Detector, Verdict
from unmask.lab.data.manifest import read_manifest, select
from unmask.lab.evaluate.markdown import table

REPORT = Path(__file__).parents[2] / "reports" / "delivery" / "delivery.md"
MOVED = 0.15
"""So far p(fake) may move."""
pillow_heif.register_heif_opener()


def saved(kind: str, **options: int) -> Callable[[Image.Image], bytes]:
    """Return what saves a picture in a format."""

    def save(image: Image.Image) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return save


def resized(share: float) -> Callable[[Image.Image], bytes]:
    """Return what saves a picture at a share of its size."""

    def save(image: Image.Image) -> bytes:
        size = tuple(round(side * share) for side in image.size)
        return saved("PNG")(image.resize(size, Image.Resampling.LANCZOS))

    return save


def framed(image: Image.Image) -> bytes:
    """Save a picture on the border of a screenshot."""
    width, height = image.size
    screen = Image.new("RGB", (width + width // 8, height + height // 6), (245, 245, 245))
    screen.paste(image, (width // 16, height // 9))
    return saved("PNG")(screen)


def palette(image: Image.Image) -> bytes:
    """Save a picture in 256 colours."""
    return saved("PNG")(image.quantize(256))


WAYS: dict[str, Callable[[Image.Image], bytes]] = {
    "PNG": saved("PNG"),
    "JPEG 95": saved("JPEG", quality=95),
    "JPEG 75": saved("JPEG", quality=75),
    "JPEG 50": saved("JPEG", quality=50),
    "WebP 75": saved("WEBP", quality=75),
    "HEIC 70": saved("HEIF", quality=70),
    "75% of its size": resized(0.75),
    "50% of its size": resized(0.5),
    "CMYK JPEG": lambda image: saved("JPEG", quality=95)(image.convert("CMYK")),
    "256 colours": palette,
    "a screenshot's border": framed,
}


def main() -> None:
    """Ask about every picture in every way, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--most", type=int, default=100)
    options = parser.parse_args()
    rows = select(read_manifest(options.data), "test")
    rows = rows[:: max(1, len(rows) // options.most)][: options.most]
    detector = Detector(provenance=False)
    images = [Image.open(row.path).convert("RGB") for row in rows]
    plain = list(detector.detect_many([row.path for row in rows]))
    lines, flipped = [], set[int]()
    for name, way in WAYS.items():
        found = list(detector.detect_many([way(image) for image in images]))
        moved = np.array([abs(p(a) - p(b)) for a, b in zip(plain, found, strict=True)])
        flips = {
            place
            for place, (a, b) in enumerate(zip(plain, found, strict=True))
            if {a.verdict, b.verdict} == {"real", "fake"}
        }
        flipped |= flips
        changed = np.mean([a.verdict != b.verdict for a, b in zip(plain, found, strict=True)])
        lines.append(
            (name, f"{np.mean(moved < MOVED):.0%}", f"{np.median(moved):.3f}", f"{changed:.0%}",
             len(flips))
        )  # fmt: skip
    card = detector.model.card
    page = [
        "# How a picture is delivered",
        "",
        f"    python recipes/delivery/delivery.py --data $WILD/manifest.csv --most {options.most}",
        "",
        f"This command made the page on {datetime.now(UTC):%Y-%m-%d}. It asks {card.name} (SHA-256 "
        f"`{card.sha256}`) about {len(rows)} pictures of the test split as they are, and saved "
        f"again. {len(flipped)} of them go from real to fake or back in any way.",
        "",
        *table(
            ("saved as", f"p(fake) moves by less than {MOVED:g}", "median move",
             "verdict changed", "real to fake or back"),
            lines,
        ),
    ]  # fmt: skip
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text("\n".join(page) + "\n", encoding="utf-8")


def p(verdict: Verdict) -> float:
    """Return the probability of a picture that was read."""
    assert verdict.p_fake is not None, verdict.error
    return verdict.p_fake


if __name__ == "__main__":
    main()
