"""Ask a detector about the same pictures under every kind of degradation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from unmask.detector.detector import Detector
from unmask.lab.data.manifest import Row
from unmask.lab.evaluate.bootstrap import Interval, Weights, resample, share_interval
from unmask.lab.evaluate.metrics import measure_intervals, share
from unmask.lab.evaluate.slices import share_among
from unmask.lab.robustness.degradations import CLEAN, Degradation, degradations
from unmask.picture.decode import Pixels, decode, read_bytes
from unmask.picture.errors import PictureError

METRICS = ("auc", "fpr", "fnr", "ece")


@dataclass(frozen=True)
class DegradedResult:
    """How a detector does under one kind of degradation.

    Attributes:
        kind: What is done to the pictures.
        level: How much of it.
        metrics: Those of `METRICS`, each with its 95% interval; None where it does not exist.
        answered: Share of pictures with a verdict other than ``unsure``.
        wrong: Share of wrong verdicts among those; None where there are none.
    """

    kind: str
    level: str
    metrics: dict[str, Interval | None]
    answered: Interval
    wrong: Interval | None

    @property
    def name(self) -> str:
        """Kind and level."""
        return f"{self.kind}, {self.level}"

    def breaks(self, promise: float, *, clearly: bool = False) -> bool:
        """Whether more of the answers are wrong than was promised.

        Args:
            promise: The share.
            clearly: Ask whether the whole interval says so, and not the figure alone.
        """
        return self.wrong is not None and self.wrong[1 if clearly else 0] > promise


@dataclass(frozen=True)
class Robustness:
    """A robustness sweep.

    Attributes:
        model: The model's name.
        sha256: Of its file.
        created: ISO date of the sweep.
        split: Whose pictures.
        real: Number of real pictures.
        fake: Number of fakes.
        unreadable: Number of pictures that could not be read, and are in no figure.
        promise: The share of wrong answers among the answered that the model keeps to; None where
            it promises nothing.
        threshold: From this ``p_fake`` on a picture counts as called fake in FPR and FNR.
        resamples: Of the bootstrap over groups.
        degraded: Every setting, the first being the pictures as they are.
    """

    model: str
    sha256: str
    created: str
    split: str
    real: int
    fake: int
    unreadable: int
    promise: float | None
    threshold: float
    resamples: int
    degraded: tuple[DegradedResult, ...]

    @property
    def kinds(self) -> dict[str, list[DegradedResult]]:
        """Settings by kind, each from mild to harsh."""
        found: dict[str, list[DegradedResult]] = {}
        for one in self.degraded:
            found.setdefault(one.kind, []).append(one)
        return found

    def stops(self) -> dict[str, DegradedResult | None]:
        """Return by kind the degradation from which the model should stop answering.

        It is the first, from mild to harsh, at which more of the answers are wrong than was
        promised; None where the promise holds throughout. Where the figure for pictures as they are
        lies above the promise already, but not clearly, the first counts at which it clearly is
        broken. Empty without a promise, and where it clearly does not hold even as they are.
        """
        clean, promise = self.degraded[0], self.promise
        if promise is None or clean.breaks(promise, clearly=True):
            return {}
        clearly = clean.breaks(promise)
        return {
            kind: next((one for one in levels if one.breaks(promise, clearly=clearly)), None)
            for kind, levels in self.kinds.items()
            if kind != CLEAN
        }


def judge_robustness(
    detector: Detector,
    rows: Sequence[Row],
    *,
    split: str,
    resamples: int = 1000,
    chosen: Sequence[Degradation] | None = None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Robustness:
    """Judge a detector under every setting, on the same pictures and in the same resamples.

    Args:
        detector: With its card's band.
        rows: Pictures of both labels.
        split: Where they are from.
        resamples: Of the bootstrap over groups.
        chosen: Settings; None for all of `degradations`.
        on_progress: Called with the number of answers just given.

    Raises:
        ValueError: What can be read lacks a label.
    """
    read = [row for row in rows if _is_readable(row)]
    if len({row.label for row in read}) < 2:
        raise ValueError("The pictures that can be read lack a label; both are needed.")
    weights = resample([row.group for row in read], resamples)
    card = detector.model.card
    return Robustness(
        model=card.name,
        sha256=card.sha256,
        created=datetime.now(UTC).date().isoformat(),
        split=split,
        real=sum(not row.is_fake for row in read),
        fake=sum(row.is_fake for row in read),
        unreadable=len(rows) - len(read),
        promise=detector.scale.band.most_wrong,
        threshold=detector.scale.shown_threshold,
        resamples=resamples,
        degraded=tuple(
            _judge(detector, read, setting, weights, on_progress)
            for setting in (degradations() if chosen is None else chosen)
        ),
    )


def _judge(
    detector: Detector,
    rows: Sequence[Row],
    setting: Degradation,
    weights: Weights,
    on_progress: Callable[[int], None],
) -> DegradedResult:
    p_fake, said = [], []
    for verdict in detector.detect_many(_degraded(rows, setting)):
        if verdict.error is not None:
            raise ValueError(f"Under '{setting.kind}' a picture became unreadable: {verdict.error}")
        p_fake.append(verdict.p_fake or 0.0)
        said.append(verdict.verdict)
        on_progress(1)
    is_fake = np.array([row.is_fake for row in rows])
    groups = [row.group for row in rows]
    verdicts = np.array(said)
    sure, wrong = verdicts != "unsure", (verdicts == "fake") != is_fake
    found = measure_intervals(
        is_fake, np.array(p_fake), detector.scale.shown_threshold, weights, groups
    )
    answered = share_interval(share(weights, sure), len(set(groups)))
    assert answered is not None  # noqa: S101  (there are pictures)
    return DegradedResult(
        kind=setting.kind,
        level=setting.level,
        metrics={name: found[name] for name in METRICS},
        answered=answered,
        wrong=share_among(weights, np.array(groups, dtype=object), sure, wrong),
    )


def _degraded(rows: Sequence[Row], setting: Degradation) -> Iterator[Pixels]:
    for row in rows:
        digest = hashlib.sha256(row.path.name.encode("utf-8", "surrogateescape")).digest()
        yield setting(decode(read_bytes(row.path)), int.from_bytes(digest[:4], "big"))


def _is_readable(row: Row) -> bool:
    try:
        decode(read_bytes(row.path))
    except PictureError:
        return False
    return True
