"""What the service counts, for Prometheus."""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Counter(
    "unmask_requests", "Requests by method, route and status.", ("method", "route", "status")
)
REQUEST_SECONDS = Histogram(
    "unmask_request_seconds", "Time from a request to its answer.", ("route",), buckets=_SECONDS
)
DETECTIONS = Counter(
    "unmask_detections", "Answered pictures by verdict and by where the answer came from.",
    ("verdict", "origin"),
)  # fmt: skip
REFUSED = Counter("unmask_refused", "Refused pictures and requests by problem.", ("problem",))
BATCH_SIZE = Histogram(
    "unmask_batch_pictures", "Pictures an inference.", buckets=(1, 2, 4, 8, 16, 32)
)
PENDING = Gauge(
    "unmask_pending_pictures", "Pictures being worked on or waiting.",
    multiprocess_mode="livesum",
)  # fmt: skip
VIDEOS = Counter(
    "unmask_videos", "Answered videos by verdict and by where the answer came from.",
    ("verdict", "origin"),
)  # fmt: skip
PENDING_VIDEOS = Gauge(
    "unmask_pending_videos", "Videos being judged or waiting.", multiprocess_mode="livesum"
)
DECODER_DEATHS = Counter(
    "unmask_decoder_deaths", "Decoding processes that a picture killed or that took too long."
)
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


def exposition() -> bytes:
    """Return all figures in Prometheus's text format; of all server processes where several."""
    registry = CollectorRegistry()
    if os.environ.get(MULTIPROCESS):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest()
