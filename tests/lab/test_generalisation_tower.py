"""Leave-one-out with the tower: features are made once, and a fold's head sees only what it may."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from towers import make_tower
from toys import Toy
from unmask.cli import app
from unmask.lab.calibrate.score import ViewScores
from unmask.lab.data.manifest import Label, Row, write_manifest
from unmask.lab.evaluate.metrics import auc
from unmask.lab.left_out import run as protocol
from unmask.lab.left_out.branch import fit_branch, may_learn_from
from unmask.lab.left_out.folds import NOTHING, Fold, make_folds
from unmask.lab.left_out.protocol import Recipe
from unmask.lab.left_out.results import Results
from unmask.lab.left_out.tables import section
from unmask.lab.tower import kept as keeping
from unmask.lab.tower.compress import GROUP
from unmask.lab.tower.features import TowerFeatures
from unmask.lab.tower.kept import FrozenTower, KeptFeatures, keep_features, with_pseudo_fakes
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.pseudo import SELF_BLENDED

RECIPE = Recipe(config=TrainConfig(), train_pictures=20, val_pictures=40)
SOURCES = ("a", "b", "c")


def collection() -> list[Row]:
    """Three sources, a generator of its own each, all of them faces."""
    rows = []
    labels: tuple[Label, Label] = ("real", "fake")
    for split, count in (("train", 60), ("val", 40), ("test", 40)):
        for source in SOURCES:
            for number in range(count):
                for label in labels:
                    name = f"{split}-{source}-{number}-{label}"
                    generator = f"gan-{source}" if label == "fake" else "camera"
                    rows.append(Row(Path(name), label, "human_faces", generator, source,
                                    split=split, group=name))  # fmt: skip
    return rows


def features(rows: Sequence[Row], versions: int) -> TowerFeatures:
    """A channel a source that marks its fakes and no other picture, and one of noise."""
    values = np.random.default_rng(len(rows)).normal(0, 0.1, (len(rows), versions, 4))
    values[..., :3] = 0
    for place, row in enumerate(rows):
        if row.is_fake and row.source in SOURCES:
            values[place, :, SOURCES.index(row.source)] += 1
    return TowerFeatures(list(rows), values.astype(np.float16))


def kept(rows: Sequence[Row]) -> KeptFeatures:
    train = with_pseudo_fakes([row for row in rows if row.split == "train"], 0)
    held_out = [row for row in rows if row.split != "train"]
    tower = FrozenTower(file="t.onnx", sha256="0", seed=0, pictures="0")
    return KeptFeatures(tower, onnx.ModelProto(), features(train, 3), features(held_out, 1))


def silent(rows: Sequence[Row]) -> ViewScores:
    """What a network that has learnt nothing says."""
    nothing = np.random.default_rng(0).normal(0, 1e-3, (len(rows), 1)).astype(np.float32)
    return ViewScores(list(rows), nothing, np.zeros((len(rows), 1, 3), np.float32), nothing[:, 0])


def auc_of(fold: Fold, features: KeptFeatures, source: str) -> float:
    branch = fit_branch(features, fold, silent([r for r in fold.rows if r.split == "val"]))
    judged = [row for part in fold.parts for row in part.rows if row.source == source]
    return auc(np.array([row.is_fake for row in judged]), branch.logits(silent(judged)))


@pytest.mark.parametrize("kind", ["generator", "source"])
def test_a_head_cannot_tell_what_it_never_saw(kind: str) -> None:
    rows = collection()
    folds = make_folds(rows, kind, RECIPE)  # type: ignore[arg-type]
    nothing, *others = folds
    for source, fold in zip(SOURCES, others, strict=True):
        assert source in fold.name
        assert auc_of(nothing, kept(rows), source) > 0.99
        assert auc_of(fold, kept(rows), source) < 0.65


def test_a_left_out_source_takes_its_real_pictures_and_their_pseudo_fakes_along() -> None:
    rows = with_pseudo_fakes([row for row in collection() if row.split == "train"], 0)
    made = [row for row in rows if row.generator == SELF_BLENDED]
    assert {row.path.name.split("-")[1] for row in made} == set(SOURCES)
    for kind, name in (("source", "a"), ("generator", "gan-a")):
        fold = Fold(kind, name, [], ())  # type: ignore[arg-type]
        seen = [row for row, may in zip(rows, may_learn_from(fold, rows), strict=True) if may]
        of_a = [row for row in seen if "-a-" in row.path.name]
        if kind == "source":
            assert of_a == []
        else:
            # Real pictures stay, and so may pseudo-fakes: they are no work of that generator.
            assert {row.generator for row in of_a} == {"camera", SELF_BLENDED}
        assert sum("-b-" in row.path.name for row in seen) == sum(
            "-b-" in row.path.name for row in rows
        )
    assert all(may_learn_from(Fold("source", NOTHING, [], ()), rows))


def test_the_head_learns_from_more_than_the_network_and_is_recorded() -> None:
    rows = collection()
    fold = make_folds(rows, "source", RECIPE)[1]
    scores = silent([row for row in fold.rows if row.split == "val"])
    result = fit_branch(kept(rows), fold, scores).result()
    assert sum(row.split == "train" for row in fold.rows) == 2 * 2 * 20
    assert result.train_pictures == 2 * 2 * 60
    # A seeded half of all real faces, of which those of the left-out source are gone.
    assert 40 < result.pseudo_fakes < 80
    assert result.head_counts > 0


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that stands for a tower, which is read as a tiny one."""
    monkeypatch.setattr(keeping, "read_tower", lambda path, depth: make_tower())
    monkeypatch.setattr(keeping, "UNITS", 3 * GROUP)
    monkeypatch.setattr(keeping, "TAPS", (0, 1))
    monkeypatch.setattr(keeping, "CHUNK", 16)
    path = tmp_path / "clip.onnx"
    path.write_bytes(b"a tower")
    return path


