"""The names of AI generators, in the fields in which a program names itself.

A name counts only as a whole product: the field begins with it, and nothing follows but a version
and words that such fields are made of. So 'Midjourney v7' and 'Made with DALL·E 3 (OpenAI)' are
generators, and 'Randall E.', 'Imagen 1 de la boda' and 'not made with Midjourney' are none. Free
text, such as captions, keywords, credits and authors, is never searched.
"""

from __future__ import annotations

import re

from unmask.evidence.finding import Finding, Source, clean

# Coined names, which mean nothing else wherever a program or a maker is named.
_COINED = (
    r"mid\s?journey", r"niji[ -]?journey", r"(?:openai\s)?dall[-·•.\s]?e(?:[-\s]?[23])?",
    r"stable[\s_-]?diffusion(?:[\s_-]?xl)?", r"sdxl", r"stability(?:\.|\s)?ai", r"dream\s?studio",
    r"novel\s?ai(?:\sdiffusion)?", r"nai[\s_-]?diffusion", r"comfy\s?ui", r"invoke\s?ai", r"a1111",
    r"automatic1111", r"(?:ruined|default|simple)?fooocus(?:plus|\smre)?", r"(?:stable)?swarm\s?ui",
    r"sd[.\s]next", r"stable[\s_-]?diffusion[\s_-]?web[\s_-]?ui", r"easy\sdiffusion",
    r"mochi\s?diffusion", r"draw\s?things", r"diffusion\s?bee", r"guernika", r"waifu\s?diffusion",
    r"tensor[.\s]?art", r"sea\s?art(?:\.ai)?", r"civitai", r"leonardo[.\s]ai", r"night\s?cafe",
    r"playground\s?ai", r"krea[.\s]?ai", r"ideogram(?:[.\s]?ai)?", r"recraft(?:[.\s]?ai)?",
    r"black\sforest\slabs", r"flux[.\s-]?[12](?:\.\d)?(?:[\s-]?krea)?", r"flux[.\s-](?=dev|schnell|"
    r"pro|kontext|ultra)", r"(?:adobe\s)?firefly", r"bing\simage\screator",
    r"(?:microsoft\s|bing\s)?image\screator(?:\sfrom\s(?:microsoft\s)?designer)?",
    r"microsoft\sdesigner\simage\screator", r"azure\sopenai", r"open\s?ai",
    r"microsoft\sresponsible\sai(?:\simage\sprovenance)?",
    r"chat\s?gpt", r"gpt[\s-]?4o", r"gpt[\s-]?image", r"google\simagen", r"imagen[\s-]?[2-4]",
    r"imagefx", r"google\s(?:gemini|ai|veo)", r"gemini(?=\s\d)", r"nano[\s-]?banana",
    r"imagine(?:d)?\swith\s(?:meta\s)?ai",
    r"meta\sai", r"(?:xai\s)?grok(?=[\s-]?(?:\d|imagine|aurora|image))", r"seedream", r"jimeng",
    r"即梦(?:\s?ai)?", r"豆包", r"doubao", r"通义万相", r"文心一格", r"qwen[\s-]?image",
    r"hunyuan[\s-]?(?:image|video|dit)", r"kolors", r"hi\s?dream", r"craiyon", r"artbreeder",
    r"runway\s?ml", r"runway(?=\sgen)", r"luma\s(?:ai|dream\smachine)", r"kling\s?ai",
    r"hailuo\s?ai", r"pixverse", r"z-image", r"omnigen", r"bria\s?ai", r"photo\s?maker",
    r"ai[\s-]generated(?=;)",
)  # fmt: skip
# Words that name other things too: they count where a program names itself, not as a camera.
_COMMON = (r"gemini", r"sora", r"grok", r"flux", r"kling", r"hailuo", r"pika", r"krea", r"runway",
           r"leonardo", r"playground", r"jimeng", r"veo", r"imagen(?=$)", r"dreamina", r"invoke",
           r"wombo(?:\sdream)?", r"imagine")  # fmt: skip
