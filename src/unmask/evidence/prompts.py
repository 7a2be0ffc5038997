"""The prompts, settings and labels that generators and their front ends leave in text fields.

Each is known by its structure, whatever the field is called: a sentence that speaks of a prompt is
none. All of them are written by anyone with a text editor: they are strong where they stand, for
hardly anybody forges them, and they never decide alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from unmask.evidence.finding import Finding, Source, clean
from unmask.evidence.tools import names_generator

LARGEST_PROMPT = 4 * 2**20
"""Characters of a field that are looked at: real workflows reach a megabyte."""
_MOST_MENTIONS = 32
_NEAR = 400
_DEEPEST = 3
_MOST_NODES = 5000

# The settings of Stable Diffusion's web UI and of the many that write as it does.
_STEPS = re.compile(r"\bSteps: ?\d{1,4}\b")
_SETTINGS = tuple(
    re.compile(rf"(?:^|[,\n])\s*(?:{names}): ?\S")
    for names in (
        "Sampler|Schedule type|Scheduler", "CFG scale|CFG Scale|Guidance scale|Guidance Scale|"
        "Distilled CFG Scale", "Seed", "Model hash|Model", "Size|Denoising strength|Clip skip",
    )
)  # fmt: skip
_MIDJOURNEY = re.compile(r"\bJob ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-")
_MOCHI = re.compile(r"Include in Image: .{0,4000}?Guidance Scale: [\d.]+.{0,400}?Seed: \d", re.S)
_INVOKE_DREAM = re.compile(r'^"?.{1,8000}"? -s ?\d+ .{0,40}-S ?-?\d+ .{0,80}-C ?[\d.]+', re.S)
_GROK = re.compile(r"^Signature: [A-Za-z0-9+/=]{40,}$")
_AIGC = re.compile(r"""\\*["']?Label\\*["']?\s*[:=]\s*\\*["']?([123])\b""")
_AIGC_OBJECT = re.compile(r"""\\*["']AIGC\\*["']\s*:\s*\\*["']?\{""")
# Some tools put a word before the JSON, as ComfyUI does in a WebP: 'workflow:{...}'.
_BEFORE_JSON = re.compile(r"\s*(?:[A-Za-z][\w .-]{0,40}:\s*)?(?=[\[{\"])")

# The keys under which front ends keep what a picture was made with; one of each row is a setting.
_PROMPTS = frozenset(
    (
        "prompt", "positive", "positive_prompt", "negative_prompt", "negativeprompt", "negative",
        "uc", "c", "full_prompt", "raw_prompt", "prompts", "original_prompt", "positiveprompt",
    )
)  # fmt: skip
_KINDS = (
    ("steps", "num_inference_steps", "ddim_steps", "sampling_steps", "inference_steps"),
    ("cfg", "cfg_scale", "cfgscale", "guidance_scale", "guidance", "scale", "guidancescale"),
    ("seed", "seeds", "noise_seed"),
    ("sampler", "sampler_name", "scheduler", "sampler_index", "samplername"),
)
_MODELS = ("model", "base_model", "base_model_name", "use_stable_diffusion_model", "model_hash",
           "model_weights", "basemodel", "modelname", "checkpoint")  # fmt: skip
_FEWEST_SETTINGS = 2
# By a key that one front end alone has.
_OWN_KEYS = {
    "sui_image_params": "SwarmUI",
    "fooocus_scheme": "Fooocus",
    "invokeai_metadata": "InvokeAI",
    "invokeai_graph": "InvokeAI",
    "invokeai_workflow": "InvokeAI",
    "sd-metadata": "InvokeAI",
    "use_stable_diffusion_model": "Easy Diffusion",
}


def read_text(key: str, text: str, source: Source) -> Finding | None:
    """Look for what a generator's front end writes into one text field.

    Args:
        key: The field's name.
        text: Its value.
        source: Where in the file it stands.
    """
    text = text[:LARGEST_PROMPT]
    if not text or text.isspace():
        return None
    if label := _aigc_label(key, text):
        return _labelled(label, key, text, source)
    maker = _maker(key, text)
    return None if maker is None else _prompt(maker, key, text, source)


def read_fields(texts: Iterable[tuple[str, str]], source: Source) -> Finding | None:
    """Look for settings that a front end spread over several text fields, one each."""
    fields = {key.strip().lower().replace(" ", "_"): text for key, text in texts}
    if not _is_settings(fields):
        return None
    maker = next((_OWN_KEYS[key] for key in fields if key in _OWN_KEYS), "a text-to-image program")
    key = next(key for key in fields if key in _PROMPTS)
    return _prompt(maker, key, fields[key], source)


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


def _prompt(maker: str, key: str, text: str, source: Source) -> Finding:
    return Finding(
        "generator.prompt",
        source,
        "ai",
        "strong",
        f"The field '{clean(key, 40)}' holds the prompt or settings of {maker}, as it writes them "
        "into what it makes. Anyone could have written them there.",
        {"maker": maker, clean(key, 40): clean(text)},
    )


def _maker(key: str, text: str) -> str | None:
    """Return the front end whose prompt or settings a text is; None for any other text."""
    start = _BEFORE_JSON.match(text)
    if start is not None:
        try:
            value = json.loads(text[start.end() :].rstrip("\0 \r\n\t"))
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict | str) and (maker := _of_json(value, _own(key))):
            return maker
    if key.strip().lower() == "fooocus_scheme" and text.strip() in ("fooocus", "a1111"):
        return "Fooocus"
    if _has_settings(text):
        return "Stable Diffusion web UI"
    if "Job ID: " in text and _MIDJOURNEY.search(text):
        return "Midjourney"
    if text.startswith("Include in Image: ") and _MOCHI.match(text):
        return "Mochi Diffusion"
    if key.strip().lower() == "dream" and _INVOKE_DREAM.match(text):
        return "InvokeAI"
    return None


def _own(key: str) -> str | None:
    """Return the front end that alone has a key and keeps an object of JSON under it."""
    return _OWN_KEYS.get(key.strip().lower())


def _of_json(value: Any, own: str | None, depth: int = 0) -> str | None:
    if isinstance(value, str) and depth < _DEEPEST and value[:1] in '{["':
        # Some front ends put JSON into a string of JSON.
        try:
            return _of_json(json.loads(value), own, depth + 1)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict):
        return None
    if own is not None:
        return own
    if _is_comfy_prompt(value) or _is_comfy_workflow(value):
        return "ComfyUI"
    keys = {str(key).lower(): one for key, one in value.items()}
    for key, one in keys.items():
        if key in _OWN_KEYS and isinstance(one, dict | str):
            return _OWN_KEYS[key]
        if key == "software" and isinstance(one, str) and names_generator(one):
            return clean(one, 40)
    if {"app_version", "generation_mode"} <= keys.keys() or "invoke-ai" in str(keys.get("app_id")):
        return "InvokeAI"
    if _is_settings(keys):
        return _of_settings(keys)
    if depth < _DEEPEST:
        inner = (
            one for one in list(value.values())[:_MOST_MENTIONS] if isinstance(one, dict | str)
        )
        return next((maker for one in inner if (maker := _of_json(one, None, depth + 1))), None)
    return None


def _is_comfy_prompt(value: Mapping[str, Any]) -> bool:
    """Whether this is ComfyUI's graph for its server: nodes by number, each of a class."""
    return any(
        isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
        for node in list(value.values())[:_MOST_NODES]
    )


def _is_comfy_workflow(value: Mapping[str, Any]) -> bool:
    """Whether this is ComfyUI's graph for its editor: nodes and links, numbered."""
    nodes, links = value.get("nodes"), value.get("links")
    if not isinstance(nodes, list) or not isinstance(links, list):
        return False
    numbered = (
        "last_node_id" in value or "last_link_id" in value or isinstance(value.get("state"), dict)
    )
    return numbered and all(isinstance(node, dict) and "type" in node for node in nodes)


def _is_settings(keys: Mapping[str, Any]) -> bool:
    """Whether fields, by their names in lower case, are a prompt and the settings of a sampler."""
    if not any(isinstance(keys.get(key), str | dict | list) for key in _PROMPTS):
        return False
    found = sum(any(_is_setting(keys.get(key)) for key in kind) for kind in _KINDS)
    return found + any(key in keys for key in _MODELS) > _FEWEST_SETTINGS


def _is_setting(value: Any) -> bool:
    """Whether a value is a number or a name, and no sentence."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float):
        return True
    return isinstance(value, str) and 0 < len(value) <= 64 and len(value.split()) <= 4


def _of_settings(keys: Mapping[str, Any]) -> str:
    if "uc" in keys and "c" in keys:
        return "Draw Things"
    if "uc" in keys and "scale" in keys:
        return "NovelAI"
    if "basemodel" in keys and "cfgscale" in keys:
        return "Tensor.Art"
    version = keys.get("version")
    if isinstance(version, str) and names_generator(version):
        return clean(version, 40)
    return "a text-to-image program"


def _has_settings(text: str) -> bool:
    """Whether the number of steps stands among other settings of a sampler."""
    if "Steps:" not in text:
        return False
    for found in _mentions(text):
        near = text[max(0, found.start() - _NEAR) : found.end() + _NEAR]
        if sum(bool(setting.search(near)) for setting in _SETTINGS) >= _FEWEST_SETTINGS:
            return True
    return False


def _mentions(text: str) -> Iterator[re.Match[str]]:
    for number, found in enumerate(_STEPS.finditer(text)):
        if number == _MOST_MENTIONS:
            return
        yield found


def _aigc_label(key: str, text: str) -> str:
    """Return the label of China's AIGC marking (GB 45438-2025), or nothing."""
    if key.rsplit(":", 1)[-1].upper() == "AIGC":
        place = 0
    elif "AIGC" in text and (start := _AIGC_OBJECT.search(text)):
        place = start.end()
    else:
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
