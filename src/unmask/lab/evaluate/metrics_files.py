"""Write an evaluation's figures for programs: JSON and CSV."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from unmask.lab.evaluate.bootstrap import Interval
from unmask.lab.evaluate.costs import Costs
from unmask.lab.evaluate.evaluate import Evaluation
from unmask.lab.evaluate.slices import SliceFigures
from unmask.lab.files import write_csv, write_json

COLUMNS = ("kind", "slice", "real", "fake", "metric", "value", "low", "high")


def write_metrics_json(done: Evaluation, costs: Costs | None, path: Path) -> None:
    """Write everything, each figure as value, low and high, or null where it does not exist."""
    document = {
        "subject": asdict(done.subject),
        "split": done.split,
        "resamples": done.resamples,
        "interval": "95%, bootstrap over groups",
        "generators_not_in_training_split": done.unseen,
        "unreadable": [
            {"path": str(row.path), "error": error} for row, error in done.answers.unreadable
        ],
        "category": _figure(done.category),
        "likeliest_category": _figure(done.likeliest),
        "costs": costs and asdict(costs),
        "slices": [
            {
                "kind": one.slice.kind,
                "name": one.slice.name,
                "against_all_real_pictures": one.slice.against_all,
                "real": one.real,
                "fake": one.fake,
                "metrics": {name: _figure(value) for name, value in _all(one).items()},
            }
            for one in done.slices
        ],
    }
    write_json(path, document)


def write_metrics_csv(done: Evaluation, path: Path) -> None:
    """Write a row a slice and metric; the figures are empty where a metric does not exist."""
    lines = [
        [one.slice.kind, one.slice.name, one.real, one.fake, name, *(value or ("", "", ""))]
        for one in done.slices
        for name, value in _all(one).items()
    ]
    write_csv(path, COLUMNS, lines)


def _all(one: SliceFigures) -> dict[str, Interval | None]:
    return {**one.metrics, "answered": one.answered, "wrong_among_answered": one.wrong}


def _figure(value: Interval | None) -> dict[str, Any] | None:
    return value and dict(zip(("value", "low", "high"), value, strict=True))
