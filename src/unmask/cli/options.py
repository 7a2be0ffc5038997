"""Options that several commands have, and checks of what they name."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from unmask.model.calibration import CalibrationName
from unmask.picture.kind import looks_like_picture

CalibrationOption = Annotated[
    CalibrationName | None,
    typer.Option(help="What makes p(fake); the card's own if not given.", show_default=False),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Call fake from this p(fake) on, and nothing unsure.",
        show_default=False,
    ),
]
ProvenanceOption = Annotated[
    bool, typer.Option(help="Read what a file says of itself, and heed it in the verdict.")
]
TtaOption = Annotated[bool, typer.Option("--tta", help="More views: flips, crops, scales. Slower.")]
ModelFile = Annotated[
    Path | None, typer.Option(help="An ONNX model, its card beside it.", show_default=False)
]
TrustList = Annotated[
    Path | None,
    typer.Option(
        help="Root certificates (PEM) of the signers whose credentials may decide.",
        show_default=False,
    ),
]


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
    if path is None or not path.exists():
        return
    for given in map(str, inputs):
        if os.path.isdir(given):
            within = path.resolve().is_relative_to(Path(given).resolve())
            same = within and path.is_file() and looks_like_picture(str(path))
        elif os.path.lexists(given):
            same = os.path.exists(given) and path.samefile(given)
        else:
            matching = glob.iglob(given, recursive=True) if glob.has_magic(given) else ()
            same = any(os.path.exists(one) and path.samefile(one) for one in matching)
        if same:
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
