"""Turn EXIF, XMP, IPTC, PNG texts and comments into findings."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from unmask.evidence.containers import Parts
from unmask.evidence.exif import Exif, read_exif, user_comment
from unmask.evidence.finding import Finding, Source, clean
from unmask.evidence.generators import read_grok, read_text, read_tool
from unmask.evidence.iptc import read_iptc
from unmask.evidence.sourcetypes import read_source_type
from unmask.evidence.xmp import read_xmp

_MOST_TEXTS = 200
_SHOWN_STEPS = 12
_XMP_TOOLS = ("xmp:CreatorTool", "photoshop:Credit", "photoshop:Source", "tiff:Software",
              "tiff:Make", "tiff:Model", "stEvt:softwareAgent", "dc:creator")  # fmt: skip
_TOOL_FIELDS = ("Software", "Make", "Model", "Artist", "XPComment", "XPKeywords", "XPSubject")
_IPTC_TOOLS = ("OriginatingProgram", "Credit", "Source", "Byline", "SpecialInstructions")
_TEXT_TOOLS = frozenset(
    ("software", "source", "author", "creator", "title", "too", "swr", "comment")
)
_CAMERA_ONLY = ("ExposureTime", "FNumber", "ISOSpeedRatings", "FocalLength")


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
    for name in ("ImageDescription", "Title"):
        yield read_text(name, exif.text(name), "EXIF")
    comment = user_comment(exif.fields.get("UserComment", ""))
    yield read_text("UserComment", comment, "EXIF")
    # ComfyUI writes its prompt and workflow into the camera's fields of a WebP.
    for name in ("Make", "Model"):
        kind, _, rest = exif.text(name).partition(":")
        yield read_text(kind if rest else name, rest or kind, "EXIF")
    yield read_grok(exif.text("ImageDescription"), exif.text("Artist"))
    for name in _TOOL_FIELDS:
        value = exif.fields.get(name, "")
        text = value.decode("utf-16-le", "replace") if isinstance(value, bytes) else str(value)
        yield read_tool(name, text, "EXIF")
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
        if local == "digitalsourcetype":
            yield _source_type(values[0])
        elif local == "aigc" or name in ("dc:description", "exif:UserComment", "parameters"):
            yield read_text(name, values[0], "XMP")
    for name in _XMP_TOOLS:
        for value in fields.get(name, [])[:50]:
            yield read_tool(name, value, "XMP")
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
    for name in _IPTC_TOOLS:
        yield read_tool(name, fields.get(name, ""), "IPTC")
    for name in ("Caption", "SpecialInstructions"):
        yield read_text(name, fields.get(name, ""), "IPTC")
    if program := fields.get("OriginatingProgram"):
        yield _software(program, "IPTC", "OriginatingProgram")


def _from_texts(parts: Parts) -> Iterator[Finding | None]:
    source: Source = "PNG text" if parts.kind == "png" else "container"
    for key, text in parts.texts[:_MOST_TEXTS]:
        yield read_text(key, text, source)
        if key.strip().lower() in _TEXT_TOOLS:
            yield read_tool(key, text, source)
        if key.strip().lower() in ("software", "too", "swr"):
            yield _software(text, source, key)
    for comment in parts.comments[:_MOST_TEXTS]:
        text = comment[: 2**18].decode(errors="replace")
        yield read_text("comment", text, "comment")
        yield read_tool("comment", text, "comment")


def _distinct(found: list[Finding | None]) -> list[Finding]:
    """Keep the first of findings that say the same of the same place."""
    kept: dict[tuple[str, str, str], Finding] = {}
    for one in found:
        if one is not None:
            kept.setdefault((one.name, one.source, one.text), one)
    return list(kept.values())
