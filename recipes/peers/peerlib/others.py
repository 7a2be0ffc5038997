"""Detectors that come trained: unmask itself, and other tools in environments of their own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from peerlib.common import Data, Outcome, milliseconds
from unmask import Detector
from unmask.model.open import SHIPPED

_SAHU65 = Path(__file__).with_name("ask_sahu65.py")


def ours(data: Data) -> Outcome:
    """Ask the shipped model."""
    detector = Detector()
    answers = list(detector.detect_many([row.path for row in data.test]))

    def answer(path: Path) -> float:
        return detector.detect(path).p_fake or 0.0

    return Outcome(
        p_fake=[given.p_fake or 0.0 for given in answers],
        milliseconds=milliseconds(answer, data.test),
        megabytes=SHIPPED.stat().st_size / 1e6,
        notes={"model": detector.model.card.name, "sha256": detector.model.card.sha256},
    )


def sahu65(data: Data, python: Path) -> Outcome:
    """Ask the package sahu65 through the Python of the environment that it is installed in."""
    done = subprocess.run(
        [python, _SAHU65],
        input="\n".join(str(row.path.resolve()) for row in data.test),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{python} could not run sahu65: {done.stderr.strip()[-300:]}")
    *answers, about = [json.loads(line) for line in done.stdout.splitlines()]
    return Outcome(
        p_fake=[answer["p_fake"] for answer in answers],
        milliseconds=float(np.median([answer["ms"] for answer in answers])),
        megabytes=about["megabytes"],
        notes={"version": about["version"]},
    )
