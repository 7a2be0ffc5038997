"""What a run tells people on standard error: where it computes, and loudly what is wrong."""

from __future__ import annotations

import os

from rich.console import Console
from rich.panel import Panel

from unmask.lab.train.faults import Faults


def notify(sentence: str) -> None:
    """Print a sentence, once where several processes train together."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        Console(stderr=True, highlight=False, markup=False).print(sentence, soft_wrap=True)


def fault_banner(faults: Faults) -> None:
    """Say loudly which faults were put into the run; nothing for an honest one."""
    if faults.active and os.environ.get("LOCAL_RANK", "0") == "0":
        Console(stderr=True, highlight=False, markup=False).print(
            Panel(
                f"FAULTS ARE PUT INTO THIS RUN ON PURPOSE: {', '.join(faults.active)}.\n"
                "It is for studying failures. Its checkpoints say so and cannot be exported.",
                title="FAULT INJECTION",
                style="bold white on red",
            )
        )
