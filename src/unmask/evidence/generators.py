"""The marks that generators and their front ends leave in text fields.

All of them are written by anyone with a text editor: they are strong where they stand, for hardly
anybody forges them, and they never decide alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from unmask.evidence.finding import Finding, Source, clean

_SETTINGS = re.compile(r"\bSteps: \d+, (?:Sampler|Schedule type|Seed|CFG scale|Size)[^\n]{0,40}:")
_MIDJOURNEY = re.compile(r"\bJob ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-")
_AIGC = re.compile(r"[\"']?Label[\"']?\s*[:=]\s*[\"']?([123])\b")
_GROK = re.compile(r"^Signature: [A-Za-z0-9+/=]{40,}$")
# Looked for in fields that name a tool or a source, never in captions, where any word may stand.
_TOOLS = re.compile(
    r"midjourney|stable[ -]?diffusion|novelai|dall[-· ·]?e\b|adobe firefly|comfyui|invokeai|"
    r"draw things|automatic1111|fooocus|swarmui|leonardo\.ai|ideogram|(?:made|edited) with google "
    r"ai|google gemini|imagen \d|chatgpt|openai|\bgrok\b|bing image creator|image creator|runwayml|"
    r"made with (?:meta )?ai|imagined with ai|ai[- ]generated|generated (?:by|with) ai|flux\.1|"
    r"nightcafe|dreamstudio|playground ai|krea\.ai|recraft|seedream|jimeng|doubao",
    re.IGNORECASE,
)
_LOOKED_AT = 2**17
_LONGEST_NAME = 2**11


def _has(*words: str) -> Callable[[str], bool]:
    return lambda text: all(word in text for word in words)


# By keyword of a text field, where a front end has one of its own.
_BY_KEY = {
    "fooocus_scheme": "Fooocus",
    "invokeai_metadata": "InvokeAI",
    "invokeai_graph": "InvokeAI",
    "invokeai_workflow": "InvokeAI",
    "sd-metadata": "InvokeAI",
    "dream": "InvokeAI",
    "use_stable_diffusion_model": "Easy Diffusion",
    "negative_prompt": "a text-to-image program",
    "negative prompt": "a text-to-image program",
    "prompt": "a text-to-image program",
}
# By what a text holds, wherever it stands; the first that fits names the front end.
_BY_TEXT: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("SwarmUI", _has("sui_image_params")),
    ("ComfyUI", _has('"class_type"', '"inputs"')),
    ("ComfyUI", _has('"nodes"', '"links"', '"last_node_id"')),
    ("InvokeAI", _has('"app_version"', '"generation_mode"')),
    ("NovelAI", _has('"sampler"', '"uc"', '"scale"')),
    ("Stable Diffusion web UI", lambda text: "Steps: " in text and bool(_SETTINGS.search(text))),
    ("Midjourney", lambda text: "Job ID" in text and bool(_MIDJOURNEY.search(text))),
    ("Draw Things", _has('"c":', '"uc":', '"sampler":')),
)


def read_text(key: str, text: str, source: Source) -> Finding | None:
    """Look for a front end's mark in one text field.

    Args:
        key: The field's name.
        text: Its value.
        source: Where in the file it stands.
    """
    text = text[:_LOOKED_AT]
    if not text.strip():
        return None
    if label := _aigc(key, text):
        return _labelled(label, key, text, source)
    maker = next((name for name, fits in _BY_TEXT if fits(text)), None)
    maker = maker or _BY_KEY.get(key.strip().lower())
    if maker is None:
        return None
    return Finding(
        "generator.prompt",
        source,
        "ai",
        "strong",
        f"The field '{clean(key, 40)}' holds the prompt or settings of {maker}, as it writes them "
        "into what it makes. Anyone could have written them there.",
        {"maker": maker, clean(key, 40): clean(text)},
    )


def read_tool(key: str, text: str, source: Source) -> Finding | None:
    """Look for a generator's name in a field that names a tool, a maker or a source."""
    found = _TOOLS.search(text[:_LONGEST_NAME])
    if found is None:
        return None
    return Finding(
        "generator.name",
        source,
        "ai",
        "strong",
        f"The field '{clean(key, 40)}' names an AI generator or says that the picture is AI-made: "
        f"'{clean(text, 80)}'. Anyone could have written it there.",
        {clean(key, 40): clean(text)},
    )


def read_grok(description: str, artist: str) -> Finding | None:
    """Recognise the signature that xAI's generator writes into the description."""
    if not (_GROK.match(description) and re.fullmatch(r"[0-9a-f-]{36}", artist)):
        return None
    return Finding(
        "generator.signature",
        "EXIF",
        "ai",
        "strong",
        "The description is a signature of the form that Grok (xAI) writes into its pictures; it "
        "cannot be checked here.",
        {"ImageDescription": clean(description), "Artist": clean(artist)},
    )


def _aigc(key: str, text: str) -> str:
    """Return the label of China's AIGC marking (GB 45438-2025), or nothing."""
    named = key.rsplit(":", 1)[-1].upper() == "AIGC"
    place = 0 if named else text.find('"AIGC"')
    if place < 0:
        return ""
    found = _AIGC.search(text[place : place + 2000])
    return found.group(1) if found else ""


def _labelled(label: str, key: str, text: str, source: Source) -> Finding:
    word = {"1": "AI-made", "2": "perhaps AI-made", "3": "suspected to be AI-made"}[label]
    return Finding(
        "generator.label",
        source,
        "ai",
        "strong" if label == "1" else "weak",
        f"The file is labelled as {word} in the form that GB 45438-2025 asks of Chinese services. "
        "Anyone could have written it there.",
        {clean(key, 40): clean(text)},
    )
