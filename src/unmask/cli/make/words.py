"""The command line that repeats a run, to be kept with what it made."""

from __future__ import annotations

import shlex
from pathlib import Path


def command_line(**options: object) -> str:
    """Return the ``unmask evaluate`` that repeats a run, without the folders of this machine.

    Args:
        options: By their names; None and False are left out, a list is repeated.
    """
    words = ["unmask evaluate"]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            if one is None or one is False:
                continue
            words.append(f"--{name.replace('_', '-')}")
            if one is not True:
                words.append(_word(one))
    return " ".join(words)


def _word(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, Path) and value.is_absolute():
        text = value.name
    return text if text.startswith("$DATA") else shlex.quote(text)
