"""Predictions from a file: read, checked, and joined with the rows of a manifest."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from unmask.lab.data.manifest import Row, parse_category
from unmask.lab.evaluate.answers import Answers
from unmask.verdict.decide import CATEGORY_OTHER

_SHOWN = 3
_VERDICTS = ("real", "fake", "unsure")
_REQUIRED = ("path", "p_fake")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a file says of one picture.

    Attributes:
        p_fake: In [0, 1]; None for a picture that could not be read.
        verdict: ``real``, ``fake`` or ``unsure``; empty where the file has none.
        category: Empty where the file has none.
        likeliest: The likeliest category, before a cut that makes it ``other``; empty if unknown.
        error: Why the picture could not be read.
    """

    p_fake: float | None
    verdict: str
    category: str
    likeliest: str
    error: str


class Predictions:
    """The predictions of a file, joined with a manifest.

    Attributes:
        path: The file.
        has_verdicts: Whether it says ``real``, ``fake`` or ``unsure``.
    """

    def __init__(self, path: Path, rows: Sequence[Row], folder: Path) -> None:
        """Read a CSV with ``path`` and ``p_fake``.

        ``verdict``, ``category``, ``likeliest_category`` and ``error`` are read where they are
        there, as in the files that ``unmask detect --csv`` and ``unmask evaluate`` write. A path
        may be written as in the manifest or from the working folder, or be so much of the end of
        either's path that only one picture can be meant.

        Args:
            path: The file.
            rows: All rows of the manifest, whatever their split.
            folder: The manifest's folder.

        Raises:
            ValueError: The file cannot be read, lacks a column, or a line has no usable score,
                names no picture of the manifest or one that another line has named.
        """
        self.path = path
        lines, columns = _read(path)
        self.has_verdicts = "verdict" in columns
        finder = _Finder(rows, folder)
        self._said: dict[Row, Prediction] = {}
        scores: list[str] = []
        extra: list[str] = []
        vague: list[str] = []
        again: list[str] = []
        for number, line in lines:
            found = finder.find(line["path"])
            prediction = _parse(line)
            where = f"line {number} ({line['path']})"
            if len(found) != 1:
                (vague if found else extra).append(where)
            elif found[0] in self._said:
                again.append(where)
            elif prediction is None:
                scores.append(f"line {number} ({line['p_fake'] or 'empty'})")
            else:
                self._said[found[0]] = prediction
        _refuse(path, "p_fake is not a number from 0 to 1 in", scores)
        _refuse(path, "no picture of the manifest is meant by", extra)
        _refuse(path, "more than one picture of the manifest can be meant by", vague)
        _refuse(path, "a picture that an earlier line named is named again by", again)

    def answers(self, rows: Sequence[Row], threshold: float) -> Answers:
        """Return the answers on some rows of the manifest.

        Args:
            rows: The rows.
            threshold: Where the file has no verdicts, from this ``p_fake`` on it is ``fake``.

        Raises:
            ValueError: The file has no line for some of the rows.
        """
        missing = [str(row.path) for row in rows if row not in self._said]
        _refuse(self.path, "there is no line for", missing)
        read, unreadable = [], []
        for row in rows:
            said = self._said[row]
            if said.p_fake is None:
                unreadable.append((row, said.error or "No p_fake was given."))
            else:
                read.append((row, said, said.p_fake))
        return Answers(
            rows=[row for row, _, _ in read],
            p_fake=np.array([p_fake for _, _, p_fake in read], dtype=np.float64),
            verdicts=[
                said.verdict or ("fake" if p_fake >= threshold else "real")
                for _, said, p_fake in read
            ],
            categories=[said.category for _, said, _ in read],
            likeliest=[said.likeliest for _, said, _ in read],
            unreadable=unreadable,
        )


class _Finder:
    """Finds the rows that a path can mean."""

    def __init__(self, rows: Sequence[Row], folder: Path) -> None:
        self._folder = folder
        self._exact: dict[Path, Row] = {}
        self._ends: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
        self._starts: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            place = row.path.resolve()
            self._exact.setdefault(place, row)
            for end in _ends(place):
                self._ends[end].append(row)
            if row.path.is_relative_to(folder):
                self._starts[row.path.relative_to(folder).parts].append(row)

    def find(self, name: str) -> list[Row]:
        for place in (self._folder / name, Path(name)):
            found = self._exact.get(place.resolve())
            if found:
                return [found]
        parts = PurePath(name.replace("\\", "/")).parts
        candidates = self._ends.get(parts, [])
        if not candidates:
            # Made where the collection lay in another folder.
            known = (self._starts[end] for end in _ends(parts) if end in self._starts)
            candidates = next(known, [])
        return candidates


def _ends(path: PurePath | Sequence[str]) -> Iterable[tuple[str, ...]]:
    parts = path.parts if isinstance(path, PurePath) else tuple(path)
    return (parts[start:] for start in range(len(parts)))


def _read(path: Path) -> tuple[list[tuple[int, dict[str, str]]], set[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.DictReader(file)
            names = {name.strip().lower(): name for name in reader.fieldnames or ()}
            missing = [name for name in _REQUIRED if name not in names]
            if missing:
                raise ValueError(f"{path} has no column named {' or '.join(missing)}.")
            lines = [
                (reader.line_num, {key: (raw[name] or "").strip() for key, name in names.items()})
                for raw in reader
            ]
    except FileNotFoundError:
        raise ValueError(f"There are no predictions at {path}.") from None
    except OSError as error:
        raise ValueError(f"{path} could not be read: {error.strerror}.") from None
    except csv.Error:
        raise ValueError(f"{path} is not a CSV file.") from None
    if not lines:
        raise ValueError(f"{path} has no predictions.")
    return lines, set(names)


def _parse(line: dict[str, str]) -> Prediction | None:
    """Return what a line says; None where its score cannot be used."""
    error = line.get("error", "")
    p_fake: float | None = None
    if line["p_fake"] or not error:
        try:
            p_fake = float(line["p_fake"])
        except ValueError:
            return None
        if not (math.isfinite(p_fake) and 0 <= p_fake <= 1):
            return None
    verdict = line.get("verdict", "").lower()
    category = _category(line.get("category", ""))
    likeliest = _category(line.get("likeliest_category", ""))
    return Prediction(
        p_fake=p_fake,
        verdict=verdict if verdict in _VERDICTS else "",
        category=category,
        likeliest=likeliest or (category if category != CATEGORY_OTHER else ""),
        error=error,
    )


def _category(text: str) -> str:
    known = parse_category(text)
    return text.lower() if known is None else known


def _refuse(path: Path, problem: str, places: Sequence[str]) -> None:
    if places:
        more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
        raise ValueError(f"{path}: {problem} {', '.join(places[:_SHOWN])}{more}.")
