"""``unmask evaluate``: slices, predictions from a file, comparison, costs and what is written."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from sklearn import metrics as reference
from typer.testing import CliRunner

from pictures import encode, picture
from tiny import shared_tiny_model, tiny_model
from unmask import Detector
from unmask.cli import app
from unmask.lab.data.manifest import Label, Row, read_manifest, write_manifest
from unmask.lab.evaluate.answers import Answers, collect_answers, write_answers
from unmask.lab.evaluate.compare import compare
from unmask.lab.evaluate.costs import cheapest_threshold
from unmask.lab.evaluate.evaluate import Subject, evaluate
from unmask.lab.evaluate.file_bands import (
    quality_band,
    quality_order,
    read_bands,
    size_band,
    size_order,
)
from unmask.lab.evaluate.predictions import Predictions
from unmask.lab.evaluate.slices import figures, slices
from unmask.lab.evaluate.wording import headline_sentence
from unmask.model.card import ModelCard, TrainingData
from unmask.model.open import open_model

NASTY = "<script>alert(1)</script>&'.jpg"


def made(p_fake: Sequence[float], is_fake: Sequence[bool]) -> Answers:
    rows = [Row(Path(str(i)), "fake" if fake else "real") for i, fake in enumerate(is_fake)]
    nothing = [""] * len(rows)
    return Answers(rows, np.array(p_fake), nothing, nothing, nothing, [])


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """24 pictures, half of them in each of val and test; returns the manifest."""
    rows = []
    for number in range(24):
        fake, split = number % 2 == 1, ("val", "test")[number // 12]
        name = f"pictures/{number}.jpg"
        if number == 23:
            name = f"pictures/{NASTY.replace('/', '_')}"
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(picture(60 + 20 * number, 300, number), quality=70 + number))
        rows.append(
            Row(
                path,
                "fake" if fake else "real",
                ("human_faces", "animals", "")[number % 3],
                "<b>gan</b>|[x](y)" if fake else "camera",
                "only" if number in (13, 15) else "mixed",
                split=split,
                group=str(number // 2),
            )
        )
    write_manifest(tmp_path / "manifest.csv", rows)
    return tmp_path / "manifest.csv"


def predict(manifest: Path, name: str = "p.csv", quality: float = 0.3) -> Path:
    """Write predictions on val and test; some of them wrong."""
    rng = np.random.default_rng(0)
    out = manifest.with_name(name)
    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "p_fake", "category"])
        for row in read_manifest(manifest):
            p_fake = np.clip(rng.normal(0.5 + quality * (1 if row.is_fake else -1), 0.25), 0, 1)
            if "script" in row.path.name:
                p_fake = 1.0
            category = row.category or "vehicles"
            writer.writerow([row.path.relative_to(manifest.parent), round(p_fake, 3), category])
    return out


def run(*arguments: object, command: str = "evaluate") -> Result:
    return CliRunner().invoke(app, [command, *map(str, arguments), "--bootstrap", "100"])


def test_a_generator_is_set_against_real_pictures_of_its_sources() -> None:
    rows = [
        Row(Path("a"), "real", generator="camera", source="one"),
        Row(Path("b"), "fake", "animals", generator="gan", source="one"),
        Row(Path("c"), "real", generator="camera", source="two"),
        Row(Path("d"), "fake", generator="diffusion", source="three"),
    ]
    cut = {one.title: one for one in slices(rows)}
    assert cut["generator: gan"].mask.tolist() == [True, True, False, False]
    assert not cut["generator: gan"].against_all
    assert cut["generator: diffusion"].mask.tolist() == [True, False, True, True]
    assert cut["generator: diffusion"].against_all
    assert cut["source: two"].mask.tolist() == [False, False, True, False]
    assert cut["category: animals"].mask.tolist() == [False, True, False, False]
    assert "generator: camera" not in cut
    found = {f.slice: f for f in figures(rows, np.array([0.1, 0.9, 0.6, 0.2]), 0.5, 100)}
    assert set(found) == set(cut)
    assert found["overall"].auc is not None
    assert found["overall"].auc[0] == 0.75
    assert found["overall"].fpr is not None
    assert found["overall"].fpr[0] == 0.5
    assert found["source: two"].auc is None
    assert found["source: two"].fnr is None


def test_bands_are_read_from_the_files(tmp_path: Path) -> None:
    rows = []
    for name, kind, options in (("a", "JPEG", {"quality": 92}), ("b", "PNG", {})):
        path = tmp_path / name
        path.write_bytes(encode(picture(500, 300), kind, **options))
        rows.append(Row(path, "real"))
    rows += [Row(tmp_path / "absent", "fake", width=130, height=900)]
    bands = read_bands(rows)
    assert [band.quality for band in bands] == ["90-94", "not a JPEG", "unknown"]
    assert [band.size for band in bands] == ["256-383 px", "256-383 px", "128-255 px"]
    assert {size_band(side) for side in range(2000)} == set(size_order())
    assert {quality_band(value) for value in range(1, 101)} <= set(quality_order())


def test_a_model_is_asked_and_its_answers_read_back(collection: Path, tmp_path: Path) -> None:
    rows = read_manifest(collection)[-4:]
    rows.append(replace(rows[0], path=tmp_path / "absent.png"))
    # With an impossible cut every category is 'other', and the likeliest is still known.
    model = open_model(shared_tiny_model())
    model.card = model.card.model_copy(update={"category_cut": 1.1})
    answers = collect_answers(Detector(model), rows)
    assert set(answers.categories) == {"other"}
    assert set(answers.likeliest) <= set(model.card.categories)
    assert "" not in answers.likeliest
    assert [row for row, _ in answers.unreadable] == rows[-1:]
    out = tmp_path / "test.csv"
    write_answers(answers, 0.5, out)
    again = Predictions(out, rows, tmp_path).answers(rows, 0.5)
    assert np.array_equal(again.p_fake, answers.p_fake)
    assert again.verdicts == answers.verdicts
    assert again.categories == answers.categories
    assert again.likeliest == answers.likeliest
    assert again.unreadable == answers.unreadable


def test_a_model_is_judged_and_its_card_keeps_the_figures(collection: Path, tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    page = tmp_path / "results.md"
    done = run("--data", collection, "--model", model, "--markdown", page, "--into-card")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    card = ModelCard.read(ModelCard.path_for(model))
    assert [f.slice for f in card.test][:3] == [
        "overall",
        "generator: <b>gan</b>|[x](y)",
        "source: mixed",
    ]
    text = page.read_text()
    command = "unmask evaluate --data $DATA/manifest.csv --split test --model tiny.onnx"
    assert f"    {command} --bootstrap 100 --markdown results.md" in text
    assert card.sha256 in text
    assert str(tmp_path) not in text


def test_what_a_model_does_on_generators_it_never_met_stays_apart(
    collection: Path, tmp_path: Path
) -> None:
    model = tiny_model(tmp_path)
    before = ModelCard.read(ModelCard.path_for(model))
    page = tmp_path / "unseen.md"
    done = run(
        "--data", collection, "--model", model, "--unseen", "--markdown", page, "--into-card"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    card = ModelCard.read(ModelCard.path_for(model))
    assert card.test == before.test
    assert card.unseen is not None
    assert (card.unseen.generators, card.unseen.real, card.unseen.fake) == (1, 6, 6)
    answers = collect_answers(
        Detector(model), [row for row in read_manifest(collection) if row.split == "test"]
    )
    truth = [row.is_fake for row in answers.rows]
    assert card.unseen.auc[0] == pytest.approx(reference.roc_auc_score(truth, answers.p_fake))
    said = [verdict != "unsure" for verdict in answers.verdicts]
    assert card.unseen.answered[0] == pytest.approx(np.mean(said))
    text = page.read_text()
    assert text.startswith("# Generators never met")
    assert "--unseen --bootstrap" in text or "--bootstrap 100 --unseen" in text


@pytest.mark.parametrize("known", ["source", "generator"])
def test_what_a_model_may_have_met_is_not_called_unseen(collection: Path, known: str) -> None:
    rows = read_manifest(collection)
    if known == "source":
        trained_on = "mixed"
    else:
        trained_on = "<b>gan</b>"
        rows += [replace(rows[1], split="train", source="elsewhere", group="more")]
    write_manifest(collection, rows)
    model = tiny_model(collection.parent)
    card = ModelCard.read(ModelCard.path_for(model))
    met = TrainingData(source="mixed" if known == "source" else "another", pictures=9, licence="")
    card.model_copy(update={"training_data": (met,)}).write(ModelCard.path_for(model))
    done = run("--data", collection, "--model", model, "--unseen")
    assert done.exit_code == 2
    assert f"trained on pictures of {trained_on}" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_predictions_are_judged(collection: Path) -> None:
    out = collection.parent / "out"
    page = collection.parent / "page.md"
    done = run(
        "--data", collection, "--predictions", predict(collection), "--out", out,
        "--markdown", page, "--cost-fp", 5, "--cost-fn", 1,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert "6 real pictures and 6 fakes" in done.output
    assert "Against the real pictures of all sources" not in done.output
    assert "mean cost" in done.output
    with (out / "test.csv").open() as file:
        written = list(csv.DictReader(file))
    is_fake = [line["label"] == "fake" for line in written]
    p_fake = [float(line["p_fake"]) for line in written]
    document = json.loads((out / "metrics.json").read_text())
    auc = document["slices"][0]["metrics"]["auc"]["value"]
    assert auc == pytest.approx(reference.roc_auc_score(is_fake, p_fake))
    right = sum(int(line["correct"]) for line in written) / len(written)
    assert document["slices"][0]["metrics"]["accuracy"]["value"] == pytest.approx(right)
    assert document["category"]["value"] == 1.0
    with (out / "metrics.csv").open() as file:
        table = {(r["kind"], r["slice"], r["metric"]): r["value"] for r in csv.DictReader(file)}
    assert float(table["overall", "overall", "auc"]) == auc
    assert table["source", "only", "auc"] == ""
    text = page.read_text()
    assert "<b>" not in text.replace("\\<b>", "")
    assert "\\|\\[x](y)" in text


class Page(HTMLParser):
    """Takes a page apart, and insists that its elements are closed in turn."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "xlink:href"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_file_without_scripts_or_links(collection: Path) -> None:
    out = collection.parent / "out"
    guessed = predict(collection, quality=-0.1)
    done = run("--data", collection, "--predictions", guessed, "--out", out)
    assert done.exit_code == 0, done.output
    html = (out / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    assert page.tags.count("svg") == 5
    assert page.tags.count("img") == 10
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert NASTY.replace("/", "_") in page.text
    assert all(link.startswith(("#", "data:image/jpeg;base64,")) for link in page.links)
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    for outside in ("http:", "https:", "url(h", "@import"):
        assert outside not in html


def test_the_report_on_a_model_has_heatmaps(collection: Path, tmp_path: Path) -> None:
    done = run("--data", collection, "--model", shared_tiny_model(), "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    page = Page()
    page.feed((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    shown = [link.partition(";")[0] for link in page.links if link.startswith("data:")]
    # Each picture, then its heatmap; fewer than 20 where fewer than five answers were right.
    assert 12 <= len(shown) <= 20
    assert shown == ["data:image/jpeg", "data:image/png"] * (len(shown) // 2)
    assert "no proof" in page.text


def test_pictures_that_could_not_be_read_are_counted(collection: Path) -> None:
    path = collection.parent / "detect.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "verdict", "p_fake", "category", "category_confidence", "error"])
        for row in read_manifest(collection):
            if row.path.name == "14.jpg":
                writer.writerow([row.path, "", "", "", "", "The file is empty."])
            else:
                sure = row.path.name not in ("12.jpg", "13.jpg")
                call = row.label if sure else "unsure"
                writer.writerow([row.path, call, 0.9 if row.is_fake else 0.2, "other", 0.5, ""])
    out = collection.parent / "out"
    done = run("--data", collection, "--predictions", path, "--out", out)
    assert done.exit_code == 0, done.output
    assert "could not be read, and are in no figure: 1." in done.output
    assert "14.jpg: The file is empty." in done.output
    assert "The file is empty." in (out / "report.html").read_text()
    document = json.loads((out / "metrics.json").read_text())
    assert document["slices"][0]["metrics"]["answered"]["value"] == pytest.approx(9 / 11)
    assert document["category"]["value"] == 0
    # Every category is 'other', and the file does not tell what it would else have been.
    assert document["likeliest_category"] is None
    assert "14.jpg" in (out / "test.csv").read_text()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda lines: lines[:-2], "there is no line for"),
        (lambda lines: [*lines, lines[-1]], "named again by line 26 (pictures/"),
        (lambda lines: [*lines, "else.jpg,0.5,"], "is meant by line 26 (else.jpg)"),
        (lambda lines: [*lines[:3], "pictures/2.jpg,x,", *lines[4:]], "not a number from 0 to 1"),
        (lambda lines: [*lines[:3], "pictures/2.jpg,nan,", *lines[4:]], "in line 4 (nan)"),
        (lambda lines: [*lines[:3], "pictures/2.jpg,1.5,", *lines[4:]], "in line 4 (1.5)"),
        (lambda lines: [*lines[:3], "pictures/2.jpg,,", *lines[4:]], "in line 4 (empty)"),
        (lambda lines: lines[:1], "has no predictions"),
        (lambda lines: ["path,score", "a,1"], "no column named p_fake"),
        (lambda lines: [], "no column named path or p_fake"),
    ],
)
def test_bad_predictions_are_a_sentence(collection: Path, spoil, complaint: str) -> None:
    path = predict(collection)
    path.write_text("\n".join(spoil(path.read_text().splitlines())))
    out = collection.parent / "out"
    good = predict(collection, "good.csv")
    for done in (
        run("--data", collection, "--predictions", path, "--out", out),
        run(good, path, "--data", collection, command="compare"),
    ):
        assert done.exit_code == 2
        assert complaint in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "Traceback" not in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--split", "train"], "no picture in the split 'train'"),
        (["--cost-fp", "1"], "go together"),
        (["--cost-fp", "-1", "--cost-fn", "1"], "must be 0 or more"),
        (["--cost-fp", "0", "--cost-fn", "0"], "must be 0 or more"),
        (["--cost-fp", "1", "--cost-fn", "1", "--split", "val"], "another split"),
        (["--model", "x.onnx"], "judged alone"),
        (["--into-card"], "judged alone"),
        (["--unseen"], "about a model"),
        (["--calibration", "none"], "judged alone"),
        (["--tta"], "judged alone"),
        (["--folds", "absent.json"], "nothing to show"),
        (["--out", __file__], "is not a folder"),
        (["--markdown", "absent/page.md"], "is not a file in a folder that exists"),
    ],
)
def test_wrong_use_is_a_sentence(collection: Path, arguments: list[str], complaint: str) -> None:
    done = run("--data", collection, "--predictions", predict(collection), *arguments)
    assert done.exit_code == 2
    assert complaint in done.stderr


