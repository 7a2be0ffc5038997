"""How a scan reads and scores: what every worker is told, and a later start checks."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from unmask.detector.settings import DetectorSettings


class ScanSettings(BaseModel):
    """What is the same for every worker.

    Attributes:
        detector: How pictures are read and judged.
        model: What `open_model` takes; None for the model that ships with unmask.
        model_sha256: What its card has to say, on every machine; None for whatever is there.
        column: The column of Parquet sources that has the pictures; None to find it.
        batch_size: Pictures read ahead, and shown to the model in one call.
        file_seconds: What takes longer than this is ended, with its process.
        retries: How often a picture that kills workers is tried alone before it is given up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: DetectorSettings = DetectorSettings()
    model: Path | None = None
    model_sha256: str | None = None
    column: str | None = None
    batch_size: int = Field(default=8, ge=1)
    file_seconds: float = Field(default=60, gt=0)
    retries: int = Field(default=2, ge=1)

    @property
    def decides(self) -> dict[str, object]:
        """Return what decides over the answers, so that one scan holds answers of one kind."""
        return self.detector.model_dump(mode="json", exclude={"device"})

    @property
    def unit_size(self) -> int:
        """Return how many items a worker gets at a time.

        Few enough that all workers end at about the same time, and that no more than about a
        minute's work is lost with one, also where a picture costs many inferences.
        """
        return 8 if self.detector.faces or self.detector.tta else 32
