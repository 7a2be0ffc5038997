"""The Ray engine: Ray Data streams units through a pool of actors, each with a model of its own.

Ray places the actors on the machines of a cluster, keeps no more units on their way than they can
take, grows and shrinks the pool between its bounds, and starts again what died. unmask's own part
is the coordinator, an actor beside the driver: see `unmask.scan.coordinator`.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from unmask.scan.coordinator import LedgerCoordinator
from unmask.scan.scan_settings import ScanSettings
from unmask.scan.unit_scorer import UnitScorer, resident_bytes
from unmask.scan.units import UnitInstructions, UnitResult, WorkUnit

_WAVE = 8192
"""Units handed to Ray at a time, so that the driver never holds more than some 260,000 items."""


class RayEngine:
    """Workers on a Ray cluster.

    Args:
        folder: The scan's folder; only the driver's machine has to see it.
        settings: What every worker is told; a model's file has to be on every machine.
        least: Fewest actors.
        most: Most actors.
        address: Of the cluster; None to start one on this machine.

    Raises:
        ValueError: There is no cluster at the address.
    """

    def __init__(
        self, folder: Path, settings: ScanSettings, least: int, most: int, address: str | None
    ) -> None:
        self._settings, self._least, self._most = settings, least, most
        self._began = not ray.is_initialized()
        if self._began:
            connect(address, cpus=most)
        _be_quiet()
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(CoordinatorActor).options(num_cpus=0, scheduling_strategy=here)
        self._coordinator = actor.remote(str(folder), settings.retries)
        self._deaths = 0

    def run(self, units: Iterator[WorkUnit]) -> Iterator[UnitResult]:
        """Yield the rows of every unit.

        Raises:
            ValueError: Ray gave up, as where actors cannot load the model.
        """
        try:
            yield from self._run(units)
        except ray.exceptions.RayError as error:
            reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "")
            raise ValueError(f"Ray could not go on: {reason.strip()}") from None

    def _run(self, units: Iterator[WorkUnit]) -> Iterator[UnitResult]:
        while wave := [unit.to_json() for unit in islice(units, _WAVE)]:
            # A row a unit, a block a row: so a unit is what Ray hands out, and tries again.
            data = ray.data.from_arrow([pa.table({"unit": [text]}) for text in wave])
            done = data.map_batches(
                _Worker,
                fn_constructor_args=(self._settings.model_dump_json(), self._coordinator),
                batch_size=1,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(min_size=self._least, max_size=self._most),
                num_cpus=1,
            )
            # Ray sets its loggers up when the first data set is made.
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            for batch in done.iter_batches(
                batch_size=None, batch_format="pyarrow", prefetch_batches=1
            ):
                for row in batch.to_pylist():
                    deaths = ray.get(self._coordinator.deaths.remote())
                    yield UnitResult(
                        row["number"], json.loads(row["rows"]), row["worker"], row["memory"],
                        deaths - self._deaths,
                    )  # fmt: skip
                    self._deaths = deaths

    def done(self, unit: int, hashes: list[str]) -> None:
        """Tell the coordinator that a unit, and the answers for hashes, are in the ledger."""
        ray.get(self._coordinator.done.remote(unit, hashes))

    def close(self) -> None:
        """End the coordinator, and the cluster where this engine started it."""
        ray.kill(self._coordinator)
        if self._began:
            ray.shutdown()


def connect(address: str | None, *, cpus: int | None = None) -> None:
    """Connect this process to a cluster.

    Args:
        address: The cluster's; None to start one on this machine, which ends with this process.
        cpus: Cores that a cluster started here offers; None for all.

    Raises:
        ValueError: There is no cluster at the address.
    """
    # Ray would hide GPUs from actors that ask for none, and warns about it.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    own: dict[str, Any] = {} if address else {"num_cpus": cpus, "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"There is no Ray cluster at {address or 'hand'}: {reason}") from None


def _be_quiet() -> None:
    """Keep to ourselves how Ray is doing: the scan has a line of its own."""
    warnings.filterwarnings("ignore", module=r"ray\.data")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False


class CoordinatorActor(LedgerCoordinator):
    """The coordinator as an actor: it reads the ledger that the driver writes."""

    def __init__(self, folder: str, retries: int) -> None:
        super().__init__(Path(folder), retries)
        self._again = 0

    def begin(self, unit: int) -> UnitInstructions:
        """Return how to work on a unit, and count those that are begun again."""
        instructions = super().begin(unit)
        self._again += instructions.careful
        return instructions

    def deaths(self) -> int:
        """Return how often a unit was begun again."""
        return self._again


class _RemoteCoordinator:
    """The coordinator as a worker sees it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def begin(self, unit: int) -> UnitInstructions:
        return UnitInstructions(*ray.get(self._actor.begin.remote(unit)))

    def announce(self, unit: int, place: int, sha256: str | None) -> None:
        # Waited for: the note must be there before the picture is touched.
        ray.get(self._actor.announce.remote(unit, place, sha256))

    def claim(self, unit: int, hashes: list[str]) -> list[bool]:
        return list(ray.get(self._actor.claim.remote(unit, hashes)))


class _Worker:
    """What Ray Data runs in each actor."""

    def __init__(self, settings: str, coordinator: Any) -> None:
        self._scorer = UnitScorer(ScanSettings.model_validate_json(settings))
        self._coordinator = _RemoteCoordinator(coordinator)

    def __call__(self, batch: pa.Table) -> pa.Table:
        done: dict[str, list[Any]] = {"number": [], "rows": [], "worker": [], "memory": []}
        for text in batch.column("unit").to_pylist():
            unit = WorkUnit.from_json(text)
            done["rows"].append(json.dumps(self._scorer.score(unit, self._coordinator)))
            done["number"].append(unit.number)
            done["worker"].append(f"{ray.get_runtime_context().get_node_id()[:8]}-{os.getpid()}")
            done["memory"].append(resident_bytes())
        return pa.table(done)
