"""Whole runs: recipes, faults, folds, several processes, being killed, and what is left behind."""

from __future__ import annotations

import csv
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from toys import Toy, make_toy
from unmask import Detector
from unmask.cli import app
from unmask.lab.calibrate.calibrate import calibrate
from unmask.lab.data.cache import PictureCache, write_cache
from unmask.lab.data.manifest import read_manifest
from unmask.lab.recipes import recipe_file
from unmask.lab.train.config import read_config
from unmask.lab.train.export import About, export
from unmask.lab.train.log import read_log
from unmask.lab.train.train import train
from unmask.model.onnx_model import CATEGORIES, LOGIT, VIEW_LOGITS
from unmask.picture.decode import decode
from unmask.picture.errors import PictureError

ABOUT = About(name="toy", licence="none", intended_use="tests")
# The least that still is a run: a tiny network, on the CPU, in this process.
TINY = [
    "backbone=resnet10t", "pretrained=none", "views.size=32", "epochs=1", "batch_size=8",
    "ema_decay=0", "precision=32-true", "workers=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("few"), train=16, held_out=12)


def unmask(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unmask", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def invoke(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.output


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["cnn-128", "efficientnet-calibrated", "mobilenetv2-frozen"])
def test_small_recipes_run_for_two_epochs(recipe: str, few: Toy, tmp_path: Path) -> None:
    settings = ["epochs=2", "batch_size=8", "pretrained=none", "precision=32-true", "workers=0"]
    config = read_config(recipe_file(recipe), [*settings, "views.size=32"])
    train(few.rows, tmp_path, config, progress=False)
    assert [row["epoch"] for row in read_log(tmp_path / "training_log.csv")] == ["0", "1"]
    assert (tmp_path / "hard.csv").is_file() == bool(config.mining.after)


def test_a_binary_network_without_pooling_becomes_a_model(few: Toy, tmp_path: Path) -> None:
    run, model = tmp_path / "run", tmp_path / "m.onnx"
    settings = ["epochs=2", "batch_size=8", "precision=32-true", "workers=0", "views.size=32"]
    train(few.rows, run, read_config(recipe_file("cnn-128"), settings), progress=False)
    card = export(run, model, ABOUT)
    assert (card.training["config"]["scale"], card.categories) == ("unit", ())
    names = [output.name for output in ort.InferenceSession(str(model)).get_outputs()]
    # Its maps would not be exact; those of the toy model are, and are there.
    assert names == [LOGIT, CATEGORIES, VIEW_LOGITS]
    calibrate(model, few.rows, most_views=1)
    verdict = Detector(model).detect(few.rows[0].path)
    assert verdict.p_fake is not None
    assert (verdict.category, verdict.category_confidence) == ("other", 0.0)


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(toy: Toy, tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "run" / "training_log.csv"
    words = ["train", "--data", toy.manifest, "--out", out, *TINY, "epochs=4", "views.size=64"]
    command = [sys.executable, "-m", "unmask", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    # The second epoch's row is written before its checkpoint: the worst moment to die.
    while len(read_log(log)) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "best.safetensors").exists()
    before = read_log(log)
    assert 2 <= len(before) < 4

    code, said = invoke(*words)
    assert code == 0, said
    after = read_log(log)
    assert [row["epoch"] for row in after] == ["0", "1", "2", "3"]
    assert after[0] == before[0]
    weights = (out / "best.safetensors").stat().st_mtime_ns
    assert "finished run" in invoke(*words)[1]
    assert (out / "best.safetensors").stat().st_mtime_ns == weights
    assert len(read_log(log)) == 4


@pytest.mark.slow
def test_two_processes_train_as_one(few: Toy, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["train", "--data", few.manifest, "--out", out, *TINY, "device=cpu", "devices=2"]
    done = unmask(*words, "batch_size=4", "epochs=2")
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stderr
    assert done.stderr.count("best weights") == 1
    rows = read_log(out / "training_log.csv")
    assert [row["epoch"] for row in rows] == ["0", "1"]
    # Both processes together saw all 12 validation pictures: shares of twelfths.
    accuracy = float(rows[-1]["val_accuracy"]) * 12
    assert accuracy == pytest.approx(round(accuracy), abs=1e-3)


def test_faults_are_announced_kept_and_never_released(few: Toy, tmp_path: Path) -> None:
    run, clean = tmp_path / "run", tmp_path / "clean"
    words = ["train", "--data", few.manifest, "--out", run, *TINY]
    faults = ("label_noise=0.25", "input_noise=9", "skipped_gradients=0.5", "wrong_loss=true")
    code, said = invoke(*words, *(f"--fault={fault}" for fault in faults))
    assert code == 0
    assert "FAULT INJECTION" in said
    about = tmp_path / "about.json"
    about.write_text(ABOUT.model_dump_json())
    export_words = ("export", run, "--out", tmp_path / "m.onnx", "--about", about)
    code, said = invoke(*export_words)
    assert code == 2
    assert "label_noise=0.25" in said
    assert not (tmp_path / "m.onnx").exists()
    # The folder is for a run with these faults alone.
    assert "other faults" in invoke(*words)[1]
    # Not even in a folder that denies them: the weights themselves tell.
    (run / "faults.json").unlink()
    assert invoke(*export_words)[0] == 2
    assert "skipped_gradients=0.5" in invoke("inspect", run)[1]
    saved = torch.load(run / "last.ckpt", map_location="cpu", weights_only=False)
    assert "wrong_loss=True" in json.loads(saved["unmask"]["faults"])
    code, said = invoke("train", "--data", few.manifest, "--out", clean, *TINY)
    assert "FAULT" not in said


def test_inspect_tells_what_a_checkpoint_is(toy_run: Path, toy_model: Path) -> None:
    code, said = invoke("inspect", toy_run / "best.safetensors")
    assert code == 0
    state = load_file(toy_run / "best.safetensors")
    parameters = sum(tensor.numel() for tensor in state.values())
    for part in (f"{parameters:,}", "resnet10t", "64 px", "symmetric", "val_auc", "revision"):
        assert part in said
    found = json.loads(invoke("inspect", toy_run, "--json")[1])
    assert found["faults"] == []
    assert found["config"]["epochs"] == 8
    assert found["metrics"]["val_auc"] > 0.5
    code, said = invoke("inspect", toy_model)
    assert code == 0
    assert "ONNX" in said


def test_inspect_opens_no_pickle_that_is_not_trusted(toy_run: Path, tmp_path: Path) -> None:
    marker = tmp_path / "was-run"

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (marker,)

    for name in ("bomb.ckpt", "best.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps({"state_dict": Bomb()}))
        code, said = invoke("inspect", tmp_path / name)
        assert code == 2
        assert "--trust" in said
    assert not marker.exists()
    code, said = invoke("inspect", toy_run / "last.ckpt")
    assert code == 2
    code, said = invoke("inspect", toy_run / "last.ckpt", "--trust")
    assert code == 0
    assert "resnet10t" in said


def test_inspect_bears_hostile_files(tmp_path: Path) -> None:
    bad = tmp_path / "x.safetensors"
    for content in (b"", b"\xff" * 64, (2**40).to_bytes(8, "little") + b"{}", b"{" * 10_000):
        bad.write_bytes(content)
        code, said = invoke("inspect", bad)
        assert code == 2
        assert "Traceback" not in said
    metadata = {"config": "{", "metrics": "[" * 50_000, "environment": '{"a": "\\u001b[31m"}'}
    save_file({"w": torch.zeros(3)}, bad, metadata)
    code, said = invoke("inspect", bad)
    assert code == 0
    assert "no configuration" in said
    assert "\x1b" not in said
    assert invoke("inspect", tmp_path / "absent")[0] == 2


def test_unreadable_pictures_are_counted_at_the_end(few: Toy, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    rows = [replace(few.rows[0], path=bad, group="bad"), *few.rows[1:]]
    run = tmp_path / "run"
    train(rows, run, read_config(None, [*TINY, "sampler=shuffled"]), progress=False)
    with (run / "unreadable.csv").open() as file:
        assert [(row["path"], row["split"]) for row in csv.DictReader(file)] == [
            (str(bad), "train")
        ]


def test_mining_from_a_finished_run_and_training_with_it(
    toy: Toy, toy_run: Path, tmp_path: Path
) -> None:
    code, said = invoke("mine", toy_run, "--data", toy.manifest, "--out", tmp_path)
    assert code == 0, said
    with (tmp_path / "hard.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 40
    assert losses == sorted(losses, reverse=True)
    words = ("train", "--data", toy.manifest, "--out", tmp_path / "run", *TINY)
    code, said = invoke(*words, "--hard", tmp_path / "hard.csv")
    assert code == 0, said


def test_folds_are_trained_and_summed_up(few: Toy, tmp_path: Path) -> None:
    words = ("train", "--data", few.manifest, "--out", tmp_path, "--folds", 2, *TINY)
    code, said = invoke(*words)
    assert code == 0, said
    summary = json.loads((tmp_path / "folds.json").read_text())
    values = summary["val_auc"]["folds"]
    assert len(values) == 2
    assert summary["val_auc"]["mean"] == pytest.approx(np.mean(values))
    assert summary["val_auc"]["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert re.search(r"val_auc +\d\.\d+ ± ", said)


def test_training_reads_a_cache_as_it_reads_files(few: Toy, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    code, said = invoke("data", "cache", few.manifest, "--out", cache)
    assert code == 0, said
    figures = []
    for name, extra in (("files", ()), ("cached", ("--cache", cache))):
        words = ("train", "--data", few.manifest, "--out", tmp_path / name, *TINY, *extra)
        code, said = invoke(*words)
        assert code == 0, said
        figures.append(read_log(tmp_path / name / "training_log.csv")[0]["train_loss"])
    assert figures[0] == figures[1]


def test_a_cache_holds_the_pixels_and_notices_changes(few: Toy, tmp_path: Path) -> None:
    rows = read_manifest(few.manifest)
    bad = replace(rows[0], path=tmp_path / "bad.png")
    bad.path.write_bytes(b"no picture")
    moved = replace(rows[1], path=tmp_path / "copy.png")
    shutil.copy(rows[1].path, moved.path)
    made = write_cache([*rows, bad, moved], tmp_path / "full", shorter_side=512)
    assert (made.pictures, made.unreadable) == (len(rows) + 1, 1)
    cache = PictureCache(tmp_path / "full")
    assert np.array_equal(cache.read(rows[5]), decode(rows[5].path.read_bytes()))
    cache.check([*rows, bad])
    with pytest.raises(PictureError, match="not in the cache"):
        cache.read(bad)
    with pytest.raises(ValueError, match="lacks 1 of"):
        cache.check([*rows, replace(bad, path=tmp_path / "new.png")])
    os.utime(moved.path, ns=(1, 1))
    with pytest.raises(PictureError, match="changed"):
        cache.read(moved)
    with pytest.raises(ValueError, match="already"):
        write_cache(rows, tmp_path / "full")
    with pytest.raises(ValueError, match="holds no cache"):
        PictureCache(tmp_path)
    write_cache(rows, tmp_path / "small", shorter_side=32)
    assert PictureCache(tmp_path / "small").read(rows[5]).shape == (32, 32, 3)


def test_what_cannot_work_is_said_before_the_first_epoch(
    few: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("train", "--data", few.manifest, "--out", tmp_path / "run", *TINY)
    cases = {
        "batch_size=64": "needs more than the 16",
        "backbone=xceptoin": "nearest is 'xception'",
        "pretrained=/absent/file.safetensors": "no weights file",
        "device=cuda": "finds none" if not torch.cuda.is_available() else "",
    }
    for setting, sentence in cases.items():
        code, said = invoke(*words, setting)
        assert code == 2
        assert sentence in said
    assert "not both" in invoke(*words, "--recipe", "lite0", "--config", "x.yaml")[1]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    code, said = invoke(*words)
    assert code == 2
    assert "1 MB left" in said


def test_every_regime_of_optimisation_runs(few: Toy, tmp_path: Path) -> None:
    regimes = [
        ["optimizer=sgd", "schedule=one-cycle", "accumulate=2", "clip=0", "mirrored=true"],
        ["schedule=plateau", "warmup=0", "loss=focal", "precision=bf16-mixed", "ema_decay=0.9"],
        ["self_blended=1", "augmentation=standard", "false_positive_cost=2", "attention=true"],
    ]
    for number, regime in enumerate(regimes):
        out = tmp_path / str(number)
        train(few.rows, out, read_config(None, [*TINY, *regime]), progress=False)
        assert float(read_log(out / "training_log.csv")[0]["train_loss"]) > 0
        assert list((out / "tensorboard").glob("events*"))
