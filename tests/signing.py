"""Sign pictures and videos with Content Credentials, under a certificate made for the test."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

SIGNER = "Throw-away Signer"
AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
AI_PART = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
CAMERA = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@dataclass(frozen=True)
class Identity:
    """A signer: the chain and key it signs with, and the root that one may trust."""

    chain: bytes
    key: bytes
    root: str


@cache
def identity(name: str) -> Identity:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )
        for common in (f"{name} Root", name)
    ]
    made = []
    for place, is_root in ((0, True), (1, False)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[place])
            .issuer_name(names[0])
            .public_key(keys[place].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), True)
            .add_extension(
                x509.KeyUsage(True, False, False, False, False, is_root, is_root, False, False),
                True,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(keys[place].public_key()), False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), False
            )
        )
        if not is_root:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(usage, False)
        made.append(builder.sign(keys[0], hashes.SHA256()))
    root, leaf = (one.public_bytes(serialization.Encoding.PEM) for one in made)
    key = keys[1].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Identity(leaf + root, key, root.decode())


def manifest(source_type: str | None, action: str = "c2pa.created") -> dict[str, Any]:
    step: dict[str, Any] = {"action": action}
    if source_type:
        step["digitalSourceType"] = source_type
    if action == "c2pa.opened":
        step["parameters"] = {"ingredientIds": ["parent"]}
    return {
        "claim_generator_info": [{"name": "Test Camera", "version": "1"}],
        "title": "test",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [step]}}],
    }


def sign(
    data: bytes,
    claim: dict[str, Any],
    kind: str = "image/jpeg",
    *,
    parent: bytes | None = None,
    signer: str = SIGNER,
) -> bytes:
    """Return the file with a credential that says ``claim``."""
    import c2pa

    who = identity(signer)
    info = c2pa.C2paSignerInfo("es256", who.chain, who.key, None)
    builder = c2pa.Builder(claim)
    if parent is not None:
        relation = {"title": "parent", "relationship": "parentOf", "label": "parent"}
        builder.add_ingredient(relation, kind, io.BytesIO(parent))
    out = io.BytesIO()
    builder.sign(c2pa.Signer.from_info(info), kind, io.BytesIO(data), out)
    return out.getvalue()
