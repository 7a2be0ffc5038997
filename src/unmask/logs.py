"""Structured logs: one JSON object a line, for the scan and the service alike."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON, with whatever was given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to(file: Path, level: int = logging.INFO) -> None:
    """Append what unmask logs to a file.

    Raises:
        OSError: It cannot be written.
    """
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("unmask")
    logger.addHandler(handler)
    logger.setLevel(level)


def uvicorn_config(level: str) -> dict[str, object]:
    """Return uvicorn's logging as JSON lines on standard output."""
    loggers = ("uvicorn", "uvicorn.error", "uvicorn.access", "unmask")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.{JsonLines.__name__}"}},
        "handlers": {
            "out": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stdout",
            }
        },
        "loggers": {
            name: {"handlers": ["out"], "level": level.upper(), "propagate": False}
            for name in loggers
        },
    }
