"""Words that name a generator, and words that only look so."""

from __future__ import annotations

import struct
import time

import pytest
from PIL.PngImagePlugin import PngInfo

from pictures import encode, picture
from unmask import Finding
from unmask.evidence.inspect import inspect_bytes, inspect_container
from unmask.evidence.tools import names_generator

GENERATORS = """Midjourney|Midjourney v6.1 (https://midjourney.com)|Adobe Firefly|Adobe_Firefly
DALL·E 3|DALL-E|DALLE3|OpenAI DALL-E 3|ChatGPT (GPT-4o)|gpt-image-1|OpenAI-API|Stable Diffusion
Stable Diffusion XL 1.0|NovelAI Diffusion V4.5|ComfyUI 0.3.10|InvokeAI 5.4|Draw Things 1.2
Mochi Diffusion 5.2|Mochi Diffusion|RuinedFooocus 1.56|RuinedFooocus|Fooocus v2.5.5|Tensor.art
Tensor.Art|TensorArt|Gemini|Google Gemini|Gemini 2.5 Flash Image (Nano Banana)|Sora|OpenAI Sora
Sora 2|FLUX.1|FLUX.1-dev|FLUX.1 [dev]|flux-dev|FLUX.1 Kontext [pro]|FLUX 1.1 Pro|Flux Pro
AI generated;txt2img;flux|AI generated;img2img;flux|Bing Image Creator|Microsoft_Responsible_AI/1.0
Image Creator from Designer|Azure OpenAI DALL-E|Leonardo.Ai|Ideogram 2.0|Recraft V3|Krea AI
Grok Imagine|Imagen 3|Google Imagen 4|Seedream 4.0|Made with Midjourney|Runway Gen-3 Alpha
Luma Dream Machine|SwarmUI 0.9|NightCafe Creator|Qwen-Image|即梦AI|豆包|Black Forest Labs"""
OTHERS = """Adobe Photoshop 25.0|Adobe Photoshop 2024 (Macintosh)|Randall E. Smith|Randall-E
Imagen 1 de la boda|Imagen 1|NOT AI-generated|This photo is NOT AI-generated|Sam Altman; OpenAI
OpenAI/Handout via REUTERS|Not made with Midjourney|Photo made without Midjourney|no Midjourney
Gemini Camera 2.0 Photo Editor|Gemini PDA 4G|f.lux|Krea Skincare|Leonardo da Vinci|Sora Aoi
Playground Photo Kit|Imaging 3|DALL-Edit|Darktable 4.6|GIMP 2.10|Runway Fashion|Flux Capacitor
Microsoft Windows Photo Viewer|Google|Picasa|Midjourney-free|Stable Diffusion of gases
Firefly luminosa|FireflyCam 8S|Adobe Lightroom 13.0|Topaz Photo AI 2.1|Luminar AI|HDR+ 1.0.6|17.2.1
Kling-Klang|Veolia|Soraya|OpenAIR|Fluxbox|Photo AI|AI|Pro 3|Meta Quest 3|DALLAS 2|Wendall E 5
Adobe Photoshop 25 with Stable Diffusion plugin|Grok Photo Booth|Dallmeyer"""


def listed(text: str) -> list[str]:
    return [name for line in text.splitlines() for name in line.split("|")]


@pytest.mark.parametrize("name", listed(GENERATORS))
def test_a_program_that_is_a_generator_is_known(name: str) -> None:
    assert names_generator(name)


@pytest.mark.parametrize("name", listed(OTHERS))
def test_what_only_holds_such_a_word_is_none(name: str) -> None:
    assert not names_generator(name)


def test_a_hostile_name_takes_no_time() -> None:
    started = time.process_time()
    for text in (
        "Midjourney" + " pro" * 48,
        "flux " * 40,
        "Midjourney" + "-" * 180 + "!",
        "1-" * 90,
    ):
        names_generator(text)
        names_generator("x" * 10**7)
    assert time.process_time() - started < 0.1


# --- where a name may stand

ASCII_TAGS = {"description": 0x010E, "make": 0x010F, "model": 0x0110, "software": 0x0131,
              "artist": 0x013B, "copyright": 0x8298}  # fmt: skip
WIDE_TAGS = {"title": 0x9C9B, "comment": 0x9C9C, "author": 0x9C9D, "keywords": 0x9C9E,
             "subject": 0x9C9F}  # fmt: skip


def tiff(tag: int, value: bytes, kind: int) -> bytes:
    """Return an EXIF block with one field."""
    head = b"II*\0" + struct.pack("<IHHHII", 8, 1, tag, kind, len(value), 26)
    return b"Exif\0\0" + head + b"\0\0\0\0" + value


def with_xmp(kind: str, packet: str) -> bytes:
    """Return a picture with an XMP packet, which Pillow does not write into a PNG by itself."""
    if kind != "PNG":
        return encode(picture(), kind, xmp=packet.encode())
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet)
    return encode(picture(), kind, pnginfo=info)


def strong(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.says == "ai" and one.strength in ("strong", "decisive")]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("name", ["description", "artist", "copyright"])
def test_captions_and_authors_of_exif_are_never_searched(kind: str, name: str) -> None:
    for text in ("Midjourney", "Stable Diffusion", "DALL-E", "made with ChatGPT"):
        block = tiff(ASCII_TAGS[name], text.encode() + b"\0", 2)
        assert not strong(inspect_bytes(encode(picture(), kind, exif=block)))


