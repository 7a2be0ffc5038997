"""Write what the lab makes: files whole or not at all, tables, and folders that keep to one thing."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file as a whole or not at all, whenever the process is killed.

    Yields:
        Where to write; it takes the place of ``path`` at the end.
    """
    new = path.with_name(f"{path.name}.new")
    yield new
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write text as a whole or not at all; a file name in it that is not UTF-8, byte for byte."""
    with whole_file(path) as new:
        new.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_json(path: Path, document: Any) -> None:
    """Write JSON as a whole or not at all."""
    write_text(path, json.dumps(document, indent=1) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV as a whole or not at all; a file name that is not UTF-8, byte for byte."""
    with (
        whole_file(path) as new,
        new.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def check_claim(folder: Path, name: str, what: Any) -> bool:
    """Check that a folder is free, or was claimed for just this.

    Args:
        folder: The folder, which may not exist yet.
        name: Of the file in it that says what the folder is for.
        what: That, as JSON has it.

    Returns:
        Whether it was claimed already.

    Raises:
        ValueError: It was claimed for something else.
    """
    path = folder / name
    if not path.is_file():
        return False
    try:
        claimed = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        claimed = None
    if claimed != json.loads(json.dumps(what)):
        raise ValueError(
            f"{folder} holds what another configuration, another recipe or other data made; "
            "name another folder."
        )
    return True


def claim(folder: Path, name: str, what: Any) -> None:
    """Claim a folder, which is made if it is not there, for one thing.

    Args:
        folder: The folder.
        name: As for `check_claim`, which is asked first.
        what: Likewise.

    Raises:
        ValueError: As `check_claim` does.
    """
    if not check_claim(folder, name, what):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / name, what)
