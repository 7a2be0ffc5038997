"""Marks in the pixels: open watermarks, hidden texts, signs in a corner."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from marking import watermarked, with_colour_bar, with_hidden_text, with_sparkle
from PIL import Image

from pictures import encode, picture
from tiny import shared_tiny_model
from unmask import Detector
from unmask.evidence.inspect import inspect_bytes
from unmask.evidence.visible_marks import has_colour_bar, match_sparkle, read_visible_marks
from unmask.evidence.watermark import MESSAGES, match_messages, read_watermark
from unmask.verdict.decide import weigh


def photo(side: int = 512, seed: int = 0) -> np.ndarray:
    """Return a picture with structure and noise, of mild colours."""
    smooth = np.asarray(picture(side, side, seed), dtype=float) * 0.5 + 60
    return np.clip(smooth + np.random.default_rng(seed).normal(0, 5, smooth.shape), 0, 255).astype(
        np.uint8
    )


@pytest.mark.parametrize("number", range(len(MESSAGES)))
def test_each_open_watermark_is_read_and_named(number: int) -> None:
    found = read_watermark(watermarked(photo(), number))
    assert found is not None
    assert found.details["maker"].split(" (")[0] == MESSAGES[number].maker.split(" (")[0]
    assert (found.says, found.strength) == ("ai", "strong")
    assert weigh("real", [found]) == ("unsure", "metadata")
    assert weigh("unsure", [found]) == ("fake", "metadata")


def test_the_messages_are_those_that_the_code_bases_write() -> None:
    lengths = {one.maker: len(one.bits) for one in MESSAGES}
    assert lengths["Stable Diffusion 1"] == 136
    assert lengths["Stable Diffusion XL"] == 48
    # The script turns its number into digits, which loses two leading zeros.
    assert lengths["FLUX.1"] == 46


def test_a_watermark_survives_a_png_and_a_good_jpeg() -> None:
    marked = Image.fromarray(watermarked(photo(768), 3))
    for kind, options in (("PNG", {}), ("JPEG", {"quality": 97, "subsampling": 0})):
        with Image.open(io.BytesIO(encode(marked, kind, **options))) as image:
            assert read_watermark(np.asarray(image)) is not None


@pytest.mark.parametrize("seed", range(6))
def test_pictures_without_a_watermark_have_none(seed: int) -> None:
    assert read_watermark(photo(512, seed)) is None
    assert read_watermark(np.asarray(picture(700, 500, seed))) is None


def test_flat_striped_and_tiny_pictures_have_none() -> None:
    flat = np.full((512, 512, 3), 128, np.uint8)
    # Bars that repeat with the length of a message are the worst that a picture can do.
    for pattern in (flat, flat * 0, flat + 127):
        assert read_watermark(pattern) is None
    for period in (2, 8, 32, 46, 48, 64):
        columns = (np.arange(48 * 16) // 8 % period < period // 2) * np.uint8(90)
        striped = np.broadcast_to(columns[None, :, None], (512, len(columns), 3)).copy()
        striped[..., 2] = 128
        assert read_watermark(striped) is None
    assert match_messages(flat[:100, :100]) == []


def test_a_watermark_is_looked_for_in_bounded_time() -> None:
    large = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    started = time.process_time()
    match_messages(large)
    assert time.process_time() - started < 1


def test_the_detector_heeds_a_watermark_in_the_pixels_it_judges() -> None:
    data = encode(Image.fromarray(watermarked(photo(), 0)), "PNG")
    verdict = Detector(shared_tiny_model()).detect(data)
    assert "watermark.open" in [one.name for one in verdict.evidence]
    assert verdict.verdict != "real"
    assert "watermark.open" not in [one.name for one in inspect_bytes(data)]
    assert "watermark.open" in [one.name for one in inspect_bytes(data, deep=True)]


# --- texts in the lowest bits

NOVELAI = (
    '{"Software": "NovelAI", "Comment": "{\\"steps\\": 28, \\"sampler\\": \\"k_euler\\", '
    '\\"seed\\": 1, \\"scale\\": 5.0, \\"uc\\": \\"\\", \\"prompt\\": \\"a cat\\"}"}'
)
SETTINGS = "a cat\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"


def rgba(width: int, height: int) -> np.ndarray:
    return np.asarray(picture(width, height).convert("RGBA"))


@pytest.mark.parametrize("kind", ["pngcomp", "pnginfo", "rgbcomp", "rgbinfo"])
@pytest.mark.parametrize("size", [(200, 160), (400, 64)])
def test_texts_in_the_lowest_bits_are_read(kind: str, size: tuple[int, int]) -> None:
    for text, maker in ((NOVELAI, "NovelAI"), (SETTINGS, "Stable Diffusion web UI")):
        image = Image.fromarray(with_hidden_text(rgba(*size), text, kind))
        for data in (
            encode(image, "PNG"),
            encode(image, "PNG", compress_level=0),
            encode(image, "WEBP", lossless=True, exact=True),
        ):
            if data[:4] == b"RIFF" and not kind.startswith("png"):
                continue
            (found,) = [one for one in inspect_bytes(data) if one.name == "generator.prompt"]
            assert (found.source, found.details["maker"]) == ("watermark", maker)


def test_a_hidden_text_that_is_no_prompt_counts_for_nothing() -> None:
    data = encode(Image.fromarray(with_hidden_text(rgba(200, 160), "hello", "pngcomp")), "PNG")
    assert inspect_bytes(data) == []


def test_damaged_and_huge_hidden_texts_end_in_nothing() -> None:
    pixels = with_hidden_text(rgba(200, 160), NOVELAI, "pngcomp")
    pixels[:, 2:, 3] = 255
    assert inspect_bytes(encode(Image.fromarray(pixels), "PNG")) == []
    bomb = with_hidden_text(rgba(900, 900), "\0" * 60_000_000, "pngcomp")
    started = time.process_time()
    inspect_bytes(encode(Image.fromarray(bomb), "PNG"))
    assert time.process_time() - started < 5


# --- signs in a corner


@pytest.mark.parametrize("width", [15, 22, 48, 96])
def test_a_sparkle_in_its_place_is_a_weak_note(width: int) -> None:
    marked = with_sparkle(photo(512) // 2, width)
    (found,) = read_visible_marks(marked)
    assert (found.details["mark"], found.strength) == ("sparkle", "weak")
    assert weigh("real", [found]) == ("real", "pixels")
    assert match_sparkle(marked[:, ::-1]) < 0.7
    assert match_sparkle(photo(512)) < 0.7


def test_the_bar_of_five_colours_is_a_weak_note() -> None:
    for side in (512, 1024):
        marked = with_colour_bar(photo(side))
        (found,) = read_visible_marks(marked)
        assert (found.details["mark"], found.strength) == ("colour bar", "weak")
        with Image.open(io.BytesIO(encode(Image.fromarray(marked), quality=85))) as image:
            assert has_colour_bar(np.asarray(image))
        assert not has_colour_bar(marked[:, ::-1])
        assert not has_colour_bar(marked[:-20])


def test_tiny_and_long_pictures_have_no_signs() -> None:
    for shape in ((8, 8), (8, 4000), (4000, 8), (40, 40)):
        assert read_visible_marks(np.zeros((*shape, 3), np.uint8)) == []
