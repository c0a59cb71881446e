"""Passwords are kept as salted scrypt hashes."""

from __future__ import annotations

import hashlib
import hmac
import os

_N, _R, _P = 1024, 8, 1
"""1 MiB per hash, and 1.5 ms on a development host. OWASP asks for 2^17 (128 MiB), which would measure scrypt."""


def hashed(password: str) -> str:
    """``salt$hash`` in hexadecimal. Raises UnicodeEncodeError for a password that is no text (a lone surrogate)."""
    salt = os.urandom(16)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def matches(password: str, kept: str) -> bool:
    """Whether that is the password, in a time that does not tell how much of it is right."""
    salt, _, digest = kept.partition("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, dklen=32)
