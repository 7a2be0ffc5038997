"""Content Credentials (C2PA): a signed record of where a file is from, verified offline.

Verification is that of the C2PA reference library (`c2pa-python`, extra ``media``), without any
fetch over the network. What is signed is a claim of its signer: an intact credential proves that
the file is as it was signed, and who holds the key; that the claim is true, nobody can prove.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from unmask.evidence.finding import Finding, Says, Strength, clean
from unmask.evidence.parts import Bytes, as_stream
from unmask.evidence.sourcetypes import AI_MADE, AI_PART, read_source_type
from unmask.evidence.tools import names_generator

_SOURCE: Literal["Content Credentials"] = "Content Credentials"
_UNTRUSTED = "signingCredential.untrusted"
_MOST_MANIFESTS = 64
_DEEPEST = 8
_SHOWN_ACTIONS = 12
# Actions that change what a picture shows; opening, converting and resizing do not.
_CHANGES = frozenset(("c2pa.edited", "c2pa.placed", "c2pa.drawing", "c2pa.filtered"))


class TrustListError(ValueError):
    """A list of trusted signers cannot be used; the message says why in one sentence."""


def read_trust_list(path: Path) -> str:
    """Read the root certificates of signers that are trusted, in PEM.

    Raises:
        TrustListError: The file cannot be read or holds no certificate.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise TrustListError(f"The trust list {path} cannot be read: {reason}.") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise TrustListError(f"The trust list {path} holds no certificate in PEM.")
    return text


def read_credentials(data: Bytes, trust: str | None = None) -> list[Finding]:
    """Verify a file's Content Credentials.

    Args:
        data: The whole file, known to hold a box of credentials.
        trust: Root certificates in PEM; None to take any intact signature, whoever signed.
    """
    try:
        import c2pa
    except ImportError:
        return [_unverified(data)]
    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}
    }
    if trust is not None:
        settings["trust"] = {"trust_anchors": trust}
    try:
        context = c2pa.Context.from_dict(settings)
        with c2pa.Reader(as_stream(data), context=context) as reader:
            return _findings(json.loads(reader.json()), listed=trust is not None)
    except Exception as error:  # The library has an error for each damage; a claim any shape.
        return [
            Finding(
                "c2pa.unreadable",
                _SOURCE,
                "broken",
                "weak",
                "The file carries Content Credentials, but they are damaged and cannot be read.",
                {"reason": clean(error, 120)},
            )
        ]


def _unverified(data: Bytes) -> Finding:
    claims_ai = max(data.find(AI_MADE.encode()), data.find(AI_PART.encode())) >= 0
    claim = " They speak of AI (trainedAlgorithmicMedia)." if claims_ai else ""
    return Finding(
        "c2pa.unverified",
        _SOURCE,
        "ai" if claims_ai else "note",
        "weak" if claims_ai else "none",
        f"The file carries Content Credentials.{claim} They cannot be verified without the package "
        "'c2pa-python'; install it with: pip install 'unmask[media]'.",
    )


def _findings(store: dict[str, Any], *, listed: bool) -> list[Finding]:
    manifests = store.get("manifests") or {}
    active = manifests.get(store.get("active_manifest")) or {}
    failures = _failures(store)
    signature = active.get("signature_info") or {}
    signer = clean(signature.get("common_name") or signature.get("issuer") or "unnamed", 80)
    details = _details(active, signature, store)
    if failures or store.get("validation_state") == "Invalid":
        return [_broken(failures, signer, details)]
    trusted = store.get("validation_state") == "Trusted"
    who = f"signed by '{signer}'" + (
        ", who is on the trust list given"
        if trusted
        else ", who is not on the trust list given"
        if listed
        else " (not checked against a list of trusted signers)"
    )
    found = [
        Finding(
            "c2pa.valid",
            _SOURCE,
            "note",
            "none",
            f"The file carries intact Content Credentials, {who}: it has not changed since.",
            details,
        )
    ]
    intact_past = not _past_failures(store)
    told: set[str] = set()
    for claim in _claims(store, manifests):
        if claim.name not in told:
            told.add(claim.name)
            found.append(_claim(claim, who, sure=trusted or not listed, past=intact_past))
    return found


class _Claim(NamedTuple):
    """What a manifest says of where a picture is from.

    Attributes:
        field: The field that says it.
        name: Its value.
        says: What it speaks for.
        meaning: What it means.
        own: Whether the file's own manifest says it, and not that of what it was made from.
        whole: Whether it says how the picture was made, and not only what changed it.
    """

    field: str
    name: str
    says: Says
    meaning: str
    own: bool
    whole: bool = True


def _claim(claim: _Claim, who: str, *, sure: bool, past: bool) -> Finding:
    says, own, meaning = claim.says, claim.own, claim.meaning
    strength: Strength = "weak"
    advice = "A credential of this kind informs and decides nothing."
    if says == "ai" and sure and claim.whole and (own or past):
        strength, advice = "decisive", "This decides the verdict."
    elif says == "ai":
        strength = "strong"
        advice = (
            "As the signer is not trusted, it counts like a note that anyone could write."
            if not sure
            else "As it names a tool and not what it did, it does not decide alone."
            if not claim.whole
            else "As the record of the earlier file is damaged, it does not decide alone."
        )
    elif says == "camera":
        advice = "It informs and never decides: a camera can take a picture of a picture."
    what = "Its credentials say" if own else "Its credentials say of a file that it was made from"
    return Finding(
        f"c2pa.{says}",
        _SOURCE,
        says,
        strength,
        f"{what}: {meaning}; {who}. {advice}",
        {claim.field: clean(claim.name)},
    )


