"""Leave-one-out protocols: what a fold may see, that it runs once, and what the page says."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from toys import TOY_SETTINGS, Toy
from unmask.cli import app
from unmask.lab.data.cap import cap
from unmask.lab.data.manifest import ManifestError, Row, write_manifest
from unmask.lab.left_out import judge_left_out as protocol
from unmask.lab.left_out.floors import floors
from unmask.lab.left_out.folds import NOTHING, make_folds
from unmask.lab.left_out.judge_left_out import false_alarm_threshold
from unmask.lab.left_out.protocol import Recipe, read_recipe
from unmask.lab.left_out.results import FoldResult, PartResult, Results
from unmask.lab.left_out.tables import section
from unmask.lab.recipes import LEAVE_ONE_OUT, recipe_file
from unmask.lab.train.config import TrainConfig, read_config

RECIPE = Recipe(config=TrainConfig(), train_pictures=50, val_pictures=50)


def collection() -> list[Row]:
    """Two generators over three sources, one of which has no real pictures."""
    rows = []
    for split in ("train", "val", "test"):
        for source, generator, real in (("a", "gan", 3), ("b", "gan", 3), ("c", "flow", 0)):
            for number in range(3):
                name = f"{split}-{source}-{number}"
                fake = Row(Path(f"{name}-fake"), "fake", generator=generator, source=source,
                           split=split, group=name)  # fmt: skip
                rows.append(fake)
                if number < real:
                    rows.append(replace(fake, path=Path(f"{name}-real"), label="real",
                                        generator="camera"))  # fmt: skip
    return rows


def test_a_generator_that_is_left_out_is_seen_nowhere_but_in_the_test() -> None:
    folds = {fold.name: fold for fold in make_folds(collection(), "generator", RECIPE)}
    assert list(folds) == [NOTHING, "flow", "gan"]
    gan = folds["gan"]
    assert not any(row.generator == "gan" for row in gan.rows)
    assert {row.source for row in gan.rows if row.label == "real"} == {"a", "b"}
    assert all(row.split == "test" for part in gan.parts for row in part.rows)
    (part,) = gan.parts
    assert {(row.generator, row.source) for row in part.rows} == {
        ("gan", "a"), ("camera", "a"), ("gan", "b"), ("camera", "b"),
    }  # fmt: skip
    assert not part.against_all
    # Fakes without real pictures beside them stand against all real pictures.
    assert folds["flow"].parts[0].against_all
    assert sum(row.label == "real" for row in folds["flow"].parts[0].rows) == 6
    assert [part.name for part in folds[NOTHING].parts] == ["flow", "gan"]


def test_a_source_that_is_left_out_leaves_with_its_real_pictures() -> None:
    folds = {fold.name: fold for fold in make_folds(collection(), "source", RECIPE)}
    assert list(folds) == [NOTHING, "a", "b", "c"]
    assert not any(row.source == "a" for row in folds["a"].rows)
    assert {row.source for row in folds["a"].parts[0].rows} == {"a"}
    assert folds["a"].parts[0].also_elsewhere == ("gan",)
    assert folds["c"].parts[0].also_elsewhere == ()


def test_one_generator_cannot_be_left_out() -> None:
    rows = [row for row in collection() if row.generator != "flow"]
    with pytest.raises(ManifestError, match="fewer than two generators"):
        make_folds(rows, "generator", RECIPE)


def test_the_cap_keeps_twins_together_and_is_the_same_in_every_run() -> None:
    rows = collection()
    capped = cap([row for row in rows if row.split == "train"], 2)
    assert len(capped) == 10
    for row in capped:
        if row.source != "c":
            assert sum(other.group == row.group for other in capped) == 2
    assert cap(list(reversed(rows)), 1) == list(reversed(cap(rows, 1)))


def test_the_threshold_keeps_to_the_share_of_false_alarms() -> None:
    p_fake = np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.9, 0.95])
    is_fake = np.array([False] * 6 + [True])
    for most, alarms in ((0.0, 0), (0.2, 0), (0.34, 2), (0.5, 3), (1.0, 6)):
        threshold = false_alarm_threshold(is_fake, p_fake, most)
        assert np.sum(p_fake[~is_fake] >= threshold) == alarms


@pytest.fixture(scope="module")
def two_kinds(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy with its fakes dealt to two generators; returns the manifest."""
    rows = [
        replace(row, generator=f"gan{place // 2 % 2}") if row.is_fake else row
        for place, row in enumerate(toy.rows)
    ]
    path = tmp_path_factory.mktemp("kinds") / "manifest.csv"
    write_manifest(path, rows)
    return path


