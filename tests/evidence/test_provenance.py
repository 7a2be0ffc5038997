"""What files say of themselves, and how much it counts."""

from __future__ import annotations

import io
import json
import struct
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fuzzing import PARSERS, cases
from pictures import encode, picture
from signing import AI, AI_PART, CAMERA, SIGNER, identity, manifest, sign
from tiny import shared_tiny_model
from unmask import Detector, Finding
from unmask.evidence.exif import read_exif
from unmask.evidence.finding import clean
from unmask.evidence.inspect import inspect_bytes, inspect_file
from unmask.evidence.xmp import read_xmp
from unmask.verdict.decide import weigh

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:d="http://purl.org/dc/elements/1.1/" {}>{}</rdf:Description></rdf:RDF></x:xmpmeta>'
)
SETTINGS = "a cat\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
WORKFLOW = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 1}}})


def names(data: bytes, **options: object) -> dict[str, Finding]:
    return {one.name: one for one in inspect_bytes(data, **options)}  # type: ignore[arg-type]


def png(**texts: str) -> bytes:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    return encode(picture(), "PNG", pnginfo=info)


# --- content credentials


@pytest.fixture(scope="module")
def plain() -> bytes:
    return encode(picture(200, 160), quality=85)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_an_intact_credential_that_says_ai_decides(kind: str) -> None:
    pytest.importorskip("c2pa")
    data = sign(encode(picture(), kind), manifest(AI), f"image/{kind.lower()}")
    found = names(data)
    assert found["c2pa.ai"].strength == "decisive"
    assert found["c2pa.valid"].details["signer"] == "Throw-away Signer"
    assert found["c2pa.valid"].details["actions"] == "c2pa.created"
    assert weigh("real", found.values()) == ("fake", "credential")
    assert weigh("real", found.values(), forced=True) == ("fake", "credential")


def test_a_credential_that_says_ai_was_in_the_parts_decides_too(plain: bytes) -> None:
    pytest.importorskip("c2pa")
    assert names(sign(plain, manifest(AI_PART)))["c2pa.ai"].strength == "decisive"


def test_a_credential_that_says_camera_informs_and_never_decides(plain: bytes) -> None:
    pytest.importorskip("c2pa")
    # The manifest that lies: 'camera' over any picture whatever.
    found = names(sign(plain, manifest(CAMERA)))
    assert found["c2pa.camera"].strength == "weak"
    for call in ("real", "unsure", "fake"):
        assert weigh(call, found.values()) == (call, "pixels")


def test_with_a_trust_list_only_its_signers_decide(plain: bytes) -> None:
    pytest.importorskip("c2pa")
    data = sign(plain, manifest(AI))
    assert names(data, trust=identity(SIGNER).root)["c2pa.ai"].strength == "decisive"
    stranger = names(data, trust=identity("Someone else").root)["c2pa.ai"]
    assert stranger.strength == "strong"
    assert weigh("real", [stranger]) == ("unsure", "metadata")


def test_an_altered_file_s_credential_counts_for_nothing(plain: bytes) -> None:
    pytest.importorskip("c2pa")
    data = bytearray(sign(plain, manifest(AI)))
    data[-200] ^= 1
    found = names(bytes(data))
    assert found["c2pa.altered"].says == "broken"
    assert "c2pa.ai" not in found
    assert weigh("real", found.values()) == ("real", "pixels")


def test_an_altered_claim_is_found_out(plain: bytes) -> None:
    pytest.importorskip("c2pa")
    data = sign(plain, manifest(CAMERA))
    lied = data.replace(b"digitalCapture", b"digitalCaptur3")
    assert lied != data
    assert "c2pa.altered" in names(lied)


def test_a_stripped_file_is_judged_as_one_that_never_had_any(plain: bytes) -> None:
    pytest.importorskip("c2pa")
    with Image.open(io.BytesIO(sign(plain, manifest(AI)))) as image:
        stripped = encode(image, quality=85)
    assert {one.source for one in inspect_bytes(stripped)} <= {"consistency"}
    assert weigh("real", inspect_bytes(stripped)) == ("real", "pixels")


