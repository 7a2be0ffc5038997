"""Measure what test-time augmentation and an ensemble gain, and what they cost.

    python benchmarks/augmentation.py --data ../shared/data/manifest.csv [--also OTHER.onnx ...]
        [--most 8] [--out benchmarks/augmentation.json] [--page docs/augmentation.md]

Every view of the widest plan is scored once; each way of looking is then a mean over some of the
views. Pictures: at most so many of each source and label of the validation split, by which it is
decided whether a way is worth having, and of the test split. Time: one picture after another on
one core, the median of the CPU time of decoding and inference, which other jobs do not change.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unmask import Detector
from unmask.lab.calibrate.fit import fit_stack
from unmask.lab.calibrate.score import ViewScores, score_views
from unmask.lab.data.cap import cap
from unmask.lab.data.manifest import Row, read_manifest, select
from unmask.lab.evaluate.answers import Answers
from unmask.lab.evaluate.compare import compare
from unmask.lab.evaluate.metrics import auc
from unmask.model.calibration import sigmoid
from unmask.model.ensemble import check_members
from unmask.model.onnx_model import Model
from unmask.picture.views import CROP_ORDER, TTA_SCALES, ViewPlan

CROPS = 5
TIMED, WARM = 40, 5
PLAIN = "the card's views"


def columns(plan: ViewPlan, *, crops: bool, scales: bool, flips: bool) -> list[int]:
    """Return the views of one way of looking among those of the widest plan.

    Args:
        plan: The card's.
        crops: Take all five crops, and not only the card's.
        scales: Take the crops of resized pixels too.
        flips: Take the mirrored views too.
    """
    places = range(CROPS) if crops else CROP_ORDER[plan.crops]
    starts = [1 + CROPS * number for number in range(1 + len(TTA_SCALES) * scales)]
    chosen = [0] * plan.whole + [start + place for start in starts for place in places]
    half = 1 + CROPS * (1 + len(TTA_SCALES))
    return chosen + [half + place for place in chosen] * flips


def ways(plan: ViewPlan) -> dict[str, tuple[list[int], ViewPlan]]:
    """Return every way of looking: which columns it takes, and the plan that makes them."""
    named = {
        PLAIN: {},
        "mirrored too": {"flips": True},
        "all five crops": {"crops": True},
        "crops at three scales": {"scales": True},
        "all of it (--tta)": {"crops": True, "scales": True, "flips": True},
    }
    found = {}
    for name, on in named.items():
        said = {"crops": False, "scales": False, "flips": False, **on}
        update: dict[str, Any] = {"flips": said["flips"]}
        if said["crops"]:
            update |= {"crops": CROPS, "whole": True}
        if said["scales"]:
            update["scales"] = TTA_SCALES
        wide = plan.model_copy(update=update)
        found[name] = (columns(wide, **said), wide)
    return found


def milliseconds(models: Sequence[Model], plan: ViewPlan, rows: Sequence[Row]) -> float:
    """Return the median CPU time of one picture on one core, all models asked."""
    total = 0.0
    for model in models:
        asked = Model(model.path, threads=1)
        asked.card = model.card.model_copy(update={"views": plan})
        detector, times = Detector(asked), []
        for row in rows[: WARM + TIMED]:
            started = time.process_time()
            detector.detect(row.path)
            times.append(1000 * (time.process_time() - started))
        total += statistics.median(times[WARM:])
    return total


def change(scores: ViewScores, own: np.ndarray, plain: np.ndarray) -> list[float]:
    """Return how much higher one AUC is than another on the same pictures, with its interval."""
    nothing = [""] * len(scores.rows)
    one, other = (
        Answers(scores.rows, sigmoid(logits), nothing, nothing, nothing, [])
        for logits in (own, plain)
    )
    # The AUC comes first, and knows nothing of a threshold.
    return list(compare(one, other, PLAIN, 0.5, 1000).differences[0].change)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Score every view of every model once, and judge every way of looking."""
    models = [Model(None), *(Model(path) for path in options.also)]
    check_members(models)
    rows = read_manifest(options.data)
    plan = models[0].card.views
    widest = plan.augmented()
    found: list[dict[str, Any]] = []
    splits = {split: cap(select(rows, split), options.most) for split in ("val", "test")}
    scored = {
        split: [score_views(model, chosen, widest) for model in models]
        for split, chosen in splits.items()
    }
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    plain = ways(plan)[PLAIN][0]
    base = {split: each[0].pooled(plain) for split, each in scored.items()}

    def add(name: str, logits: dict[str, np.ndarray], ms: float, views: int) -> None:
        entry: dict[str, Any] = {"name": name, "views": views, "ms": round(ms, 1)}
        for split, each in scored.items():
            entry[split] = {
                "auc": auc(each[0].is_fake, logits[split]),
                "change": change(each[0], logits[split], base[split]),
            }
        found.append(entry)

    for name, (chosen, wide) in ways(plan).items():
        pooled = {split: each[0].pooled(chosen) for split, each in scored.items()}
        add(name, pooled, milliseconds(models[:1], wide, splits["test"]), len(chosen))
    if len(models) > 1:
        pooled = {
            split: np.stack([one.pooled(plain) for one in each], axis=1)
            for split, each in scored.items()
        }
        ms = milliseconds(models, plan, splits["test"])
        weights, _ = fit_stack(pooled["val"], scored["val"][0].is_fake)
        for name, weigh in (("mean of logits", np.ones(len(models))), ("stack", weights)):
            total = {split: one @ weigh for split, one in pooled.items()}
            add(f"ensemble, {name}", total, ms, len(plain) * len(models))
    return {
        "models": [model.card.name for model in models],
        "sha256": [model.card.sha256 for model in models],
        "pictures": {split: len(each[0].rows) for split, each in scored.items()},
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
        "| way of looking | views | ms | AUC, validation | gain | AUC, test | gain |",
        "| --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for one in found["ways"]:
        cells = [one["name"], one["views"], one["ms"]]
        for split in ("val", "test"):
            value, low, high = one[split]["change"]
            gain = "" if one["name"] == PLAIN else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
            cells += [f"{one[split]['auc']:.3f}", gain]
        lines.append(f"| {' | '.join(map(str, cells))} |")
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
    command = f"python benchmarks/augmentation.py --data $DATA/manifest.csv{also}{most}"
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
