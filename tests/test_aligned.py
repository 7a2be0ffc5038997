"""Aligned fakes: decoders learn to draw, blends alter what they should, files tell nothing."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pictures import picture
from unmask.data.manifest import Row
from unmask.training.aligned.autoencoder import UPSAMPLINGS, Autoencoder, Upsampling, fit
from unmask.training.aligned.blend import Blend, blend
from unmask.training.aligned.make import DECODED, SELF_BLENDED, make_aligned
from unmask.training.aligned.warp import self_blend


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_a_decoder_draws_at_the_same_size_and_learns(upsampling: Upsampling) -> None:
    torch.manual_seed(0)
    views = (torch.rand(2, 3, 1, 1) * 2 - 1).expand(2, 3, 32, 32)
    model = Autoencoder(upsampling, stages=2, latent=8)
    assert model(views).shape == views.shape
    first = fit(model, itertools.repeat(views), 20)
    assert fit(model, itertools.repeat(views), 60) > first + 3


@pytest.mark.parametrize("kind", ["whole", "region", "band"])
def test_blends_take_what_they_say(kind: Blend) -> None:
    original = np.asarray(picture(96, 80, 1))
    drawn = np.asarray(picture(96, 80, 2))
    mixed = blend(original, drawn, np.random.default_rng(0), kind)
    change = np.abs(mixed.astype(int) - original).mean(2)
    assert mixed.shape == original.shape
    assert change.mean() > 0
    if kind == "whole":
        np.testing.assert_array_equal(mixed, drawn)
    if kind == "region":
        assert (change == 0).any()
        assert change[40:56, 32:48].mean() > change.mean()


def test_a_self_blend_alters_a_region_alone() -> None:
    original = np.asarray(picture(128, 128, 3))
    mixed = self_blend(original, np.random.default_rng(1))
    change = np.abs(mixed.astype(int) - original).sum(2)
    assert 0.05 < (change > 0).mean() < 0.95


def test_fakes_lie_beside_their_originals_in_the_same_kind_of_file(tmp_path: Path) -> None:
    rows = []
    for number in range(4):
        path = tmp_path / "in" / "real" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(picture(72, 60, number))).save(path, quality=60 + number)
        rows.append(
            Row(path, "real", "human_faces", "camera", "in", split="train", group=str(number))
        )
    fake = Row(rows[0].path, "fake", split="train")
    test = Row(rows[0].path, "real", split="test")
    made = make_aligned(
        [*rows, fake, test], tmp_path / "out", share=1.0, steps=3, report=lambda line: None
    )
    assert [row.source for row in made] == [DECODED, SELF_BLENDED] * 4
    for row in made:
        original = rows[int(row.group)]
        assert row.is_fake
        with Image.open(row.path) as ours, Image.open(original.path) as theirs:
            assert ours.size == theirs.size
            assert ours.quantization == theirs.quantization
