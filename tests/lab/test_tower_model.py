"""A frozen tower with heads: in integers, as ONNX, as a model with a card, and how it is made."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime as ort
import pytest
import torch
from PIL import Image
from test_tower import CHANNELS, save

from unmask.lab.data.manifest import Row
from unmask.lab.tower.augment import augment, cut, generator_for, send
from unmask.lab.tower.balance import IntegerBlock, balance, measure_ranges
from unmask.lab.tower.cuts import SAFETY, count_band, count_face_cut, judge_band
from unmask.lab.tower.export import plan_of, write_model
from unmask.lab.tower.features import augmented, extract, square, whole
from unmask.lab.tower.graph import features_graph, model_graph
from unmask.lab.tower.heads import (
    Heads,
    Labelled,
    NetworkSettings,
    Standard,
    fit_fake,
    fit_linear,
    publisher_weights,
)
from unmask.lab.tower.subjects import NAMES, category_of
from unmask.lab.tower.tower import GRID, PATCH, Tower, at_side, read_tower
from unmask.model.onnx_model import OnnxModel
from unmask.picture.views import cut_views

SIDE, TAPS = 96, (1,)
WIDE = 2 * CHANNELS * len(TAPS)
RECIPE = Path(__file__).parents[2] / "recipes/shipped/make.py"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Matrices this small are slower on several threads, and much slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    path = tmp_path_factory.mktemp("clip") / "clip.onnx"
    save(path, eight_bit=True)
    return read_tower(path, 1)


def some_views(count: int, seed: int = 0) -> np.ndarray:
    """Return smooth pictures, uint8 (count, SIDE, SIDE, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((SIDE, SIDE))) for one in coarse])


@pytest.fixture(scope="module")
def blocks(tower: Tower) -> list[IntegerBlock]:
    return balance(tower, measure_ranges(tower, some_views(4)[:, None], SIDE))


def some_heads(seed: int = 0) -> Heads:
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    return Heads(
        mean=some(WIDE), deviation=1 + some(WIDE) ** 2, linear=some(WIDE, 1), linear_bias=some(1),
        hidden=some(WIDE, 8).astype(np.float16).astype(np.float32), hidden_bias=some(8),
        last=some(8, 1), last_bias=some(1), graphic=some(WIDE, 1), graphic_bias=some(1),
        category=some(WIDE, len(NAMES)), category_bias=some(len(NAMES)),
    )  # fmt: skip


def run(graph: object, views: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])  # type: ignore[attr-defined]
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, {"whole": views}), strict=True))


def test_another_side_resizes_the_grid_of_positions_alone(tower: Tower) -> None:
    assert at_side(tower, PATCH * GRID) is tower
    flat = np.concatenate([tower.positions[:1], np.ones((GRID * GRID, CHANNELS), np.float32)])
    resized = at_side(replace(tower, positions=flat), 336).positions
    assert resized.shape == (1 + 21 * 21, CHANNELS)
    np.testing.assert_array_equal(resized[0], tower.positions[0])
    np.testing.assert_allclose(resized[1:], 1, atol=1e-5)


