"""What is compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One thing being compared. ``name`` is unique in the campaign.

    The second of an A/A pair, ``<variant>-aa``, differs from the first in name alone.
    """

    name: str
    workload: str
    topology: str = "single"
    target: str
    proxy: str = "direct"
    replicas: int = 1
    cache_share: float | None = None
    aa: bool = False
