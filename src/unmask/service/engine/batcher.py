"""A dynamic micro-batcher between the event loop and a model that blocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Batched(Generic[Out]):
    """One item's answer.

    Attributes:
        answer: What the model said.
        waited: Seconds between submission and the start of the batch.
        ran: Seconds that the whole batch took.
        size: Items in the batch.
    """

    answer: Out
    waited: float
    ran: float
    size: int


@dataclass(slots=True)
class _Item(Generic[In, Out]):
    value: In
    done: asyncio.Future[Batched[Out]]
    since: float


class Batcher(Generic[In, Out]):
    """Gathers items that are there together and runs them in one call, in order of arrival.

    A batch starts when it is full or when its first item has waited ``wait`` seconds. While one
    batch runs the next gathers, so that under load batches fill without anybody waiting for it.
    """

    def __init__(self, run: Callable[[list[In]], list[Out]], *, most: int, wait: float) -> None:
        """Take a function from items to as many answers, which runs in a thread of its own."""
        self._run, self._most, self._wait = run, most, wait
        self._items: asyncio.Queue[_Item[In, Out]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start gathering."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Stop; items not yet begun are cancelled."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while not self._items.empty():
            self._items.get_nowait().done.cancel()
        self._thread.shutdown()

    async def submit(self, item: In) -> Batched[Out]:
        """Wait for an item's answer.

        Raises:
            Exception: What the function raised for the item's batch.
        """
        done: asyncio.Future[Batched[Out]] = asyncio.get_running_loop().create_future()
        self._items.put_nowait(_Item(item, done, time.perf_counter()))
        return await done

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._gather()
            started = time.perf_counter()
            try:
                values = [item.value for item in batch]
                answers = await loop.run_in_executor(self._thread, self._run, values)
            except Exception as error:
                for item in batch:
                    if not item.done.done():
                        item.done.set_exception(error)
                continue
            except asyncio.CancelledError:
                for item in batch:
                    item.done.cancel()
                raise
            ran = time.perf_counter() - started
            for item, answer in zip(batch, answers, strict=True):
                if not item.done.done():
                    item.done.set_result(Batched(answer, started - item.since, ran, len(batch)))

    async def _gather(self) -> list[_Item[In, Out]]:
        batch = [await self._items.get()]
        until = batch[0].since + self._wait
        while len(batch) < self._most:
            try:
                batch.append(self._items.get_nowait())
            except asyncio.QueueEmpty:
                left = until - time.perf_counter()
                if left <= 0:
                    break
                try:
                    async with asyncio.timeout(left):
                        batch.append(await self._items.get())
                except TimeoutError:
                    break
        # Whoever has gone away needs no answer.
        return [item for item in batch if not item.done.done()] or await self._gather()
