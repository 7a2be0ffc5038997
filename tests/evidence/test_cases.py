"""The inputs that users' reports led to: what is right of each.

They lie beside the repository (``../shared/cases``) and are skipped where they do not; the same
kinds are tested by inputs of our own in the other files of this folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask import Finding
from unmask.evidence.inspect import inspect_container, inspect_file

CASES = Path(__file__).parents[3] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")


def inspected(name: str) -> dict[str, Finding]:
    return {one.name: one for one in inspect_file(CASES / name)}


@pytest.mark.parametrize(
    "name",
    [
        "artist-randall-e-smith.jpg",
        "xpsubject-imagen-1.jpg",
        "xpcomment-not-ai.jpg",
        "png-prompt.png",
        "xmp-source-openai-handout.jpg",
    ],
)
def test_words_in_captions_accuse_nobody(name: str) -> None:
    assert not [one for one in inspect_file(CASES / "14-tool-words" / name) if one.says == "ai"]


def test_source_types() -> None:
    assert inspected("15-source-type/qcode.jpg")["iptc.ai"].strength == "strong"
    both = inspected("15-source-type/two-packets-camera-first.jpg")
    assert {"iptc.camera", "iptc.ai"} <= both.keys()
    system = inspected("15-source-type/iptc-2025-aisystem.jpg")["iptc.ai_system"]
    assert (system.strength, system.details["AISystemUsed"]) == ("strong", "Midjourney")
    assert inspected("39-misc/ext-swapped.jpg")["iptc.ai"].strength == "strong"


@pytest.mark.parametrize(
    ("name", "maker"),
    [
        ("uc-cn-le.jpg", "Stable Diffusion web UI"),
        ("novelai-stealth-alpha.png", "NovelAI"),
        ("comfy-workflow-only-200k.png", "ComfyUI"),
    ],
)
def test_prompts(name: str, maker: str) -> None:
    found = inspected(f"16-prompts/{name}")["generator.prompt"]
    assert (found.strength, found.details["maker"]) == ("strong", maker)


def test_credentials() -> None:
    pytest.importorskip("c2pa")
    assert inspected("22-c2pa/adobe-com-adobe-dst.jpg")["c2pa.ai"].strength == "decisive"
    bing = inspected("22-c2pa/bing-v2-no-dst.jpg")
    assert bing["c2pa.ai"].details["softwareAgent"] == "Bing Image Creator"
    assert bing["c2pa.valid"].details["software"] == "Bing Image Creator"
    film = inspect_container((CASES / "22-c2pa/ai.avi").read_bytes(), {})
    assert [one.strength for one in film if one.name == "c2pa.ai"] == ["decisive"]


def test_a_night_sky_is_not_cut() -> None:
    assert "consistency.thumbnail" not in inspected("26-thumbnail/night-sky.jpg")
