"""Write verdicts as CSV, JSON or JSON Lines, one by one as they come.

Every row is on its way to the file before the next is awaited, so that whatever stops a run keeps
the rows already answered.
"""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self, TextIO

from unmask.verdict.verdict import COLUMNS, Verdict


class Writer(ABC):
    """Writes verdicts to a text stream; leaving its context ends the document, not the stream."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, BrokenPipeError):
            self.end()
            self.stream.flush()

    def write(self, verdict: Verdict) -> None:
        """Write one verdict and hand it to the operating system."""
        self.row(verdict)
        self.stream.flush()

    @abstractmethod
    def row(self, verdict: Verdict) -> None:
        """Write one verdict."""

    def end(self) -> None:  # noqa: B027  (most formats need no end)
        """Write what closes the document."""


class CsvWriter(Writer):
    """A header line, then one line a verdict; absent values are empty."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._csv = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        self._csv.writeheader()

    def row(self, verdict: Verdict) -> None:
        """Write one verdict."""
        self._csv.writerow(verdict.to_row())


class JsonLinesWriter(Writer):
    """One JSON object a line."""

    def row(self, verdict: Verdict) -> None:
        """Write one verdict."""
        self.stream.write(json.dumps(verdict.to_json()) + "\n")


class JsonWriter(Writer):
    """One JSON array of objects, closed even when the run is interrupted."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lead = "[\n  "

    def row(self, verdict: Verdict) -> None:
        """Write one verdict."""
        self.stream.write(self._lead + json.dumps(verdict.to_json()))
        self._lead = ",\n  "

    def end(self) -> None:
        """Close the array."""
        self.stream.write("[]\n" if self._lead.startswith("[") else "\n]\n")
