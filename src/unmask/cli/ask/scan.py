"""``unmask scan``: archives of any size, on this machine or on Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from unmask.cli.ask.detect import INTERRUPTED, SOME_FAILED
from unmask.cli.errors import clean_errors, fail, until_stopped
from unmask.cli.options import bounds
from unmask.cli.settings_options import with_settings

if TYPE_CHECKING:
    from unmask.scan.ledger import Ledger
    from unmask.scan.plan import SourceChanges
    from unmask.scan.scan_settings import ScanSettings
    from unmask.scan.units import ScanEngine, UnitResult


# There is a process a core: on a GPU they would stand in one another's way.
@with_settings(device="cpu")
def scan(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, globs, .txt lists, .tar shards, .parquet files, or URLs (s3://...)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The scan's folder: rows, ledger, summary.")],
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes of this machine, or a Ray cluster.")
    ] = "local",
    workers: Annotated[
        str | None,
        typer.Option(help="Worker processes; on Ray also MIN:MAX.", show_default="one a core"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster.", show_default="one started on this machine"),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="Column of Parquet sources with the pictures.", show_default="found"),
    ] = None,
    block_size: Annotated[int, typer.Option(min=1, help="Inputs a file of rows.")] = 1000,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Pictures read ahead, and scored at once.")
    ] = 8,
    file_seconds: Annotated[float, typer.Option(min=0.1, help="Most time for one picture.")] = 60,
    retries: Annotated[
        int, typer.Option(min=1, help="Tries, alone, of a picture that kills workers.")
    ] = 2,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Serve Prometheus metrics here.", show_default=False),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Append structured logs (JSON lines) to this file.", show_default=False),
    ] = None,
    thumbnails: Annotated[
        int, typer.Option(min=0, help="Most suspicious pictures on the page.")
    ] = 24,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
    model: Path | None = None,
    settings: Any = None,
) -> None:
    """Score every picture of an archive, once, whatever breaks on the way.

    The rows go to OUT/rows as Parquet, a summary to OUT/summary.json and OUT/index.html. The same
    command given again goes on where the last one ended. Exit code 0: all were answered; 1: some
    could not be read; 2: wrong use; 130: interrupted.
    """
    # Workers, and a later start, may have another folder for their own.
    sources = [source if "://" in source else str(Path(source).absolute()) for source in sources]
    with _scan_errors():
        least, most = _bounds(workers, engine)
        from unmask.scan.scan_settings import ScanSettings

        how = ScanSettings(
            detector=settings,
            model=model.resolve() if model else None,
            column=column,
            batch_size=batch_size,
            file_seconds=file_seconds,
            retries=retries,
        )
        _run(
            sources, out, how, block_size=block_size, metrics_port=metrics_port, log=log,
            thumbnails=thumbnails, quiet=quiet,
            make=lambda ledger, known: _engine(engine, ledger, known, least, most, address),
        )  # fmt: skip


def _run(
    sources: list[str],
    out: Path,
    settings: ScanSettings,
    *,
    make: Callable[[Ledger, ScanSettings], ScanEngine],
    block_size: int,
    metrics_port: int | None,
    log: Path | None,
    thumbnails: int,
    quiet: bool,
) -> None:
    from unmask.logs import log_to
    from unmask.scan.driver import ScanDriver, check_same, scan_folder
    from unmask.scan.ledger import Ledger
    from unmask.scan.monitor import ScanMetrics, ScanMonitor, stderr_line
    from unmask.scan.plan import Plan
    from unmask.scan.rows import ROWS
    from unmask.scan.sources import list_items
    from unmask.scan.summary_page import write_summary

    # A model or a calibration that is not there is found before any long work.
    sha256 = _check_model(settings)
    settings = settings.model_copy(update={"model_sha256": sha256})
    facts = {
        "source": sources, "model": sha256, "block size": block_size,
        "way to answer": settings.decides, "column": settings.column, "set of columns": ROWS.names,
    }  # fmt: skip
    if not (out / Ledger.FILE).exists():
        # So that a source misspelled leaves nothing behind.
        _check_sources(sources, settings.column)
    kept = ""
    with ExitStack() as stack, until_stopped() as stop:
        if log:
            log_to(log)
        ledger = stack.enter_context(scan_folder(out))
        check_same(ledger, facts)
        plan = Plan(out)
        _say_changes(plan.extend(list_items(sources, settings.column), block_size))
        if again := ledger.reopen():
            _say(f"{_inputs(again)} failed for a reason that may have passed; tried again.")
        before, errors = ledger.done()
        monitor = ScanMonitor(plan.inputs, before, errors, stream=stderr_line(quiet))
        if before:
            _say(f"{before:,} of {plan.inputs:,} inputs are done.")
        watchers: list[Callable[[UnitResult], None]] = [monitor]
        if metrics_port is not None:
            metrics = ScanMetrics(metrics_port, monitor)
            stack.callback(metrics.close)
            watchers.append(metrics)
            _say(f"metrics are at port {metrics.port}.")
        if len(ledger.blocks()) < plan.blocks:
            running = make(ledger, settings)
            try:
                ScanDriver(plan, ledger, running, watchers, settings.unit_size).run()
            finally:
                monitor.close()
                running.close()
                kept = f" with {ledger.done()[0]:,} of {_inputs(plan.inputs)} done"
        found = write_summary(out, plan, ledger, monitor, settings, thumbnails=thumbnails)
    if stop.came:
        _say(f"stopped{kept}; the same command goes on from here.")
        raise typer.Exit(INTERRUPTED)
    typer.echo(found.sentence())
    raise typer.Exit(SOME_FAILED if found.errors else 0)


def _say(sentence: str) -> None:
    typer.echo(f"unmask: {sentence}", err=True)


def _inputs(count: int) -> str:
    return f"{count:,} input" + "s" * (count != 1)


def _say_changes(changes: SourceChanges) -> None:
    said = {
        "new": "new since the last start and added",
        "gone": "gone since the listing",
        "changed": "changed since the listing; rows already written are of what was there",
    }
    for name, count in changes._asdict().items():
        if count:
            _say(f"{_inputs(count)} {said[name]}.")


def _engine(
    name: str, ledger: Ledger, settings: ScanSettings, least: int, most: int, address: str | None
) -> ScanEngine:
    from unmask.scan.coordinator import LedgerCoordinator
    from unmask.scan.local_engine import LocalEngine

    if name == "local":
        return LocalEngine(LedgerCoordinator(ledger, settings.retries), settings, most)
    from unmask.scan.ray_engine import RayEngine

    return RayEngine(ledger.folder, settings, least, most, address)


def _bounds(workers: str | None, engine: str) -> tuple[int, int]:
    """Return the least and the most workers."""
    if workers is None:
        from unmask.model.runtime import cores

        most = cores()
        return (1 if engine == "ray" else most), most
    least, most = bounds(workers, "--workers")
    if engine == "local" and least != most:
        raise ValueError("--workers MIN:MAX is for --engine ray; the local engine takes a number.")
    return least, most


def _check_model(settings: ScanSettings) -> str:
    """Return the SHA-256 of the model, once it is known to answer as the settings say."""
    from unmask.detector.detector import Detector
    from unmask.model.open import open_model

    model = open_model(settings.model, device=settings.detector.device, threads=1)
    return Detector(model, settings.detector).model.card.sha256


def _check_sources(sources: list[str], column: str | None) -> None:
    from unmask.scan.sources import list_items

    if next(iter(list_items(sources, column)), None) is None:
        raise ValueError("The sources hold no picture.")


@contextmanager
def _scan_errors() -> Iterator[None]:
    with clean_errors():
        try:
            yield
        except ImportError as error:
            # fsspec asks for the package of a store in words of its own.
            name = f"the package '{error.name}'" if error.name else str(error)
            fail(f"this needs {name}; install it with: pip install 'unmask[scale]'")
