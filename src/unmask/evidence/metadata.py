"""Turn EXIF, XMP, IPTC, PNG texts and comments into findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from unmask.evidence.exif import Exif, read_exif
from unmask.evidence.finding import Finding, Source, clean
from unmask.evidence.iptc import read_iptc
from unmask.evidence.parts import Parts
from unmask.evidence.prompts import read_fields, read_grok, read_text
from unmask.evidence.sourcetypes import read_source_type
from unmask.evidence.texts import decode_text
from unmask.evidence.tools import read_credit, read_maker, read_tool
from unmask.evidence.xmp import read_xmp

_MOST_TEXTS = 200
_SHOWN_STEPS = 12
# Fields in which a program names itself; captions, credits, keywords and authors are none.
_EXIF_TOOLS = ("Software", "ProcessingSoftware", "ImageEditingSoftware")
_XMP_TOOLS = ("xmp:CreatorTool", "tiff:Software", "exif:Software", "stEvt:softwareAgent")
_TEXT_TOOLS = frozenset(
    (
        "software", "too", "swr", "encoder", "encoding_tool", "isft", "creator_tool",
        "com.apple.quicktime.software",
    )
)  # fmt: skip
# Fields in which a front end may keep a prompt; it is known by its structure alone.
_EXIF_TEXTS = ("ImageDescription", "DocumentName", "Title", "XPTitle", "XPComment", "XPSubject",
               "XPKeywords", "UserComment", "Software", "Make", "Model")  # fmt: skip
_XMP_TEXTS = frozenset(
    (
        "dc:description", "dc:title", "exif:UserComment", "tiff:ImageDescription",
        "photoshop:Instructions", "xmp:CreatorTool", "parameters", "prompt", "workflow", "aigc",
    )
)  # fmt: skip
_CAMERA_ONLY = ("ExposureTime", "FNumber", "ISOSpeedRatings", "FocalLength")
_DENIAL = re.compile(
    r"\b(no|not|none|non|never|without|nil|null|n/?a|false|kein\w*|nein|nicht|ohne|sans|aucun\w*|sin|"
    r"ningun[oa]?|nessun\w*|unknown)\b|^[\W\d]*$",
    re.IGNORECASE,
)


def read_metadata(parts: Parts) -> tuple[list[Finding], Exif]:
    """Read all blocks of metadata.

    Returns:
        The findings, and the EXIF fields for the checks of consistency.
    """
    exif = read_exif(parts.exif)
    found = [
        *_from_exif(exif),
        *_from_xmp(read_xmp(parts.xmp)),
        *_from_iptc(read_iptc(parts.iptc)),
        *_from_texts(parts),
    ]
    return _distinct(found), exif


def _from_exif(exif: Exif) -> Iterator[Finding | None]:
    # ComfyUI writes its prompt and workflow into the camera's fields of a WebP.
    for name in _EXIF_TEXTS:
        yield read_text(name, exif.text(name), "EXIF")
    yield read_grok(exif.text("ImageDescription"), exif.text("Artist"))
    for name in _EXIF_TOOLS:
        yield read_tool(name, exif.text(name), "EXIF")
    for name in ("Make", "Model"):
        yield read_maker(name, exif.text(name), "EXIF")
    yield _camera(exif)
    if software := exif.text("Software").strip():
        yield _software(software, "EXIF", "Software")


def _camera(exif: Exif) -> Finding | None:
    make, model = exif.text("Make").strip(), exif.text("Model").strip()
    if not (make or model) or len(make) + len(model) > 120:
        return None
    taken = [name for name in _CAMERA_ONLY if name in exif.fields]
    fields = {"Make": make, "Model": model, "DateTimeOriginal": exif.text("DateTimeOriginal")}
    fields |= {name: _number(exif.fields[name]) for name in taken}
    fields["GPS"] = "present" if exif.has_gps else ""
    name = model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()
    doubt = "" if taken else " The exposure, which cameras write too, is not there."
    return Finding(
        "exif.camera",
        "EXIF",
        "camera",
        "weak",
        f"The file names a camera: {clean(name, 80)}.{doubt} Anyone could have written it there; "
        "it informs and decides nothing.",
        {key: clean(value) for key, value in fields.items() if value},
    )


def _number(value: object) -> str:
    return f"{float(value):g}" if isinstance(value, Fraction) else str(value)


def _software(software: str, source: Source, key: str) -> Finding:
    return Finding(
        "software",
        source,
        "note",
        "none",
        f"The file names the software that wrote it: {clean(software, 80)}.",
        {key: clean(software)},
    )


def _from_xmp(fields: dict[str, list[str]]) -> Iterator[Finding | None]:
    for name, values in fields.items():
        local = name.rsplit(":", 1)[-1].lower()
        for value in dict.fromkeys(values[:_MOST_TEXTS]):
            if local in ("digitalsourcetype", "digitalsourcefiletype"):
                yield _source_type(value)
            elif local == "aisystemused":
                yield _ai_system(value, fields)
            elif local == "aipromptinformation":
                yield _ai_prompt(value)
            elif name in _XMP_TEXTS or local in _XMP_TEXTS:
                yield read_text(name, value, "XMP")
            if name in _XMP_TOOLS:
                yield read_tool(name, value, "XMP")
            elif name in ("tiff:Make", "tiff:Model"):
                yield read_maker(name, value, "XMP")
            elif name in ("photoshop:Credit", "photoshop:Source"):
                yield read_credit(name, value, "XMP")
    if tools := fields.get("xmp:CreatorTool"):
        yield _software(tools[0], "XMP", "xmp:CreatorTool")
    yield _history(fields)
    if remote := fields.get("dcterms:provenance"):
        yield Finding(
            "c2pa.remote",
            "XMP",
            "note",
            "none",
            "The file says that its Content Credentials lie on the network; they were not fetched.",
            {"dcterms:provenance": clean(remote[0])},
        )


def _ai_system(value: str, fields: dict[str, list[str]]) -> Finding | None:
    if _DENIAL.search(value):
        return None
    version = " ".join(fields.get("Iptc4xmpExt:AISystemVersionUsed", [])[:1])
    return Finding(
        "iptc.ai_system",
        "XMP",
        "ai",
        "strong",
        f"The file says in IPTC's field for it that an AI system made it: '{clean(value, 80)}' "
        "(not signed). Anyone could have written it there.",
        {"AISystemUsed": clean(value), **({"version": clean(version)} if version else {})},
    )


def _ai_prompt(value: str) -> Finding | None:
    if _DENIAL.fullmatch(value.strip(" .")):
        return None
    return Finding(
        "iptc.ai_prompt",
        "XMP",
        "ai",
        "weak",
        "IPTC's field for what a generator was asked for is filled in. It is free text, so it "
        "decides nothing.",
        {"AIPromptInformation": clean(value)},
    )


def _source_type(value: str) -> Finding | None:
    known = read_source_type(value)
    if known is None:
        return None
    name, says, meaning = known
    return Finding(
        f"iptc.{says}",
        "XMP",
        says,
        "strong" if says == "ai" else "weak",
        f"The file is labelled as {meaning} (IPTC digital source type, not signed). Anyone could "
        "have written it there.",
        {"DigitalSourceType": name},
    )


def _history(fields: dict[str, list[str]]) -> Finding | None:
    actions, agents = fields.get("stEvt:action", []), fields.get("stEvt:softwareAgent", [])
    raw = "crs:HasSettings" in fields or "crs:Version" in fields
    if not actions and not raw:
        return None
    tools = ", ".join(dict.fromkeys(agents)) or "raw development settings"
    return Finding(
        "xmp.history",
        "XMP",
        "edited",
        "weak",
        f"The file keeps a history of {len(actions)} step{'s' * (len(actions) != 1)} in "
        f"{clean(tools, 120)}. Developing and retouching a photo is common and makes it no fake.",
        {"actions": clean(", ".join(actions[:_SHOWN_STEPS])), "software": clean(tools)},
    )


def _from_iptc(fields: dict[str, str]) -> Iterator[Finding | None]:
    for name in ("Caption", "SpecialInstructions"):
        yield read_text(name, fields.get(name, ""), "IPTC")
    for name in ("Credit", "Source"):
        yield read_credit(name, fields.get(name, ""), "IPTC")
    if program := fields.get("OriginatingProgram"):
        yield read_tool("OriginatingProgram", program, "IPTC")
        yield _software(program, "IPTC", "OriginatingProgram")


def _from_texts(parts: Parts) -> Iterator[Finding | None]:
    source: Source = "PNG text" if parts.kind == "png" else "container"
    texts = parts.texts[:_MOST_TEXTS]
    for key, text in texts:
        yield read_text(key, text, source)
        if key.strip().lower() in _TEXT_TOOLS:
            yield read_tool(key, text, source)
        if key.strip().lower() in ("software", "too", "swr", "isft"):
            yield _software(text, source, key)
    yield read_fields(texts, source)
    for comment in parts.comments[:_MOST_TEXTS]:
        yield read_text("comment", decode_text(comment), "comment")


def _distinct(found: list[Finding | None]) -> list[Finding]:
    """Keep the first of findings that say the same of the same place."""
    kept: dict[tuple[str, str, str], Finding] = {}
    for one in found:
        if one is not None:
            kept.setdefault((one.name, one.source, one.text), one)
    return list(kept.values())
