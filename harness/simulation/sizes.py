"""Cache sizes: in bytes, or as a share of the footprint (the bytes of every object that is ever requested)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from harness.errors import SpecError
from harness.simulation.spool import Spool

_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{prefix}B": 1000**power for power, prefix in enumerate("kMGT", 1)}
_UNITS |= {f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", 1)}
_BY_NAME = {name.lower(): factor for name, factor in _UNITS.items()}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(%|[a-zA-Z]*)\Z")
_ALLOWED = "Give sizes such as 0.1%,1%,10% (of the footprint) or 64MiB,1GB."


@dataclass(frozen=True, slots=True)
class CacheSize:
    """``text`` as it was asked for; either ``share`` of the footprint or ``bytes``."""

    text: str
    share: Fraction | None
    bytes: int

    def of(self, spool: Spool) -> int:
        """The size in bytes for that sequence, rounded down.

        Raises SpecError for a cache that is smaller than every object.
        """
        found = int(self.share * spool.footprint_bytes) if self.share is not None else self.bytes
        if found < spool.smallest:
            whole = f" of a footprint of {spool.footprint_bytes:,} bytes" if self.share is not None else ""
            raise SpecError(
                f"A cache of {self.text}{whole} has {found:,} bytes; the smallest object has {spool.smallest:,}.",
                "Give larger sizes: that cache could not hold one object.",
            )
        return found


def parse_share(text: str, option: str) -> Fraction:
    """``20%`` as 1/5; from 0 to less than 100 %. Raises SpecError."""
    match = _SIZE.match(text.strip())
    share = Fraction(match[1]) / 100 if match and match[2] == "%" else None
    if share is None or share >= 1:
        raise SpecError(f"{option} {text!r} is not a share.", "Give a percentage below 100, such as 20%.")
    return share


def parse_sizes(text: str) -> tuple[CacheSize, ...]:
    """The sizes in ``0.1%,1%,64MiB``. Raises SpecError."""
    sizes = tuple(_size(part.strip()) for part in text.split(",") if part.strip())
    if not sizes:
        raise SpecError("No cache size is given.", _ALLOWED)
    return sizes


def _size(text: str) -> CacheSize:
    match = _SIZE.match(text)
    if match is not None and match[2] == "%":
        share = Fraction(match[1]) / 100
        if 0 < share <= 1:
            return CacheSize(text, share, 0)
        raise SpecError(f"The cache size {text} is not above 0 % and at most 100 %.", _ALLOWED)
    factor = _BY_NAME.get(match[2].lower()) if match is not None else None
    if match is None or factor is None or Fraction(match[1]) * factor < 1:
        raise SpecError(f"{text!r} is not a cache size.", _ALLOWED)
    return CacheSize(text, None, int(Fraction(match[1]) * factor))
