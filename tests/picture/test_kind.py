"""A wrong file is answered by what it is."""

from __future__ import annotations

import io
import zipfile

import pytest

from clips import clip, frames
from pictures import encode, picture
from unmask.picture.decode import decode
from unmask.picture.errors import PictureError
from unmask.picture.kind import is_picture, kind_of


def packed(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "text")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
        (packed("[Content_Types].xml"), "an office document"),
        (packed("word/document.xml"), "an office document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an office document"),
        (packed("holiday/a.jpg"), "an archive (ZIP)"),
        (bytes(257) + b"ustar\0" + bytes(200), "an archive"),
        (b"\x1f\x8b\x08\0" + bytes(100), "an archive"),
        (b"Rar!\x1a\7\1\0", "an archive"),
        (b"hello, I am text\n" * 50, "a text file"),
        ("Grüße, liebe Leute".encode() * 300, "a text file"),
        ("Grüße".encode("utf-16"), "a text file"),
        (b"BMW and Audi are cars that many people drive.", "a text file"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "an SVG drawing"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"ID3\x04\0\0\0\0\0\0", "a sound file"),
        (b"\xff\xfb\x90\x44" + bytes(100), "a sound file"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a sound file"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "a sound file"),
        (b"MZ\x90\0\3\0\0\0", "a program"),
        (b"\x7fELF\2\1\1\0", "a program"),
        (b"#!/bin/sh\nexit 0\n", "a program"),
        (b"8BPS\0\1" + bytes(20), "a Photoshop document"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X        ", "AppleDouble"),
    ],
)
def test_wrong_kinds_are_named(data: bytes, name: str) -> None:
    assert name in kind_of(data).name
    assert not is_picture(data[:16])
    with pytest.raises(PictureError, match=r"^This is not a picture but a") as problem:
        decode(data)
    assert name in str(problem.value)
    assert "JPEG, PNG" in str(problem.value)


def test_bytes_of_no_known_kind_are_not_guessed() -> None:
    with pytest.raises(PictureError, match=r"not a picture in a format that unmask reads: JPEG"):
        decode(bytes(range(1, 256)) * 9)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_videos_are_sent_to_their_command(suffix: str) -> None:
    data = clip(frames(4), suffix)
    assert kind_of(data[:16]).is_video
    with pytest.raises(PictureError, match="for videos use `unmask video`"):
        decode(data)


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "MPO"]
)
def test_sixteen_bytes_tell_a_picture(kind: str) -> None:
    found = kind_of(encode(picture(), kind)[:16])
    assert found.is_picture
    assert not found.is_video


@pytest.mark.parametrize(
    "head",
    [
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
    ],
)
def test_camera_raws_are_pictures_and_no_videos(head: bytes) -> None:
    kind = kind_of(head)
    assert (kind.is_raw, kind.is_picture, kind.is_video) == (True, True, False)