def test_without_matplotlib_only_the_report_is_missing(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.lab.evaluate.html_report.find_spec", lambda name: None)
    arguments = ("--data", collection, "--predictions", predict(collection))
    assert run(*arguments).exit_code == 0
    done = run(*arguments, "--out", collection.parent / "out")
    assert done.exit_code == 2
    assert "pip install 'unmask[evaluate]'" in done.stderr


def test_costs_need_predictions_on_both_splits(collection: Path) -> None:
    path = predict(collection)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[13:]]))
    assert run("--data", collection, "--predictions", path).exit_code == 0
    done = run("--data", collection, "--predictions", path, "--cost-fp", 1, "--cost-fn", 1)
    assert done.exit_code == 2
    assert "there is no line for" in done.stderr
    assert "0.jpg" in done.stderr


def test_one_label_alone_cannot_be_judged(collection: Path) -> None:
    rows = [row for row in read_manifest(collection) if row.split == "val" or row.is_fake]
    predictions = predict(collection)
    lines = predictions.read_text().splitlines()
    predictions.write_text("\n".join([lines[0], *lines[1:13], *lines[14::2]]))
    write_manifest(collection, rows)
    done = run("--data", collection, "--predictions", predictions)
    assert done.exit_code == 2
    assert "no real picture in the split 'test'" in done.stderr


