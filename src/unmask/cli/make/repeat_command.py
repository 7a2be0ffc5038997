"""The command line that repeats a run, to be kept with what it made."""

from __future__ import annotations

import shlex
from pathlib import Path

from unmask.detector.settings import DetectorSettings


def command_line(command: str, **options: object) -> str:
    """Return the command line that repeats a run, without the folders of this machine.

    Args:
        command: As in ``evaluate``.
        options: By their names; None and False are left out, a list is repeated.
    """
    words = [f"unmask {command}"]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            if one is None or one is False:
                continue
            words.append(f"--{name.replace('_', '-')}")
            if one is not True:
                words.append(_word(one))
    return " ".join(words)


def changed_settings(settings: DetectorSettings) -> dict[str, object]:
    """Return the options of `with_settings` that change what is answered, for `command_line`."""
    return {
        "threshold": settings.threshold,
        "calibration": settings.calibration,
        "tta": settings.tta,
        "no_provenance": not settings.provenance,
    }


def _word(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, Path) and value.is_absolute():
        text = value.name
    return text if text.startswith("$DATA") else shlex.quote(text)
