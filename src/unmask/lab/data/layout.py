"""Find labelled pictures in the layouts that people keep them in: folders by name, or a CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unmask.lab.data.manifest import (
    CAMERA,
    Category,
    Label,
    ManifestError,
    Row,
    Split,
    parse_category,
    parse_label,
    parse_split,
)
from unmask.picture.errors import PictureError
from unmask.picture.find import find_pictures

KNOWN_LAYOUTS = (
    "real/ and fake/, or train/, validation/ and test/ with real/ and fake/ in each "
    "(folders by category may follow), or a CSV with the columns path and label"
)
_PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "image_path")
_WORDS = ("label", "label_str", "class", "target")
# What 1 means under these headers is plain; under 'label', data sets use 1 for either.
_NUMBERS: dict[str, tuple[Label, Label]] = {
    "is_fake": ("real", "fake"), "fake": ("real", "fake"),
    "is_real": ("fake", "real"), "real": ("fake", "real"),
}  # fmt: skip
_DIGITS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1, "no": 0, "yes": 1}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A picture that could not be used.

    Attributes:
        path: Where it is.
        reason: Why, in one sentence.
    """

    path: str
    reason: str


@dataclass
class LabelledFiles:
    """What a folder or a CSV holds.

    Attributes:
        rows: Labelled pictures, not yet opened, so without width and height.
        has_splits: Whether the layout gave every picture its split.
        left_out: Places that could not be looked into.
        unlabelled: How many pictures lie in no real or fake folder.
    """

    rows: list[Row] = field(default_factory=list)
    has_splits: bool = False
    left_out: list[LeftOut] = field(default_factory=list)
    unlabelled: int = 0


def find_labelled(root: Path, source: str | None = None) -> LabelledFiles:
    """Find the labelled pictures of a folder or of a user's CSV.

    Args:
        root: The folder or the CSV.
        source: Name of the collection; the name of the folder if not given.

    Raises:
        ManifestError: There is nothing there, or the layout or the CSV's columns are not known.
    """
    if root.is_dir():
        return _read_folder(root, source or root.absolute().name)
    if root.is_file():
        return _read_csv(root, source)
    raise ManifestError(f"There is no folder or CSV file at {root}.")


def _read_folder(root: Path, source: str) -> LabelledFiles:
    found = LabelledFiles()
    base = root.resolve()
    split_given: set[bool] = set()
    for picture in find_pictures([str(base)]):
        if not isinstance(picture, str):
            if isinstance(picture, PictureError) and picture.name not in (None, str(base)):
                found.left_out.append(LeftOut(str(picture.name), str(picture)))
            continue
        path = Path(picture)
        parts = path.relative_to(base).parts
        if any(part.startswith(".") for part in parts):
            continue
        split, label, category = _read_folders(parts[:-1])
        if label is None:
            found.unlabelled += 1
            continue
        split_given.add(split is not None)
        found.rows.append(
            Row(path, label, category, _default_generator(label), source, split=split or "train")
        )
    if not found.rows:
        raise ManifestError(f"No labelled picture found in {root}; known layouts: {KNOWN_LAYOUTS}.")
    if len(split_given) > 1:
        raise ManifestError(
            f"{root} has real/ and fake/ both inside and outside train/, validation/ or test/; "
            "index them one by one."
        )
    found.has_splits = split_given == {True}
    return found


def _read_folders(names: Sequence[str]) -> tuple[Split | None, Label | None, Category]:
    """Read ``[split]/label/[category]/...`` from the folders above a picture, outermost first."""
    split = parse_split(names[0]) if names else None
    rest = names[1:] if split else names
    label = parse_label(rest[0]) if rest else None
    category = parse_category(rest[1]) if len(rest) > 1 else None
    return split, label, category or ""


def _default_generator(label: Label) -> str:
    return CAMERA if label == "real" else "unknown"


