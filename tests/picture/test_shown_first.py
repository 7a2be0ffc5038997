"""What a viewer shows first is judged, and notes say what else there is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from pictures import encode, picture
from unmask.picture import decode as decoding
from unmask.picture import limits as limiting
from unmask.picture import pixels as scaling
from unmask.picture.decode import Limits, decode, decode_picture, from_array, from_image
from unmask.picture.errors import PictureError

CASES = Path(__file__).parents[3] / "shared/cases"
pillow_heif.register_heif_opener()


def heic(primary: int) -> bytes:
    file = pillow_heif.from_pillow(picture(64, 64, seed=0))
    file.add_from_pillow(picture(96, 80, seed=1))
    buffer = io.BytesIO()
    file.save(buffer, quality=90, primary_index=primary)
    return buffer.getvalue()


@pytest.mark.parametrize(("primary", "shape"), [(0, (64, 64, 3)), (1, (80, 96, 3))])
def test_the_main_picture_of_a_heic_is_judged(primary: int, shape: tuple[int, ...]) -> None:
    data = heic(primary)
    found = decode_picture(data)
    assert found.pixels.shape == shape
    assert found.notes == ("It holds several pictures; the main one was judged.",)
    with Image.open(io.BytesIO(data)) as image:
        assert (from_image(image).pixels == found.pixels).all()


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
def test_the_second_item_of_a_heic_may_be_its_main_one() -> None:
    pixels = decode((CASES / "11-heic-primary/primary-is-second-real.heic").read_bytes())
    assert pixels.shape == (400, 400, 3)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_an_animation_is_judged_by_its_first_frame_and_that_is_said(kind: str) -> None:
    first, second = picture(seed=1), picture(seed=2)
    more = {"save_all": True, "append_images": [second], "duration": 100}
    found = decode_picture(encode(first, kind, **more))
    assert np.abs(found.pixels.astype(int) - np.asarray(first).astype(int)).mean() < 12
    assert found.notes == (
        "It moves; its first frame alone was judged (`unmask video` judges them all).",
    )
    blank = Image.new("RGB", first.size, "black")
    found = decode_picture(encode(blank, kind, **more))
    assert ["which is blank" in note for note in found.notes] == [True]


def test_a_picture_for_viewers_without_animation_is_not_what_others_show() -> None:
    first, second = picture(seed=1), picture(seed=2)
    data = encode(
        picture(seed=3), "PNG", save_all=True, append_images=[first, second], default_image=True
    )
    assert (decode(data) == np.asarray(first)).all()


def test_pages_are_told_of_and_thumbnails_are_not() -> None:
    pages = encode(picture(seed=1), "TIFF", save_all=True, append_images=[picture(seed=2)])
    assert decode_picture(pages).notes == ("It has several pages; the first was judged.",)
    thumbnail = Image.new("RGB", (16, 16))
    thumbnail.encoderinfo = {"tiffinfo": {0xFE: 1}}  # type: ignore[attr-defined]
    small = encode(picture(seed=1), "TIFF", save_all=True, append_images=[thumbnail])
    assert decode_picture(small).notes == ()
    assert decode_picture(encode(picture(), "MPO")).notes == ()


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
def test_a_black_first_frame_is_said_to_be_one() -> None:
    found = decode_picture((CASES / "19-animated/black-first.gif").read_bytes())
    assert "blank" in found.notes[0]


@pytest.fixture
def few_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a picture be a giant from 10,000 pixels on."""
    for module in (limiting, scaling):
        monkeypatch.setattr(module, "FULL_PIXELS", 10_000)
    monkeypatch.setattr(decoding, "_BIG_PICTURE", 5_000)


@pytest.mark.usefixtures("few_pixels")
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "RGB"), ("JPEG", "L"), ("MPO", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"),
        ("PNG", "I;16"), ("TIFF", "F"), ("TIFF", "I"), ("WEBP", "RGB"), ("HEIF", "RGB"),
        ("AVIF", "RGB"), ("GIF", "P"), ("BMP", "RGB"),
    ],
)  # fmt: skip
def test_giants_are_judged_at_reduced_size_and_that_is_said(kind: str, mode: str) -> None:
    image = picture(320, 240)
    grey = mode in ("I;16", "F", "I", "L", "1")
    given = image.convert("L").convert(mode) if grey else image.convert(mode)
    exif = {"exif": b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"}
    turned = kind in ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
    found = decode_picture(encode(given, kind, **(exif if turned else {})))
    assert found.pixels.shape == ((80, 60, 3) if turned else (60, 80, 3))
    expected = image.convert("L" if grey else "RGB").convert("RGB").reduce(4)
    upright = np.rot90(np.asarray(expected), -1) if turned else np.asarray(expected)
    assert np.abs(found.pixels.astype(int) - upright.astype(int)).mean() < 16
    said = [note for note in found.notes if "reduced size" in note]
    # A HEIC is turned by its container, before anything is measured.
    sizes = "60 x 80 of its 240 x 320" if kind == "HEIF" else "80 x 60 of its 320 x 240"
    assert said == [f"It was judged at reduced size: {sizes} pixels."]


@pytest.mark.usefixtures("few_pixels")
def test_giants_have_a_limit_that_is_an_option() -> None:
    image = picture(320, 240)
    with pytest.raises(PictureError, match=r"limit of 0.05 megapixels \(option max-megapixels\)"):
        decode(encode(image), Limits(max_pixels=50_000))
    for kind, more in (("WEBP", {}), ("JPEG", {"progressive": True})):
        with pytest.raises(PictureError, match=r"0.05 megapixels for .*, half \(option max-mega"):
            decode(encode(image, kind, **more), Limits(max_pixels=100_000))
        assert decode(encode(image, kind, **more), Limits(max_pixels=200_000)).shape == (60, 80, 3)
    assert from_array(np.asarray(image)).pixels.shape == (60, 80, 3)
    assert "reduced size" in from_image(image).notes[0]


def test_a_phones_largest_photo_is_judged() -> None:
    image = picture(64, 48).convert("L").resize((9_000, 7_200), Image.Resampling.NEAREST)
    found = decode_picture(encode(image, quality=60))
    assert found.pixels.shape == (3600, 4500, 3)
    assert found.notes == ("It was judged at reduced size: 4500 x 3600 of its 9000 x 7200 pixels.",)


def test_a_picture_larger_than_pillow_opens_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for kind in ("JPEG", "MPO", "PNG", "BMP", "GIF"):
        assert decode(encode(picture(), kind)).shape == (80, 96, 3)
    for kind in ("TIFF", "WEBP"):
        with pytest.raises(PictureError, match="more pixels than its format"):
            decode(encode(picture(), kind))


def test_a_jpeg_of_very_many_passes_is_refused() -> None:
    data = encode(Image.new("L", (2000, 2000), 99), progressive=True)
    last = data.rfind(b"\xff\xc4", 0, data.rfind(b"\xff\xda"))
    with pytest.raises(PictureError, match="passes"):
        decode(data[:-2] + data[last:-2] * 500 + b"\xff\xd9")
