"""Prompts are known by their structure, wherever they stand and whatever they are called."""

from __future__ import annotations

import json
import struct
import time

import pytest
from PIL.PngImagePlugin import PngInfo
from test_tools import PACKET, tiff, with_xmp

from pictures import encode, picture
from unmask.evidence.inspect import inspect_bytes
from unmask.evidence.prompts import read_text
from unmask.evidence.texts import decode_text, decode_utf16

SETTINGS = "a cat\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
GRAPH = {"3": {"class_type": "KSampler", "inputs": {"seed": 1}}}
WORKFLOW = {
    "last_node_id": 1, "last_link_id": 1, "nodes": [{"id": 1, "type": "Note"}], "links": [],
    "version": 0.4,
}  # fmt: skip
FOOOCUS = {"prompt": "a cat", "negative_prompt": "", "steps": 30, "seed": "1", "sampler": "dpmpp",
           "guidance_scale": 4, "base_model": "x", "version": "Fooocus v2.5.5"}  # fmt: skip
TEXTS = [
    (SETTINGS, "Stable Diffusion web UI"),
    ("a cat Negative prompt: x Steps: 2, Size: 9x9, Seed: 5", "Stable Diffusion web UI"),
    ("a cat\nSampler: DPM++ 2M, Steps: 20, CFG scale: 7", "Stable Diffusion web UI"),
    (json.dumps(GRAPH), "ComfyUI"),
    (json.dumps(WORKFLOW), "ComfyUI"),
    ("workflow:" + json.dumps(WORKFLOW), "ComfyUI"),
    (json.dumps(json.dumps(GRAPH)), "ComfyUI"),
    (json.dumps({"3": {"class_type": "K", "inputs": {"x": float("nan")}}}), "ComfyUI"),
    (json.dumps({"sui_image_params": {"prompt": "a cat"}}), "SwarmUI"),
    (json.dumps(json.dumps({"software": "RuinedFooocus", "Prompt": "a"})), "RuinedFooocus"),
    (json.dumps(FOOOCUS), "Fooocus v2.5.5"),
    (json.dumps({"app_version": "5.4", "generation_mode": "txt2img"}), "InvokeAI"),
    (json.dumps({"app_id": "invoke-ai/InvokeAI", "image": {"prompt": []}}), "InvokeAI"),
    (json.dumps({"steps": 28, "sampler": "k", "seed": 1, "scale": 5.0, "uc": "x"}), "NovelAI"),
    (json.dumps({"c": "a cat", "uc": "", "sampler": "DPM", "seed": 1, "steps": 8}), "Draw Things"),
    (
        json.dumps({"prompt": "a", "negativePrompt": "", "steps": 25, "seed": "1", "cfgScale": 7,
                    "baseModel": {"modelFileName": "x"}}),
        "Tensor.Art",
    ),
    (
        json.dumps({"prompt": "a", "num_inference_steps": 28, "guidance_scale": 7, "seed": 1}),
        "a text-to-image program",
    ),
    ("a cat --v 6 Job ID: 0a1b2c3d-0000-4000-8000-000000000000", "Midjourney"),
    ("Include in Image: a cat; Model: sd; Guidance Scale: 11.0; Seed: 4", "Mochi Diffusion"),
]  # fmt: skip
NOT_PROMPTS = [
    "Writing prompt for pupils",
    "How to bake: Steps: 20, then wait",
    "Steps: 5000, Size: 42, walked today",
    '{"prompt": "Describe the picture", "author": "A. Teacher"}',
    '{"prompt": "Describe", "steps": "first read the whole text, then answer in full sentences"}',
    '{"nodes": 3, "links": 4}',
    '{"nodes": [{"id": "Paris"}], "links": [{"source": "Paris"}]}',
    '{"class_type": "history", "inputs": "none"}',
    'This is about the keys "class_type" and "inputs" of ComfyUI\'s workflow',
    '{"seed": 3, "scale": 2, "model": "Canon EOS"}',
    "Job ID: 4711, scanned at the museum",
    "The AIGC law asks for a Label: 1 in every file",
    "",
    " \0 ",
]


@pytest.mark.parametrize(("text", "maker"), TEXTS)
def test_a_prompt_is_known_under_any_name(text: str, maker: str) -> None:
    for key in ("parameters", "prompt", "x", "Comment"):
        found = read_text(key, text, "PNG text")
        assert found is not None
        assert (found.name, found.details["maker"]) == ("generator.prompt", maker)


@pytest.mark.parametrize("text", NOT_PROMPTS)
def test_a_text_of_prompts_is_none(text: str) -> None:
    for key in ("prompt", "negative_prompt", "parameters", "workflow", "dream", "Comment"):
        assert read_text(key, text, "PNG text") is None