@pytest.mark.slow
def test_the_protocol_runs_each_fold_once(
    two_kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dict(one.split("=") for one in TOY_SETTINGS)
    (tmp_path / "train.yaml").write_text("epochs: 9\n")
    (tmp_path / "protocol.yaml").write_text(
        yaml.safe_dump(
            {
                "config": "train.yaml",
                "settings": [f"{k}={v}" for k, v in {**settings, "epochs": "1"}.items()],
                "train_pictures": 8,
                "val_pictures": 6,
            }
        )
    )
    out, folds = tmp_path / "runs", tmp_path / "folds.json"
    arguments = [
        "left-out", "generator", "--data", str(two_kinds), "--out", str(out),
        "--recipe", str(tmp_path / "protocol.yaml"), "--folds", str(folds), "--bootstrap", "100",
    ]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    first = Results.read(folds)
    assert [fold.left_out for fold in first.folds] == [NOTHING, "gan0", "gan1"]
    assert [len(fold.parts) for fold in first.folds] == [2, 1, 1]
    assert first.folds[1].train_pictures == 16
    assert first.folds[0].train_pictures == 24
    assert not list(out.rglob("*.ckpt"))
    with (out / "folds-generator.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4 * 5
    for fold in first.folds:
        for one in fold.parts:
            assert fold.fake_from is not None
            assert one.fake_verdicts is not None
            # The band lies on the far side of p(fake) 0.5, the false alarms' threshold anywhere.
            assert fold.fake_from >= 0.5 - 1e-6

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a finished fold was trained again")

    monkeypatch.setattr(protocol, "train", never)
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, again.output
    assert again.output.count("was done before") == 3
    assert Results.read(folds).folds == first.folds
    # Other caps make other folds: what is there is kept and not mixed with them.
    path = tmp_path / "protocol.yaml"
    path.write_text(path.read_text().replace("train_pictures: 8", "train_pictures: 7"))
    other = CliRunner().invoke(app, arguments)
    assert other.exit_code == 2
    assert "another recipe or other data" in other.output

    page = tmp_path / "page.md"
    predictions = tmp_path / "p.csv"
    rows = [row for row in protocol_rows(two_kinds) if row.split == "test"]
    predictions.write_text(
        "path,p_fake\n" + "".join(f"{row.path},{0.2 + 0.5 * row.is_fake}\n" for row in rows)
    )
    shown = CliRunner().invoke(
        app,
        ["evaluate", "--data", str(two_kinds), "--predictions", str(predictions), "--markdown",
         str(page), "--folds", str(folds), "--bootstrap", "100"],
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    text = page.read_text()
    assert "## Generators never seen" in text
    assert "--folds folds.json" in text
    assert text.index("| gan") < text.index("## Each generator")


def protocol_rows(manifest: Path) -> list[Row]:
    from unmask.lab.data.manifest import read_manifest

    return read_manifest(manifest)


def part(name: str, auc: float | None, **more: object) -> PartResult:
    value = None if auc is None else (auc, auc - 0.1, auc + 0.1)
    return PartResult.model_validate(
        {
            "name": name, "real": 20, "fake": 20, "against_all": False, "also_elsewhere": (),
            "auc": value, "fpr": (0.3, 0.2, 0.4), "fnr": None, "ece": (0.1, 0.0, 0.2), **more,
        }
    )  # fmt: skip


def test_the_page_shows_the_worst_first_and_says_what_a_row_is_about() -> None:
    def fold(name: str, *parts: PartResult) -> FoldResult:
        return FoldResult(
            left_out=name, train_pictures=9, val_pictures=9, threshold=0.5, parts=parts,
            training_seconds=1.0, judging_seconds=1.0,
        )  # fmt: skip

    good, bad = part("good", 0.9), part("b|d", 0.4, also_elsewhere=("gan",))
    few = part("few", 0.3, real=4)
    single = part("single", None, fake=0)
    results = Results(
        kind="source", command="unmask left-out", created="2026-01-01", recipe={}, summary="tiny",
        resamples=100,
        folds=(fold(NOTHING, part("good", 0.95), part("b|d", 0.8), single, few),
               fold("few", few),
               fold("good", good), fold("b|d", bad), fold("single", single)),
    )  # fmt: skip
    text = "\n".join(section(results))
    assert (
        text.index("| few †") < text.index("b\\|d") < text.index("| good") < text.index("| single")
    )
    assert "0.400 (0.300-0.500) | 0.800 (0.700-0.900) | -0.400" in text
    assert "b|d (gan)" in text
    assert (
        "Mean AUC over the 2 rows with enough pictures of both labels: 0.650 unseen, 0.875 seen"
        in text
    )
    assert "| AUC, mean | at least 0.780 | 0.650 | **missed** | 1 of 2 |" in text
    assert "| FPR on real pictures of the left-out source, mean | at most 8.0% | 30.0% |" in text


def test_floors_are_met_or_missed_by_what_was_found() -> None:
    good, bad = part("good", 0.9, fpr=(0.02, 0, 1)), part("bad", 0.7, fpr=(0.2, 0, 1))
    few = part("few", 0.1, real=4, fpr=(1.0, 0, 1), ece=(0.9, 0, 1), fake=4)
    single = part("single", None, fake=0, fpr=(0.05, 0, 1), fake_verdicts=(0.03, 0, 1))
    found = {floor.what: floor for floor in floors("source", [good, bad, few, single])}
    mean, worst, fpr, verdicts, ece = found.values()
    assert (mean.found, mean.met, mean.passing, mean.rows) == (pytest.approx(0.8), True, 1, 2)
    assert (worst.found, worst.met) == (0.7, True)
    assert (fpr.found, fpr.met, fpr.passing, fpr.rows) == (pytest.approx(0.09), False, 2, 3)
    # Only one of them has a band.
    assert (verdicts.found, verdicts.met, verdicts.rows) == (0.03, True, 1)
    assert (ece.found, ece.met) == (pytest.approx(0.1), False)
    assert not floors("source", [bad])[0].met
    # A generator's real pictures stay in training: their FPR is no figure of strangers.
    assert [one.what for one in floors("generator", [good])] == [
        "AUC, mean", "AUC, worst", "ECE, mean",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["left-out", "generator"], "Missing option '--out'"),
        (["left-out", "camera", "--out", "x"], "'camera' is not one of"),
        (["left-out", "source", "--out", "x", "--into-card"], "No such option"),
        (["left-out", "source", "--out", "x", "--tta"], "No such option"),
        (["left-out", "source", "--out", "x", "--recipe", "absent.yaml"], "cannot be read"),
        (["left-out", "source", "--out", "x", "--folds", "absent/x.json"], "is not a file in a"),
        (["evaluate", "--folds", "absent.json"], "without it there is nothing to show"),
        (["evaluate", "--folds", "absent.json", "--markdown", "page.md"], "cannot be read"),
    ],
)
def test_wrong_use_is_one_sentence(
    arguments: list[str], sentence: str, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*arguments, "--data", str(toy.manifest)])
    assert done.exit_code == 2
    assert sentence in done.output
    assert not list(tmp_path.iterdir())


def test_the_shipped_protocol_is_found_anywhere(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # It is read, and then the toy has one generator only.
    arguments = ["left-out", "generator", "--data", str(toy.manifest), "--out", "x"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "fewer than two generators" in done.output


def test_the_shipped_protocol_is_valid_and_a_broken_one_is_named(tmp_path: Path) -> None:
    recipe = read_recipe(LEAVE_ONE_OUT)
    assert recipe.config == read_config(recipe_file("leave-one-out"))
    path = tmp_path / "protocol.yaml"
    (tmp_path / "t.yaml").write_text("epochs: 2\n")
    for text, sentence in {
        "train_pictures: 3\n": "names no training configuration",
        "config: t.yaml\ntrain_pictures: 3\n": "val_pictures",
        "config: t.yaml\ntrain_pictures: 3\nval_pictures: 1\n": "val_pictures",
        "config: t.yaml\ntrain_pictures: 3\nval_pictures: 3\ncap: 3\n": "cap: Extra",
        "[1": "not a YAML file",
    }.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=sentence):
            read_recipe(path)