def test_integers_compute_about_what_the_tower_does(
    tower: Tower, blocks: list[IntegerBlock]
) -> None:
    views = some_views(6, seed=1)
    found = run(features_graph(tower, blocks, SIDE, TAPS), views)["features"]
    sized = at_side(tower, SIDE)
    with torch.inference_mode():
        planes = torch.from_numpy(views.transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1
        x = sized.embed(planes)
        (block,) = sized.blocks
        x = x + block.out(block.attend(x))
        x = (x + block.fc2(block.hidden(x))).numpy()
    expected = np.concatenate([x[:, 0], x[:, 1:].mean(1)], axis=1)
    assert found.shape == (6, WIDE)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_the_graph_says_what_the_heads_say_of_the_features(
    tower: Tower, blocks: list[IntegerBlock]
) -> None:
    heads, views = some_heads(), some_views(1)
    x = run(features_graph(tower, blocks, SIDE, TAPS), views)["features"]
    out = run(model_graph(tower, blocks, SIDE, TAPS, heads), views[None])
    z = (x - heads.mean) / heads.deviation
    np.testing.assert_allclose(out["logit"], heads.logits(x), rtol=1e-4, atol=1e-4)
    graphic = z @ heads.graphic + heads.graphic_bias
    np.testing.assert_allclose(out["graphic_logit"], graphic[:, 0], rtol=1e-4, atol=1e-4)
    category = z @ heads.category + heads.category_bias
    np.testing.assert_allclose(out["category_logits"], category, rtol=1e-4, atol=1e-4)


def test_logits_are_means_over_views(tower: Tower, blocks: list[IntegerBlock]) -> None:
    out = run(model_graph(tower, blocks, SIDE, TAPS, some_heads()), some_views(6).reshape(
        2, 3, SIDE, SIDE, 3))  # fmt: skip
    assert out["view_logits"].shape == (2, 3)
    np.testing.assert_allclose(out["logit"], out["view_logits"].mean(1), rtol=1e-5)
    assert out["maps"].shape == (2, 1 + len(NAMES), 3, SIDE // PATCH, SIDE // PATCH)


def test_the_mean_of_a_map_and_a_bias_are_its_logit(
    tower: Tower, blocks: list[IntegerBlock]
) -> None:
    """Exactly so for heads that see places alone and have no hidden units."""
    heads = some_heads()
    places = np.tile(np.repeat([0, 1], CHANNELS), len(TAPS))[:, None].astype(np.float32)
    heads = replace(
        heads, linear=heads.linear * places, category=heads.category * places,
        last=0 * heads.last, last_bias=0 * heads.last_bias,
    )  # fmt: skip
    out = run(model_graph(tower, blocks, SIDE, TAPS, heads), some_views(2)[None])
    means = out["maps"].mean((2, 3, 4))[0]
    np.testing.assert_allclose(means[0] + heads.linear_bias, out["logit"], atol=1e-4)
    np.testing.assert_allclose(
        means[1:] + heads.category_bias, out["category_logits"][0], atol=1e-4
    )


def write(out: Path, tower: Tower, blocks: list[IntegerBlock]) -> bytes:
    write_model(
        out, tower, blocks, SIDE, TAPS, some_heads(), name="trial", categories=NAMES,
        licence="none", intended_use="tests", training={},
    )  # fmt: skip
    return out.read_bytes()


def test_a_model_is_written_with_its_card_and_the_same_bytes_each_time(
    tmp_path: Path, tower: Tower, blocks: list[IntegerBlock]
) -> None:
    data = write(tmp_path / "a/trial.onnx", tower, blocks)
    assert write(tmp_path / "b/other.onnx", tower, blocks) == data
    assert str(tmp_path).encode() not in data and b"/home" not in data
    model = OnnxModel(tmp_path / "a/trial.onnx")
    assert model.has_maps and model.card.inputs == {"whole": plan_of(SIDE)}
    # A picture of 5:1 is seen in three pieces, and its answer is their mean.
    strip = np.tile(some_views(1)[0], (1, 5, 1))
    (answer,) = model.answer([cut_views(strip, model.card.inputs)])
    assert answer.view_logits.shape == (3,) and answer.graphic_logit is not None
    assert answer.logit == pytest.approx(float(answer.view_logits.mean()), rel=1e-5)


def row(label: str, source: str = "wild", **facets: str) -> Row:
    category = facets.pop("category", "")
    return Row(Path("x.jpg"), label, category, source=source, facets=tuple(facets.items()))  # type: ignore[arg-type]


def test_neither_publisher_label_nor_collection_weighs_by_its_number() -> None:
    rows = [
        *[row("real", publisher="large")] * 100,
        *[row("real", publisher="small")] * 4,
        *[row("fake", publisher="large")] * 2,
        *[row("real", source="faces")] * 10,
        *[row("fake", source="faces")] * 500,
    ]
    weights = publisher_weights(rows, {"wild": 0.6, "": 0.4})
    assert weights.sum() == pytest.approx(1)
    large, small = weights[:100].sum(), weights[100:104].sum()
    assert large / small == pytest.approx(5, rel=1e-4)  # roots of 100 and 4
    assert large + small == pytest.approx(0.3, rel=1e-4)
    assert weights[104:106].sum() == pytest.approx(0.3, rel=1e-4)
    assert weights[106:116].sum() == pytest.approx(0.2, rel=1e-4)
    assert weights[116:].sum() == pytest.approx(0.2, rel=1e-4)


def test_heads_learn_what_can_be_told() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, (300, 5)).astype(np.float32)
    y = (np.abs(x[:, 0] - 2) > 2).astype(np.float32)  # which no plane can tell
    of = Labelled(x, y, np.ones(300, dtype=np.float32))
    settings = NetworkSettings(
        units=32, seeds=2, epochs=60, input_dropout=0, dropout=0, learning_rate=0.02, batch=32
    )
    head = fit_fake(of, 1.0, settings, share=0.25)
    assert np.mean((head.logits(x) > 0) == (y == 1)) > 0.9
    np.testing.assert_array_equal(head.hidden, head.hidden.astype(np.float16))
    again = fit_fake(of, 1.0, settings, share=0.25)
    np.testing.assert_array_equal(again.hidden, head.hidden)
    thirds = np.digitize(x[:, 1], np.quantile(x[:, 1], [1 / 3, 2 / 3])).astype(np.float32)
    standard = Standard.of(x)
    weights, bias = fit_linear(Labelled(x, thirds, of.weight), standard, 10.0, classes=3)
    assert np.mean((standard(x).numpy() @ weights + bias).argmax(1) == thirds) > 0.9


def test_chance_is_the_same_for_the_same_name_and_forgets_the_shape() -> None:
    image = Image.fromarray(some_views(1)[0]).resize((300, 300))
    for number in range(20):
        first, again = (augment(image, generator_for("x", number)) for _ in range(2))
        assert first.tobytes() == again.tobytes()
        first, again = (send(image, generator_for("x", number)) for _ in range(2))
        assert first.tobytes() == again.tobytes() and min(first.size) >= 150
    shapes = [cut(image, generator_for(number)).size for number in range(50)]
    aspects = [width / height for width, height in shapes]
    assert min(aspects) < 0.75 and max(aspects) > 1.33
    assert min(width * height for width, height in shapes) >= 0.3 * 300 * 300


def test_features_are_kept_and_are_those_of_the_picture_asked_for(
    tmp_path: Path, tower: Tower, blocks: list[IntegerBlock]
) -> None:
    graph = tmp_path / "tower.onnx"
    graph.write_bytes(features_graph(tower, blocks, SIDE, TAPS).SerializeToString())
    paths = []
    for number, view in enumerate(some_views(3)):
        paths.append(tmp_path / f"{number}.png")
        strip = np.tile(view, (1, 5, 1)) if number == 1 else view
        Image.fromarray(strip).save(paths[-1])
    kept, done = tmp_path / "whole.npz", []
    found = extract(paths, whole, graph, plan_of(SIDE), kept, on_progress=done.append)
    assert done == [1, 2, 3] and found.picture.tolist() == [0, 1, 1, 1, 2]
    done.clear()
    again = extract(paths, whole, graph, plan_of(SIDE), kept, on_progress=done.append)
    assert not done
    np.testing.assert_array_equal(again.x, found.x)
    fewer = extract(paths[1:], whole, graph, plan_of(SIDE), kept, on_progress=done.append)
    assert done == [1, 2]
    np.testing.assert_array_equal(fewer.x, found.x[1:])
    squares = extract(paths, square, graph, plan_of(SIDE), tmp_path / "square.npz")
    assert squares.picture.tolist() == [0, 1, 2]
    lives = [
        extract(
            paths, augmented, graph, plan_of(SIDE), tmp_path / f"{workers}.npz", workers=workers
        )
        for workers in (1, 2)
    ]
    np.testing.assert_array_equal(lives[0].x, lives[1].x)


def test_bands_keep_both_limits_and_answer_as_much_as_they_allow() -> None:
    rng = np.random.default_rng(0)
    p_fake = rng.random(4000)
    is_fake = rng.random(4000) < p_fake
    band = count_band(is_fake, p_fake, 0.1, most_accused=0.01)
    found = judge_band(is_fake, p_fake, band)
    assert found["wrong_among_answered"] <= SAFETY * 0.1 + 1e-9
    assert found["real_called_fake"] <= 0.01
    # The limit on real pictures called fake moves the upper cut, not the lower one.
    assert 1 - band.fake_from < band.real_below
    laxer = judge_band(is_fake, p_fake, count_band(is_fake, p_fake, 0.2, most_accused=0.1))
    assert laxer["coverage"] > found["coverage"] > 0.1
    hopeless = count_band(is_fake, 1 - p_fake, 0.001, most_accused=0.0)
    assert judge_band(is_fake, 1 - p_fake, hopeless)["coverage"] < 0.01


def test_faces_take_a_right_answer_from_few_real_pictures() -> None:
    rng = np.random.default_rng(0)
    is_fake, p_fake = np.arange(400) >= 200, np.full(400, 0.1)
    faces = rng.random(400)
    cut_at = count_face_cut(is_fake, p_fake, faces, 0.2, most_lost=0.02)
    assert np.sum(faces[:200] >= cut_at) <= 4
    assert count_face_cut(is_fake, p_fake, 0.15 * faces, 0.2, most_lost=0.02) == 0.2
    assert count_face_cut(is_fake, p_fake, 0 * faces, 0.2, most_lost=0.02) == 0.5


def test_subjects_become_categories_where_they_are_clear() -> None:
    assert category_of(row("real", category="animals")) == NAMES.index("animals")
    for subject in ("scene", "Kitchens", "mountain, lake town", "city trip"):
        assert category_of(row("real", subject=subject)) == NAMES.index("other")
    for subject in ("", "people", "kitchens and people", "cats", "race car team", "abstract"):
        assert category_of(row("real", subject=subject)) is None


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("shipped_make", RECIPE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # Its dataclass looks its own module up.
    monkeypatch.setitem(sys.modules, "shipped_make", module)
    spec.loader.exec_module(module)
    for name, value in (("SIDE", SIDE), ("TAPS", TAPS)):
        monkeypatch.setattr(module, name, value)
    return module


def test_the_recipe_goes_from_pictures_to_a_model(tmp_path: Path, recipe: ModuleType) -> None:
    save(tmp_path / "clip.onnx", eight_bit=True)
    columns = "path,label,category,source,split,publisher,subject\n"
    lines = {"wild": columns, "data": columns}
    for number, view in enumerate(some_views(48)):
        # Fakes are brighter.
        label, source = ("real", "fake")[number % 2], ("wild", "data")[number % 3 == 0]
        pixels = np.clip(view.astype(int) // 2 + 120 * (number % 2), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        category, split = ("animals", "")[number % 4 > 1], ("train", "val", "test")[number % 7 % 3]
        lines[source] += f"{number}.png,{label},{category},{source},{split},p{number // 2},scene\n"
    for source, text in lines.items():
        (tmp_path / f"{source}.csv").write_text(text)
    out = tmp_path / "made/unmask.onnx"
    arguments = [
        "--wild", tmp_path / "wild.csv", "--data", tmp_path / "data.csv", "--runs",
        tmp_path / "runs", "--out", out, "--clip", tmp_path / "clip.onnx", "--workers", 1,
        "--graphics", 26,
    ]  # fmt: skip
    card = recipe.main([str(argument) for argument in arguments])
    model = OnnxModel(out)
    assert model.card == card and card.bands[0].most_wrong == 0.05 and len(card.bands) == 3
    assert {one.source for one in card.training_data} == {"wild", "data"}
    assert "research" in card.licence and str(tmp_path) not in card.model_dump_json()
    dark, bright = (
        model.answer([cut_views(np.full((80, 80, 3), value, np.uint8), card.inputs)])[0].logit
        for value in (60, 190)
    )
    assert dark < bright
    # What is there already stays, and the same pictures make the same model.
    assert recipe.main([str(argument) for argument in arguments]).sha256 == card.sha256
