"""Text that comes from the data, made safe for a page of Markdown."""

from __future__ import annotations


def text(words: str) -> str:
    """Keep names from the data from being read as HTML or Markdown."""
    for char in "\\<`*_[":
        words = words.replace(char, "\\" + char)
    return " ".join(words.split())


def cell(words: str) -> str:
    """Do the same for a cell of a table."""
    return text(words).replace("|", "\\|")
