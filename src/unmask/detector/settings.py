"""The one set of settings: how pictures are read and judged, wherever they come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from unmask.model.model import Device
from unmask.picture.decode import DEFAULT_LIMITS, Limits
from unmask.verdict.decide import ReadingSettings


class DetectorSettings(ReadingSettings):
    """How pictures are read and judged; frozen, and passed whole, also to other processes.

    Attributes, beside those of `ReadingSettings`:
        tta: Look at more views of each picture (`ViewPlan.augmented`); slower.
        provenance: Whether to read what a file says of itself and to heed it in the verdict.
        trust: Root certificates in PEM of the signers whose Content Credentials may decide; None
            for every intact signature.
        faces: Whether to find faces and judge each by itself. They are reported beside the verdict,
            which is always that of the whole picture.
        device: Where the model runs: ``auto``, ``cpu`` or ``cuda``.
        limits: What one picture may cost.
    """

    tta: bool = False
    provenance: bool = True
    trust: str | None = Field(default=None, repr=False)
    faces: bool = False
    device: Device = "auto"
    limits: Limits = DEFAULT_LIMITS

    @classmethod
    def of(cls, settings: DetectorSettings | None, changes: dict[str, Any]) -> DetectorSettings:
        """Return settings with some of them changed.

        Raises:
            ValueError: There is no such setting, or it cannot have such a value.
        """
        base = {name: getattr(settings, name) for name in cls.model_fields} if settings else {}
        try:
            return cls(**(base | changes))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                raise ValueError(f"There is no setting '{name}'.") from None
            raise ValueError(f"The setting '{name}': {first['msg']}.") from None


def read_trust(path: Path | None) -> str | None:
    """Return the certificates of a trust list for `DetectorSettings.trust`; None for no list.

    Raises:
        ValueError: The file cannot be read or holds no certificate.
    """
    from unmask.evidence.credentials import read_trust_list

    return read_trust_list(path) if path else None
