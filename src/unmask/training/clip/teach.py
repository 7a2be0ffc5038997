"""Teach the tower: low-rank changes of its matrices, learnt on training pictures.

The tower's own weights stay as they are; beside each matrix stand two thin ones whose product is
added to it (LoRA, Hu et al. 2022). A view is learnt from by a part of its places, drawn anew each
time (PatchDropout, Liu et al. 2023), which costs that much less and blurs what single places show.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.data.manifest import Row
from unmask.media.decode import Pixels, decode, read_bytes
from unmask.media.errors import PictureError
from unmask.prepare.views import normalise, whole_view
from unmask.training.clip.features import SIZE, degraded_view
from unmask.training.clip.probe import LinearHead
from unmask.training.clip.tower import Linear, Tower
from unmask.training.pseudo import make_pseudo
from unmask.training.samplers import Draw, balanced_pairs

MATRICES = ("qkv", "out", "fc1", "fc2")
"""What changes in each block."""
_AHEAD = 4
"""Batches that are made ahead of the one that is learnt from."""


class Lessons(BaseModel):
    """How the tower is taught.

    Attributes:
        rank: Of each matrix's change.
        rate: Peak learning rate of AdamW. The head answers strongly to small changes of what blocks
            put out, so that it has to be small.
        warm_up: Steps until the peak; from there on the rate falls along a cosine.
        steps: Steps in all.
        batch: Views a step, half of them of fakes.
        kept: Share of a view's places that are looked at.
        clean: Share of the pictures that are not degraded.
        average: Decay of the averaged changes, which are what is kept.
        seed: Of all draws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=16, ge=1)
    rate: float = Field(default=3e-5, gt=0)
    warm_up: int = Field(default=20, ge=1)
    steps: int = Field(default=450, ge=1)
    batch: int = Field(default=32, ge=2)
    kept: float = Field(default=0.4, gt=0, le=1)
    clean: float = Field(default=0.33, ge=0, le=1)
    average: float = Field(default=0.98, ge=0, lt=1)
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, the first of which is 0."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * (1 + math.cos(math.pi * done)) / 2


class Pupil(nn.Module):
    """The tower with its changes and a linear real/fake head on the mean of the places it looks at.

    Args:
        tower: The tower as it was; it stays so.
        taps: Blocks, from 0, whose outputs the head reads.
        rank: Of the changes.
    """

    def __init__(self, tower: Tower, taps: Sequence[int], rank: int) -> None:
        super().__init__()
        self.tower, self.taps = tower, tuple(taps)
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for place, block in enumerate(tower.blocks):
            for name in MATRICES:
                inputs, outputs = getattr(block, name).weight.shape
                key = f"{place}_{name}"
                # Nothing changes at first: one of the two thin matrices is zero.
                self.down[key] = nn.Parameter(torch.randn(inputs, rank) / inputs**0.5)
                self.up[key] = nn.Parameter(torch.zeros(rank, outputs))
        width = len(self.taps) * tower.positions.shape[1]
        self.head = nn.Linear(width, 1)

    def forward(self, views: Tensor, kept: float = 1.0) -> Tensor:
        """Return logits, (n,), for views, float32 (n, 3, 224, 224) in [-1, 1].

        Args:
            views: The views.
            kept: Share of their places to look at; others are drawn for each view and call.
        """
        return self.head(self.features(views, kept)).squeeze(1)

    def features(self, views: Tensor, kept: float = 1.0) -> Tensor:
        """Return what the head reads, (n, taps * channels)."""
        x = self.tower.embed(views)
        if kept < 1:
            x = _some_places(x, kept)
        found = []
        for place, block in enumerate(self.tower.blocks):
            # The block's own arithmetic, on matrices that add their change to what they put out.
            matrices: dict[str, Any] = {
                name: self._changed(f"{place}_{name}", getattr(block, name)) for name in MATRICES
            }
            changed = replace(block, **matrices)
            x = x + changed.out(changed.attend(x))
            x = x + changed.fc2(changed.hidden(x))
            if place in self.taps:
                found.append(x[:, 1:].mean(1).float())
        return torch.cat(found, 1)

    def _changed(self, key: str, own: Linear) -> Callable[[Tensor], Tensor]:
        down, up = self.down[key], self.up[key]
        return lambda x: own(x) + (x @ down) @ up

    def taught(self) -> Tower:
        """Return a tower that has the changes in its matrices."""
        blocks = []
        for place, block in enumerate(self.tower.blocks):
            changes: dict[str, Any] = {}
            for name in MATRICES:
                own: Linear = getattr(block, name)
                change = (self.down[f"{place}_{name}"] @ self.up[f"{place}_{name}"]).detach()
                changes[name] = replace(own, weight=own.weight + change.numpy())
            blocks.append(replace(block, **changes))
        return replace(self.tower, blocks=tuple(blocks))


