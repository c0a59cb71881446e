"""What the environment says: which functions this process serves, and where the rest of the shop is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FUNCTIONS = ("auth", "catalog", "payments")


@dataclass(frozen=True, slots=True)
class Settings:
    """``catalog`` is the address of the catalog's service, or empty where it is served by this process.

    ``signing_key`` and ``verify_key`` are raw Ed25519 keys in base64url; only auth needs the first. ``data`` is the
    folder of the databases, or None for one of its own per function.
    """

    serves: tuple[str, ...]
    broker: str
    catalog: str
    signing_key: str
    verify_key: str
    version: str
    data: Path | None

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Settings:
        """Raises ValueError for what is missing or unknown."""
        serves = tuple(name.strip() for name in env.get("SHOP_SERVES", ",".join(FUNCTIONS)).split(","))
        if unknown := sorted(set(serves) - set(FUNCTIONS)):
            raise ValueError(f"SHOP_SERVES names {unknown[0]!r}; known are {', '.join(FUNCTIONS)}")
        needed = {"SHOP_VERIFY_KEY": "payments", "SHOP_SIGNING_KEY": "auth", "SHOP_BROKER": "catalog"}
        for key, function in needed.items():
            if function in serves and not env.get(key):
                raise ValueError(f"{function} needs {key}")
        if "payments" in serves and not env.get("SHOP_BROKER"):
            raise ValueError("payments needs SHOP_BROKER")
        if "payments" in serves and "catalog" not in serves and not env.get("SHOP_CATALOG"):
            raise ValueError("payments needs SHOP_CATALOG where the catalog is served by another process")
        return cls(
            serves=serves,
            broker=env.get("SHOP_BROKER", ""),
            catalog="" if "catalog" in serves else env.get("SHOP_CATALOG", ""),
            signing_key=env.get("SHOP_SIGNING_KEY", ""),
            verify_key=env.get("SHOP_VERIFY_KEY", ""),
            version=env.get("SHOP_VERSION") or "1",
            data=Path(env["SHOP_DATA"]) if env.get("SHOP_DATA") else None,
        )

    def database(self, function: str) -> Path:
        """The file of that function's own database."""
        return (self.data or Path(f"/tmp/shop-{function}")) / f"{function}.db"
