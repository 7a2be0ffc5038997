"""What ``unmask data`` tells on the terminal and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from unmask.lab.data.audit import Audit, AuditProblem
from unmask.lab.data.index import Index
from unmask.lab.data.manifest import Label, Split
from unmask.lab.data.shortcuts import NAMED_FROM, Shortcut
from unmask.verdict.table import printable, shorten

_LABELS: tuple[str, ...] = get_args(Label)
_EXAMPLES = 3
_SOURCE_WIDTH = 22
Counts = Counter[tuple[str, str, str]]
"""Pictures by (name, split, label)."""


def index_report(console: Console, made: Index, out: Path) -> None:
    """Draw what a new manifest holds."""
    counts: Counts = Counter()
    for row in made.rows:
        counts[row.category or "-", row.split, row.label] += 1
    groups = len({row.group for row in made.rows})
    console.print(_counts_table(["category"], [[name] for name in _names(counts)], counts))
    console.print(
        f"{len(made.rows):,} pictures in {groups:,} groups of near-duplicates; "
        f"splits {'as given' if made.had_splits else 'dealt 70/15/15 by group'}."
    )
    console.print(f"Wrote {printable(str(out))}.")


def audit_report(console: Console, found: Audit) -> None:
    """Draw the findings of an audit, the problems last."""
    counts: Counts = Counter()
    for share in found.balance:
        counts[f"{share.source}\0{share.category or '-'}", share.split, share.label] += (
            share.pictures
        )
    names = [name.split("\0") for name in _names(counts)]
    console.print(_counts_table(["source", "category"], names, counts))
    console.print(
        f"{found.readable:,} of {found.pictures:,} pictures can be read. "
        f"Copies of another picture: {found.exact_copies:,} byte for byte, "
        f"{found.near_copies:,} to the eye. Groups that hold both labels: "
        f"{found.twin_groups:,} (twins, not a problem).",
    )
    console.print()
    if found.shortcuts:
        console.print("How well real and fake are told apart without looking at the picture:")
        console.print(_shortcut_table(found.shortcuts))
        slices = {shortcut.within for shortcut in found.shortcuts} - {""}
        if slices:
            worst = max(
                (shortcut for shortcut in found.shortcuts if shortcut.within),
                key=lambda shortcut: shortcut.auc,
            )
            console.print(
                f"Measured within each of {len(slices)} sources and categories too; the most is "
                f"{worst.auc:.2f}, by {worst.name} within {printable(worst.within)}."
            )
    else:
        console.print("Too few pictures of either label to look for shortcuts.")
    console.print()
    if not found.problems:
        console.print("No problems found.", style="green")
        return
    number = len(found.problems)
    console.print(f"{number} problem{'' if number == 1 else 's'} found:", style="bold red")
    for place, problem in enumerate(found.problems, 1):
        _print_problem(console, place, problem)


def audit_document(found: Audit, manifest: Path) -> dict[str, Any]:
    """Return an audit as what JSON can hold."""
    return {"manifest": str(manifest), "clean": not found.problems, **asdict(found)}


def _print_problem(console: Console, place: int, problem: AuditProblem) -> None:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", width=3)
    grid.add_column()
    grid.add_row(f"{place}.", printable(problem.sentence))
    console.print(grid)
    for pictures in problem.pictures[:_EXAMPLES]:
        for line, picture in enumerate(pictures[:_EXAMPLES]):
            text = f"{'- ' if line == 0 else '  '}{shorten(printable(picture), console.width - 6)}"
            console.print(Padding(Text(text, style="dim", no_wrap=True), (0, 0, 0, 4)))
    more = len(problem.pictures) - _EXAMPLES
    if more > 0:
        console.print(
            Padding(Text(f"and {more:,} more (--json names all)", style="dim"), (0, 0, 0, 4))
        )


def _shortcut_table(shortcuts: Sequence[Shortcut]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("what")
    table.add_column("AUC", justify="right")
    table.add_column("pictures", justify="right")
    table.add_column(f"0.5 is chance, above {NAMED_FROM:g} is a shortcut")
    for shortcut in shortcuts:
        if shortcut.within:
            continue
        style = "bold red" if shortcut.found else ""
        bar = "█" * round(40 * max(0.0, shortcut.auc - 0.5))
        table.add_row(
            shortcut.name,
            Text(f"{shortcut.auc:.2f}", style=style),
            f"{shortcut.pictures:,}",
            Text(f"{bar} shortcut" if shortcut.found else bar, style=style),
        )
    return table


def _names(counts: Iterable[tuple[str, str, str]]) -> list[str]:
    return sorted({name for name, _, _ in counts})


def _counts_table(header: list[str], names: list[list[str]], counts: Counts) -> Table:
    """Count real and fake in each split that there is, and in all."""
    splits = [split for split in get_args(Split) if any(key[1] == split for key in counts)]
    table = Table(
        box=None, padding=(0, 2, 0, 0), pad_edge=False, show_footer=len(names) > 1,
    )  # fmt: skip
    for place, name in enumerate(header):
        table.add_column(f"\n{name}", footer="" if place else "all", no_wrap=True)
    columns = [(split, label) for split in splits for label in _LABELS]
    for split, label in columns:
        total = sum(number for key, number in counts.items() if key[1:] == (split, label))
        title = f"{split if label == 'real' else ''}\n{label}"
        table.add_column(title, footer=f"{total:,}", justify="right", no_wrap=True)
    for parts in names:
        key = "\0".join(parts)
        numbers = [counts[key, split, label] for split, label in columns]
        cells = [shorten(printable(part), _SOURCE_WIDTH) for part in parts]
        table.add_row(*cells, *(f"{number:,}" if number else "-" for number in numbers))
    return table
