"""The results of a protocol, as they are kept in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from unmask.lab.evaluate.bootstrap import Interval
from unmask.lab.files import write_csv, write_json

FALSE_ALARMS = 0.1
"""The threshold calls at most this share of the validation's real pictures fake."""
COLUMNS = (
    "left_out", "name", "real", "fake", "threshold", "metric", "value", "low", "high",
)  # fmt: skip
METRICS = ("auc", "fpr", "fnr", "ece", "fake_verdicts")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PartResult(_Frozen):
    """How a network did on one generator or source.

    Attributes:
        name: Of the generator or source.
        real: Real test pictures.
        fake: Fake ones.
        against_all: Whether fakes of a generator stand against the real pictures of all sources.
        also_elsewhere: Of a source: its generators that other sources have in training too.
        auc: Area under the ROC curve; None where a label is absent. All with 95% intervals.
        fpr: Share of real pictures called fake at the fold's threshold.
        fnr: Share of fakes called real there.
        ece: Calibration error of p(fake).
        fake_verdicts: Share of real pictures with the verdict ``fake``, by the fold's band; None in
            results from before there was one.
    """

    name: str
    real: int
    fake: int
    against_all: bool
    also_elsewhere: tuple[str, ...]
    auc: Interval | None
    fpr: Interval | None
    fnr: Interval | None
    ece: Interval | None
    fake_verdicts: Interval | None = None


class FoldResult(_Frozen):
    """How one fold's model did.

    Attributes:
        left_out: The generator or source that it never saw, or ``nothing``.
        train_pictures: That its network was trained on.
        val_pictures: That chose the epoch, the calibration and the threshold.
        threshold: The lowest p(fake) from which at most `FALSE_ALARMS` of the validation's real
            pictures are called fake.
        fake_from: The p(fake) from which the verdict is ``fake``, chosen on validation as
            `unmask calibrate` does for the shipped model.
        parts: What it was judged on.
        training_seconds: What training took.
        judging_seconds: What scoring validation and test took.
    """

    left_out: str
    train_pictures: int
    val_pictures: int
    threshold: float
    fake_from: float | None = None
    parts: tuple[PartResult, ...]
    training_seconds: float
    judging_seconds: float


class Results(_Frozen):
    """A protocol's results.

    Attributes:
        kind: What was left out.
        command: The command line that makes them.
        created: ISO date of the run.
        recipe: What was trained: every setting that differs from the defaults.
        summary: The recipe and its caps in words.
        resamples: Of the bootstrap.
        folds: First the one with nothing left out.
    """

    format: Literal[1] = 1
    kind: Literal["generator", "source"]
    command: str
    created: str
    recipe: dict[str, Any]
    summary: str
    resamples: int
    folds: tuple[FoldResult, ...]

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read results.

        Raises:
            ValueError: The file is absent or is no file of results.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ValueError(f"The results {path} cannot be read: {error.strerror}.") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ValueError(f"{path} holds no results: {place}: {first['msg']}.") from None

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        write_json(path, self.model_dump(mode="json"))

    def write_csv(self, path: Path) -> None:
        """Write a row a part and metric; the figures are empty where a metric does not exist."""
        lines = [
            [fold.left_out, part.name, part.real, part.fake, fold.threshold, metric,
             *(getattr(part, metric) or ("", "", ""))]
            for fold in self.folds
            for part in fold.parts
            for metric in METRICS
        ]  # fmt: skip
        write_csv(path, COLUMNS, lines)
