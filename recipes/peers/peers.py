"""Compare unmask with other detectors on the same test pictures, and write reports/peers/peers.md.

    python recipes/peers/peers.py --data ../shared/data/manifest.csv [--sahu65 ENV/bin/python]

Each peer's answers stay in reports/peers/answers/NAME.csv, which `unmask evaluate --predictions`
reads too, and NAME.json has its time and size. A peer that has both is not run again, but for
unmask when its model has changed; --again NAME runs one anew. Figures and intervals come from
the evaluation that `unmask evaluate` uses. Training the networks takes 8 minutes of CPU time,
asking sahu65 up to 16, the rest 2; --no-run makes the page from the answers that are there.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from peerlib.common import Data, Outcome
from peerlib.page import Judged, judge, page
from unmask.lab.data.manifest import Row, read_manifest, select
from unmask.lab.evaluate.predictions import Predictions
from unmask.model.card import ModelCard
from unmask.model.open import SHIPPED

REPORT = Path(__file__).parents[2] / "reports" / "peers"
THRESHOLD = 0.5


@dataclass(frozen=True)
class Peer:
    """A detector to compare with.

    Attributes:
        name: Of its files.
        title: Its name in the tables.
        what: What it is, in a sentence or two.
        run: Trains it where it has to be, and asks it.
    """

    name: str
    title: str
    what: str
    run: Callable[[Data], Outcome] | None


def peers(sahu65: Path | None) -> list[Peer]:
    """Return the detectors; the one without `run` is compared only if its answers are there."""
    return [
        Peer(
            "unmask",
            "unmask",
            "The shipped model, as `unmask detect` answers.",
            _in("others", "ours"),
        ),
        Peer(
            "metadata",
            "metadata only",
            "Gradient boosting on what the file's header tells (bytes, width, height, JPEG "
            "quality, subsampling, quantisation tables), without a look at a pixel. Not a "
            "detector: what it reaches is what this collection's files give away, and others may "
            "owe it too.",
            _in("headers", "run"),
        ),
        Peer(
            "spectrum",
            "frequency spectrum",
            "Azimuthal average of the log power spectrum of the central 224 pixels, and logistic "
            "regression (after Durall et al. 2020).",
            _in("spectrum", "run"),
        ),
        Peer(
            "mesonet4",
            "MesoNet-4",
            "Afchar et al. 2018, rebuilt, 256 px, trained here from random weights.",
            _in("networks", "mesonet4"),
        ),
        Peer(
            "resnet50",
            "ResNet-50",
            "torchvision's, eager PyTorch, 224 px, no calibration, trained here **from random "
            "weights** on the little that its CPU time allows. It stands for what a plain network "
            "gives at this price; with ImageNet weights and hours of training it would be better.",
            _in("networks", "resnet50"),
        ),
        Peer(
            "sahu65",
            "sahu65 1.1.0",
            "A public package: linear probe on CLIP ViT-B/16, int8. The only one here that has "
            "**not** been trained on this collection, so that its figures are those of a detector "
            "met in the wild. From `pip download --no-deps sahu65==1.1.0`, installed in an "
            "environment of its own.",
            _in("others", "sahu65", python=sahu65) if sahu65 else None,
        ),
    ]


def _in(module: str, name: str, **options: Any) -> Callable[[Data], Outcome]:
    """Return a function of a module that is imported when it is needed: PyTorch takes a while."""
    return lambda data: getattr(import_module(f"peerlib.{module}"), name)(data, **options)


def main() -> None:
    """Run what has to be run, judge all, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the manifest")
    parser.add_argument(
        "--kept", type=Path, default=REPORT / "answers", help="where answers are kept"
    )
    parser.add_argument("--page", type=Path, default=REPORT / "peers.md")
    parser.add_argument("--cpu-minutes", type=float, default=8.0, help="training of both networks")
    parser.add_argument(
        "--sahu65", type=Path, help="Python that has sahu65, or a CSV of its p_fake"
    )
    parser.add_argument("--no-run", action="store_true", help="ask nobody")
    parser.add_argument("--again", action="append", default=[], help="run this peer anew")
    options = parser.parse_args()
    rows = read_manifest(options.data)
    data = Data(*(select(rows, split) for split in ("train", "val", "test")), options.cpu_minutes)
    options.kept.mkdir(parents=True, exist_ok=True)
    given = options.sahu65 if options.sahu65 and options.sahu65.suffix == ".csv" else None
    judged, missing = [], []
    for peer in peers(None if given else options.sahu65):
        kept = options.kept / f"{peer.name}.csv"
        about = kept.with_suffix(".json")
        stale = peer.name in options.again or not _kept(peer.name, about)
        if stale and peer.run and not options.no_run:
            print(f"asking {peer.title}", file=sys.stderr)
            _keep(peer.run(data), data.test, options.data.parent, kept)
        source = given if given and peer.name == "sahu65" else kept
        if not source.exists():
            missing.append(peer.title)
            continue
        answers = Predictions(source, rows, options.data.parent).answers(data.test, THRESHOLD)
        facts = json.loads(about.read_text()) if about.exists() else {}
        judged.append(judge(Judged(peer.title, peer.what, facts), answers, THRESHOLD))
    options.page.write_text(page(judged, missing), encoding="utf-8")
    print(f"wrote {options.page}")


def _kept(name: str, about: Path) -> bool:
    """Say whether a peer's answers are there and, for unmask, those of the shipped model."""
    if not about.exists() or not about.with_suffix(".csv").exists():
        return False
    sha256 = json.loads(about.read_text())["notes"].get("sha256")
    return name != "unmask" or sha256 == ModelCard.read(ModelCard.path_for(SHIPPED)).sha256


def _keep(outcome: Outcome, rows: list[Row], folder: Path, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "p_fake"))
        for row, p_fake in zip(rows, outcome.p_fake, strict=True):
            inside = row.path.is_relative_to(folder)
            name = row.path.relative_to(folder) if inside else row.path
            writer.writerow((name.as_posix(), f"{p_fake:.6f}"))
    facts = {
        "milliseconds": round(outcome.milliseconds, 1),
        "megabytes": round(outcome.megabytes, 2),
        "notes": {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in outcome.notes.items()
        },
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
