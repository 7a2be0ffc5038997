"""Explanations: maps add up to the logit, lie where they belong, and agree with PyTorch's."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from pictures import encode, picture
from tiny import shared_tiny_model
from toy_models import RoughIsFake
from unmask import Detector, ModelError, PictureError
from unmask.cli import app
from unmask.heatmap import Explanation, explain
from unmask.heatmap.spread import Spread
from unmask.model.model import Model
from unmask.picture.views import Box, ViewPlan, make_views, plan_views

SHAPES = [(300, 260), (448, 448), (140, 100), (9, 400), (400, 9), (500, 1300), (120, 1921)]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(shared_tiny_model())


def photo(width: int = 320, height: int = 260, seed: int = 0) -> Image.Image:
    """Return a picture with something different everywhere."""
    rough = np.random.default_rng(seed).integers(0, 90, (height, width, 3))
    smooth = np.asarray(picture(width, height, seed)).astype(int)
    return Image.fromarray(np.clip(smooth + rough - 45, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize("size", [64, 224])
def test_boxes_are_where_views_are_cut(height: int, width: int, size: int) -> None:
    plan = ViewPlan(size=size, whole=True, crops=5)
    rows, columns = np.mgrid[:height, :width]
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0] = np.rint(rows * 255 / (height - 1))
    pixels[..., 1] = np.rint(columns * 255 / (width - 1))
    views, boxes = make_views(pixels, plan), [view.box for view in plan_views(height, width, plan)]
    assert len(views) == len(boxes) == 6
    for view, box in zip(views, boxes, strict=True):
        middle = view.mean((0, 1)) / 255
        assert middle[0] * (height - 1) + 0.5 == pytest.approx(
            (box.top + box.bottom) / 2, abs=0.01 * height
        )
        assert middle[1] * (width - 1) + 0.5 == pytest.approx(
            (box.left + box.right) / 2, abs=0.01 * width
        )
        assert 0 <= box.top < box.bottom <= height + 1e-9
        assert 0 <= box.left < box.right <= width + 1e-9


@pytest.mark.parametrize("size", [(60, 90), (480, 720), (7, 5), (61, 91)])
def test_a_map_keeps_the_weight_and_the_place_of_every_cell(size: tuple[int, int]) -> None:
    boxes = [Box(0, 0, 60, 60), Box(20.5, 30.25, 50.75, 90)]
    cells = np.zeros((2, 4, 3), dtype=np.float32)
    cells[1, 3, 0] = 6
    heat = Spread(cells, boxes, 60, 90).over(*size)
    assert heat.mean(dtype=float) == pytest.approx(cells.mean(), rel=1e-5)
    assert heat.min() >= -1e-6
    if min(size) > 10:
        row, column = np.unravel_index(heat.argmax(), size)
        assert 47 <= (row + 0.5) * 60 / size[0] <= 50.75
        assert 30.25 <= (column + 0.5) * 90 / size[1] <= 41
    rng = np.random.default_rng(0)
    random = rng.normal(size=(2, 4, 3)).astype(np.float32)
    assert Spread(random, boxes, 60, 90).over(*size).mean(dtype=float) == pytest.approx(
        random.mean(dtype=float), abs=1e-5
    )
    even = Spread(np.ones((1, 4, 3), np.float32), [Box(0, 0, 60, 90)], 60, 90).over(*size)
    assert even == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("head", ["fake", "category"])
def test_the_map_adds_up_to_the_logit(shipped: Model, head: str) -> None:
    detector, image = Detector(shipped), photo()
    found = explain(detector, image, head=head)  # type: ignore[arg-type]
    heat = found.map()
    assert heat.shape == (260, 320)
    assert heat.dtype == np.float32
    assert heat.mean(dtype=float) + found.bias == pytest.approx(found.logit, abs=1e-4)
    assert found.map(130, 99).mean(dtype=float) == pytest.approx(heat.mean(dtype=float), abs=1e-4)
    output = detector.examine(image).output
    names = ("fake", *detector.model.card.categories)
    logits = dict(zip(names, [output.logit, *output.category_logits], strict=True))
    assert found.logit == pytest.approx(logits[found.target], abs=1e-4)
    if head == "category":
        assert found.target == max(list(logits)[1:], key=lambda name: logits[name])
        named = explain(detector, image, head="category", category="vehicles")
        assert named.target == "vehicles"
        assert named.logit == pytest.approx(logits["vehicles"], abs=1e-4)


@pytest.mark.parametrize(("head", "bias"), [("fake", -8), ("category", 0)])
def test_the_bias_of_a_linear_head_is_its_own_and_not_the_picture_s(
    detector: Detector, head: str, bias: float
) -> None:
    for width in (240, 700):
        found = explain(detector, photo(width, 240, width), head=head)  # type: ignore[arg-type]
        assert found.bias == pytest.approx(bias, abs=1e-4)
        assert found.map().mean(dtype=float) + bias == pytest.approx(found.logit, abs=1e-4)


def test_a_picture_is_looked_at_once_for_map_and_verdict() -> None:
    detector = Detector(shared_tiny_model())
    asked = []
    answer = detector.model.answer
    detector.model.answer = lambda *args, **more: asked.append(1) or answer(*args, **more)  # type: ignore[method-assign]
    examined = detector.examine(photo())
    explain(detector, examined)
    said = examined.verdict
    assert len(asked) == 1
    assert said.p_fake == Detector(shared_tiny_model()).detect(photo()).p_fake


@pytest.mark.parametrize("sign", [1, -1])
def test_occlusion_finds_what_speaks_for_and_against(sign: int) -> None:
    # A smooth picture with a rough patch; the model takes roughness alone for a sign.
    pixels = np.array(picture(256, 192))
    rows, columns = slice(48, 96), slice(160, 224)
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3))
    pixels[rows, columns] = noise
    detector = Detector(RoughIsFake(sign))
    found = explain(detector, pixels)
    assert (found.method, found.bias) == ("occlusion", 0.0)
    assert found.logit == pytest.approx(detector.examine(pixels).output.logit)
    heat = sign * found.map()
    assert heat.shape == (192, 256)
    inside = np.zeros(heat.shape, dtype=bool)
    inside[rows, columns] = True
    assert heat[inside].mean() > 10 * np.abs(heat[~inside]).mean()
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert inside[row, column]
    # A few dozen looks, in batches.
    assert max(detector.model.asked) == 8  # type: ignore[attr-defined]
    assert sum(detector.model.asked) < 100  # type: ignore[attr-defined]


def test_refined_parts_keep_the_effect_that_they_have_together() -> None:
    pixels = np.array(picture(256, 256))
    pixels[64:96, 96:128] = np.random.default_rng(0).integers(0, 255, (32, 32, 3))
    found = explain(Detector(RoughIsFake()), pixels)
    assert found.cells.shape == (1, 16, 16)
    hidden = pixels.copy()
    from unmask.heatmap.occlusion import _blur

    hidden[64:96, 96:128] = _blur(pixels, 8, 8)[64:96, 96:128]
    fall = found.logit - Detector(RoughIsFake()).examine(hidden).output.logit
    assert found.cells[0, 4:6, 6:8].mean() == pytest.approx(fall, abs=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (9, 300), (300, 9)])
def test_occlusion_takes_every_shape(size: tuple[int, int]) -> None:
    found = explain(Detector(RoughIsFake()), picture(*size), method="occlusion")
    assert np.isfinite(found.map()).all()
    assert found.png(64).startswith(b"\x89PNG")


def test_a_model_with_maps_is_explained_by_occlusion_as_well(detector: Detector) -> None:
    found = explain(detector, photo(64, 64), method="occlusion")
    assert found.cells.shape[0] == 1
    assert found.cells.any()


def test_augmented_answers_are_explained_on_the_plain_views(detector: Detector) -> None:
    augmented = Detector(detector.model, tta=True)
    found, plain = explain(augmented, photo()), explain(detector, photo())
    assert np.array_equal(found.cells, plain.cells)
    assert found.logit == plain.logit


def test_heatmaps_are_as_large_as_the_picture_or_as_asked(detector: Detector) -> None:
    found = explain(detector, photo())
    with Image.open(io.BytesIO(found.png())) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (320, 260), "RGB")
        with_bar = np.asarray(image)
    with Image.open(io.BytesIO(found.png(bar=False))) as image:
        without = np.asarray(image)
    changed = np.flatnonzero((with_bar != without).any((1, 2)))
    assert changed.min() > 200
    with Image.open(io.BytesIO(found.png(100))) as image:
        assert image.size == (100, 81)
    for width, height in ((8, 8), (9, 300), (300, 9)):
        tiny = explain(detector, photo(width, height))
        with Image.open(io.BytesIO(tiny.png())) as image:
            assert image.size == (width, height)


def test_red_is_for_fake_and_blue_is_for_real() -> None:
    cells = np.array([[[-1.0, 1.0]]], dtype=np.float32)
    grey = np.full((40, 80, 3), 128, dtype=np.uint8)
    made = Explanation("fake", "fake", "cam", 0.0, 0.0, cells, [Box(0, 0, 40, 80)], grey)
    with Image.open(io.BytesIO(made.png(bar=False))) as image:
        left, right = image.getpixel((4, 20)), image.getpixel((75, 20))
    assert left[2] > left[0] + 30  # type: ignore[index]
    assert right[0] > right[2] + 30  # type: ignore[index]


def test_memory_grows_with_the_picture_and_not_with_the_map(tmp_path: Path) -> None:
    side = 5000
    pixels = np.zeros((side, side, 3), dtype=np.uint8)
    boxes = [view.box for view in plan_views(side, side, ViewPlan(crops=5))]
    cells = np.ones((6, 7, 7), dtype=np.float32)
    found = Explanation("fake", "fake", "cam", 1.0, 0.0, cells, boxes, pixels)
    tracemalloc.start()
    found.save_map(tmp_path / "map.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    kept = np.load(tmp_path / "map.npy", mmap_mode="r")
    assert kept.shape == (side, side)
    assert kept.dtype == np.float32
    assert float(kept.mean(dtype=float)) == pytest.approx(1, abs=1e-4)


def test_wrong_choices_and_bad_pictures_are_sentences(detector: Detector) -> None:
    for options in (
        {"method": "lime"}, {"head": "both"}, {"category": "animals"},
        {"head": "category", "category": "cats"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"There is no|goes with"):
            explain(detector, photo(), **options)  # type: ignore[arg-type]
    with pytest.raises(PictureError, match="empty"):
        explain(detector, b"")
    with pytest.raises(ValueError, match="no method 'cam' for toy; there are occlusion"):
        explain(Detector(RoughIsFake()), photo(), method="cam")
    with pytest.raises(ModelError, match="cannot be explained"):
        RoughIsFake().explain_views({}, 0, "gradcam")


# The command line.


def run(*arguments: object) -> Result:
    """Run the command, with a tiny model unless it is given another."""
    given = [*map(str, arguments)]
    if "--model" not in given:
        given += ["--model", str(shared_tiny_model())]
    return CliRunner().invoke(app, ["explain", *given])


def test_a_folder_of_pictures_makes_a_folder_of_maps(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "in" / "out"
    (folder / "sub").mkdir(parents=True)
    data = encode(photo())
    for name in ("a.jpg", "a.png", "sub/a.jpg"):
        (folder / name).write_bytes(data)
    (folder / "bad.jpg").write_text("no picture")
    # Into a folder within the pictures', twice: heatmaps are no pictures to be explained.
    for _ in range(2):
        done = run(folder, "--out", out, "--raw")
        assert done.exit_code == 1
        assert "bad.jpg: This is not a picture" in done.output
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    stems = ["a.jpg.fake", "a.png.fake", "sub/a.jpg.fake"]
    assert names == sorted(f"{stem}.{kind}" for stem in stems for kind in ("npy", "png"))


def test_outputs_of_like_named_pictures_do_not_collide(tmp_path: Path) -> None:
    paths = [tmp_path / folder / name for folder, name in (("x", "a.jpg"), ("y", "A.jpg"))]
    for seed, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(encode(photo(seed=seed)))
    out = tmp_path / "out"
    done = run(*paths, "--out", out, "--head", "category", "--jsonl")
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.output.splitlines()]
    heatmaps = [Path(row["heatmap"]) for row in rows]
    assert [path.name for path in heatmaps] == ["a.jpg.category.png", "A.jpg-2.category.png"]
    assert heatmaps[0].read_bytes() != heatmaps[1].read_bytes()
    assert {path.suffix for path in out.iterdir()} == {".png"}
    assert all(row["target"] == row["category"] or row["category"] == "other" for row in rows)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-", "-"],
        ["x.jpg", "--category", "animals"],
        ["x.jpg", "--head", "category", "--category", "cats"],
        ["x.jpg", "--model", "absent.onnx"],
        ["x.jpg", "--model", "absent"],
        ["x.jpg", "--method", "lime"],
        [".", "--out", "."],
    ],
)
def test_wrong_use_is_exit_two_and_writes_nothing(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


# The verdict beside the map.


def test_the_verdict_is_that_of_the_whole_file(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("parameters", "a castle\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1")
    path = tmp_path / "a.png"
    path.write_bytes(encode(photo(), "PNG", pnginfo=info))
    model = str(shared_tiny_model())
    detected = CliRunner().invoke(app, ["detect", str(path), "--json", "--model", model])
    explained = run(path, "--out", tmp_path / "out", "--jsonl")
    (one,), other = json.loads(detected.output), json.loads(explained.output)
    assert one["decided_by"] == "metadata"
    for name in ("verdict", "p_fake", "category", "decided_by"):
        assert one[name] == other[name]
    ignored = run(path, "--out", tmp_path / "out", "--jsonl", "--no-provenance")
    assert json.loads(ignored.output)["decided_by"] == "pixels"


def test_no_output_replaces_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(photo(), "PNG"))
    done = run(path, "--out", path)
    assert done.exit_code == 2
    assert "not a folder" in done.output


# PyTorch.


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "vit_tiny_patch16_224"])
def test_the_command_explains_a_run(backbone: str, tmp_path: Path) -> None:
    run_folder = make_run(tmp_path / "run", backbone, "none", "views.size=224")
    path = tmp_path / "a.png"
    path.write_bytes(encode(photo(), "PNG"))
    done = run(path, "--out", tmp_path, "--model", run_folder, "--jsonl")
    assert done.exit_code == 0, done.output
    row = json.loads(done.output.splitlines()[-1])
    assert row["method"] == Detector(run_folder).model.methods[0]
    assert (row["method"] == "cam") == backbone.startswith("tf")
    assert Path(row["heatmap"]).exists()


def make_run(folder: Path, backbone: str, pretrained: str = "none", *settings: str) -> Path:
    import torch
    from safetensors.torch import save_file

    from unmask.lab.train.config import read_config
    from unmask.lab.train.network import network_for
    from unmask.lab.train.train import CONFIG_FILE, DATA_FILE, ENVIRONMENT_FILE, WEIGHTS_FILE

    torch.manual_seed(0)
    folder.mkdir()
    given = [f"backbone={backbone}", f"pretrained={pretrained}", "views.size=96", "views.crops=2"]
    config = read_config(None, [*given, *settings])
    (folder / CONFIG_FILE).write_text(config.model_dump_json())
    (folder / DATA_FILE).write_text("{}")
    (folder / ENVIRONMENT_FILE).write_text("{}")
    save_file(network_for(config).state_dict(), folder / WEIGHTS_FILE)
    return folder
