"""The manifest: one CSV row a labelled picture, and the one reader and writer of it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

Label = Literal["real", "fake"]
Category = Literal["human_faces", "animals", "vehicles", ""]
Split = Literal["train", "val", "test"]

CATEGORIES: tuple[str, ...] = ("human_faces", "animals", "vehicles")
COLUMNS = (
    "path", "label", "category", "generator", "source", "width", "height", "split", "group",
)  # fmt: skip
CAMERA = "camera"
_REQUIRED = ("path", "label")


class ManifestError(ValueError):
    """A manifest cannot be used; the message says which line and why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled picture.

    Attributes:
        path: Where the picture is; absolute, or relative to the working folder.
        label: ``real`` or ``fake``.
        category: What it shows; empty where nobody labelled it.
        generator: What made it; ``camera`` for a real one.
        source: Which collection it came from.
        width: In pixels; 0 where unknown.
        height: In pixels; 0 where unknown.
        split: ``train``, ``val`` or ``test``.
        group: Pictures that show the same thing share a group; a group never straddles splits.
        facets: Further columns of the manifest and what they say of the picture, such as
            ``publisher``, ``family``, ``kind``, ``subject`` and ``camera``; no model sees them.
    """

    path: Path
    label: Label
    category: Category = ""
    generator: str = ""
    source: str = ""
    width: int = 0
    height: int = 0
    split: Split = "train"
    group: str = ""
    facets: tuple[tuple[str, str], ...] = ()

    def facet(self, name: str) -> str:
        """Return what a further column says of the picture; empty where it says nothing."""
        return dict(self.facets).get(name, "")

    @property
    def is_fake(self) -> bool:
        """Whether the label is ``fake``, the positive class everywhere in unmask."""
        return self.label == "fake"


def read_manifest(path: Path) -> list[Row]:
    """Read a manifest; relative picture paths are taken from the manifest's own folder.

    Columns: ``path`` and ``label`` are required, ``category``, ``generator``, ``source``,
    ``width``, ``height``, ``split`` (default ``train``) and ``group`` (default: the picture alone)
    are optional, any other becomes a facet. Case does not matter in column names, labels,
    categories and splits; ``validation`` and ``valid`` mean ``val``.

    Raises:
        ManifestError: The file is absent, is no CSV, lacks a column, or a row has an unknown value.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ManifestError(f"{path} is not a regular file.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = {name.strip().lower(): name for name in reader.fieldnames or ()}
            missing = [name for name in _REQUIRED if name not in names]
            if missing:
                raise ManifestError(f"{path} has no column named {' or '.join(missing)}.")
            rows = [_parse(raw, names, path, reader.line_num) for raw in reader]
    except FileNotFoundError:
        raise ManifestError(f"There is no manifest at {path}.") from None
    except IsADirectoryError:
        raise ManifestError(
            f"{path} is a folder; `unmask data index` makes a manifest of it."
        ) from None
    except OSError as error:
        raise ManifestError(f"{path} could not be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise ManifestError(f"{path} is not a CSV file in UTF-8.") from None
    if not rows:
        raise ManifestError(f"{path} names no picture.")
    return rows


def write_manifest(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as a manifest; paths inside the manifest's folder are written relative to it."""
    folder, rows = path.resolve().parent, list(rows)
    more = tuple(dict.fromkeys(name for row in rows for name, _ in row.facets))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS + more)
        for row in rows:
            place = row.path.absolute()
            name = place.relative_to(folder) if place.is_relative_to(folder) else place
            known = [getattr(row, column) for column in COLUMNS[1:]]
            writer.writerow([name.as_posix(), *known, *(row.facet(facet) for facet in more)])


def select(rows: Sequence[Row], split: Split) -> list[Row]:
    """Return the rows of one split.

    Raises:
        ManifestError: The split is empty.
    """
    chosen = [row for row in rows if row.split == split]
    if not chosen:
        raise ManifestError(f"The manifest has no picture in the split '{split}'.")
    return chosen


def check_trainable(rows: Sequence[Row]) -> None:
    """Check what training needs, before the first epoch.

    Raises:
        ManifestError: A group straddles splits, a training or validation label has no picture, or
            a named picture does not exist.
    """
    homes: dict[str, Split] = {}
    for row in rows:
        if row.group and homes.setdefault(row.group, row.split) != row.split:
            raise ManifestError(
                f"Group {row.group} is in both '{homes[row.group]}' and '{row.split}': "
                "near-duplicates must not straddle splits."
            )
    for split in ("train", "val"):
        labels = {row.label for row in select(rows, split)}
        for label in get_args(Label):
            if label not in labels:
                raise ManifestError(f"The split '{split}' has no {label} picture.")
    absent = [row.path for row in rows if not row.path.is_file()]
    if absent:
        raise ManifestError(
            f"{len(absent)} of {len(rows)} pictures do not exist, the first is {absent[0]}."
        )


def parse_split(text: str) -> Split | None:
    """Return the split that a word names, whatever its case, or None."""
    word = text.strip().lower()
    aliases: dict[str, Split] = {
        "train": "train", "training": "train",
        "val": "val", "valid": "val", "validation": "val", "dev": "val",
        "test": "test", "testing": "test",
    }  # fmt: skip
    return aliases.get(word)


def parse_label(text: str) -> Label | None:
    """Return the label that a word names, whatever its case, or None."""
    aliases: dict[str, Label] = {"real": "real", "fake": "fake"}
    return aliases.get(text.strip().lower())


def parse_category(text: str) -> Category | None:
    """Return the category that a word names (``Human Faces``, ``animals``, ``car``), or None."""
    word = text.strip().lower().replace(" ", "_").replace("-", "_")
    aliases: dict[str, Category] = {
        "": "",
        "human_faces": "human_faces", "human_face": "human_faces", "faces": "human_faces",
        "face": "human_faces", "humans": "human_faces", "human": "human_faces",
        "people": "human_faces",
        "animals": "animals", "animal": "animals",
        "vehicles": "vehicles", "vehicle": "vehicles", "cars": "vehicles", "car": "vehicles",
    }  # fmt: skip
    return aliases.get(word)


def _parse(raw: dict[str, str], names: dict[str, str], path: Path, line: int) -> Row:
    def cell(column: str) -> str:
        return (raw.get(names.get(column, ""), "") or "").strip()

    def known(column: str, value: Any) -> Any:
        if value is None:
            raise ManifestError(f"{path}, line {line}: unknown {column} '{cell(column)}'.")
        return value

    def count(column: str) -> int:
        text = cell(column)
        return known(column, int(text) if text.isdecimal() else None) if text else 0

    if not cell("path"):
        raise ManifestError(f"{path}, line {line}: no path.")
    label = known("label", parse_label(cell("label")))
    return Row(
        path=path.parent / cell("path"),
        label=label,
        category=known("category", parse_category(cell("category"))),
        generator=cell("generator") or (CAMERA if label == "real" else "unknown"),
        source=cell("source") or path.parent.name,
        width=count("width"),
        height=count("height"),
        split=known("split", parse_split(cell("split") or "train")),
        group=cell("group"),
        facets=tuple((name, cell(name)) for name in names if name not in COLUMNS and cell(name)),
    )
