"""Models that several tests share: a tiny trained one, and the one that ships with unmask."""

from __future__ import annotations

from pathlib import Path

import pytest

from toys import TOY_SETTINGS, Toy, make_toy
from unmask.model.model import Model
from unmask.model.open import open_model


@pytest.fixture(scope="session")
def shipped() -> Model:
    """Return the shipped model, for tests of what it answers; opened once."""
    return open_model()


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def toy_run(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from unmask.lab.train.config import read_config
    from unmask.lab.train.train import train

    out = tmp_path_factory.mktemp("runs") / "toy"
    train(toy.rows, out, read_config(None, TOY_SETTINGS), progress=False)
    return out


@pytest.fixture(scope="session")
def toy_model(toy: Toy, toy_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from unmask.lab.calibrate.calibrate import calibrate
    from unmask.lab.train.export import About, export

    out = tmp_path_factory.mktemp("models") / "toy.onnx"
    export(toy_run, out, About(name="toy", licence="none", intended_use="tests"))
    calibrate(out, toy.rows)
    return out
