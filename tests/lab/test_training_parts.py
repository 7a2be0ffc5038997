"""The parts of training, each against what it must do."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pictures import picture
from unmask.lab.data.manifest import ManifestError, Row
from unmask.lab.recipes import about, names, recipe_file
from unmask.lab.train.augment.selfblend import face_mask, self_blend
from unmask.lab.train.backbones import NAMES, create_backbone
from unmask.lab.train.config import Mining, TrainConfig, changed, read_config
from unmask.lab.train.cross_validation import deal_folds
from unmask.lab.train.dataset import TrainingViews
from unmask.lab.train.device import choose_device, choose_precision
from unmask.lab.train.faults import (
    DoubleSigmoid,
    Faults,
    NoisyViews,
    SkippedGradients,
    spoil_labels,
    spoil_views,
)
from unmask.lab.train.losses import FakeLoss, NetworkAnswers, fake_loss, loss_sum
from unmask.lab.train.mining import rank, read_hard, write_hard
from unmask.lab.train.network import create_network, network_for
from unmask.lab.train.normalise import normalise
from unmask.lab.train.optimise import optimisation
from unmask.lab.train.pseudo import SELF_BLENDED, add_pseudo_fakes, make_pseudo
from unmask.lab.train.samplers import Draws, create_sampler

LOGITS = torch.tensor([-2.0, 0.5, 3.0, -0.3])
FAKE = torch.tensor([0.0, 1.0, 1.0, 1.0])


def rows_of(count: int, source: str = "a", category: str = "human_faces") -> list[Row]:
    numbered = [(f"{source}{number}", number % 2) for number in range(count)]
    return [
        Row(Path(name), "fake" if fake else "real", category, source=source, group=name)
        for name, fake in numbered
    ]


def test_scales_are_what_they_say() -> None:
    views = np.array([0, 255], dtype=np.uint8).reshape(1, 1, 2, 1).repeat(3, axis=3)
    pixels = torch.from_numpy(views)
    assert normalise(pixels, "symmetric").shape == (1, 3, 1, 2)
    assert normalise(pixels, "symmetric").squeeze()[0].tolist() == [-1, 1]
    assert normalise(pixels, "unit").squeeze()[0].tolist() == [0, 1]
    red, _, blue = normalise(pixels, "imagenet").squeeze()
    assert red.tolist() == pytest.approx([-0.485 / 0.229, (1 - 0.485) / 0.229], rel=1e-5)
    assert blue.tolist() == pytest.approx([-0.406 / 0.225, (1 - 0.406) / 0.225], rel=1e-5)


def test_focal_loss_is_that_of_the_paper() -> None:
    p = torch.sigmoid(LOGITS)
    p_t = torch.where(FAKE > 0, p, 1 - p)
    alpha_t = torch.where(FAKE > 0, 0.25, 0.75)
    expected = -alpha_t * (1 - p_t) ** 2 * torch.log(p_t)
    assert torch.allclose(FakeLoss(focal=True).each(LOGITS, FAKE), expected, atol=1e-6)
    bce = FakeLoss().each(LOGITS, FAKE)
    assert torch.allclose(bce, -torch.log(p_t), atol=1e-6)
    halved = FakeLoss(focal=True, alpha=0.5, gamma=0).each(LOGITS, FAKE)
    assert torch.allclose(halved, bce / 2, atol=1e-6)


def test_smoothing_costs_and_the_wrong_loss_change_the_loss_as_told() -> None:
    plain = FakeLoss().each(LOGITS, FAKE)
    dear = FakeLoss(false_positive_cost=3).each(LOGITS, FAKE)
    assert torch.allclose(dear / plain, torch.tensor([3.0, 1.0, 1.0, 1.0]))
    # With smoothing the best logit is finite: at 0.05 it is that of p = 0.975.
    grid = torch.linspace(-8, 8, 1601)
    smooth = FakeLoss(smoothing=0.05).each(grid, torch.ones(1601))
    assert float(grid[smooth.argmin()]) == pytest.approx(math.log(0.975 / 0.025), abs=0.02)
    # A probability fed as a logit can say neither real nor surely fake.
    assert DoubleSigmoid().each(torch.tensor([-50.0]), torch.zeros(1)) > 0.69


def test_the_sum_of_losses_masks_what_has_no_category() -> None:
    rows = rows_of(4)
    answers = NetworkAnswers(LOGITS, torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    batch = {"fake": FAKE, "category": torch.full((4,), -1)}
    config = TrainConfig(category_weight=1.0, label_smoothing=0)
    both = loss_sum(config, rows, fake_loss(config))
    unlabelled = both(answers, batch)
    assert unlabelled == pytest.approx(float(FakeLoss().each(LOGITS, FAKE).mean()))
    labelled = both(answers, batch | {"category": torch.tensor([0, -1, -1, -1])})
    expected = torch.nn.functional.cross_entropy(answers.category_logits[:1], torch.tensor([0]))
    assert float(labelled - unlabelled) == pytest.approx(float(expected), rel=1e-5)
    assert set(loss_sum(TrainConfig(heads="binary"), rows, FakeLoss()).terms) == {"fake"}


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenetv2", "cnn"])
@pytest.mark.parametrize("heads", ["both", "binary"])
def test_backbones_come_by_name_with_one_head_or_two(name: str, heads: str) -> None:
    network = create_network(name, heads=heads, size=64).eval()
    with torch.inference_mode():
        fake, category = network(torch.zeros(2, 3, 64, 64))
    assert fake.shape == (2,)
    assert category.shape == (2, 3 if heads == "both" else 0)


def test_every_named_backbone_is_timms() -> None:
    import timm

    assert set(NAMES.values()) <= set(timm.list_models())
    with pytest.raises(ValueError, match="nearest is 'xception'"):
        create_backbone("xceptoin", "none", 64)


def test_attention_and_the_regularised_head_have_the_published_shape() -> None:
    network = create_network("resnet50", classifier="regularised", attention=True)
    assert network.attention is not None
    shapes = [tuple(p.shape) for p in network.attention.parameters() if p.ndim > 1]
    assert shapes == [(512, 2048, 1, 1), (1, 512, 1, 1)]
    linear = [m for m in network.fake_head.modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [
        (2048, 1024),
        (1024, 256),
        (256, 1),
    ]
    drops = [m.p for m in network.fake_head.modules() if isinstance(m, torch.nn.Dropout)]
    assert drops == [0.5, 0.4]


def test_attention_weighs_the_map_and_keeps_linear_maps_exact() -> None:
    network = create_network("resnet10t", attention=True).eval()
    views = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert network.has_exact_maps(views)
    assert not create_network("resnet10t", classifier="dense").eval().has_exact_maps(views)
    assert not create_network("cnn", size=64).eval().has_exact_maps(views)
    with torch.inference_mode():
        plain = network.backbone.forward_features(views)
        weighed = network.feature_map(views)
    ratio = (weighed / plain)[plain > 1e-3]
    assert 0 < float(ratio.min()) <= float(ratio.max()) < 1


def test_a_frozen_backbone_stays_as_it_is() -> None:
    config = read_config(None, ["backbone=resnet10t", "pretrained=none", "freeze=true"])
    network = network_for(config).train()
    before = {k: v.clone() for k, v in network.backbone.state_dict().items()}
    made = optimisation(list(network.parameters()), config, 10, "x")
    for _ in range(2):
        fake, category = network(torch.randn(4, 3, 64, 64))
        (fake.sum() + category.sum()).backward()
        made["optimizer"].step()
    assert all(torch.equal(before[k], v) for k, v in network.backbone.state_dict().items())
    assert network.fake_head.training


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "constant"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_schedules_rise_and_end_as_named(schedule: str, optimizer: str) -> None:
    steps, settings = 40, [f"schedule={schedule}", f"optimizer={optimizer}", "learning_rate=0.1"]
    config = read_config(None, settings)
    made = optimisation([torch.nn.Parameter(torch.ones(2, 2))], config, steps, "x")
    rates = []
    for _ in range(steps):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates[0] < 0.05
    assert max(rates) == pytest.approx(0.1, rel=0.02)
    assert rates[-1] == pytest.approx(0.1) if schedule == "constant" else rates[-1] < 0.002


def test_label_noise_turns_an_exact_share() -> None:
    rows = rows_of(200)
    noisy = spoil_labels(rows, Faults(label_noise=0.2), seed=1)
    assert sum(a.label != b.label for a, b in zip(rows, noisy, strict=True)) == 40
    assert noisy == spoil_labels(rows, Faults(label_noise=0.2), seed=1)
    assert spoil_labels(rows, Faults(), seed=1) == rows


def test_shuffled_labels_say_nothing_of_the_truth() -> None:
    rows = rows_of(100, "a") + rows_of(60, "b")
    dealt = spoil_labels(rows, Faults(shuffled_labels=True), seed=2)
    cells = Counter((r.source, r.label, d.label) for r, d in zip(rows, dealt, strict=True))
    for source, half in (("a", 25), ("b", 15)):
        for truth in ("real", "fake"):
            assert cells[source, truth, "real"] == cells[source, truth, "fake"] == half


def test_skipped_gradients_are_zero_at_the_given_rate() -> None:
    class Trainer:
        global_step = 0

    trainer, module = Trainer(), torch.nn.Linear(1, 1)
    lost = 0
    for step in range(400):
        trainer.global_step = step
        module.weight.grad = torch.ones(1, 1)
        SkippedGradients(0.3, seed=0).on_before_optimizer_step(trainer, module, None)
        lost += int(module.weight.grad == 0)
    assert 90 < lost < 150


def test_samplers_balance_as_named_and_boost() -> None:
    rows = [replace(row, label="real") for row in rows_of(90, "a")] + rows_of(10, "b")
    shuffled = create_sampler(rows, TrainConfig(sampler="shuffled"))
    assert sorted(index for index, _ in shuffled) == list(range(100))
    weighted = create_sampler(rows, TrainConfig(sampler="weighted"))
    cells: Counter[tuple[str, str]] = Counter()
    for epoch in range(60):
        weighted.set_epoch(epoch)
        cells.update((rows[index].label, rows[index].source) for index, _ in weighted)
    assert all(abs(count / 6000 - 1 / 3) < 0.03 for count in cells.values())
    boosted = Draws(100, None, seed=0)
    boosted.boost({7: 30.0})
    hits = 0
    for epoch in range(50):
        boosted.set_epoch(epoch)
        hits += sum(index == 7 for index, _ in boosted)
    assert hits / 5000 == pytest.approx(30 / 129, abs=0.03)
    untouched = Draws(100, None, seed=0)
    untouched.boost({})
    assert sorted(index for index, _ in untouched) == list(range(100))


def test_self_blending_changes_the_face_and_leaves_the_rim() -> None:
    pixels = np.asarray(picture(160, 140, 3))
    for seed in range(8):
        rng = np.random.default_rng(seed)
        blended = self_blend(pixels, rng)
        assert blended.shape == pixels.shape
        assert not np.array_equal(blended, pixels)
        assert np.array_equal(blended, self_blend(pixels, np.random.default_rng(seed)))
        mask = face_mask(140, 160, rng)
        assert mask.max() > 0.6
        assert mask[:4].max() < 0.1


def test_pseudo_fakes_are_twins_of_real_faces() -> None:
    rows = rows_of(20) + rows_of(10, "cars", "vehicles")
    config = TrainConfig(self_blended=0.5)
    made = add_pseudo_fakes(rows, config)
    added = made[30:]
    assert len(added) == 5
    assert {row.generator for row in added} == {SELF_BLENDED}
    real = {row.path: row for row in made[:30]}
    assert all(row.is_fake and real[row.path].group == row.group for row in added)
    assert all(not real[row.path].is_fake for row in added)
    twins = create_sampler(made, config).twins
    assert all(index in twins for index in range(30, 35))
    pixels = np.asarray(picture())
    assert make_pseudo(rows[0], pixels, 5) is pixels
    assert not np.array_equal(make_pseudo(added[0], pixels, 5), pixels)


def test_hard_examples_are_ranked_drawn_and_read_back(tmp_path: Path) -> None:
    rows = []
    for number in range(10):
        picture(40, 40, number).save(tmp_path / f"{number}.png")
        rows.append(Row(tmp_path / f"{number}.png", "real"))
    index = np.array([3, 1, 3, 2])
    hard = rank(rows, index, np.array([5.0, 1.0, 1.0, 2.0]), np.array([0.0, 9.0, 0.0, -9.0]))
    assert [row.path.stem for row in hard.rows] == ["3", "2", "1"]
    assert hard.losses.tolist() == [3, 2, 1]
    assert hard.factors(Mining(top=0.4, boost=5)) == {3: 5.0}
    write_hard(hard, tmp_path / "out")
    assert (tmp_path / "out" / "hard.png").stat().st_size > 1000
    listing = tmp_path / "out" / "hard.csv"
    assert read_hard(listing, rows, Mining(top=0.7, boost=2)) == {2: 2.0, 3: 2.0}
    with pytest.raises(ValueError, match="None of the hardest"):
        read_hard(listing, rows[5:], Mining())
    with pytest.raises(ValueError, match="column 'path'"):
        read_hard(tmp_path / "0.png", rows, Mining())


def test_folds_keep_groups_together_and_use_every_picture_once() -> None:
    rows = [replace(row, group=f"g{i // 3}") for i, row in enumerate(rows_of(60))]
    rows += [replace(row, split="test") for row in rows_of(6, "t")]
    folds = deal_folds(rows, 4, seed=0)
    held_out = [row.path for fold in folds for row in fold if row.split == "val"]
    assert sorted(held_out) == sorted(row.path for row in rows[:60])
    for fold in folds:
        homes = {(row.group, row.split) for row in fold}
        assert len(homes) == len({group for group, _ in homes})
        assert {row.label for row in fold if row.split == "val"} == {"real", "fake"}
    with pytest.raises(ManifestError, match="as many groups"):
        deal_folds(rows_of(4), 3, seed=0)


def test_recipes_are_valid_and_say_what_they_are() -> None:
    published = {
        "xception-duel", "resnet50-attention", "cnn-128", "mobilenetv2-frozen",
        "efficientnet-calibrated", "efficientnetv2-duel",
    }  # fmt: skip
    assert published <= set(names())
    for name in names():
        assert isinstance(read_config(recipe_file(name)), TrainConfig)
        assert len(about(name)) > 20
    with pytest.raises(ValueError, match="nearest is 'cnn-128'"):
        recipe_file("cnn128")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["views.whole=false", "views.crops=0"], "nothing to look at"),
        (["schedule=plateau"], "set warmup=0"),
        (["precision=16-mixed", "device=cpu"], "needs a GPU"),
        (["mining.after=3", "epochs=3"], "before the last epoch"),
        (["faults.label_noise=0.1"], "no setting 'faults'"),
        (["optimizer=adamm"], "'optimizer' is not valid"),
        (["epochs=[1"], "cannot be read"),
    ],
)
def test_contradictions_and_unknown_keys_are_one_sentence(
    settings: list[str], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        read_config(None, settings)
    assert "\n" not in str(caught.value)


def test_only_what_differs_is_named() -> None:
    config = read_config(None, ["views.size=128", "epochs=3", "mining.top=0.5"])
    assert changed(config) == {"views.size": 128, "epochs": 3, "mining.top": 0.5}


def test_the_device_is_chosen_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device(TrainConfig()) == "cpu"
    auto, half = TrainConfig(), TrainConfig(precision="bf16-mixed")
    assert [choose_precision(device, auto) for device in ("cpu", "cuda")] == [
        "32-true",
        "bf16-mixed",
    ]
    assert choose_precision("cpu", half) == "bf16-mixed"
    with pytest.raises(ValueError, match="finds none"):
        choose_device(TrainConfig(device="cuda"))
    with pytest.raises(ValueError, match="needs a GPU"):
        choose_device(TrainConfig(precision="16-mixed"))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device(TrainConfig()) == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device(TrainConfig()) == "cuda"
    with pytest.raises(ValueError, match="1 GPUs"):
        choose_device(TrainConfig(devices=2))


def test_faults_are_read_and_wrong_ones_named() -> None:
    faults = Faults.read(["label_noise=0.2", "wrong_loss"])
    assert faults.active == ["label_noise=0.2", "wrong_loss=True"]
    assert Faults.read([]).active == []
    for words, sentence in {
        ("label_nois=0.1",): "'label_nois'",
        ("label_noise=2",): "'label_noise'",
        ("shuffled_labels=true", "label_noise=0.1"): "no label",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            Faults.read(words)


def test_noise_is_put_on_training_views_alone(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.new("RGB", (80, 80), (128, 128, 128)).save(path)
    config = read_config(None, ["views.size=64", "augmentation=none", "scale=unit"])
    clean = TrainingViews([Row(path, "real")], config)
    assert spoil_views(clean, Faults()) is clean
    noisy = spoil_views(clean, Faults(input_noise=9))
    assert isinstance(noisy, NoisyViews)
    values = noisy[0, 1]["views"]
    assert float(values.std()) * 255 == pytest.approx(9, rel=0.05)
    assert torch.equal(values, noisy[0, 1]["views"])
    assert float(clean[0, 1]["views"].std()) == 0