def _some_places(tokens: Tensor, kept: float) -> Tensor:
    """Keep the class token and a random share of the others, as many for each view."""
    n, count, channels = tokens.shape
    places = torch.rand(n, count - 1).topk(max(1, round(kept * (count - 1)))).indices + 1
    places = torch.cat([torch.zeros(n, 1, dtype=torch.long), places], 1)
    return tokens.gather(1, places[:, :, None].expand(-1, -1, channels))


def teach(
    tower: Tower,
    taps: Sequence[int],
    rows: Sequence[Row],
    out: Path,
    lessons: Lessons,
    *,
    first: Callable[[], LinearHead],
    report: Callable[[str], None] = lambda line: None,
    on_step: Callable[[int], None] = lambda count: None,
) -> None:
    """Teach a tower and write what changed.

    The tower and a head that was fitted to what it saw until then change together, by binary
    cross-entropy. The state is kept beside ``out`` every 25 steps, and a run that was broken off
    goes on from there.

    Args:
        tower: The tower.
        taps: Blocks, from 0, whose outputs the head reads.
        rows: Training pictures, pseudo-fakes among them.
        out: The safetensors file to write, for `apply_lessons`.
        lessons: How.
        first: Makes the head to start from.
        report: Called with a line now and then.
        on_step: Called with the number of steps just done.

    Raises:
        ValueError: The state beside ``out`` is of other lessons.
    """
    torch.manual_seed(lessons.seed)
    pupil = Pupil(tower, taps, lessons.rank)
    optimiser = torch.optim.AdamW(pupil.parameters(), lr=lessons.rate, weight_decay=0.0)
    keeper = _Keeper(out.with_suffix(".state"), pupil, optimiser, lessons)
    start = keeper.resume()
    if start == 0:
        head = first()
        with torch.no_grad():
            pupil.head.weight.copy_(torch.from_numpy(head.weights)[None])
            pupil.head.bias.fill_(head.bias)
    elif start < lessons.steps:
        report(f"going on from step {start}")
    losses: list[float] = []
    batches = islice(_batches(rows, lessons, start), lessons.steps - start)
    for step, batch in enumerate(batches, start):
        for group in optimiser.param_groups:
            group["lr"] = lessons.rate_at(step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = pupil(batch.views, lessons.kept)
        loss = F.binary_cross_entropy_with_logits(logits.float(), batch.is_fake)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(pupil.parameters(), 1.0)
        optimiser.step()
        keeper.average(step)
        losses.append(loss.item())
        if (step + 1) % 25 == 0:
            report(f"step {step + 1} of {lessons.steps}: loss {np.mean(losses[-25:]):.3f}")
            keeper.keep(step + 1)
        on_step(1)
    keeper.finish(out)


@dataclass(frozen=True)
class _Batch:
    """Drawn pictures, and one view of each, float32 (n, 3, 224, 224)."""

    rows: list[Row]
    views: Tensor

    @property
    def is_fake(self) -> Tensor:
        return torch.tensor([float(row.is_fake) for row in self.rows])


def _batches(rows: Sequence[Row], lessons: Lessons, first: int = 0) -> Iterator[_Batch]:
    """Draw batches without end, the next ones being made while one is learnt from.

    Args:
        rows: The pictures.
        lessons: How to draw.
        first: Number of batches to pass over.
    """

    def draw() -> Iterator[Draw]:
        sampler = balanced_pairs(rows, lessons.seed)
        for epoch in count():
            sampler.set_epoch(epoch)
            yield from sampler

    def look(place: int, seed: int) -> tuple[Row, Pixels] | None:
        row = rows[place]
        # Twins share the seed, and so the degradation.
        rng = np.random.default_rng(seed)
        try:
            pixels = make_pseudo(row, decode(read_bytes(row.path)), seed)
        except PictureError:
            return None
        if rng.random() < lessons.clean:
            return row, whole_view(pixels, SIZE)[:, :: rng.choice((-1, 1))]
        return row, degraded_view(pixels, rng)

    draws = islice(draw(), first * lessons.batch, None)
    with ThreadPoolExecutor() as pool:
        waiting: deque[list[Future[tuple[Row, Pixels] | None]]] = deque()
        while True:
            while len(waiting) < _AHEAD:
                waiting.append([pool.submit(look, *one) for one in islice(draws, lessons.batch)])
            found = [one.result() for one in waiting.popleft()]
            readable = [one for one in found if one is not None]
            views = normalise(np.stack([view for _, view in readable]))
            yield _Batch([row for row, _ in readable], torch.from_numpy(views))


class _Keeper:
    """Averages the changes, and keeps the state of a run so that it can go on.

    Args:
        path: The file of the state.
        pupil: What learns.
        optimiser: Of its parameters.
        lessons: How it learns; a state of other lessons is refused.
    """

    def __init__(
        self, path: Path, pupil: Pupil, optimiser: torch.optim.Optimizer, lessons: Lessons
    ) -> None:
        self.path, self.pupil, self.optimiser, self.lessons = path, pupil, optimiser, lessons
        self.averaged = {name: one.detach().clone() for name, one in pupil.named_parameters()}

    def average(self, step: int) -> None:
        """Take in what a step has changed; early on the average follows faster."""
        decay = min(self.lessons.average, (step + 1) / (step + 10))
        for name, one in self.pupil.named_parameters():
            self.averaged[name].lerp_(one.detach(), 1 - decay)

    def keep(self, step: int) -> None:
        """Write the state after a number of steps."""
        state = {
            "lessons": self.lessons.model_dump(),
            "step": step,
            "parameters": dict(self.pupil.named_parameters()),
            "averaged": self.averaged,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
        }
        partial = self.path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.path)

    def resume(self) -> int:
        """Go on from a kept state; return the number of steps done, 0 where there is none."""
        if not self.path.is_file():
            return 0
        state = torch.load(self.path, weights_only=True)
        if state["lessons"] != self.lessons.model_dump():
            raise ValueError(f"{self.path} is of other lessons; name another file.")
        self.pupil.load_state_dict(state["parameters"])
        self.averaged = state["averaged"]
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        return int(state["step"])

    def finish(self, out: Path) -> None:
        """Write the averaged changes, without the head, and drop the state."""
        changes = {name: one for name, one in self.averaged.items() if "head" not in name}
        save_file(changes, out, {"lessons": self.lessons.model_dump_json()})
        self.path.unlink(missing_ok=True)


def apply_lessons(tower: Tower, taps: Sequence[int], path: Path) -> Tower:
    """Return a tower with the changes that `teach` wrote.

    Raises:
        ValueError: The file holds no changes of such a tower.
    """
    try:
        changes = load_file(path)
        pupil = Pupil(tower, taps, next(iter(changes.values())).shape[-1])
        pupil.load_state_dict(changes, strict=False)
        if set(changes) != {name for name, _ in pupil.named_parameters() if "head" not in name}:
            raise ValueError("it has other matrices")
    except (OSError, RuntimeError, StopIteration, ValueError) as error:
        raise ValueError(f"{path} holds no lessons of this tower: {error}.") from None
    return pupil.taught()


def read_lessons(path: Path) -> Lessons:
    """Return how the tower was taught what a file of `teach` holds."""
    with safe_open(path, "pt") as file:
        return Lessons.model_validate_json(file.metadata()["lessons"])