def makers(data: bytes) -> list[str]:
    return [one.details["maker"] for one in inspect_bytes(data) if one.name == "generator.prompt"]


def png(**texts: str) -> bytes:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    return encode(picture(), "PNG", pnginfo=info)


def test_settings_spread_over_fields_are_known_together() -> None:
    fields = {"prompt": "a cat", "negative_prompt": "", "seed": "1", "num_inference_steps": "25",
              "guidance_scale": "7.5", "use_stable_diffusion_model": "sd"}  # fmt: skip
    assert makers(png(**fields)) == ["Easy Diffusion"]
    assert makers(png(prompt="Writing prompt for pupils")) == []
    assert makers(png(negative_prompt="none")) == []
    assert (
        makers(png(prompt="Say how", steps="first this and then that", seed="a seed of doubt"))
        == []
    )


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_workflow_alone_is_found_whatever_its_size(kind: str) -> None:
    large = WORKFLOW | {"nodes": [{"id": 1, "type": "Note", "widgets_values": ["x" * 300_000]}]}
    if kind == "PNG":
        assert makers(png(workflow=json.dumps(large))) == ["ComfyUI"]
        return
    for tag in (0x010F, 0x0110, 0x010E, 0x010D):
        block = tiff(tag, b"workflow:" + json.dumps(large).encode() + b"\0", 2)
        assert makers(encode(picture(), "WEBP", exif=block)) == ["ComfyUI"]


CHINESE = "一只猫坐在垫子上，景深\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("text", [SETTINGS, CHINESE])
def test_comments_in_utf_16_are_read_in_either_order(order: str, mark: str, text: str) -> None:
    value = b"UNICODE\0" + (mark + text).encode(order)
    # The comment stands in the inner directory, which follows the first one.
    inner = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0)
    inner += struct.pack("<HHHIII", 1, 0x9286, 7, len(value), 44, 0) + value
    for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
        assert makers(encode(picture(), kind, exif=inner)) == ["Stable Diffusion web UI"]


def test_texts_of_unknown_character_sets_are_decoded() -> None:
    for text in (SETTINGS, CHINESE, "café", "Ünïcode: 12"):
        assert decode_text(text.encode()) == text
        for order in ("utf-16-le", "utf-16-be"):
            assert decode_utf16(text.encode(order)) == text
            assert decode_text(("\ufeff" + text).encode(order)) == text
    assert decode_text("café".encode("latin-1")) == "café"
    assert decode_text(b"plain\0") == "plain"


def test_prompts_are_read_from_comments_captions_and_packets() -> None:
    assert makers(encode(picture(), comment=SETTINGS.encode())) == ["Stable Diffusion web UI"]
    assert makers(encode(picture(), comment=CHINESE.encode("utf-16-le")))
    assert makers(encode(picture(), "GIF", comment=json.dumps(GRAPH).encode())) == ["ComfyUI"]
    block = tiff(0x9C9C, SETTINGS.encode("utf-16-le") + b"\0\0", 1)
    assert makers(encode(picture(), exif=block)) == ["Stable Diffusion web UI"]
    packet = PACKET.format(f"<d:description>{SETTINGS}</d:description>")
    for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
        assert makers(with_xmp(kind, packet))


def extended(order: list[int]) -> bytes:
    """Return a JPEG whose extended XMP stands in parts of this order."""
    label = "<e:DigitalSourceType>digsrctype:trainedAlgorithmicMedia</e:DigitalSourceType>"
    packet = PACKET.format(f"<d:x>{'x' * 130_000}</d:x>{label}").encode()
    pieces = [(at, packet[at : at + 60_000]) for at in range(0, len(packet), 60_000)]
    out = b""
    for number in order:
        at, piece = pieces[number]
        body = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32
        body += struct.pack(">II", len(packet), at) + piece
        out += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    data = encode(picture())
    return data[:2] + out + data[2:]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 0, 1, 2]])
def test_extended_xmp_is_put_together_by_its_offsets(order: list[int]) -> None:
    assert "iptc.ai" in [one.name for one in inspect_bytes(extended(order))]


def test_nested_and_hostile_json_ends_in_time() -> None:
    started = time.process_time()
    for text in (
        "[" * 10**6,
        '{"a":' * 10**5,
        '{"a":' + "[1," * 10**6,
        '"' * 10**6,
        json.dumps({str(n): {"class_type": 1} for n in range(10**5)}),
        "Steps: 1, " * 10**5,
    ):
        read_text("prompt", text, "PNG text")
    assert time.process_time() - started < 5
