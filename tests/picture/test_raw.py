"""Camera raws: their large JPEG is judged and that is said, or they are to be developed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import encode, picture
from unmask.picture.decode import decode, decode_picture
from unmask.picture.errors import PictureError

CASES = Path(__file__).parents[3] / "shared/cases"


def tiff(
    *directories: list[tuple[int, int, int]], after: bytes = b"", mark: bytes = b"*\0"
) -> bytes:
    """Return a TIFF of chained directories of (tag, type, value), and what follows them."""
    out = b"II" + mark + struct.pack("<I", 8)
    for number, entries in enumerate(directories):
        end = len(out) + 6 + 12 * len(entries)
        out += struct.pack("<H", len(entries))
        out += b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, form, value in entries)
        out += struct.pack("<I", end if number + 1 < len(directories) else 0)
    return out + after


THUMBNAIL = [(0xFE, 4, 1), (0x100, 4, 160), (0x101, 4, 120), (0x103, 3, 1), (0x112, 3, 6)]
SENSOR = [(0xFE, 4, 0), (0x100, 4, 6000), (0x101, 4, 4000), (0x106, 3, 32803)]
SMALL = encode(picture(160, 120))
LARGE = encode(picture(1800, 1200, seed=1))
RAWS = {
    "NEF": lambda jpegs: tiff(THUMBNAIL, SENSOR, after=jpegs),
    "DNG": lambda jpegs: tiff([*THUMBNAIL, (0xC612, 1, 1)], after=jpegs),
    "ARW": lambda jpegs: tiff(THUMBNAIL, [(0x103, 3, 32767)], after=jpegs),
    "CR2": lambda jpegs: tiff(THUMBNAIL, after=jpegs)[:8] + b"CR\2\0" + jpegs,
    "ORF": lambda jpegs: tiff(THUMBNAIL, mark=b"RO", after=jpegs),
    "RW2": lambda jpegs: tiff(THUMBNAIL, mark=b"U\0", after=jpegs),
    "RAF": lambda jpegs: b"FUJIFILMCCD-RAW 0201" + bytes(100) + jpegs,
    "CR3": lambda jpegs: b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(40) + jpegs,
}


@pytest.mark.parametrize("kind", RAWS)
def test_the_large_jpeg_in_a_raw_is_judged_and_that_is_said(kind: str) -> None:
    found = decode_picture(RAWS[kind](SMALL + bytes(99) + LARGE + bytes(5000)))
    turned = kind in ("NEF", "DNG", "ARW", "ORF", "RW2")
    assert found.pixels.shape == ((1800, 1200, 3) if turned else (1200, 1800, 3))
    assert found.notes == ("The JPEG of 1800 x 1200 pixels inside this camera raw was judged.",)
    upright = np.rot90(decode(LARGE), -1) if turned else decode(LARGE)
    assert (found.pixels == upright).all()


@pytest.mark.parametrize("kind", RAWS)
def test_a_thumbnail_is_never_judged_for_a_raw(kind: str) -> None:
    with pytest.raises(PictureError, match="camera raw, which holds no finished picture: develop"):
        decode(RAWS[kind](SMALL + bytes(500)))


def test_a_jpeg_that_says_itself_how_it_is_turned_is_heeded() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    jpeg = encode(picture(1800, 1200), exif=exif)
    found = decode_picture(RAWS["NEF"](jpeg))
    assert found.pixels.shape == (1200, 1800, 3)
    assert (found.pixels == decode(jpeg)).all()


def test_the_sensors_own_values_are_no_jpeg_to_judge() -> None:
    lossless = b"\xff\xd8\xff\xc3" + struct.pack(">HBHHB", 8, 14, 4000, 6000, 1) + bytes(99)
    with pytest.raises(PictureError, match="develop"):
        decode(RAWS["DNG"](lossless))


def test_a_plain_tiff_is_no_raw() -> None:
    assert decode_picture(encode(picture(), "TIFF")).notes == ()


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
def test_a_cr3_is_a_raw_and_no_video() -> None:
    with pytest.raises(PictureError, match="camera raw"):
        decode((CASES / "10-raw-thumb/IMG_0002.CR3").read_bytes())
