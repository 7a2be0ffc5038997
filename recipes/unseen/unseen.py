"""Collect pictures of generators that unmask never trains on, and photos of cameras it never saw.

`recipes/reports.sh` downloads the packages, runs this and judges the shipped model:
reports/unseen/unseen.md.

The fakes (unseen/fakes.csv) are what ComfyUI's workflow templates (MIT) show of image and video
models. Listed is what a model made without a doubt, from words or as a moving picture, and what
could pass for a photo; not listed are edits, enlargements, drawings, posters and logos. A row's
generator is the maker of the model. The photos are desktop backgrounds of Debian
(unseen/photos.csv) and, of the data that unmask is trained on, the stock photos of the test split.

The thumbnails are squares of 400 pixels, most of them WebP of quality 95. So that neither size nor
encoding tells the label, the photos are cut, shrunk and saved likewise.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image

from unmask.lab.data.duplicates import cluster
from unmask.lab.data.fingerprint import Fingerprint, fingerprint_files
from unmask.lab.data.manifest import CAMERA, Row, read_manifest, write_manifest

LISTS = Path(__file__).with_name("lists")
SIDE, QUALITY = 400, 95
STOCK = ("nano-banana", "paired-gallery", "photo-game")
TEMPLATES, DESKTOP = "workflow-templates", "desktop-photos"


def main() -> None:
    """Write the pictures and a manifest of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", type=Path, help="the folder of the downloaded packages")
    parser.add_argument("--data", type=Path, required=True, help="the training data's manifest")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    packages, out = arguments.packages, arguments.out
    out.mkdir(parents=True)
    known = read_manifest(arguments.data)
    rows = [*fakes(packages, out), *stock_photos(known, out), *desktop_photos(packages, out)]
    write_manifest(out / "manifest.csv", grouped(rows, known))
    labels = [row.label for row in rows]
    print(f"{out}/manifest.csv: {labels.count('real')} real, {labels.count('fake')} fake")


def fakes(packages: Path, out: Path) -> Iterator[Row]:
    """Save what models made; of a moving picture, the frame at three quarters of its length."""
    members: dict[str, tuple[zipfile.ZipFile, str]] = {}
    for wheel in sorted(packages.glob("*.whl")):
        archive = zipfile.ZipFile(wheel)
        members |= {Path(name).stem: (archive, name) for name in archive.namelist()}
    for line in read(LISTS / "fakes.csv"):
        archive, name = members[line["name"]]
        data = archive.read(name)
        with Image.open(io.BytesIO(data)) as image:
            if line["kind"] == "frame":
                image.seek(getattr(image, "n_frames", 1) * 3 // 4)
            untouched = line["kind"] == "picture" and image.size == (SIDE, SIDE)
            path = out / "fake" / f"{line['name']}.webp"
            save(path, data if untouched else square(image))
        yield Row(path, "fake", "", line["generator"], TEMPLATES, SIDE, SIDE, "test")


def stock_photos(known: list[Row], out: Path) -> Iterator[Row]:
    """Save stock photos of the test split in the size and encoding of the fakes."""
    for photo in known:
        if photo.source in STOCK and not photo.is_fake and photo.split == "test":
            path = out / "real" / f"{photo.source}-{photo.path.stem}.webp"
            with Image.open(photo.path) as image:
                save(path, square(image))
            yield replace(photo, path=path, source=TEMPLATES, width=SIDE, height=SIDE)


def desktop_photos(packages: Path, out: Path) -> Iterator[Row]:
    """Save photos out of Debian packages of desktop backgrounds."""
    unpacked = out / "unpacked"
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True)
    for line in read(LISTS / "photos.csv"):
        name = "-".join(Path(line["name"]).with_suffix("").parts[3:])
        path = out / "real" / f"desktop-{name}.webp"
        with Image.open(unpacked / line["name"]) as image:
            save(path, square(image))
        yield Row(path, "real", "", CAMERA, DESKTOP, SIDE, SIDE, "test")


def grouped(rows: list[Row], known: list[Row]) -> list[Row]:
    """Group near-duplicates.

    Raises:
        SystemExit: A picture is a near-duplicate of one that unmask is trained on.
    """
    training = [row for row in known if row.split != "test"]
    prints = list(fingerprint_files([row.path for row in (*rows, *training)]))
    readable = [found for found in prints if isinstance(found, Fingerprint)]
    if len(readable) < len(prints):
        raise SystemExit("Some of the pictures cannot be read.")
    clusters = cluster(readable, [row.group for row in (*rows, *training)])
    own = clusters[: len(rows)]
    if trained_on := set(own) & set(clusters[len(rows) :]):
        raise SystemExit(f"{len(trained_on)} pictures have a near-duplicate in training.")
    return [replace(row, group=f"unseen-{name}") for row, name in zip(rows, own, strict=True)]


def square(image: Image.Image) -> bytes:
    """Cut the middle square out of a picture, shrink it and encode it as the thumbnails are."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    cut = image.convert("RGB").crop((left, top, left + side, top + side))
    data = io.BytesIO()
    cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(data, "WEBP", quality=QUALITY)
    return data.getvalue()


def save(path: Path, data: bytes) -> None:
    """Write a file, and its folder if need be."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def read(path: Path) -> list[dict[str, str]]:
    """Read a list beside this file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