_MADE_BY = (
    r"(?:(?:made|created|generated|powered|produced|edited)[\s_-](?:with|by|using|in)\s|"
    r"(?:adobe|google|microsoft|openai|xai|meta|bytedance|stability\s?ai)[\s_/-])?"
)
_PRODUCT = re.compile(
    rf"{_MADE_BY}(?:(?P<coined>{'|'.join(_COINED)})|(?:{'|'.join(_COMMON)}))(?![^\W_])",
    re.IGNORECASE,
)
# What may follow a product's name: versions, editions, and who makes or serves it.
_WORD = re.compile(
    r"ai|app|api|bot|beta|alpha|preview|turbo|pro|plus|ultra|max|mini|dev|schnell|kontext|"
    r"lite|fast|flash|quality|image|images|imagegen|video|generator|generation|creator|"
    r"creation|studio|model|models|diffusion|web|ui|webui|forge|neo|classic|xl|large|"
    r"medium|small|base|refiner|gen|inpainting|txt2img|img2img|text2image|hd|nano|banana|"
    r"niji|bing|designer|microsoft|azure|openai|google|adobe|xai|meta|bytedance|stability|"
    r"black|forest|labs|discord|desktop|server|release|build|final|stable|krea|flux|sdxl|"
    r"dall|dalle|e|gpt|chatgpt|gemini|grok|imagine|aurora|sora|imagen|firefly|veo|com|io|"
    r"art|via|by|from|for|on|using|with|and|the|mac|macos|ios|ipados|windows|linux|android|"
    r"core|client|provenance|c2pa|"
    r"v?(?:er|ersion)?\d\w{0,39}|[0-9a-f]{7,40}|v|version",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://\S+")
_GAPS = re.compile(r"[\s/:;,|()\[\]+&·•.@-]+")
# Of the makers that write themselves where a camera's maker stands.
_MAKERS = frozenset(
    ("black forest labs", "midjourney", "stability ai", "stability.ai", "openai", "novelai")
)
_CREDIT = re.compile(r"\s*(?:made|edited|created|generated) with (?:google|meta) ai\.?\s*", re.I)
_LONGEST_NAME = 200


def names_generator(text: str, *, coined: bool = False) -> bool:
    """Return whether a field in which a program names itself names an AI generator.

    Args:
        text: The field's value.
        coined: Take only names that mean nothing else.
    """
    # In names of C2PA and of user agents, a line stands for a space.
    name = text.strip("\0 \r\n\t").replace("_", " ")
    if not name or len(name) > _LONGEST_NAME:
        return False
    found = _PRODUCT.match(name)
    if found is None or (coined and found["coined"] is None):
        return False
    rest = _ADDRESS.sub("", name[found.end() :])
    return all(not word or _WORD.fullmatch(word) for word in _GAPS.split(rest))


def read_tool(key: str, text: str, source: Source) -> Finding | None:
    """Look for a generator in a field in which a program names itself.

    Args:
        key: The field's name.
        text: Its value.
        source: Where in the file it stands.
    """
    return _named(key, text, source) if names_generator(text) else None


def read_maker(key: str, text: str, source: Source) -> Finding | None:
    """Look for a generator's maker where the maker or model of a camera stands."""
    name = text.strip("\0 \r\n\t")
    if name.lower() in _MAKERS or names_generator(name, coined=True):
        return _named(key, text, source)
    return None


def read_credit(key: str, text: str, source: Source) -> Finding | None:
    """Recognise the very line that a service writes as credit.

    A credit is a caption, so it is weak.
    """
    if len(text) > _LONGEST_NAME or not _CREDIT.fullmatch(text):
        return None
    return Finding(
        "generator.credit",
        source,
        "ai",
        "weak",
        f"The credit line in '{clean(key, 40)}' is '{clean(text, 80)}', as a service writes it. A "
        "credit is a caption that anyone writes, so it decides nothing.",
        {clean(key, 40): clean(text)},
    )


def _named(key: str, text: str, source: Source) -> Finding:
    return Finding(
        "generator.name",
        source,
        "ai",
        "strong",
        f"The field '{clean(key, 40)}', in which a program names itself, names an AI generator: "
        f"'{clean(text, 80)}'. Anyone could have written it there.",
        {clean(key, 40): clean(text)},
    )
