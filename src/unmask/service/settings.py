"""Every knob of the service, read from ``UNMASK_*`` environment variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from unmask.detector.settings import DetectorSettings, read_trust
from unmask.model.calibration import CalibrationName
from unmask.model.model import Device
from unmask.picture.decode import DEFAULT_LIMITS, Limits

_MIB = 2**20
_FORM_BYTES = 64 * 1024


def _split(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several names; in the environment they are separated by commas."""


class Settings(BaseSettings):
    """How the service runs; each field is set by ``UNMASK_`` and its name in capitals.

    Attributes:
        model: An ONNX file with its card beside it, an ``.ensemble``, or a training run; None for
            the one that ships with unmask.
        device: Where the model runs.
        threshold: Of requests that name none; None for the card's band.
        calibration: Of requests that name none; None for the card's own.
        promise: Of requests that name none; None for the card's first.
        prior: Of requests that name none; None for the card's own.
        tta: Whether to look at more views of each picture; slower, and there is no heatmap.
        data_dir: Where the database and kept pictures lie.
        database_url: An SQLAlchemy URL; empty for SQLite in ``data_dir``.
        max_file_mb: Largest picture, in MiB.
        max_files: Pictures a request.
        max_megapixels: Largest picture, in millions of pixels.
        decoders: Worker processes that decode.
        decode_seconds: Time one picture may take to decode.
        decode_memory_mb: Address space of one decoding process, in MiB.
        max_video_mb: Largest video, in MiB; 0 takes no videos.
        video_workers: Videos judged at a time.
        video_queue: Videos judged or waiting, from which on new ones are refused.
        video_seconds: Time after which no more frames of a video are judged.
        video_memory_mb: Address space of one process that judges a video, in MiB.
        queue: Pictures being worked on or waiting, from which on new ones are refused.
        held_mb: MiB of requests being received or answered, from which on more are refused.
        batch_size: Most pictures an inference.
        batch_wait_ms: How long a picture waits for others to join its batch.
        body_seconds: Time a request's body may take to arrive.
        provenance: Whether what a file says of itself is read, and heeded in the verdict.
        trust: Root certificates (PEM) of the signers whose credentials may decide; None for any.
        faces: Whether faces are found, and each judged by itself.
        history: ``shared``: all who reach the service share one history, as fits one's own machine
            or a team behind a login. ``private``: each key, and each browser, sees its own.
        keep_results_days: Results older than this are deleted; 0 keeps them.
        keep_pictures: Whether pictures themselves are kept.
        keep_pictures_days: Kept pictures older than this are deleted.
        rate_per_minute: Pictures a minute and client without a key; 0 for no limit.
        require_key: Whether the API answers only with a key.
        allowed_hosts: Host names that the service answers to; ``*`` for any.
        cors_origins: Origins whose pages may use the API from a browser.
        trusted_proxies: Addresses whose X-Forwarded-For is believed.
        debug_folder: Pictures that ``GET /debug`` may answer for; None turns it off.
        processes: How many processes serve.
    """

    model_config = SettingsConfigDict(env_prefix="UNMASK_", extra="ignore", frozen=True)

    model: Path | None = None
    device: Device = "auto"
    threshold: float | None = Field(default=None, ge=0, le=1)
    calibration: CalibrationName | None = None
    promise: float | None = Field(default=None, gt=0, lt=1)
    prior: float | None = Field(default=None, gt=0, lt=1)
    tta: bool = False
    data_dir: Path = Field(default_factory=lambda: user_data_path("unmask"))
    database_url: str = ""
    max_file_mb: float = Field(default=20, gt=0, le=DEFAULT_LIMITS.max_bytes / _MIB)
    max_files: int = Field(default=16, ge=1, le=100)
    max_megapixels: float = Field(default=DEFAULT_LIMITS.max_pixels / 1e6, gt=0, le=250)
    decoders: int = Field(default_factory=lambda: min(8, os.cpu_count() or 1), ge=1)
    decode_seconds: float = Field(default=10, gt=0)
    decode_memory_mb: int = Field(default=2048, ge=512)
    max_video_mb: float = Field(default=100, ge=0, le=4096)
    video_workers: int = Field(default=1, ge=1)
    video_queue: int = Field(default=4, ge=1)
    video_seconds: float = Field(default=45, gt=0)
    video_memory_mb: int = Field(default=4096, ge=1024)
    queue: int = Field(default=256, ge=1)
    held_mb: float = Field(default=1024, gt=0)
    batch_size: int = Field(default=8, ge=1)
    batch_wait_ms: float = Field(default=2, ge=0)
    body_seconds: float = Field(default=60, gt=0)
    provenance: bool = True
    trust: Path | None = None
    faces: bool = False
    history: Literal["shared", "private"] = "shared"
    keep_results_days: float = Field(default=0, ge=0)
    keep_pictures: bool = False
    keep_pictures_days: float = Field(default=30, gt=0)
    rate_per_minute: float = Field(default=0, ge=0)
    require_key: bool = False
    allowed_hosts: Names = ("localhost", "127.0.0.1", "::1")
    cors_origins: Names = ()
    trusted_proxies: Names = ()
    debug_folder: Path | None = None
    processes: int = Field(default=1, ge=1)

    def detector_settings(self) -> DetectorSettings:
        """Return how pictures are read and judged; the list of trusted signers is read from disk.

        Raises:
            ValueError: That list cannot be read.
        """
        shared: dict[str, Any] = {
            name: getattr(self, name)
            for name in DetectorSettings.model_fields
            if name in type(self).model_fields
        }
        return DetectorSettings(**shared | {"trust": read_trust(self.trust), "limits": self.limits})

    @property
    def limits(self) -> Limits:
        """What one picture may cost."""
        return Limits(int(self.max_file_mb * _MIB), int(self.max_megapixels * 1e6))

    @property
    def max_video_bytes(self) -> int:
        """Largest video, in bytes."""
        return int(self.max_video_mb * _MIB)

    @property
    def max_body_bytes(self) -> int:
        """Largest request: all its pictures and some room for the form around them."""
        return self.max_files * self.limits.max_bytes + _FORM_BYTES

    @property
    def max_video_body_bytes(self) -> int:
        """Largest request with a video."""
        return self.max_video_bytes + _FORM_BYTES

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'unmask.sqlite3'}"

    @property
    def pictures_dir(self) -> Path:
        """Where kept pictures lie."""
        return self.data_dir / "pictures"