def test_features_are_made_once_and_an_interrupted_run_goes_on(
    toy: Toy, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tower"
    first = keep_features(tiny, toy.rows, folder)
    assert first.train.values.shape[1] == 3
    assert first.held_out.values.shape[1] == 1
    assert {row.split for row in first.held_out.rows} == {"val", "test"}
    assert any(row.generator == SELF_BLENDED for row in first.train.rows)
    (folder / "train" / "000016.npz").unlink()
    looked_at: list[int] = []
    look = keeping.look

    def counting(session: object, rows: Sequence[Row], **options: object) -> TowerFeatures:
        looked_at.append(len(rows))
        return look(session, rows, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(keeping, "look", counting)
    monkeypatch.setattr(keeping, "compress", None)
    second = keep_features(tiny, toy.rows, folder)
    assert looked_at == [16]
    assert second.train.rows == first.train.rows
    np.testing.assert_array_equal(second.train.values, first.train.values)
    np.testing.assert_array_equal(second.held_out.values, first.held_out.values)
    with pytest.raises(ValueError, match="another tower or other data"):
        keep_features(tiny, toy.rows[1:], folder)


def test_an_unreadable_picture_is_left_out(toy: Toy, tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    rows = [replace(toy.rows[0], path=broken), *toy.rows]
    found = keep_features(tiny, rows, tmp_path / "tower")
    assert broken not in {row.path for row in found.train.rows}
    assert sum(row.generator != SELF_BLENDED for row in found.train.rows) == sum(
        row.split == "train" for row in toy.rows
    )


def test_the_protocol_judges_both_branches(
    toy: Toy, toy_run: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Networks are trained in another test; here a trained one stands for each.
    monkeypatch.setattr(
        protocol, "train", lambda rows, out, *_, **__: copytree(toy_run, out, dirs_exist_ok=True)
    )
    rows = [
        replace(row, generator=f"gan{place // 2 % 2}") if row.is_fake else row
        for place, row in enumerate(toy.rows)
    ]
    manifest = tmp_path / "manifest.csv"
    write_manifest(manifest, rows)
    (tmp_path / "train.yaml").write_text("epochs: 1\n")
    (tmp_path / "protocol.yaml").write_text(
        json.dumps({"config": "train.yaml", "train_pictures": 8, "val_pictures": 6})
    )
    folds = tmp_path / "folds.json"
    alone = [
        "evaluate", "--data", str(manifest), "--leave-one-generator-out", "--bootstrap", "100",
        "--recipe", str(tmp_path / "protocol.yaml"), "--out", str(tmp_path / "runs"),
        "--folds", str(folds),
    ]  # fmt: skip
    assert CliRunner().invoke(app, alone).exit_code == 0
    network = Results.read(folds)
    assert network.tower is None
    assert network.folds[0].head is None

    done = CliRunner().invoke(app, [*alone, "--tower", str(tiny)])
    assert done.exit_code == 0, done.output
    assert "making 7 blocks small" in done.output
    both = Results.read(folds)
    assert both.tower is not None
    assert both.tower["file"] == "clip.onnx"
    assert "--tower clip.onnx" in both.command
    assert [fold.head is not None for fold in both.folds] == [True] * 3
    # All training pictures but the fakes left out, though the network's are capped.
    assert both.folds[1].head is not None
    assert both.folds[1].head.train_pictures == 30
    assert both.folds[1].train_pictures == 16
    text = "\n".join(section(both))
    assert "with a linear head on the frozen tower" in text
    assert "with a linear head" not in "\n".join(section(network))

    monkeypatch.setattr(protocol, "train", None)
    again = CliRunner().invoke(app, [*alone, "--tower", str(tiny)])
    assert again.exit_code == 0, again.output
    assert Results.read(folds).folds == both.folds
    # Without the tower the network's own figures are still there.
    assert CliRunner().invoke(app, alone).exit_code == 0
    assert Results.read(folds).folds == network.folds


def test_a_tower_needs_the_protocol_and_has_to_be_there(toy: Toy, tmp_path: Path) -> None:
    absent = ["evaluate", "--data", str(toy.manifest), "--tower", str(tmp_path / "absent.onnx")]
    done = CliRunner().invoke(app, absent)
    assert done.exit_code == 2
    assert "--tower goes with --leave-one-...-out" in done.output
    done = CliRunner().invoke(
        app, [*absent, "--leave-one-source-out", "--out", str(tmp_path / "runs")]
    )
    assert done.exit_code == 2