def test_paths_may_be_written_in_several_ways(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_manifest(collection)
    monkeypatch.chdir(collection.parent / "pictures")
    ways = {
        "relative": lambda row: row.path.relative_to(collection.parent),
        "absolute": lambda row: row.path,
        "from here": lambda row: row.path.name,
        "roundabout": lambda row: f"../pictures/../pictures/{row.path.name}",
        "elsewhere": lambda row: f"/elsewhere/{row.path.relative_to(collection.parent)}",
        "windows": lambda row: f"C:\\data\\pictures\\{row.path.name}",
    }
    path = collection.with_name("ways.csv")
    for name, way in ways.items():
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["path", "p_fake"], *([way(row), 0.5] for row in rows)])
        assert Predictions(path, rows, collection.parent).answers(rows, 0.5).rows == rows, name


def test_an_end_that_two_pictures_share_is_refused(tmp_path: Path) -> None:
    rows = [Row(tmp_path / folder / "x.jpg", "real") for folder in "ab"]
    path = tmp_path / "p.csv"
    path.write_text("path,p_fake\nx.jpg,0.5\n")
    with pytest.raises(ValueError, match=r"more than one picture .* line 2 \(x\.jpg\)"):
        Predictions(path, rows, tmp_path)
    path.write_text("path,p_fake\na/x.jpg,0.5\n")
    assert Predictions(path, rows, tmp_path).answers(rows[:1], 0.5).rows == rows[:1]


