"""Progress bars, shown only to people: never into a pipe or a file."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from unmask.picture.find import STDIN, find_pictures

FEW = 8
"""So many pictures are answered before a bar would be read."""


def progress_bar(console: Console) -> Progress:
    """Return a bar with count, share and time left, which vanishes when done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


@contextmanager
def counted(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show people a bar over more than a few pictures, on standard error.

    Yields:
        What advances the bar by a number of pictures.
    """
    console = Console(stderr=True)
    if total <= FEW or not console.is_terminal:
        yield lambda count: None
        return
    with progress_bar(console) as bar:
        task = bar.add_task(description, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def detection_progress(
    paths: list[str], console: Console, *, table: bool
) -> Iterator[Callable[[], None]]:
    """Show a bar over the pictures that ``paths`` stand for, if they are more than a few.

    Args:
        paths: As given to ``unmask detect``.
        console: Where the table is drawn; the bar stays under it on the same terminal.
        table: Whether there is a table; anything else on the terminal would clash with a bar.

    Yields:
        What advances the bar by one picture.
    """
    if not (table and console.is_terminal):
        console = Console(stderr=True)
    clash = sys.stdout.isatty() and not table
    named = [path for path in paths if path != STDIN]
    many = len(list(islice(find_pictures(named), FEW + 1))) > FEW
    if not many or clash or not console.is_terminal:
        yield lambda: None
        return
    with progress_bar(console) as bar:
        task = bar.add_task("detecting", total=None)

        def count() -> None:
            # In a thread of its own: ten million files are answered while they are counted.
            bar.update(task, total=sum(1 for _ in find_pictures(named)) + len(paths) - len(named))

        threading.Thread(target=count, daemon=True).start()
        yield lambda: bar.advance(task)


@contextmanager
def video_progress() -> Iterator[Callable[[float, float | None], None] | None]:
    """Show people a bar over the seconds of a video, with the time left, on standard error.

    Yields:
        What is told the seconds done and the length; None where nobody looks.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    bar = Progress(
        TextColumn("looking"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:.0f} s"),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("looking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