def test_what_an_edited_file_was_made_from_counts(plain: bytes) -> None:
    pytest.importorskip("c2pa")
    made = sign(plain, manifest(AI))
    edited = sign(plain, manifest(None, "c2pa.opened"), parent=made)
    found = names(edited)["c2pa.ai"]
    assert found.strength == "decisive"
    assert "made from" in found.text


def test_without_the_library_credentials_are_named_and_not_believed(
    plain: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("c2pa")
    data = sign(plain, manifest(AI))
    monkeypatch.setitem(sys.modules, "c2pa", None)
    found = names(data)["c2pa.unverified"]
    assert "unmask[media]" in found.text
    assert weigh("real", [found]) == ("real", "pixels")


# What services give that tell no source: the library refuses to sign a creation without any.
EMPTY = "http://c2pa.org/digitalsourcetype/empty"


def agent(name: object, action: str = "c2pa.created") -> dict:
    claim = manifest(EMPTY, action)
    claim["assertions"][0]["data"]["actions"][0]["softwareAgent"] = name
    return claim


def test_the_software_that_created_a_picture_decides_where_no_source_type_does(
    plain: bytes,
) -> None:
    pytest.importorskip("c2pa")
    for name in ({"name": "Bing Image Creator"}, {"name": "Adobe Firefly", "version": "3"}):
        found = names(sign(plain, agent(name)))
        assert found["c2pa.ai"].strength == "decisive"
        assert found["c2pa.ai"].details["softwareAgent"] == name["name"]
        assert found["c2pa.valid"].details["software"] == name["name"]
    claim = manifest(EMPTY)
    claim["claim_generator_info"] = [{"name": "Adobe_Firefly"}]
    assert names(sign(plain, claim))["c2pa.ai"].strength == "decisive"


def test_other_software_and_other_actions_of_a_credential_do_not_decide(plain: bytes) -> None:
    pytest.importorskip("c2pa")
    for name in ("Adobe Photoshop", "Imagen de la boda", "Gemini Camera 2.0 Photo Editor"):
        assert "c2pa.ai" not in names(sign(plain, agent({"name": name})))
    edited = agent({"name": "Adobe Firefly"}, "c2pa.edited")
    edited["assertions"][0]["data"]["actions"].insert(
        0, {"action": "c2pa.created", "digitalSourceType": CAMERA}
    )
    assert names(sign(plain, edited))["c2pa.ai"].strength == "strong"
    opened = agent({"name": "Adobe Firefly"}, "c2pa.opened")
    assert "c2pa.ai" not in names(sign(plain, opened, parent=plain))


def test_a_source_type_under_a_prefix_of_its_own_is_read(plain: bytes) -> None:
    pytest.importorskip("c2pa")
    claim = manifest(None, "c2pa.opened")
    step = claim["assertions"][0]["data"]["actions"][0]
    step["parameters"]["com.adobe.digitalSourceType"] = AI
    assert names(sign(plain, claim, parent=plain))["c2pa.ai"].strength == "decisive"


def test_a_broken_box_is_one_finding(plain: bytes) -> None:
    body = b"JP\0\1\0\0\0\1" + struct.pack(">I", 40) + b"jumb" + b"c2pa" + b"\xff" * 30
    segment = b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body
    pytest.importorskip("c2pa")
    assert "c2pa.unreadable" in names(plain[:2] + segment + plain[2:])


# --- metadata


@pytest.mark.parametrize(
    ("texts", "maker"),
    [
        ({"parameters": SETTINGS}, "Stable Diffusion web UI"),
        ({"prompt": WORKFLOW}, "ComfyUI"),
        ({"workflow": '{"last_node_id": 1, "nodes": [], "links": []}'}, "ComfyUI"),
        ({"invokeai_metadata": "{}"}, "InvokeAI"),
        ({"parameters": '{"sui_image_params": {}}'}, "SwarmUI"),
        ({"Description": "a cat --v 6 Job ID: 0a1b2c3d-0000-4000-8000-000000000000"}, "Midjourney"),
        ({"fooocus_scheme": "fooocus"}, "Fooocus"),
    ],
)
def test_prompts_in_png_texts_are_strong_and_forgeable(texts: dict[str, str], maker: str) -> None:
    found = names(png(**texts))["generator.prompt"]
    assert (found.says, found.strength, found.details["maker"]) == ("ai", "strong", maker)
    assert "Anyone" in found.text
    assert weigh("unsure", [found]) == ("fake", "metadata")
    assert weigh("real", [found]) == ("unsure", "metadata")
    assert weigh("real", [found], forced=True) == ("real", "pixels")


def test_compressed_and_international_png_texts_are_read() -> None:
    info = PngInfo()
    info.add_text("parameters", SETTINGS, zip=True)
    assert "generator.prompt" in names(encode(picture(), "PNG", pnginfo=info))
    info = PngInfo()
    info.add_itxt("parameters", SETTINGS + " café", zip=True)
    assert "generator.prompt" in names(encode(picture(), "PNG", pnginfo=info))


def exif_of(**fields: object) -> bytes:
    tags = {"make": 0x010F, "model": 0x0110, "software": 0x0131, "description": 0x010E}
    exif = Image.Exif()
    for name, value in fields.items():
        if name in tags:
            exif[tags[name]] = value
    inner = {"comment": 0x9286, "iso": 0x8827, "width": 0xA002, "height": 0xA003}
    ifd = {inner[name]: value for name, value in fields.items() if name in inner}
    if ifd:
        exif.get_ifd(0x8769).update(ifd)
    return exif.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_exif_is_read_from_every_format(kind: str) -> None:
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
    data = encode(picture(), kind, exif=exif_of(make="Acme", model="Cam 1", iso=200))
    found = names(data)["exif.camera"]
    assert "Acme Cam 1" in found.text
    assert found.details["ISOSpeedRatings"] == "200"
    assert weigh("fake", [found]) == ("fake", "pixels")


@pytest.mark.parametrize("code", [b"UNICODE\0", b"ASCII\0\0\0"])
def test_a_user_comment_is_read_in_its_character_set(code: bytes) -> None:
    text = SETTINGS.encode("utf-16-be" if code.startswith(b"U") else "ascii")
    data = encode(picture(), exif=exif_of(comment=code + text))
    assert names(data)["generator.prompt"].source == "EXIF"


def test_the_names_of_generators_are_looked_for_where_tools_are_named() -> None:
    assert "generator.name" in names(encode(picture(), exif=exif_of(software="Midjourney v6")))
    caption = exif_of(description="the stable diffusion of gases, by ChatGPT readers")
    assert "generator.name" not in names(encode(picture(), exif=caption))


def test_xmp_source_types_tools_and_histories() -> None:
    packet = XMP.format(f'e:DigitalSourceType="{AI}" xmp:CreatorTool="Adobe Firefly"', "")
    found = names(encode(picture(), xmp=packet.encode()))
    assert found["iptc.ai"].strength == "strong"
    assert found["generator.name"].source == "XMP"
    nested = XMP.format("", f"<e:DigitalSourceType>{CAMERA}</e:DigitalSourceType>")
    assert names(encode(picture(), xmp=nested.encode()))["iptc.camera"].strength == "weak"
    history = (
        '<m:History xmlns:m="http://ns.adobe.com/xap/1.0/mm/" '
        'xmlns:s="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"><rdf:Seq>'
        '<rdf:li s:action="saved" s:softwareAgent="Photo Editor 1"/></rdf:Seq></m:History>'
    )
    found = names(encode(picture(), xmp=XMP.format("", history).encode()))
    assert found["xmp.history"].says == "edited"
    assert "Photo Editor 1" in found["xmp.history"].text


def test_iptc_credit_lines() -> None:
    line = b"Made with Google AI"
    record = b"\x1c\x02\x6e" + struct.pack(">H", len(line)) + line
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record
    body = b"Photoshop 3.0\0" + resource
    data = encode(picture())
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    found = names(data[:2] + segment + data[2:])["generator.credit"]
    # A credit is a caption, which anyone writes: told, and never heeded.
    assert (found.source, found.strength) == ("IPTC", "weak")
    assert weigh("real", [found]) == ("real", "pixels")


def test_the_chinese_label() -> None:
    found = names(png(AIGC='{"Label": "1", "ContentProducer": "x"}'))
    assert found["generator.label"].strength == "strong"
    assert names(png(AIGC='{"Label": "3"}'))["generator.label"].strength == "weak"


def test_a_file_that_says_nothing_is_judged_by_its_pixels() -> None:
    for call in ("real", "unsure", "fake"):
        assert weigh(call, inspect_bytes(encode(picture(), "PNG"))) == (call, "pixels")
        assert weigh(call, []) == (call, "pixels")


def test_no_weak_finding_of_any_kind_moves_a_verdict() -> None:
    for says in ("ai", "edited", "camera", "broken", "note"):
        for strength in ("weak", "none"):
            one = Finding("x", "EXIF", says, strength, "")  # type: ignore[arg-type]
            assert weigh("real", [one]) == ("real", "pixels")
    assert weigh("fake", [Finding("x", "EXIF", "camera", "decisive", "")]) == ("fake", "pixels")


# --- consistency


def with_thumbnail(
    image: Image.Image, thumbnail: Image.Image, size: tuple[int, int] = (160, 120)
) -> bytes:
    """Return a JPEG whose EXIF holds another picture as thumbnail."""
    small = encode(thumbnail.resize(size))
    head = b"II*\0" + struct.pack("<I", 8)
    first = struct.pack("<HI", 0, 14)
    second = struct.pack("<H", 2)
    start = 14 + 2 + 24 + 4
    second += struct.pack("<HHII", 0x0201, 4, 1, start)
    second += struct.pack("<HHII", 0x0202, 4, 1, len(small)) + struct.pack("<I", 0)
    return encode(image, exif=b"Exif\0\0" + head + first + second + small)


def test_a_thumbnail_of_something_else_is_found() -> None:
    image = picture(640, 480, 1)
    assert "consistency.thumbnail" not in names(with_thumbnail(image, image), deep=True)
    assert "consistency.thumbnail" in names(with_thumbnail(image, picture(640, 480, 2)), deep=True)
    cut = image.crop((0, 0, 300, 480))
    assert (
        "another shape"
        in names(with_thumbnail(cut, image), deep=True)["consistency.thumbnail"].text
    )


def night(width: int = 640, height: int = 480) -> Image.Image:
    """Return a picture whose upper and lower thirds are black."""
    pixels = np.asarray(picture(width, height, 1)).copy()
    pixels[: height // 3] = pixels[-height // 3 :] = 1
    return Image.fromarray(pixels)


def test_the_thumbnail_of_a_dark_picture_is_not_trimmed() -> None:
    for image in (night(), night().rotate(90, expand=True), Image.new("RGB", (640, 480), "black")):
        small = image.resize((160, 120) if image.width > image.height else (120, 160))
        data = with_thumbnail(image, small, small.size)
        assert "consistency.thumbnail" not in names(data, deep=True)


def test_a_dark_picture_squeezed_into_its_thumbnail_accuses_nobody() -> None:
    for size in ((480, 640), (720, 480)):
        image = night(*size).point(lambda value: value // 4)
        assert "consistency.thumbnail" not in names(with_thumbnail(image, image), deep=True)


def test_thumbnails_of_another_shape_are_fitted_before_they_accuse() -> None:
    for image in (picture(720, 480, 1), night(720, 480), picture(400, 640, 3)):
        bars = Image.new("RGB", (160, 120))
        inner = image.copy()
        inner.thumbnail((160, 120))
        bars.paste(inner, ((160 - inner.width) // 2, (120 - inner.height) // 2))
        assert "consistency.thumbnail" not in names(with_thumbnail(image, bars), deep=True)
        assert "consistency.thumbnail" not in names(with_thumbnail(image, image), deep=True)
    other = Image.new("RGB", (160, 120))
    other.paste(picture(160, 106, 2), (0, 7))
    assert "something else" in (
        names(with_thumbnail(picture(720, 480, 1), other), deep=True)["consistency.thumbnail"].text
    )


def test_sizes_that_do_not_fit() -> None:
    exif = exif_of(width=4000, height=3000)
    assert "consistency.size" in names(encode(picture(400, 300), exif=exif))
    assert "consistency.size" not in names(
        encode(picture(300, 400), exif=exif_of(width=400, height=300))
    )
    assert names(encode(picture(1024, 1024)))["consistency.dimensions"].strength == "none"


def noisy(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    smooth = np.asarray(picture(400, 400, seed), dtype=float)
    return Image.fromarray(
        np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype("uint8")
    )


def test_an_earlier_save_is_found_and_a_single_one_is_not() -> None:
    for seed in range(3):
        once = encode(noisy(seed), quality=92)
        assert "consistency.recompression" not in names(once, deep=True)
        with Image.open(io.BytesIO(encode(noisy(seed), quality=70))) as image:
            twice = encode(image.convert("RGB"), quality=92)
        found = names(twice, deep=True)["consistency.recompression"]
        assert abs(int(found.text.split("about ")[1].split(".")[0]) - 70) <= 3


def test_tables_that_do_not_fit_the_camera() -> None:
    assert "consistency.tables" in names(encode(picture(), exif=exif_of(make="Canon", model="X")))
    assert "consistency.tables" not in names(encode(picture(), exif=exif_of(make="Acme")))


# --- hostile input


def test_what_claims_to_be_gigabytes_stays_small() -> None:
    # Thousands of entries that all point to the same long value.
    count = 60000
    entries = b"".join(struct.pack("<HHII", 0x010F, 2, 2**30, 0) for _ in range(count))
    block = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", count) + entries
    assert len(read_exif([block]).text("Make")) <= 2**20
    bomb = zlib.compress(b"\0" * 50_000_000)
    chunk = struct.pack(">I4s", len(bomb) + 3, b"zTXt") + b"a\0\0" + bomb + b"\0\0\0\0"
    data = encode(picture(), "PNG")
    started = time.perf_counter()
    inspect_bytes(data[:33] + 40 * chunk + data[33:])
    assert time.perf_counter() - started < 5


def test_entities_are_never_followed() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a t="&c;"/>'
    assert read_xmp([bomb]) == {}
    deep = b"<a>" * 100_000
    assert read_xmp([deep]) == {}


def test_fields_come_out_printable_and_short() -> None:
    assert clean("a\x1b[31m\n\u202eb" + "x" * 5000).isprintable()
    assert len(clean("x" * 10**7)) == 300
    found = names(png(parameters=SETTINGS + "\x1b[2J" * 99))["generator.prompt"]
    assert "\x1b" not in json.dumps(found.to_json(), ensure_ascii=False)


def test_the_detector_keeps_pixels_and_metadata_apart(tmp_path: object) -> None:
    model = shared_tiny_model()
    detector, blind = Detector(model), Detector(model, provenance=False)
    data = png(parameters=SETTINGS)
    seen, unseen = detector.detect(data), blind.detect(data)
    assert seen.p_fake == unseen.p_fake
    assert [one.name for one in seen.evidence] == ["generator.prompt"]
    assert unseen.evidence == ()
    assert unseen.decided_by == "pixels"
    assert seen.verdict == weigh(unseen.verdict, seen.evidence)[0]  # type: ignore[arg-type]
    row = seen.to_json()
    assert row["evidence"][0]["strength"] == "strong"
    assert list(row)[:6] == [
        "path",
        "verdict",
        "p_fake",
        "category",
        "category_confidence",
        "error",
    ]


def test_a_path_and_its_bytes_say_the_same(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "one.png"
    path.write_bytes(png(parameters=SETTINGS))
    assert inspect_file(path) == inspect_file(path.read_bytes())


def test_damaged_files_end_in_findings_and_in_time() -> None:
    # bench/fuzz.py runs 20,000 of these.
    for number, (kind, data) in enumerate(cases(600)):
        started = time.perf_counter()
        PARSERS[kind](data)
        if number % 20 == 0:
            inspect_bytes(data, deep=True)
        assert time.perf_counter() - started < 5, number


def test_many_long_texts_are_read_in_time() -> None:
    long = b'Job Steps: 1, "class_type" AIGC Label' * 7000
    block = b"!\xfe" + b"".join(b"\xff" + long[at : at + 255] for at in range(0, 2**17, 255))
    data = b"GIF89a\x08\x00\x08\x00\x00\x00\x00" + 40 * (block + b"\0") + b";"
    started = time.process_time()
    inspect_bytes(data)
    assert time.process_time() - started < 5
