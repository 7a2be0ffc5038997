"""Find a file by a name that a stranger gave, inside one folder and nowhere else."""

from __future__ import annotations

from pathlib import Path


def find_inside(folder: Path, name: str) -> Path | None:
    """Return the regular file of this name inside a folder; None for anything else.

    Dots, absolute paths, links that lead out, drives, streams and NULs all come to nothing: what
    counts is where the file really lies, after all links.
    """
    if not name or "\0" in name or "\\" in name:
        return None
    try:
        inside = folder.resolve(strict=True)
        path = (inside / name).resolve(strict=True)
        return path if path.is_relative_to(inside) and path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # RuntimeError: links in a circle.
        return None
