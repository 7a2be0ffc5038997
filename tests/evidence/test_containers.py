"""Boxes and chunks: where metadata lie in films and in files that are large."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from PIL import Image
from test_tools import PACKET

from clips import clip, frames
from pictures import encode, picture
from signing import AI, manifest, sign
from unmask.evidence.containers import take_apart
from unmask.evidence.inspect import inspect_bytes, inspect_file
from unmask.picture.decode import Limits

TYPE = "<e:DigitalSourceType>digsrctype:trainedAlgorithmicMedia</e:DigitalSourceType>"
LABEL = PACKET.format(TYPE)


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def avi(*chunks: bytes) -> bytes:
    lists = chunk(b"LIST", b"hdrl") + chunk(b"LIST", b"movi")
    return chunk(b"RIFF", b"AVI " + lists + b"".join(chunks))


def test_an_avi_is_taken_apart() -> None:
    info = chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"Sora 2\0") + chunk(b"INAM", b"Midjourney\0"))
    parts = take_apart(avi(info, chunk(b"C2PA", b"x"), chunk(b"_PMX", LABEL.encode())))
    assert (parts.kind, parts.has_c2pa) == ("avi", True)
    assert parts.texts == [("ISFT", "Sora 2"), ("INAM", "Midjourney")]
    names = [one.name for one in inspect_bytes(avi(info, chunk(b"_PMX", LABEL.encode())))]
    assert sorted(names) == ["generator.name", "iptc.ai", "software"]
    # A long film is several RIFF chunks in a row.
    long = avi() + chunk(b"RIFF", b"AVIX" + chunk(b"LIST", b"movi") + chunk(b"C2PA", b"x"))
    assert take_apart(long).has_c2pa
    for end in range(len(long)):
        take_apart(long[:end])


def test_a_film_of_many_fragments_is_read_to_its_end() -> None:
    head = box(b"ftyp", b"isom\0\0\0\0isom")
    uuid = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + LABEL.encode())
    fragment = box(b"moof", b"") + box(b"mdat", b"")
    assert "iptc.ai" in [one.name for one in inspect_bytes(head + fragment * 9000 + uuid)]


def test_quicktime_s_own_keys_are_read() -> None:
    keys = box(b"keys", b"\0\0\0\0\0\0\0\1" + box(b"mdta", b"com.apple.quicktime.software"))
    value = box(b"data", b"\0\0\0\1\0\0\0\0Sora 2")
    texts = box(b"ilst", box(b"\0\0\0\1", value))
    for version in (b"", b"\0\0\0\0"):
        meta = box(b"meta", version + box(b"hdlr", b"\0" * 24) + keys + texts)
        film = box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", meta)
        assert take_apart(film).texts == [("com.apple.quicktime.software", "Sora 2")]
        assert "generator.name" in [one.name for one in inspect_bytes(film)]


@pytest.mark.parametrize("kind", ["image/jpeg", "video/mp4", "video/avi"])
def test_a_file_beyond_the_limit_of_pictures_is_mapped_and_not_cut(
    kind: str, tmp_path: Path
) -> None:
    pytest.importorskip("c2pa")
    path = tmp_path / "file"
    data = (
        encode(picture(400, 300)) if kind == "image/jpeg" else clip(frames(5), kind.split("/")[1])
    )
    signed = sign(data, manifest(AI), kind)
    path.write_bytes(signed)
    found = {one.name: one for one in inspect_file(path, limits=Limits(max_bytes=4000))}
    assert found["c2pa.ai"].strength == "decisive"
    assert "c2pa.unreadable" not in found
    assert found["c2pa.valid"] == {one.name: one for one in inspect_bytes(signed)}["c2pa.valid"]


def test_a_large_tiff_is_read_where_its_directories_point() -> None:
    data = encode(picture(), "TIFF", tiffinfo={0x0131: "Midjourney v7"})
    assert "generator.name" in [one.name for one in inspect_bytes(data)]
    with Image.open(io.BytesIO(data)) as image:
        assert image.tag_v2[0x0131] == "Midjourney v7"
