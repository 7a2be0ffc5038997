"""Write what the lab makes, each file whole, into folders that keep to one thing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from unmask.files import write_whole


def write_json(path: Path, document: Any) -> None:
    """Write JSON; a file name in it that is not UTF-8, byte for byte."""
    text = json.dumps(document, indent=1) + "\n"
    write_whole(path, text.encode("utf-8", "surrogateescape"))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV; a file name in it that is not UTF-8, byte for byte."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))


def is_claimed(folder: Path, name: str, what: Any) -> bool:
    """Tell whether a folder was claimed for something, and refuse one claimed for something else.

    Args:
        folder: The folder, which may not exist yet.
        name: Of the file in it that says what the folder is for.
        what: That, as JSON has it.

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
            f"{folder} holds a run with another configuration, of another recipe or other data; "
            "name another folder."
        )
    return True


def claim(folder: Path, name: str, what: Any) -> None:
    """Claim a folder, which is made if it is not there, for one thing.

    Args:
        folder: The folder.
        name: As for `is_claimed`.
        what: Likewise.

    Raises:
        ValueError: As `is_claimed` does.
    """
    if not is_claimed(folder, name, what):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / name, what)
