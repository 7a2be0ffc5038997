"""Show verdicts as a table in the terminal, as they come."""

from __future__ import annotations

import unicodedata
from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unmask.verdict.verdict import Verdict

_STYLES = {"real": "green", "fake": "bold red", "unsure": "yellow", "error": "magenta"}
_COLUMNS = {"verdict": 7, "p(fake)": 7, "category": 11, "time": 8}
# Rows wait for one another in blocks of this many, so that the table is drawn as they come.
_BLOCK = 16


class VerdictTable:
    """Draws verdicts in blocks of rows under one header.

    Args:
        console: Where to draw; its width decides how much of a file's name is seen.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        room = sum(_COLUMNS.values()) + 2 * len(_COLUMNS) + 1
        self._name_width = max(16, console.width - room)
        self._header = True
        self._waiting: list[Verdict] = []

    def add(self, verdict: Verdict) -> None:
        """Take one verdict, and draw when a block is full."""
        self._waiting.append(verdict)
        if len(self._waiting) == _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Draw what waits."""
        if not self._waiting:
            return
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=self._header, pad_edge=False)
        table.add_column("file", width=self._name_width)
        for name, width in _COLUMNS.items():
            numeric = name in ("p(fake)", "time")
            table.add_column(
                name, width=width, no_wrap=True, justify="right" if numeric else "left"
            )
        for verdict in self._waiting:
            table.add_row(*self._cells(verdict))
        self._console.print(table)
        for verdict in self._waiting:
            for line in evidence_lines(verdict):
                self._console.print(Text(line, style="cyan"))
        self._header, self._waiting = False, []

    def _cells(self, verdict: Verdict) -> list[Text]:
        name = Text(shorten(printable(verdict.path), self._name_width))
        if verdict.verdict is None or verdict.p_fake is None:
            name.append(f"\n{verdict.error}", style="magenta")
            return [name, Text("error", style=_STYLES["error"])]
        return [
            name,
            Text(verdict.verdict, style=_STYLES[verdict.verdict]),
            Text(f"{verdict.p_fake:.4f}"),
            Text(verdict.category or ""),
            Text(f"{verdict.milliseconds or 0:.0f} ms"),
        ]


def evidence_lines(verdict: Verdict) -> list[str]:
    """Say in words what bears on a verdict and how the file was read; nothing for most files."""
    lines = [
        f"{printable(verdict.path)}: {one.text}"
        for one in verdict.evidence
        if one.strength in ("decisive", "strong") or one.says == "broken"
    ]
    lines += [f"{printable(verdict.path)}: {note}" for note in verdict.notes]
    for face in verdict.faces or ():
        judged = "too small to judge" if face.p_fake is None else f"p(fake) {face.p_fake:.4f}"
        lines.append(f"{printable(verdict.path)}: face at {face.box}: {judged}")
    if verdict.reason not in (None, "between the cuts"):
        lines.append(f"{printable(verdict.path)}: unsure: {verdict.reason}.")
    if verdict.decided_by in ("credential", "metadata"):
        lines.append(
            f"{printable(verdict.path)}: the verdict rests on the file's {verdict.decided_by}; "
            f"p(fake) is what the pixels say."
        )
    return lines


def summary(counts: Counter[str], seconds: float) -> Text:
    """Return the line under the table: how many pictures, how they were called, how fast."""
    total = counts.total()
    parts = [Text(f"{total:,} picture{'' if total == 1 else 's'}: ")]
    for place, call in enumerate(("real", "fake", "unsure", "error")):
        if call != "error" or counts[call]:
            plural = "s" if call == "error" and counts[call] != 1 else ""
            parts.append(Text(", " * (place > 0)))
            parts.append(Text(f"{counts[call]:,} {call}{plural}", style=_STYLES[call]))
    parts.append(Text(f" in {seconds:.1f} s ({total / max(seconds, 1e-9):.0f} a second)."))
    return Text.assemble(*parts)


def printable(name: str) -> str:
    """Replace what a terminal could not show or would obey: control and undecodable characters."""
    return "".join("�" if unicodedata.category(char)[0] == "C" else char for char in name)


def shorten(name: str, width: int) -> str:
    """Cut the middle out of a name that is too long: both ends tell files apart."""
    if len(name) <= width:
        return name
    tail = 2 * (width - 1) // 3
    return f"{name[: width - 1 - tail]}…{name[len(name) - tail :]}"
