"""``unmask scan``: archives of any size, on this machine or on Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unmask.cli.ask.detect import INTERRUPTED, SOME_FAILED
from unmask.cli.errors import clean_errors, fail, until_stopped
from unmask.cli.options import (
    CalibrationOption,
    ModelFile,
    ProvenanceOption,
    ThresholdOption,
    TrustList,
    TtaOption,
    bounds,
)

if TYPE_CHECKING:
    from unmask.scan.engine import Done, Engine
    from unmask.scan.ledger import Ledger
    from unmask.scan.plan import Changes
    from unmask.scan.settings import ScanSettings


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
    model: ModelFile = None,
    threshold: ThresholdOption = None,
    calibration: CalibrationOption = None,
    tta: TtaOption = False,
    provenance: ProvenanceOption = True,
    trust: TrustList = None,
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
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to run.")] = "cpu",
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
        from unmask.evidence.credentials import read_trust_list
        from unmask.scan.settings import ScanSettings

        settings = ScanSettings(
            model=model.resolve() if model else None,
            device=device,
            threshold=threshold,
            calibration=calibration,
            tta=tta,
            provenance=provenance,
            trust=read_trust_list(trust) if trust else None,
            column=column,
            batch_size=batch_size,
            file_seconds=file_seconds,
            retries=retries,
        )
        _run(
            sources, out, settings, block_size=block_size, metrics_port=metrics_port, log=log,
            thumbnails=thumbnails, quiet=quiet,
            make=lambda ledger, told: _engine(engine, ledger, told, least, most, address),
        )  # fmt: skip


def _run(
    sources: list[str],
    out: Path,
    settings: ScanSettings,
    *,
    make: Callable[[Ledger, ScanSettings], Engine],
    block_size: int,
    metrics_port: int | None,
    log: Path | None,
    thumbnails: int,
    quiet: bool,
) -> None:
    from unmask.logs import log_to
    from unmask.scan.ledger import Ledger
    from unmask.scan.plan import Plan
    from unmask.scan.scan import Scan, check_same, scan_folder
    from unmask.scan.sources import list_items
    from unmask.scan.summary import summarise
    from unmask.scan.watch import Metrics, Watch, stderr_line

    # A model or a calibration that is not there is found before any long work.
    sha256 = _check_model(settings)
    settings = settings.model_copy(update={"model_sha256": sha256})
    facts = {
        "source": sources, "model": sha256, "block size": block_size,
        "way to answer": settings.decides, "column": settings.column,
    }  # fmt: skip
    if not (out / Ledger.FILE).exists():
        # So that a source misspelled leaves nothing behind.
        _check_sources(sources, settings.column)
    with ExitStack() as stack, until_stopped() as stop:
        if log:
            log_to(log)
        ledger = stack.enter_context(scan_folder(out))
        check_same(ledger, facts)
        plan = Plan(out)
        _tell_changes(plan.extend(list_items(sources, settings.column), block_size))
        written = ledger.blocks().values()
        watch = Watch(
            plan.inputs,
            before=sum(inputs for inputs, _ in written),
            errors=sum(errors for _, errors in written),
            stream=stderr_line(quiet),
        )
        if watch.before:
            typer.echo(f"unmask: {watch.before:,} of {plan.inputs:,} inputs are done.", err=True)
        watchers: list[Callable[[Done], None]] = [watch]
        if metrics_port is not None:
            metrics = Metrics(metrics_port, watch)
            stack.callback(metrics.close)
            watchers.append(metrics)
            typer.echo(f"unmask: metrics are at port {metrics.port}.", err=True)
        if watch.before < plan.inputs:
            running = make(ledger, settings)
            try:
                Scan(plan, ledger, running, watchers).run()
            finally:
                watch.close()
                running.close()
        found = summarise(out, plan, ledger, watch, settings, thumbnails=thumbnails)
    if stop.came:
        typer.echo("unmask: stopped; the same command goes on from here.", err=True)
        raise typer.Exit(INTERRUPTED)
    typer.echo(found.sentence())
    raise typer.Exit(SOME_FAILED if found.errors else 0)


def _tell_changes(changes: Changes) -> None:
    said = {
        "new": "new since the last start and added",
        "gone": "gone since the listing",
        "changed": "changed since the listing; rows already written are of what was there",
    }
    for name, count in changes._asdict().items():
        if count:
            inputs = "input" if count == 1 else "inputs"
            typer.echo(f"unmask: {count:,} {inputs} {said[name]}.", err=True)


def _engine(
    name: str, ledger: Ledger, settings: ScanSettings, least: int, most: int, address: str | None
) -> Engine:
    from unmask.scan.desk import LocalDesk
    from unmask.scan.local import LocalEngine

    if name == "local":
        return LocalEngine(LocalDesk(ledger, settings.retries), settings, most)
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
    from unmask.detector.detector import Detector
    from unmask.model.ensemble import load_model

    model = load_model(settings.model, settings.device, 1)
    Detector(model, threshold=settings.threshold, calibration=settings.calibration)
    return model.card.sha256


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
