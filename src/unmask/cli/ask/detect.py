"""``unmask detect``: verdicts for files, folders, globs and standard input."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from unmask.cli.errors import clean_errors, fail, until_stopped
from unmask.cli.options import check_file, check_output
from unmask.cli.progress import detection_progress
from unmask.cli.settings_options import with_settings
from unmask.detector.settings import DetectorSettings
from unmask.picture.find import STDIN, find_pictures
from unmask.verdict.table import VerdictTable, summary
from unmask.verdict.writers import CsvWriter, JsonLinesWriter, JsonWriter, Writer

SOME_FAILED, INTERRUPTED = 1, 130
STDOUT = "-"


@with_settings()
def detect(
    paths: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, or - for one picture on standard input."),
    ],
    model: Path | None,
    settings: DetectorSettings,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print one JSON object a line.")
    ] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Also write the rows to this CSV file; - prints them in place of the table."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures an inference.")] = 8,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Decoding threads; one a core if not given.", show_default=False),
    ] = None,
) -> None:
    """Say of each picture whether it is real or made or altered by AI.

    Exit code 0: all were answered; 1: some could not be read; 2: wrong use.
    """
    from unmask.detector.detector import Detector

    csv_printed = csv is not None and str(csv) == STDOUT
    if as_json + as_jsonl + csv_printed > 1:
        fail("choose one of --json, --jsonl and --csv -.")
    if paths.count(STDIN) > 1:
        fail("standard input can be read once; give - once.")
    with clean_errors():
        if not csv_printed:
            check_file("--csv", csv)
            check_output("--csv", csv, paths)
        detector = Detector(model, settings)

    counts: Counter[str] = Counter()
    started = time.perf_counter()
    to_terminal = not (as_json or as_jsonl or csv_printed)
    console = Console(highlight=False)
    with clean_errors(), ExitStack() as stack:
        sinks = [
            stack.enter_context(writer).write for writer in _writers(stack, as_json, as_jsonl, csv)
        ]
        advance = stack.enter_context(detection_progress(paths, console, table=to_terminal))
        if to_terminal:
            table = VerdictTable(console)
            stack.callback(table.flush)
            sinks.append(table.add)
        found = find_pictures(paths)
        with until_stopped() as stop:
            verdicts = detector.detect_many(found, batch_size=batch_size, workers=workers)
            for verdict in stop.heed(verdicts):
                for sink in sinks:
                    sink(verdict)
                counts[verdict.verdict or "error"] += 1
                advance()
    if to_terminal:
        console.print(summary(counts, time.perf_counter() - started))
    if stop.came:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(SOME_FAILED if counts["error"] else 0)


def _writers(stack: ExitStack, as_json: bool, as_jsonl: bool, csv: Path | None) -> list[Writer]:
    """Open what is written to; a file name that is not UTF-8 is written byte for byte."""
    writers: list[Writer] = []
    if csv is not None and str(csv) == STDOUT:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="surrogateescape")
        writers.append(CsvWriter(sys.stdout))
    elif csv is not None:
        file = csv.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        writers.append(CsvWriter(stack.enter_context(file)))
    if as_json:
        writers.append(JsonWriter(sys.stdout))
    if as_jsonl:
        writers.append(JsonLinesWriter(sys.stdout))
    return writers
