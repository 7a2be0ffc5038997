"""Measure how often real pictures seem to carry a watermark (`unmask.evidence.watermark`).

    python recipes/watermarks/watermarks.py --data ../shared/wild/manifest.csv \
        --out reports/watermarks/watermarks.json

Each real picture is held against the known messages, and against many random ones of the same
lengths, which gives the tail of chance far beyond the number of pictures. The signs in a corner are
looked for in all real pictures, and in those of their makers.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from unmask.evidence import watermark
from unmask.evidence.visible_marks import STAR_MATCH, has_colour_bar, match_sparkle
from unmask.picture.decode import decode, read_bytes

RANDOM_MESSAGES = 4000
LEVELS = (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8, 0.9)


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with options.data.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores, sparkles = [], {}
    random = RandomMessages()
    bars = {"real": 0, "dall-e": 0}
    for row in rows:
        real = row["label"] == "real"
        group = "real" if real else row["family"]
        if not real and (group not in ("gemini-image", "dall-e") or row["form"] != "whole"):
            continue
        pixels = decode(read_bytes(options.data.parent / row["path"]))
        if group != "dall-e":
            sparkles.setdefault(group, []).append(match_sparkle(pixels))
        if group in bars:
            bars[group] += has_colour_bar(pixels)
        if real and (known := watermark.match_messages(pixels)):
            scores.append(known)
            random.take(pixels)
    table = np.array(scores)
    needed = [message.needed for message in watermark.MESSAGES]
    figures = {
        "real pictures": len(sparkles["real"]),
        "real pictures large enough for a watermark": len(table),
        "false marks": int((table >= needed).any(1).sum()),
        "known messages": {
            f"{message.maker}, {len(message.bits)} bits, offset {message.offset:g}"
            f"{', red and blue swapped' if message.swapped else ''}": {
                "needed": message.needed,
                "largest": round(float(values.max()), 3),
                "99.9th percentile": round(float(np.quantile(values, 0.999)), 3),
                "standard deviation": round(float(values.std()), 3),
            }
            for message, values in zip(watermark.MESSAGES, table.T, strict=True)
        },
        "random messages": random.figures(),
        "sparkle": {
            group: {
                "pictures": len(values),
                "found": sum(value >= STAR_MATCH for value in values),
                "largest": [round(value, 3) for value in sorted(values)[-10:]],
            }
            for group, values in sparkles.items()
        },
        "colour bar found": bars,
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


class RandomMessages:
    """Holds pictures against random messages, and counts how far chance goes."""

    def __init__(self) -> None:
        """Draw the messages, by length."""
        rng = np.random.default_rng(0)
        self.messages = {
            length: rng.integers(0, 2, (RANDOM_MESSAGES, length)).astype(np.float32)
            for length in sorted({len(one.bits) for one in watermark.MESSAGES})
        }
        for one in self.messages.values():
            one -= one.mean(1, keepdims=True)
            one /= np.linalg.norm(one, axis=1, keepdims=True)
        self.tried = dict.fromkeys(self.messages, 0)
        self.over = {length: np.zeros(len(LEVELS), dtype=int) for length in self.messages}
        self.largest = dict.fromkeys(self.messages, -1.0)

    def take(self, pixels: np.ndarray) -> None:
        """Take a picture."""
        for length, messages in self.messages.items():
            for values in watermark.mean_bits_of(pixels, length):
                centred = values - values.mean()
                size = np.linalg.norm(centred)
                matches = messages @ (centred / size if size else centred).astype(np.float32)
                self.tried[length] += len(messages)
                self.over[length] += (matches[:, None] >= LEVELS).sum(0)
                self.largest[length] = max(self.largest[length], float(matches.max()))

    def figures(self) -> dict[str, object]:
        """Return the counts, by length."""
        return {
            f"{length} bits": {
                "tried": self.tried[length],
                "reached": dict(zip(map(str, LEVELS), self.over[length].tolist(), strict=True)),
                "largest": round(self.largest[length], 3),
            }
            for length in self.messages
        }


if __name__ == "__main__":
    main()