def test_the_cheapest_threshold() -> None:
    answers = made([0.1, 0.3, 0.6, 0.4, 0.7, 0.9], [False, False, False, True, True, True])
    assert cheapest_threshold(answers, 1, 10, 0.5) == pytest.approx(0.35)
    assert cheapest_threshold(answers, 10, 1, 0.5) == pytest.approx(0.65)
    assert cheapest_threshold(answers, 0, 1, 0.0) == 0
    assert cheapest_threshold(answers, 1, 0, 1.0) == pytest.approx(0.95)
    certain = made([0.2, 1.0], [True, False])
    assert cheapest_threshold(certain, 1, 0, 0.5) > 1


def test_a_model_is_not_told_from_itself_but_from_a_worse_one() -> None:
    rng = np.random.default_rng(0)
    is_fake = rng.random(400) < 0.5
    good = np.clip(rng.normal(0.5 + 0.3 * (is_fake - 0.5), 0.15), 0, 1)
    own, worse = made(good, is_fake), made(rng.random(400), is_fake)
    same = compare(own, made(good, is_fake), "same", 0.5, 200)
    assert [one.change for one in same.differences] == [(0, 0, 0)] * 3
    assert not any(one.distinguishable for one in same.differences)
    auc, accuracy, _ = compare(own, worse, "worse", 0.5, 200).differences
    assert auc.distinguishable
    assert auc.change[0] > 0.2
    assert accuracy.distinguishable
    assert "distinguishable from zero" in auc.sentence("worse")


