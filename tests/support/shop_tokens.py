"""Tokens that are not what they look like, each made the way an attacker would make it."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HOUR_S = 3600


def claims(user: str, **other: Any) -> dict[str, Any]:
    """What auth says of a user, with changes; None leaves a claim out."""
    now = int(time.time())
    said = {"iss": "shop", "sub": user, "iat": now, "exp": now + HOUR_S, **other}
    return {name: value for name, value in said.items() if value is not None}


def raw(key: str) -> bytes:
    """A key as ``workload.toml`` writes it."""
    return urlsafe_b64decode(key + "=" * (-len(key) % 4))


def encoded(part: object) -> str:
    """One part of a token."""
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def bad_tokens(user: str, signing_key: str, verify_key: str, good: str) -> dict[str, str]:
    """By what is wrong with them. ``signing_key`` is auth's own, for tokens that only their claims make bad."""
    own = Ed25519PrivateKey.from_private_bytes(raw(signing_key))
    other = Ed25519PrivateKey.generate()
    long_ago = int(time.time()) - 2 * HOUR_S
    header, payload, signature = good.split(".")
    none = encoded({"alg": "none", "typ": "JWT"})
    return {
        "another key": jwt.encode(claims(user), other, algorithm="EdDSA"),
        "expired": jwt.encode(claims(user, iat=long_ago, exp=long_ago + 60), own, algorithm="EdDSA"),
        "never expires": jwt.encode(claims(user, exp=None), own, algorithm="EdDSA"),
        "nobody's": jwt.encode(claims(user, sub=None), own, algorithm="EdDSA"),
        "another issuer": jwt.encode(claims(user, iss="elsewhere"), own, algorithm="EdDSA"),
        "no algorithm": f"{none}.{encoded(claims(user))}.",
        "no algorithm, old signature": f"{none}.{payload}.{signature}",
        "public key as a secret": jwt.encode(claims(user), raw(verify_key), algorithm="HS256"),
        "another's claims": f"{header}.{encoded(claims('user-001'))}.{signature}",
        "no signature": f"{header}.{payload}.",
        "cut": good[:-8],
        "no token": "not-a-token",
        "nothing": "",
    }