def _broken(failures: list[str], signer: str, details: dict[str, str]) -> Finding:
    codes = " ".join(failures)
    if "mismatch" in codes or "missing" in codes:
        name, what = "c2pa.altered", "the file was changed after it was signed"
    elif "expired" in codes or "outsideValidity" in codes:
        name, what = "c2pa.expired", "the signer's certificate was not valid at the time"
    else:
        name, what = "c2pa.invalid", "they do not stand up to verification"
    return Finding(
        name,
        _SOURCE,
        "broken",
        "weak",
        f"The file carries Content Credentials signed by '{signer}', but {what}. What they say "
        "counts for nothing; a service that re-encodes pictures breaks them as well as a forger.",
        {**details, "failures": clean(", ".join(failures))},
    )


def _failures(store: dict[str, Any]) -> list[str]:
    active = (store.get("validation_results") or {}).get("activeManifest") or {}
    codes = [str(one.get("code")) for one in active.get("failure") or []]
    return [code for code in codes if code != _UNTRUSTED]


def _past_failures(store: dict[str, Any]) -> bool:
    deltas = (store.get("validation_results") or {}).get("ingredientDeltas") or []
    return any(
        one.get("code") != _UNTRUSTED
        for delta in deltas
        for one in (delta.get("validationDeltas") or {}).get("failure") or []
    )


def _claims(store: dict[str, Any], manifests: dict[str, Any]) -> Iterator[_Claim]:
    """Yield what the manifests of the file, and of what it came from, say of its making."""
    waiting, seen = [(str(store.get("active_manifest")), True)], set[str]()
    while waiting and len(seen) < _MOST_MANIFESTS:
        label, own = waiting.pop(0)
        manifest = manifests.get(label)
        if label in seen or not isinstance(manifest, dict):
            continue
        seen.add(label)
        values = _source_types(manifest.get("assertions") or [], 0)
        known = [one for value in values if (one := read_source_type(value))]
        yield from (_Claim("digitalSourceType", *one, own) for one in known)
        if not any(says == "ai" for _, says, _ in known):
            yield from _agents(manifest, own)
        for ingredient in manifest.get("ingredients") or []:
            # What was merely fed to a model as input says nothing of what came out.
            if ingredient.get("relationship") in ("parentOf", "componentOf"):
                waiting.append((str(ingredient.get("active_manifest")), False))


def _source_types(node: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str):
                # Others put their own prefix before it, as in 'com.adobe.digitalSourceType'.
                if re.split(r"[:.]", key)[-1].lower() == "digitalsourcetype":
                    yield value
            else:
                yield from _source_types(value, depth + 1)
    elif isinstance(node, list):
        for value in node[:1000]:
            yield from _source_types(value, depth + 1)


def _agents(manifest: dict[str, Any], own: bool) -> Iterator[_Claim]:
    """Yield the generators that created or changed a picture by a manifest's actions."""
    for action, agent in _actions(manifest):
        what = action.get("action")
        created = what == "c2pa.created"
        if not created and what not in _CHANGES:
            continue
        if not agent and created:
            # Older claims name the program as their own generator alone.
            agent = _program(manifest)
        if names_generator(agent):
            meaning = f"{'created' if created else 'changed'} by the AI generator '{agent}'"
            yield _Claim("softwareAgent", agent, "ai", meaning, own, created)


def _actions(manifest: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the actions of a manifest, each with the name of the software that did it."""
    for assertion in manifest.get("assertions") or []:
        if not str(assertion.get("label", "")).startswith("c2pa.actions"):
            continue
        data = assertion.get("data") or {}
        agents = data.get("softwareAgents") or []
        for action in (data.get("actions") or [])[:1000]:
            agent, place = action.get("softwareAgent"), action.get("softwareAgentIndex")
            if agent is None and isinstance(place, int) and 0 <= place < len(agents):
                agent = agents[place]
            yield action, clean(agent.get("name", "") if isinstance(agent, dict) else agent or "")


def _program(manifest: dict[str, Any]) -> str:
    """Return the program that made a claim, without its version."""
    for one in manifest.get("claim_generator_info") or []:
        if isinstance(one, dict) and one.get("name"):
            return clean(one["name"])
    return clean(str(manifest.get("claim_generator") or "").partition(" ")[0].partition("/")[0])


def _details(
    active: dict[str, Any], signature: dict[str, Any], store: dict[str, Any]
) -> dict[str, str]:
    generators = [
        f"{one.get('name', '')} {one.get('version', '')}".strip()
        for one in active.get("claim_generator_info") or []
    ]
    steps = list(_actions(active))
    actions = [str(action.get("action")) for action, _ in steps]
    agents = dict.fromkeys(agent for _, agent in steps if agent)
    fields = {
        "state": store.get("validation_state"),
        "signer": signature.get("common_name"),
        "issuer": signature.get("issuer"),
        "signed": signature.get("time"),
        "generator": ", ".join(generators) or active.get("claim_generator"),
        "title": active.get("title"),
        "actions": ", ".join(actions[:_SHOWN_ACTIONS]),
        "software": ", ".join(list(agents)[:_SHOWN_ACTIONS]),
    }
    return {name: clean(value) for name, value in fields.items() if value}
