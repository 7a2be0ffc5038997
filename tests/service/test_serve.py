"""``unmask serve``: its options go before the environment, and any kind of model is served."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from served import served_model
from servers import serving
from unmask import Detector
from unmask.model.card import ModelCard
from unmask.model.ensemble import write_ensemble
from unmask.model.open import open_model


def test_options_go_before_the_environment_and_an_ensemble_is_served(
    tmp_path: Path, examples: list[Path]
) -> None:
    model = open_model(served_model(), device="cpu")
    file = tmp_path / "two.ensemble"
    sha256 = write_ensemble(file, [model, model], [0.75, 0.5], 0.5)
    model.card.model_copy(update={"name": "two", "sha256": sha256}).write(ModelCard.path_for(file))
    options = ("--model", str(file), "--threshold", "0.25", "--calibration", "none")
    environment = {"threshold": 0.75, "calibration": "platt", "prior": 0.2, "decoders": 1}
    data = examples[0].read_bytes()
    with serving(tmp_path, *options, **environment) as server:
        (answer,) = server.post((examples[0].name, data)).json["detections"]
    expected = Detector(file, threshold=0.25, calibration="none", prior=0.2).detect(data)
    assert (answer["threshold"], answer["calibration"], answer["prior"]) == (0.25, "none", 0.2)
    assert (answer["verdict"], answer["p_fake"]) == (expected.verdict, expected.p_fake)
    assert answer["model"]["name"] == "two"
    assert answer["links"]["heatmap"] is None


def test_who_names_no_model_is_served_by_the_shipped_one(
    tmp_path: Path, examples: list[Path]
) -> None:
    shipped = Detector(device="cpu")
    with serving(tmp_path, model=None, decoders=1) as server:
        assert server.ask("GET", "/v1/model").json["sha256"] == shipped.model.card.sha256
        for path in examples[:2]:
            (answer,) = server.post((path.name, path.read_bytes())).json["detections"]
            expected = shipped.detect(path)
            assert (answer["verdict"], answer["p_fake"]) == (expected.verdict, expected.p_fake)
            assert answer["category"] == expected.category


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--model", "none.onnx"), "cannot be read"),
        (("--trust", "none.pem"), "cannot be read"),
        (("--promise", "0.123"), "promises no 0.123"),
        (("--max-megabytes", "500"), "UNMASK_MAX_FILE_MB"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(options: tuple[str, str], sentence: str) -> None:
    command = [sys.executable, "-m", "unmask", "serve", "--port", "0", *options]
    environment = {**os.environ, "UNMASK_MODEL": str(served_model())}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
