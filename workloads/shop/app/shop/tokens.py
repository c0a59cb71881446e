"""Signed tokens: auth signs with its private key, everyone else verifies with the public one, without a call."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "EdDSA"
ISSUER = "shop"
LIFETIME_S = 3600
LEEWAY_S = 60
"""Two guests' clocks need not agree."""


class Signer:
    """Signs tokens with a raw Ed25519 key in base64url."""

    def __init__(self, key: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_raw(key))

    def sign(self, user: str) -> str:
        """A token that says who its bearer is, for an hour."""
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": user, "iat": now, "exp": now + LIFETIME_S}
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)


class Verifier:
    """Verifies tokens with a raw Ed25519 public key in base64url."""

    def __init__(self, key: str) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(_raw(key))

    def user(self, token: str) -> str | None:
        """Whose token it is, or None: another key or algorithm (``none`` too), expired, incomplete, or no token."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "iss"]},
            )
        except jwt.InvalidTokenError:
            return None
        return str(claims["sub"])


def _raw(key: str) -> bytes:
    return urlsafe_b64decode(key + "=" * (-len(key) % 4))
