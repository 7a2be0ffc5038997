"""Measure what test-time augmentation and an ensemble gain, and what they cost.

    python recipes/augmentation/augmentation.py --data ../shared/data/manifest.csv \
        [--also OTHER.onnx ...] [--most 8]

Writes reports/augmentation/augmentation.json and augmentation.md beside it.

Pictures: at most so many of each source and label of the validation split, by which it is decided
whether a way is worth having, and of the test split. Time: one picture after another on one core,
the median of the CPU time of decoding and inference, which other jobs do not change.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unmask import Detector
from unmask.lab.calibrate.fit import fit_stack
from unmask.lab.calibrate.score import Scores, score
from unmask.lab.data.cap import cap
from unmask.lab.data.manifest import Row, read_manifest, select
from unmask.lab.evaluate.answers import Answers
from unmask.lab.evaluate.compare import compare
from unmask.lab.evaluate.markdown import table
from unmask.lab.evaluate.metrics import auc
from unmask.model.calibration import sigmoid
from unmask.model.ensemble import check_members
from unmask.model.model import Model
from unmask.model.open import open_model
from unmask.picture.views import TTA_SCALES, ViewPlan

TIMED, WARM = 40, 5
PLAIN = "the card's views"
Plans = dict[str, ViewPlan]


def _more(**update: Any) -> Callable[[ViewPlan], ViewPlan]:
    # A plan without crops has none to take more of.
    return lambda plan: plan.model_copy(update=update if plan.crops else {})


WAYS: dict[str, Callable[[ViewPlan], ViewPlan]] = {
    PLAIN: lambda plan: plan,
    "mirrored too": lambda plan: plan.model_copy(update={"flips": True}),
    "all five crops": _more(crops=5),
    "crops at three scales": _more(scales=TTA_SCALES),
    "all of it (--tta)": ViewPlan.augmented,
}
"""Every way of looking: from the card's plan for an input to another one."""


def ways(inputs: Plans) -> dict[str, Plans]:
    """Return the ways of looking that differ for a model."""
    found: dict[str, Plans] = {}
    for name, way in WAYS.items():
        plans = {key: way(plan) for key, plan in inputs.items()}
        if plans not in found.values():
            found[name] = plans
    return found


def milliseconds(models: Sequence[Model], plans: Plans, rows: Sequence[Row]) -> float:
    """Return the median CPU time of one picture on one core, all models asked."""
    total = 0.0
    for model in models:
        asked = open_model(model.path, threads=1)
        asked.card = model.card.model_copy(update={"inputs": plans})
        detector, times = Detector(asked), []
        for row in rows[: WARM + TIMED]:
            started = time.process_time()
            detector.detect(row.path)
            times.append(1000 * (time.process_time() - started))
        total += statistics.median(times[WARM:])
    return total


def change(scores: Scores, own: np.ndarray, plain: np.ndarray) -> list[float]:
    """Return how much higher one AUC is than another on the same pictures, with its interval."""
    nothing = [""] * len(scores.rows)
    one, other = (
        Answers(scores.rows, sigmoid(logits), nothing, nothing, nothing, [])
        for logits in (own, plain)
    )
    # The AUC comes first, and knows nothing of a threshold.
    return list(compare(one, other, PLAIN, 0.5, 1000).differences[0].change)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Judge every way of looking, and the models together."""
    models = [open_model(), *(open_model(path) for path in options.also)]
    check_members(models)
    rows, inputs = read_manifest(options.data), models[0].card.inputs
    splits = {split: cap(select(rows, split), options.most) for split in ("val", "test")}
    base = {split: score(models[0], chosen) for split, chosen in splits.items()}
    found: list[dict[str, Any]] = []
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    def add(name: str, logits: dict[str, np.ndarray], ms: float, views: int) -> None:
        entry: dict[str, Any] = {"name": name, "views": views, "ms": round(ms, 1)}
        for split, plain in base.items():
            entry[split] = {
                "auc": auc(plain.is_fake, logits[split]),
                "change": change(plain, logits[split], plain.logits),
            }
        found.append(entry)

    for name, plans in ways(inputs).items():
        scored = {split: score(models[0], chosen, plans) for split, chosen in splits.items()}
        ms = milliseconds(models[:1], plans, splits["test"])
        count = sum(plan.count for plan in plans.values())
        add(name, {split: one.logits for split, one in scored.items()}, ms, count)
    if len(models) > 1:
        pooled = {
            split: np.stack([score(model, chosen).logits for model in models], axis=1)
            for split, chosen in splits.items()
        }
        ms = milliseconds(models, inputs, splits["test"])
        weights, _ = fit_stack(pooled["val"], base["val"].is_fake)
        for name, weigh in (("mean of logits", np.ones(len(models))), ("stack", weights)):
            total = {split: one @ weigh for split, one in pooled.items()}
            add(f"ensemble, {name}", total, ms, found[0]["views"] * len(models))
    return {
        "models": [model.card.name for model in models],
        "sha256": [model.card.sha256 for model in models],
        "pictures": {split: len(one.rows) for split, one in base.items()},
        "most": options.most,
        "ways": found,
    }


def page(found: dict[str, Any], command: str) -> str:
    """Return the page of Markdown."""
    pictures = found["pictures"]
    lines = [
        "# What more views and more models gain",
        "",
        f"    {command}",
        "",
        f"This command made the page, with {' and '.join(found['models'])}, on {pictures['val']} "
        f"validation and {pictures['test']} test pictures, at most {found['most']} of each source "
        "and label. Gains are in AUC against the card's views, paired, with 95% intervals over "
        "groups. Time is CPU time of one picture on one core, decoding included.",
        "",
    ]
    rows = []
    for one in found["ways"]:
        cells = [one["name"], one["views"], one["ms"]]
        for split in ("val", "test"):
            value, low, high = one[split]["change"]
            gain = "" if one["name"] == PLAIN else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
            cells += [f"{one[split]['auc']:.3f}", gain]
        rows.append(cells)
    head = ("way of looking", "views", "ms", "AUC, validation", "gain", "AUC, test", "gain")
    lines += table(head, rows, "views|ms|AUC, validation|AUC, test")
    return "\n".join([*lines, "", *verdicts(found)]) + "\n"


def verdicts(found: dict[str, Any]) -> list[str]:
    """Say of each way, by validation alone, whether it helps."""
    plain, *others = found["ways"]
    lines = []
    for one in others:
        low, high = one["val"]["change"][1:]
        cost = f"{one['ms'] / plain['ms']:.1f} times the time"
        helps = "helps" if low > 0 else "makes it worse" if high < 0 else "does not help measurably"
        lines.append(f"- {one['name'][0].upper()}{one['name'][1:]}: {helps}, for {cost}.")
    return [*lines, "", "Both are off unless they are asked for."]


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="other ONNX models")
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    found = measure(options)
    also = f" --also {' '.join(path.name for path in options.also)}" if options.also else ""
    most = f" --most {options.most}" if options.most != 8 else ""
    command = f"python recipes/augmentation/augmentation.py --data $DATA/manifest.csv{also}{most}"
    command += f" --out {options.out}" * bool(options.out)
    command += f" --page {options.page}" * bool(options.page)
    text = page(found, command)
    print(text)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    if options.page:
        options.page.write_text(text)


if __name__ == "__main__":
    main()
