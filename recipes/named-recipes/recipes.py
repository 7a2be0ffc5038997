"""Train every recipe on the same capped subset and write `reports/named-recipes/recipes.md`.

    python recipes/named-recipes/recipes.py --data ../shared/data/manifest.csv

Each recipe is trained in a process of its own with the same few settings on top, then exported,
calibrated on validation and judged on the same test pictures. What is finished is kept in --runs
and not made again. Times are CPU times, which other work on the machine does not lengthen much.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recipes_page import write_page
from unmask.lab.data.manifest import Row, Split, read_manifest, select

TIMED = 24
RESULT_FILE = "result.json"


def cap(rows: Sequence[Row], split: Split, most: int, seed: int = 0) -> list[Row]:
    """Take about ``most`` pictures of a split, whole groups, each source by its share."""
    own = select(rows, split)
    if len(own) <= most:
        return own
    groups: defaultdict[str, dict[str, list[Row]]] = defaultdict(dict)
    for place, row in enumerate(own):
        groups[row.source].setdefault(row.group or f"alone {place}", []).append(row)
    rng = np.random.default_rng(seed)
    taken: list[Row] = []
    for source in sorted(groups):
        names = sorted(groups[source])
        share = most * sum(map(len, groups[source].values())) / len(own)
        chosen: list[Row] = []
        for index in rng.permutation(len(names)):
            if len(chosen) < share:
                chosen += groups[source][names[index]]
        taken += chosen
    return taken


def run_recipe(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train, export, calibrate and judge one recipe; all figures of its row."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from unmask.lab.calibrate.fit import fit_isotonic, fit_platt, fit_temperature
    from unmask.lab.evaluate.metrics import ece
    from unmask.lab.evaluate.slices import figures
    from unmask.lab.recipes import recipe_file
    from unmask.lab.train.artefacts import best_figures
    from unmask.lab.train.config import read_config
    from unmask.lab.train.export import About, export
    from unmask.lab.train.finished import load_run
    from unmask.lab.train.predict import predict
    from unmask.lab.train.train import train
    from unmask.model.open import open_model

    rows = read_manifest(options.data)
    parts = {split: cap(rows, split, getattr(options, split)) for split in ("train", "val", "test")}
    settings = [
        f"epochs={options.epochs}", f"patience={options.epochs}", "ema_decay=0",
        f"batch_size={options.batch_size}", f"precision={options.precision}",
    ]  # fmt: skip
    config = read_config(recipe_file(name), settings)
    wanted = config.pretrained
    if wanted == "timm" and not options.download:
        config = config.model_copy(update={"pretrained": "none"})
    run = options.runs / name
    before = cpu_seconds()
    train([*parts["train"], *parts["val"]], run, config, progress=False)
    seconds = cpu_seconds() - before

    network, config = load_run(run)
    size = config.views.size
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, size, size))
    fit = {"platt": fit_platt, "temperature": fit_temperature, "isotonic": fit_isotonic}
    val = predict(network, config, parts["val"])
    truth = np.array([parts["val"][i].is_fake for i in val.index])
    calibration = fit[config.calibration](val.fake_logits, truth)
    test = predict(network, config, parts["test"])
    judged = [parts["test"][i] for i in test.index]
    p_fake = calibration(test.fake_logits)
    found = figures(judged, p_fake, 0.5)

    model = run / "model.onnx"
    export(run, model, About(name=name, licence="not released", intended_use="comparison"))
    command = [sys.executable, __file__, "--time", str(model), "--data", str(options.data)]
    timing = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {
        "recipe": name,
        "started_from": config.pretrained,
        "made_to_start_from": wanted,
        "size": size,
        "views": config.views.count * (2 if config.mirrored else 1),
        "parameters": sum(p.numel() for p in network.parameters()),
        "trained_parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "gflops": counter.get_total_flops() / 1e9,
        "megabytes": model.stat().st_size / 1e6,
        "maps": open_model(model).has_maps,
        "train_cpu_seconds": seconds,
        "milliseconds": timing["median_ms"],
        "calibration": config.calibration,
        "ece": ece(np.array([row.is_fake for row in judged]), p_fake),
        "validation": best_figures(run),
        "figures": [figure.model_dump() for figure in found],
        "pictures": {split: len(part) for split, part in parts.items()},
        "settings": settings,
        "caps": [f"--{name} {getattr(options, name)}" for name in ("train", "val", "test")],
        "machine": {"machine": platform.machine(), "cores": os.cpu_count()},
    }


def time_model(model: Path, rows: Sequence[Row]) -> dict[str, float]:
    """Answer for one picture at a time on one core; CPU milliseconds, decoding included."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from unmask import Detector

    detector = Detector(model)
    times = []
    for row in cap(rows, "test", TIMED + 3):
        started = time.process_time()
        detector.detect(row.path)
        times.append(1000 * (time.process_time() - started))
    return {"median_ms": statistics.median(times[3:])}


def cpu_seconds() -> float:
    """Return the CPU time of this process and its finished children so far."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def main() -> None:
    """Run what is not finished, then write the figures and the page."""
    from unmask.lab.recipes import names

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/recipes"))
    parser.add_argument("--train", type=int, default=200, help="training pictures")
    parser.add_argument("--val", type=int, default=80)
    parser.add_argument("--test", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--precision", default="32-true", help="bf16-mixed is faster on a GPU")
    parser.add_argument("--download", action="store_true", help="ImageNet weights from timm's hub")
    parser.add_argument("--recipes", nargs="*", default=names())
    parser.add_argument("--figures", type=Path, default=Path("reports/named-recipes/recipes.json"))
    parser.add_argument("--page", type=Path, default=Path("reports/named-recipes/recipes.md"))
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--time", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        print(json.dumps(time_model(options.time, read_manifest(options.data))))
        return
    if options.only:
        result = run_recipe(options.only, options)
        (options.runs / options.only / RESULT_FILE).write_text(json.dumps(result, indent=1) + "\n")
        return
    results = []
    for name in options.recipes:
        done = options.runs / name / RESULT_FILE
        if not done.is_file():
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", name], check=True)
        results.append(json.loads(done.read_text()))
        print(f"{name}: done", flush=True)
        options.figures.write_text(json.dumps(results, indent=1) + "\n")
        write_page(results, options.page)


if __name__ == "__main__":
    main()
