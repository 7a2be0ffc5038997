"""How pictures of a scan are read and scored: what every worker is told, and a resume checks."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from unmask.model.base import Device
from unmask.model.calibration import CalibrationName
from unmask.picture.decode import DEFAULT_LIMITS


class ScanSettings(BaseModel):
    """What is the same for every worker.

    Attributes:
        model: An ONNX file with its card beside it; None for the one that ships with unmask.
        model_sha256: What its file has to be, on every machine; None for whatever is there.
        device: Where it runs.
        threads: Threads of one inference; the processes share the cores between them.
        threshold: As for `Detector`.
        calibration: As for `Detector`.
        tta: As for `Detector`.
        provenance: As for `Detector`.
        trust: As for `Detector`.
        column: The column of Parquet sources that has the pictures; None to find it.
        batch_size: Pictures read ahead, and shown to the model in one call.
        file_seconds: What takes longer than this is ended, with its process.
        retries: How often a picture that kills workers is tried alone before it is given up.
        max_bytes: Largest encoded size of a picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Path | None = None
    model_sha256: str | None = None
    device: Device = "cpu"
    threads: int = Field(default=1, ge=1)
    threshold: float | None = Field(default=None, ge=0, le=1)
    calibration: CalibrationName | None = None
    tta: bool = False
    provenance: bool = True
    trust: str | None = None
    column: str | None = None
    batch_size: int = Field(default=8, ge=1)
    file_seconds: float = Field(default=60, gt=0)
    retries: int = Field(default=2, ge=1)
    max_bytes: int = Field(default=DEFAULT_LIMITS.max_bytes, gt=0)

    @property
    def decides(self) -> dict[str, object]:
        """Return what decides over the answers, so that one scan holds answers of one kind."""
        names = {"threshold", "calibration", "tta", "provenance", "trust"}
        return self.model_dump(include=names)
