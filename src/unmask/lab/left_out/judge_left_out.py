"""Train and judge the folds of a protocol, each one once."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.lab.calibrate.choose_bands import choose_bands
from unmask.lab.calibrate.fit import fit_platt
from unmask.lab.calibrate.score import score
from unmask.lab.data.manifest import Row
from unmask.lab.evaluate.bootstrap import resample
from unmask.lab.evaluate.metrics import measure_intervals
from unmask.lab.files import claim, write_json
from unmask.lab.left_out.folds import NOTHING, Fold, LeftOutKind, make_folds
from unmask.lab.left_out.protocol import Recipe
from unmask.lab.left_out.results import FALSE_ALARMS, FoldResult, PartResult, Results
from unmask.lab.train.train import WEIGHTS_FILE, train
from unmask.model.open import open_model

_WHAT = "fold.json"


def run_protocol(
    rows: Sequence[Row],
    kind: LeftOutKind,
    recipe: Recipe,
    out: Path,
    *,
    command: str,
    resamples: int = 1000,
    on_fold: Callable[[str, int, int, float], None] = lambda name, done, total, seconds: None,
) -> Results:
    """Train a network for each fold and judge it on what it has never seen.

    Each fold has a folder in ``out``. A finished fold is read and neither trained nor judged again,
    and an interrupted training resumes. Both protocols can share a folder: the network with nothing
    left out is then trained once.

    Args:
        rows: A manifest's rows.
        kind: What is left out.
        recipe: What is trained.
        out: The folder of the folds.
        command: The command line, to be kept with the results.
        resamples: Of the bootstrap over groups.
        on_fold: Called after a fold with its name, how many are done, of how many, and the seconds
            that it took, 0 where it was done before.

    Raises:
        ManifestError: The manifest has too little to leave something out.
        ValueError: ``out`` holds a fold of other data or another recipe.
    """
    folds = make_folds(rows, kind, recipe)
    found = []
    for number, fold in enumerate(folds, 1):
        started = time.perf_counter()
        folder = out / (NOTHING if fold.name == NOTHING else f"{kind}-{_slug(fold.name)}")
        claim(folder, _WHAT, _what(fold, recipe))
        finished = folder / f"{kind}-{_digest(_judged(fold))[:8]}.json"
        fresh = not finished.is_file()
        if fresh:
            done = _run(fold, recipe, folder, resamples)
            write_json(finished, done.model_dump(mode="json"))
        found.append(FoldResult.model_validate_json(finished.read_bytes()))
        on_fold(fold.name, number, len(folds), fresh * (time.perf_counter() - started))
    return Results(
        kind=kind,
        command=command,
        created=datetime.now(UTC).date().isoformat(),
        recipe=recipe.settings(),
        summary=recipe.sentence(),
        resamples=resamples,
        folds=tuple(found),
    )


def _run(fold: Fold, recipe: Recipe, folder: Path, resamples: int) -> FoldResult:
    started = time.perf_counter()
    if not (folder / WEIGHTS_FILE).is_file() or list(folder.glob("*.ckpt")):
        train(fold.rows, folder, recipe.config, progress=False)
        for checkpoint in folder.glob("*.ckpt"):
            checkpoint.unlink()  # Only a training that goes on needs them.
    trained = time.perf_counter()
    model = open_model(folder)
    held_out = score(model, [row for row in fold.rows if row.split == "val"])
    calibration = fit_platt(held_out.logits, held_out.is_fake)
    known = calibration(held_out.logits)
    threshold = false_alarm_threshold(held_out.is_fake, known)
    band, *_ = choose_bands(held_out.is_fake, known)
    # Folds that leave nothing out judge parts that overlap: each picture is scored once.
    once = {row.path: row for part in fold.parts for row in part.rows}
    scores = score(model, list(once.values()))
    p_fake = dict(zip((row.path for row in scores.rows), calibration(scores.logits), strict=True))
    parts = []
    for part in fold.parts:
        judged = [row for row in part.rows if row.path in p_fake]
        is_fake = np.array([row.is_fake for row in judged], dtype=bool)
        groups = [row.group for row in judged]
        scored = np.array([p_fake[row.path] for row in judged])
        drawn = resample(groups, resamples)
        figures = measure_intervals(is_fake, scored, threshold, drawn, groups)
        verdicts = measure_intervals(is_fake, scored, band.fake_from, drawn, groups)
        parts.append(
            PartResult(
                name=part.name,
                real=int(np.sum(~is_fake)),
                fake=int(np.sum(is_fake)),
                against_all=part.against_all,
                also_elsewhere=part.also_elsewhere,
                auc=figures["auc"],
                fpr=figures["fpr"],
                fnr=figures["fnr"],
                ece=figures["ece"],
                fake_verdicts=verdicts["fpr"],
            )
        )
    pictures = [sum(row.split == split for row in fold.rows) for split in ("train", "val")]
    return FoldResult(
        left_out=fold.name,
        train_pictures=pictures[0],
        val_pictures=pictures[1],
        threshold=threshold,
        fake_from=band.fake_from,
        parts=tuple(parts),
        training_seconds=round(trained - started, 1),
        judging_seconds=round(time.perf_counter() - trained, 1),
    )


def false_alarm_threshold(
    is_fake: NDArray[np.bool_], p_fake: NDArray[np.float64], most: float = FALSE_ALARMS
) -> float:
    """Return the lowest threshold that calls at most a share ``most`` of real pictures fake.

    Args:
        is_fake: Truth of validation pictures, some of them real, shape (n,).
        p_fake: Their probabilities, shape (n,).
        most: The share of real pictures.
    """
    falling = np.sort(p_fake[~is_fake])[::-1]
    # So many real pictures may lie at or above the threshold; the next one must lie below.
    allowed = int(np.floor(most * falling.size))
    if allowed >= falling.size:
        return 0.0
    return float(np.nextafter(falling[allowed], 2.0))


def _slug(name: str) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    # Names that differ in signs alone still get folders of their own.
    return f"{readable}-{_digest([name])[:6]}"


def _judged(fold: Fold) -> list[str]:
    return [f"{part.name} {row.path.name} {row.label}" for part in fold.parts for row in part.rows]


def _digest(lines: Sequence[str]) -> str:
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()


def _what(fold: Fold, recipe: Recipe) -> dict[str, object]:
    """Return what a fold's network is made of."""
    data = _digest([f"{row.path.name} {row.label} {row.split} {row.group}" for row in fold.rows])
    return {"left_out": fold.name, "data": data, "recipe": recipe.settings()}
