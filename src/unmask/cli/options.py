"""Checks of what options name, before any work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from unmask.picture.find import stands_for


def check_file(option: str, path: Path | None) -> None:
    """Check, before any long work, that a file can be written.

    Raises:
        ValueError: It is a folder, or its folder does not exist.
    """
    if path and (path.is_dir() or not path.parent.is_dir()):
        raise ValueError(f"{option} {path} is not a file in a folder that exists.")


def check_folder(option: str, path: Path | None) -> None:
    """Check likewise that a folder can be made.

    Raises:
        ValueError: A file of that name exists.
    """
    if path and path.exists() and not path.is_dir():
        raise ValueError(f"{option} {path} is not a folder.")


def check_output(option: str, path: Path | None, inputs: Iterable[str | Path]) -> None:
    """Check, before any work, that a file to be written is none of those to be read.

    Raises:
        ValueError: It is one of the inputs, or one of the pictures that they stand for.
    """
    if path and path.exists() and any(stands_for(str(given), path) for given in inputs):
        raise ValueError(f"{option} {path} would overwrite an input.")


def bounds(numbers: str, option: str) -> tuple[int, int]:
    """Return the least and the most that ``N`` or ``MIN:MAX`` stands for.

    Raises:
        ValueError: It is neither.
    """
    try:
        parts = [int(part) for part in numbers.split(":")]
    except ValueError:
        parts = []
    if len(parts) in (1, 2) and 1 <= parts[0] <= parts[-1]:
        return parts[0], parts[-1]
    raise ValueError(f"{option} {numbers} is neither a number from 1 on nor MIN:MAX.")
