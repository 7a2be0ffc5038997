"""What browsers show is judged, though its metadata be broken or its end missing; notes say so."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pictures import encode, picture
from unmask.picture.decode import decode, decode_picture
from unmask.picture.errors import PictureError

CASES = Path(__file__).parents[3] / "shared/cases"
EARLY = "The file ends before the picture's end marker; what there is was judged."
SKIPPED = "Broken or very large metadata in the file was skipped."
BROKEN = "The file's EXIF is broken and was ignored."
EXIF = b"Exif\0\0II*\0\x08\0\0\0\2\0\x12\1\3\0\1\0\0\0\1\0\0\0\x31\1\2\0\4\0\0\0cam\0\0\0\0\0"


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("04-png-big-text/icc-1.5MB.png", (SKIPPED,)),
        ("04-png-big-text/ztxt-1.6MB.png", (SKIPPED,)),
        ("05-bad-exif/bad-exif.png", (BROKEN,)),
        ("05-bad-exif/types-mismatched-o6.jpg", ()),
        ("08-depth/int32.tif", ()),
        ("12-jpeg-damage/no-eoi.jpg", (EARLY,)),
    ],
)
def test_the_cases_of_users_are_judged(name: str, notes: tuple[str, ...]) -> None:
    found = decode_picture((CASES / name).read_bytes())
    assert found.pixels.shape == (448, 448, 3)
    assert found.pixels.std() > 30
    assert found.notes == notes


def test_large_texts_and_profiles_in_png_are_skipped() -> None:
    image = picture()
    for chunk in (b"zTXt", b"iTXt", b"iCCP"):
        data = encode(image, "PNG")
        packed = zlib.compress(bytes(3_000_000))
        body = b"name\0\1\0\0\0" + packed if chunk == b"iTXt" else b"name\0\0" + packed
        whole = struct.pack(">I", len(body)) + chunk + body
        whole += struct.pack(">I", zlib.crc32(chunk + body))
        found = decode_picture(data[:33] + whole + data[33:])
        assert (found.pixels == np.asarray(image)).all()
        assert found.notes == (SKIPPED,)
    info = PngInfo()
    for number in range(80):
        info.add_text(f"key{number}", "x" * 1_000_000)
    assert (decode(encode(image, "PNG", pnginfo=info)) == np.asarray(image)).all()


def test_wrong_checksums_of_what_is_no_picture_are_nothing() -> None:
    info = PngInfo()
    info.add_text("Title", "a title")
    data = encode(picture(), "PNG", pnginfo=info)
    found = decode_picture(data.replace(b"a title", b"A title"))
    assert (found.pixels == np.asarray(picture())).all()
    assert found.notes == (SKIPPED,)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
@pytest.mark.parametrize("broken", [b"garb", b"XX*\0", b"\0\0\0\0"])
def test_broken_exif_is_ignored_and_that_is_said(kind: str, broken: bytes) -> None:
    image = picture()
    data = encode(image, kind, exif=EXIF)
    at = max(data.find(b"II*\0\x08\0\0\0"), data.find(b"MM\0*\0\0\0\x08"))
    found = decode_picture(data[:at] + broken + data[at + 4 :])
    good = decode_picture(encode(image, kind))
    assert (found.pixels == good.pixels).all()
    assert found.notes
    assert set(found.notes) <= {BROKEN, SKIPPED}
    assert good.notes == ()


def test_an_orientation_is_read_from_exif_that_cannot_be_written_again() -> None:
    # A date that is a number, which Pillow cannot write.
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHII", 0x0132, 3, 1, 7)
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + entries + bytes(4)
    for kind in ("JPEG", "PNG", "WEBP"):
        assert decode(encode(picture(), kind, exif=exif)).shape == (96, 80, 3)


@pytest.mark.parametrize("more", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 95}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_without_its_end_is_judged(mode: str, more: dict[str, object]) -> None:
    image = picture(400, 304).convert(mode)
    data = encode(image, **more)
    found = decode_picture(data[:-2])
    assert (found.pixels == decode(data)).all()
    assert found.notes == (EARLY,)


def test_of_a_jpeg_that_ends_early_only_what_is_there_is_judged() -> None:
    data = encode(picture(400, 304), quality=95)
    found = decode_picture(data[: int(len(data) * 0.95)])
    rows = found.pixels.shape[0]
    assert 266 <= rows < 304
    assert (found.pixels == decode(data)[:rows]).all()
    assert found.notes == (EARLY,)
    for share in (0.2, 0.5, 0.8):
        with pytest.raises(PictureError, match="cut off"):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_a_progressive_jpeg_that_lacks_passes_is_cut_off(share: float) -> None:
    data = encode(picture(400, 304), quality=95, progressive=True)
    with pytest.raises(PictureError, match="cut off"):
        decode(data[: int(len(data) * share)])


def test_a_png_that_ends_early_is_judged_by_the_rows_that_are_there() -> None:
    image = picture(200, 160)
    for mode in ("RGB", "RGBA", "L", "P", "1"):
        data = encode(image.convert(mode), "PNG")
        whole = decode(data)
        assert (decode(data[:-12]) == whole).all()
        found = decode_picture(data[:-20])
        assert (found.pixels == whole[: found.pixels.shape[0]]).all()
        with pytest.raises(PictureError, match="cut off"):
            decode(data[: len(data) // 2])


def test_a_webp_that_ends_within_its_metadata_is_judged() -> None:
    data = encode(picture(), "WEBP", exif=EXIF)
    assert (decode(data[:-8]) == decode(data)).all()


@pytest.mark.parametrize("kind", ["WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF"])
def test_other_cut_files_are_said_to_be_cut_off(kind: str) -> None:
    data = encode(picture(200, 160), kind)
    with pytest.raises(PictureError, match="cut off"):
        decode(data[: len(data) * 3 // 4])


@pytest.mark.parametrize("low", [-5.0, 0.0, 1000.0])
def test_pixels_of_32_bits_are_scaled_to_their_range(low: float) -> None:
    ramp = np.tile(np.linspace(low, low + 1e6, 64), (64, 1))
    for kind in (np.int32, np.float32):
        pixels = decode(encode(Image.fromarray(ramp.astype(kind)), "TIFF"))
        assert (pixels.min(), pixels.max()) == (0, 255)
        assert abs(float(pixels.mean()) - 127.5) < 2


def test_unsigned_pixels_of_32_bits_and_undefined_ones_are_scaled() -> None:
    ramp = np.tile(np.linspace(0, 2**32 - 1, 64), (64, 1)).astype(np.uint32)
    image = Image.fromarray(ramp.view(np.int32))
    signed, unsigned = (struct.pack("<HHIH", 0x0153, 3, 1, form) for form in (2, 1))
    pixels = decode(encode(image, "TIFF").replace(signed, unsigned))
    assert (np.diff(pixels[0, :, 0].astype(int)) >= 0).all()
    values = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    values[0, :3] = np.nan, np.inf, -np.inf
    pixels = decode(encode(Image.fromarray(values), "TIFF"))
    assert abs(float(pixels.mean()) - 127.5) < 2
    assert tuple(pixels[0, :3, 0]) == (0, 255, 0)


def test_pixels_of_32_bits_that_fit_into_fewer_are_not_stretched() -> None:
    grey = np.asarray(picture().convert("L"))
    for image in (grey.astype(np.int32), grey.astype(np.float32), grey.astype(np.int32) * 256):
        pixels = decode(encode(Image.fromarray(image), "TIFF"))
        assert (pixels[..., 0] == grey).all()
