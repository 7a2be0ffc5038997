"""Hard examples: the training pictures that a network gets most wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from unmask.lab.data.manifest import Row, select
from unmask.lab.files import write_csv
from unmask.lab.train.config import Mining
from unmask.lab.train.dataset import Reader, read_pixels
from unmask.lab.train.finished import load_run
from unmask.lab.train.losses import fake_loss
from unmask.lab.train.module import Training, gather
from unmask.lab.train.predict import predict
from unmask.lab.train.samplers import Draws
from unmask.model.calibration import sigmoid
from unmask.picture.errors import PictureError
from unmask.picture.views import whole_view

COLUMNS = ("path", "label", "category", "generator", "source", "p_fake", "loss")
CSV_FILE, GALLERY_FILE = "hard.csv", "hard.png"
_SIDE, _ACROSS, _CAPTION = 128, 8, 26


@dataclass(frozen=True)
class HardExamples:
    """Training pictures by falling loss.

    Attributes:
        rows: The pictures, hardest first.
        index: Their row numbers.
        losses: Their mean real/fake loss.
        p_fake: Their uncalibrated probability of fake.
    """

    rows: list[Row]
    index: NDArray[np.int64]
    losses: NDArray[np.float64]
    p_fake: NDArray[np.float64]

    def factors(self, mining: Mining) -> dict[int, float]:
        """Return how many times as often the hard ones are to be drawn, by row number."""
        count = max(1, round(mining.top * len(self.rows)))
        return dict.fromkeys(self.index[:count].tolist(), mining.boost)


def rank(
    rows: Sequence[Row],
    index: NDArray[np.int64],
    losses: NDArray[np.floating],
    fake_logits: NDArray[np.floating],
) -> HardExamples:
    """Rank pictures by their mean loss; a picture that was seen several times counts once.

    Args:
        rows: All training rows.
        index: Row number of each answer.
        losses: Real/fake loss of each answer.
        fake_logits: Fake logit of each answer.
    """
    seen, place, times = np.unique(index, return_inverse=True, return_counts=True)
    loss = np.bincount(place, losses) / times
    logit = np.bincount(place, fake_logits) / times
    order = np.argsort(-loss, kind="stable")
    return HardExamples(
        [rows[i] for i in seen[order]], seen[order], loss[order], sigmoid(logit[order])
    )


def mine(
    run: Path, rows: Sequence[Row], on_progress: Callable[[int], None] = lambda count: None
) -> HardExamples:
    """Rank the training pictures by the loss that a finished run's network has on them.

    Args:
        run: The folder of the run.
        rows: A manifest's rows; only ``train`` is read.
        on_progress: Called with the number of pictures just done.

    Raises:
        ValueError: The folder holds no finished run, or no picture could be read.
    """
    network, config = load_run(run)
    train_rows = select(rows, "train")
    found = predict(network, config, train_rows, on_progress=on_progress)
    fake = torch.tensor([float(train_rows[index].is_fake) for index in found.index])
    losses = fake_loss(config).each(torch.from_numpy(found.fake_logits).float(), fake)
    return rank(train_rows, found.index, losses.numpy(), found.fake_logits)


def write_hard(
    hard: HardExamples, out: Path, *, shown: int = 64, read: Reader = read_pixels
) -> None:
    """Write ``hard.csv``, every picture by falling loss, and ``hard.png``, the hardest at a glance.

    Args:
        hard: The ranking.
        out: The folder.
        shown: Pictures in the gallery.
        read: Where pixels come from.
    """
    out.mkdir(parents=True, exist_ok=True)
    ranked = zip(hard.rows, hard.losses, hard.p_fake, strict=True)
    lines = [
        (row.path, row.label, row.category, row.generator, row.source, f"{p:.6f}", f"{loss:.6f}")
        for row, loss, p in ranked
    ]
    write_csv(out / CSV_FILE, COLUMNS, lines)
    gallery(hard, shown, read).save(out / GALLERY_FILE)


def gallery(hard: HardExamples, shown: int, read: Reader = read_pixels) -> Image.Image:
    """Draw the hardest pictures in rows, each with its label, p(fake) and loss."""
    count = max(1, min(shown, len(hard.rows)))
    down = -(-count // _ACROSS)
    sheet = Image.new("RGB", (_ACROSS * _SIDE, down * (_SIDE + _CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, row in enumerate(hard.rows[:count]):
        left, top = place % _ACROSS * _SIDE, place // _ACROSS * (_SIDE + _CAPTION)
        try:
            sheet.paste(Image.fromarray(whole_view(read(row), _SIDE)), (left, top))
        except PictureError:
            draw.text((left + 4, top + 4), "cannot be read", fill="black")
        said = f"{row.label}, p {hard.p_fake[place]:.2f}\nloss {hard.losses[place]:.2f}"
        draw.text((left + 3, top + _SIDE + 1), said, fill="black", spacing=0)
    return sheet


def read_hard(path: Path, rows: Sequence[Row], mining: Mining) -> dict[int, float]:
    """Read ``hard.csv`` and say how many times as often its hardest pictures are to be drawn.

    Args:
        path: What `write_hard` wrote; or any CSV with a column ``path``, the hardest first.
        rows: The training rows.
        mining: How many are hard, and how often they are drawn.

    Returns:
        A factor by row number.

    Raises:
        ValueError: The file cannot be read or names no training picture.
    """
    try:
        with path.open(newline="", errors="surrogateescape") as file:
            named = [Path(line["path"]).absolute() for line in csv.DictReader(file)]
    except (OSError, KeyError, csv.Error):
        raise ValueError(f"{path} is no CSV file with a column 'path'.") from None
    hardest = set(named[: max(1, round(mining.top * len(named)))])
    found = {
        index: mining.boost for index, row in enumerate(rows) if row.path.absolute() in hardest
    }
    if not found:
        raise ValueError(f"None of the hardest pictures of {path} is in the training split.")
    return found


class MineHardExamples(L.Callback):
    """After some epoch rank the training pictures by that epoch's losses; draw the hard more often.

    Args:
        mining: When, how many and how much more often.
        rows: The training rows.
        sampler: Whose draws change.
        out: Where ``hard.csv`` and ``hard.png`` go.
        read: Where pixels come from.
    """

    def __init__(
        self, mining: Mining, rows: Sequence[Row], sampler: Draws, out: Path, read: Reader
    ) -> None:
        self.mining, self.rows, self.sampler, self.out, self.read = mining, rows, sampler, out, read
        self.factors: dict[int, float] = {}

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Rank, once."""
        assert isinstance(module, Training)  # noqa: S101
        if trainer.current_epoch + 1 != self.mining.after:
            return
        parts = gather(list(module.epoch_losses))
        index, losses, logits, _ = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
        hard = rank(self.rows, index, losses, logits)
        self.factors = hard.factors(self.mining)
        self.sampler.boost(self.factors)
        if trainer.is_global_zero:
            write_hard(hard, self.out, read=self.read)

    def state_dict(self) -> dict[str, Any]:
        """Keep what was found, for a run that resumes later."""
        return {"factors": self.factors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Draw the hard ones more often again."""
        self.factors = state["factors"]
        self.sampler.boost(self.factors)
