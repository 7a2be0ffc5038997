"""The decoder reads every format, and answers hostile bytes with one sentence."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from pictures import encode, picture
from unmask.picture.decode import Limits, decode, from_array, from_image, read_bytes
from unmask.picture.errors import PictureError

pillow_heif.register_heif_opener()


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "MPO"]
)
def test_every_format_is_read(kind: str) -> None:
    image = picture()
    pixels = decode(encode(image, kind))
    assert pixels.shape == (80, 96, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.asarray(image).astype(int)).mean() < 12


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encode(picture(96, 80), exif=exif)).shape == (96, 80, 3)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    assert decode(encode(clear, "PNG")).min() == 255


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64, dtype=np.uint16), (64, 1))
    pixels = decode(encode(Image.fromarray(ramp), "PNG"))
    assert abs(float(pixels.mean()) - 127.5) < 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "I;16", "RGBA"])
def test_every_pixel_mode_is_read(mode: str) -> None:
    kind = "TIFF" if mode in ("CMYK", "YCbCr", "I;16") else "PNG"
    image = picture().convert("L") if mode == "I;16" else picture()
    assert decode(encode(image.convert(mode), kind)).shape == (80, 96, 3)


def test_first_frame_of_an_animation_is_taken() -> None:
    red, blue = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
    data = encode(red, "GIF", save_all=True, append_images=[blue])
    assert decode(data)[0, 0, 0] > 200


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b"hello, I am text\n" * 50, "not a picture"),
        (encode(picture(), "EPS"), "not a picture"),
        (encode(picture())[:600], "cut off"),
        (encode(picture(), "PNG")[:600], "cut off"),
        (encode(picture(4, 4), "PNG"), "too small"),
    ],
)
def test_bad_bytes_cost_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(PictureError, match=sentence) as problem:
        decode(data)
    assert str(problem.value).endswith(".")
    assert "\n" not in str(problem.value)


def _png_bomb(side: int) -> bytes:
    """Return a PNG of a few KB whose header promises side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000))
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(PictureError, match="megapixels"):
        decode(_png_bomb(30_000))
    with pytest.raises(PictureError, match="as only an empty one can have"):
        decode(_png_bomb(15_000))


def test_limits_on_bytes_and_pixels() -> None:
    data = encode(picture())
    with pytest.raises(PictureError, match="larger than the limit"):
        decode(data, Limits(max_bytes=100))
    with pytest.raises(PictureError, match="megapixels"):
        decode(data, Limits(max_pixels=1000))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"])
def test_damaged_bytes_decode_or_raise_the_one_error(kind: str) -> None:
    rng = np.random.default_rng(7)
    good = np.frombuffer(encode(picture(64, 64), kind), np.uint8)
    for _ in range(150):
        bad = good.copy()
        places = rng.integers(0, bad.size, rng.integers(1, 12))
        bad[places] = rng.integers(0, 256, places.size)
        cut = bad[: rng.integers(1, bad.size)] if rng.random() < 0.3 else bad
        try:
            pixels = decode(cut.tobytes(), Limits(max_pixels=1_000_000))
        except PictureError:
            continue
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no such file"):
        read_bytes(tmp_path / "absent.jpg")
    with pytest.raises(PictureError, match="folder"):
        read_bytes(tmp_path)
    with pytest.raises(PictureError, match="name holds a character"):
        read_bytes("a\0b.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="regular file"):
        read_bytes(tmp_path / "pipe.jpg")
    os.symlink("round", tmp_path / "round")
    with pytest.raises(PictureError, match="could not be read"):
        read_bytes(tmp_path / "round")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(encode(picture()))
    path.chmod(0)
    with pytest.raises(PictureError, match="permission"):
        read_bytes(path)


def test_images_and_arrays_are_checked_alike() -> None:
    image = picture()
    grey = np.asarray(image.convert("L"))
    assert from_array(np.asarray(image)).pixels.shape == (80, 96, 3)
    assert from_array(grey).pixels.shape == (80, 96, 3)
    assert from_image(image.convert("CMYK")).pixels.shape == (80, 96, 3)
    with pytest.raises(PictureError, match="uint8"):
        from_array(grey.astype(np.float32))
    with pytest.raises(PictureError, match="shape"):
        from_array(np.zeros((3, 80, 96, 1), np.uint8))
    with Image.open(io.BytesIO(encode(image)[:700])) as cut, pytest.raises(PictureError):
        from_image(cut)