@pytest.mark.parametrize("name", WIDE_TAGS)
def test_windows_fields_are_never_searched(name: str) -> None:
    for text in ("Midjourney", "Imagen 1 de la boda", "NOT AI-generated", "Sam Altman; OpenAI"):
        block = tiff(WIDE_TAGS[name], text.encode("utf-16-le") + b"\0\0", 1)
        assert not strong(inspect_bytes(encode(picture(), exif=block)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_software_of_exif_names_a_generator(kind: str) -> None:
    for text in ("Mochi Diffusion 5.2", "AI generated;txt2img;flux", "Gemini", "Tensor.art"):
        block = tiff(ASCII_TAGS["software"], text.encode() + b"\0", 2)
        (found,) = strong(inspect_bytes(encode(picture(), kind, exif=block)))
        assert (found.name, found.source) == ("generator.name", "EXIF")


def test_a_camera_is_named_like_a_generator_only_by_its_maker() -> None:
    def of(name: str, text: str) -> list[Finding]:
        return strong(
            inspect_bytes(encode(picture(), exif=tiff(ASCII_TAGS[name], text.encode() + b"\0", 2)))
        )

    assert of("make", "Black Forest Labs")
    for text in ("Gemini", "Sora", "Leonardo", "FLUX", "Firefly Cam"):
        assert not of("make", text)
        assert not of("model", text)


PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:p="http://ns.adobe.com/photoshop/1.0/" xmlns:d="http://purl.org/dc/elements/1.1/" '
    'xmlns:t="http://ns.adobe.com/tiff/1.0/">{}</rdf:Description></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("field", ["p:Credit", "p:Source", "p:AuthorsPosition", "d:creator",
                                   "d:title", "d:description", "d:subject", "d:rights",
                                   "p:Instructions", "p:CaptionWriter", "p:Headline"])  # fmt: skip
def test_captions_and_credits_of_xmp_are_never_searched(field: str) -> None:
    for text in ("OpenAI/Handout via REUTERS", "Midjourney", "Made with Google AI"):
        packet = PACKET.format(f"<{field}>{text}</{field}>")
        for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
            assert not strong(inspect_bytes(with_xmp(kind, packet)))


def test_the_very_credit_line_of_a_service_is_a_weak_note() -> None:
    packet = PACKET.format("<p:Credit>Made with Google AI</p:Credit>")
    found = {one.name: one for one in inspect_bytes(encode(picture(), xmp=packet.encode()))}
    assert found["generator.credit"].strength == "weak"


@pytest.mark.parametrize("field", ["xmp:CreatorTool", "t:Software"])
def test_the_tools_of_xmp_name_a_generator(field: str) -> None:
    for text in ("RuinedFooocus", "Adobe Firefly 3"):
        packet = PACKET.format(f"<{field}>{text}</{field}>")
        (found,) = strong(inspect_bytes(encode(picture(), xmp=packet.encode())))
        assert found.name == "generator.name"


def test_iptc_names_the_ai_system_that_made_a_picture() -> None:
    def of(text: str) -> list[str]:
        packet = PACKET.format(f"<e:AISystemUsed>{text}</e:AISystemUsed>")
        return [one.name for one in strong(inspect_bytes(encode(picture(), xmp=packet.encode())))]

    assert of("Midjourney") == ["iptc.ai_system"]
    assert of("A model of our own, version 2") == ["iptc.ai_system"]
    for text in ("none", "No AI was used", "not applicable", "N/A", "-", "keine", "without AI"):
        assert of(text) == []
    packet = PACKET.format("<e:AIPromptInformation>a cat</e:AIPromptInformation>")
    found = {one.name: one for one in inspect_bytes(encode(picture(), xmp=packet.encode()))}
    assert found["iptc.ai_prompt"].strength == "weak"


@pytest.mark.parametrize(
    "value",
    [
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia/",
        "digsrctype:trainedAlgorithmicMedia",
        "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData",
        "trainedAlgorithmicMedia",
    ],
)
def test_source_types_are_read_in_each_spelling(value: str) -> None:
    for field in ("DigitalSourceType", "DigitalSourcefileType"):
        packet = PACKET.format(f"<e:{field}>{value}</e:{field}>")
        (found,) = strong(inspect_bytes(with_xmp("PNG", packet)))
        assert found.name == "iptc.ai"


def test_all_source_types_count_and_not_only_the_first() -> None:
    values = "".join(
        f"<rdf:li>digsrctype:{name}</rdf:li>"
        for name in ("digitalCapture", "minorHumanEdits", "trainedAlgorithmicMedia")
    )
    body = f"<e:DigitalSourceType><rdf:Bag>{values}</rdf:Bag></e:DigitalSourceType>"
    found = inspect_bytes(encode(picture(), xmp=PACKET.format(body).encode()))
    assert {one.name for one in found if one.source == "XMP"} == {
        "iptc.camera", "iptc.edited", "iptc.ai",
    }  # fmt: skip


def test_the_texts_of_films_name_a_program_and_no_more() -> None:
    def of(**texts: str) -> list[Finding]:
        return strong(inspect_container(b"", texts))

    for key in ("encoder", "software", "com.apple.quicktime.software"):
        (found,) = of(**{key: "Sora 2"})
        assert found.name == "generator.name"
    assert not of(title="Midjourney", artist="Sora", comment="NOT AI-generated", author="DALL-E")
    assert not of(encoder="Lavf61.7.100", description="made with ChatGPT")