def test_two_files_of_predictions_are_compared(collection: Path) -> None:
    good, bad = predict(collection, "good.csv", 0.4), predict(collection, "bad.csv", -0.4)
    done = run(good, bad, "--data", collection, command="compare")
    assert done.exit_code == 0, done.output
    first, auc, accuracy, ece = done.output.splitlines()
    assert first.startswith("good.csv on the 12 pictures of the split 'test' that both answered")
    assert auc.startswith("AUC ") and " of bad.csv: difference +" in auc
    assert auc.endswith("), distinguishable from zero.")
    assert accuracy.startswith("Accuracy ") and ece.startswith("ECE ")
    absent = run(good, "absent.csv", "--data", collection, command="compare")
    assert absent.exit_code == 2
    assert "There are no predictions at absent.csv" in absent.stderr


def test_a_threshold_of_a_model_leaves_nothing_unsure(collection: Path) -> None:
    page = collection.parent / "page.md"
    asked = ("--data", collection, "--model", shared_tiny_model(), "--threshold", 0.7)
    done = run(*asked, "--markdown", page)
    assert done.exit_code == 0, done.output
    assert "from p(fake) 0.7 on" in done.output
    assert "Nothing can be unsure" in done.output
    assert "--threshold 0.7" in page.read_text()
    refused = run(*asked, "--into-card")
    assert refused.exit_code == 2
    assert "own settings alone" in refused.stderr


def test_the_commands_that_make_stand_after_those_that_ask() -> None:
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    assert done.output.index("detect") < done.output.index("Make") < done.output.index("evaluate")
    for name in ("robustness", "left-out", "compare", "evaluate-videos"):
        assert name in done.output
    assert "fuse" not in done.output


def test_further_columns_make_slices_and_the_verdicts_a_headline() -> None:
    def row(number: int, *, fake: bool) -> Row:
        facets = (("kind", "edit"),) if fake else (("kind", "stock"), ("camera", "Nikon D70"))
        label: Label = "fake" if fake else "real"
        return Row(Path(f"{number}.jpg"), label, group=str(number), facets=facets)

    rows = [row(number, fake=number % 2 == 1) for number in range(24)]
    found = {one.title: one for one in slices(rows)}
    assert found["kind: edit"].mask.all()
    assert found["kind: edit"].against_all
    assert "camera maker: Nikon" in found
    said = np.where([row.is_fake for row in rows], 0.9, 0.2)
    said[:3] = 0.9
    subject = Subject("a", "0" * 64, "", 0.5, has_unsure=True, promise=None)
    verdicts = ["fake" if p > 0.5 else "unsure" for p in said]
    nothing = [""] * len(rows)
    answers = Answers(rows, said, verdicts, nothing, nothing, [])
    done = evaluate(answers, subject, resamples=100)
    assert done.overall.accused is not None
    assert done.overall.accused[0] == pytest.approx(2 / 12)
    assert done.overall.found is not None
    assert done.overall.found[0] == 1
    assert headline_sentence(done).startswith("Of 100 photographs 17 are called fake; of 100 fakes")