def _read_csv(path: Path, source: str | None) -> LabelledFiles:
    table = _Table.read(path)
    path_column = table.first(_PATHS)
    if path_column is None:
        raise ManifestError(f"{path} has no column of paths ({', '.join(_PATHS[:4])}, ...).")
    labels = _read_labels(table)
    has_splits = "split" in table.columns
    folder = path.resolve().parent
    rows = []
    for index, label in enumerate(labels):
        if not table.columns[path_column][index]:
            raise ManifestError(f"{path}, line {table.lines[index]}: no path.")
        split = parse_split(table.cell("split", index)) if has_splits else "train"
        if split is None:
            raise ManifestError(
                f"{path}, line {table.lines[index]}: unknown split '{table.cell('split', index)}'."
            )
        rows.append(
            Row(
                path=folder / table.columns[path_column][index],
                label=label,
                category=parse_category(table.cell("category", index)) or "",
                generator=table.cell("generator", index) or _default_generator(label),
                source=source or table.cell("source", index) or folder.name,
                split=split,
                group=table.cell("group", index),
            )
        )
    return LabelledFiles(rows, has_splits)


def _read_labels(table: _Table) -> list[Label]:
    """Read labels written as words, or as numbers under a header that says what 1 means.

    Raises:
        ManifestError: There is no such column, or it leaves open which label is meant.
    """
    words = [column for column in _WORDS if column in table.columns]
    for column in words:
        if all(parse_label(cell) for cell in table.columns[column]):
            return [label for cell in table.columns[column] if (label := parse_label(cell))]
    numbered = table.first(tuple(_NUMBERS))
    if numbered is not None:
        return list(_numbered_labels(table, numbered))
    if not words:
        raise ManifestError(
            f"{table.path} has no column named label (real or fake) or is_fake (0/1)."
        )
    column = words[0]
    for line, cell in zip(table.lines, table.columns[column], strict=True):
        if cell.lower() in _DIGITS:
            raise ManifestError(
                f"{table.path}, line {line}: '{cell}' in the column '{column}' does not say "
                "whether it means real or fake; name the column is_fake or is_real, or write the "
                "words."
            )
        if parse_label(cell) is None:
            raise ManifestError(f"{table.path}, line {line}: unknown label '{cell}'.")
    raise AssertionError("a column in which every label is known was returned above")


def _numbered_labels(table: _Table, column: str) -> Iterator[Label]:
    meaning = _NUMBERS[column]
    for line, cell in zip(table.lines, table.columns[column], strict=True):
        number = _DIGITS.get(cell.lower())
        if number is None:
            raise ManifestError(
                f"{table.path}, line {line}: '{cell}' in the column '{column}' is neither 0 nor 1."
            )
        yield meaning[number]


@dataclass(frozen=True)
class _Table:
    """A CSV by columns, with lower-case names and stripped cells.

    Attributes:
        path: The file.
        columns: Cells by column name.
        lines: Line of the file on which each row ends, for messages.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    @classmethod
    def read(cls, path: Path) -> _Table:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file)
                names = [name.strip().lower() for name in next(reader, [])]
                numbered = [(reader.line_num, row) for row in reader if any(row)]
        except (UnicodeDecodeError, csv.Error):
            raise ManifestError(
                f"{path} is neither a folder nor a CSV file in UTF-8; known layouts: "
                f"{KNOWN_LAYOUTS}."
            ) from None
        except OSError as error:
            raise ManifestError(f"{path} could not be read: {error.strerror}.") from None
        if not numbered:
            raise ManifestError(f"{path} names no picture.")
        columns = {
            name: [row[place].strip() if place < len(row) else "" for _, row in numbered]
            for place, name in enumerate(names)
        }
        return cls(path, columns, [line for line, _ in numbered])

    def first(self, names: tuple[str, ...]) -> str | None:
        return next((name for name in names if name in self.columns), None)

    def cell(self, column: str, index: int) -> str:
        cells = self.columns.get(column)
        return cells[index] if cells else ""
