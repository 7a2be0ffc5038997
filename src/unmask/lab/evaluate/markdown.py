"""Parts of a page of Markdown, made safe for what comes from the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def text(words: str) -> str:
    """Keep names from the data from being read as HTML or Markdown."""
    for char in "\\<`*_[":
        words = words.replace(char, "\\" + char)
    return " ".join(words.split())


def cell(words: str) -> str:
    """Do the same for a cell of a table."""
    return text(words).replace("|", "\\|")


def bullets(sentences: Iterable[str]) -> list[str]:
    """Return the lines of a list of sentences."""
    return [f"- {text(sentence)}" for sentence in sentences]


def table(head: Sequence[str], rows: Iterable[Iterable[object]], numbers: str = "") -> list[str]:
    """Return the lines of a table.

    Args:
        head: The titles of the columns.
        rows: Their cells, names from the data made safe by `cell`.
        numbers: Titles, with a bar between them, of the columns that are set to the right.
    """
    right = numbers.split("|")
    marks = [" ---: " if title in right else " --- " for title in head]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(marks)}|"]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]
