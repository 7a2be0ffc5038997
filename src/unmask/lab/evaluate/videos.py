"""Judge a detector of videos on labelled ones, for people who hold such data."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.lab.data.manifest import ManifestError, parse_label
from unmask.lab.evaluate.bootstrap import resample
from unmask.lab.evaluate.metrics import measure_intervals
from unmask.picture.errors import PictureError
from unmask.video.detector import VideoDetector

_SHOWN = ("auc", "accuracy", "fpr", "fnr", "eer")


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """A video and its label.

    Attributes:
        path: Where it is.
        is_fake: The label.
        group: Videos of one person or scene share a group, and are resampled together.
    """

    path: Path
    is_fake: bool
    group: str


def read_labelled(path: Path) -> list[LabelledVideo]:
    """Read a CSV with the columns path, label (real or fake) and, if any, group.

    Raises:
        ManifestError: The list cannot be read, or lacks a column or a label.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no CSV in UTF-8"
        raise ManifestError(f"{path} could not be read: {reason}.") from None
    if not rows or not {"path", "label"} <= set(rows[0]):
        raise ManifestError(f"{path} must have the columns path and label, and a row.")
    found = []
    for number, row in enumerate(rows, 2):
        label = parse_label(row["label"] or "")
        if label is None:
            raise ManifestError(
                f"{path}, line {number}: '{row['label']}' is neither real nor fake."
            )
        name = row["path"] or ""
        found.append(LabelledVideo(path.parent / name, label == "fake", row.get("group") or name))
    return found


def judge_videos(
    detector: VideoDetector, videos: list[LabelledVideo], warn: Callable[[str], None]
) -> dict[str, Any]:
    """Judge every video and return the figures with 95% intervals over groups.

    Args:
        detector: What is judged.
        videos: Of both labels.
        warn: Given a sentence about each video that cannot be read.

    Raises:
        ManifestError: No video of a label could be read.
    """
    p_fakes, verdicts, kept = [], [], []
    for one in videos:
        try:
            found = detector.detect(one.path)
        except PictureError as problem:
            warn(f"{one.path}: {problem}")
            continue
        p_fakes.append(found.p_fake or 0.0)
        verdicts.append(found.verdict)
        kept.append(one)
    truth = np.array([one.is_fake for one in kept])
    if not kept or truth.all() or not truth.any():
        raise ManifestError("Readable videos of both labels are needed.")
    groups = [one.group for one in kept]
    metrics = measure_intervals(
        truth,
        np.array(p_fakes),
        detector.detector.scale.shown_threshold,
        resample(groups),
        groups,
    )
    unsure = float(np.mean([verdict == "unsure" for verdict in verdicts]))
    card = detector.detector.model.card
    return {
        "model": f"{card.name} {card.sha256[:12]}",
        "videos": len(kept),
        "unreadable": len(videos) - len(kept),
        "fake": int(truth.sum()),
        "groups": len(set(groups)),
        **{
            name: [round(value, 4) for value in figure] if (figure := metrics[name]) else None
            for name in _SHOWN
        },
        "unsure": round(unsure, 4),
    }
