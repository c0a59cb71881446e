"""The claims that Tare tests: each a named check with a verdict and its evidence.

A new claim is one new module with a ``CLAIM`` and its line in ``CLAIMS``. Verdicts: ``supported``, ``refuted``,
``not resolved`` (within the noise, or too few trials), ``emulated only`` (what was measured is an emulator's),
``not measured``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims import isolation, kernel, portability, resources, startup, substrate
from harness.analysis.claims.base import Claim, ClaimResult, Figure, Finding

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

CLAIMS: tuple[Claim, ...] = tuple(
    module.CLAIM for module in (kernel, isolation, startup, resources, substrate, portability)
)


def decide(campaign: Campaign) -> tuple[ClaimResult, ...]:
    """Every claim, decided from this campaign, in the order of ``CLAIMS``."""
    results = []
    for claim in CLAIMS:
        found = claim.check(campaign)
        results.append(
            ClaimResult(claim.id, claim.text, claim.decided_by, found.verdict, found.evidence, found.figures)
        )
    return tuple(results)


__all__ = ["CLAIMS", "Claim", "ClaimResult", "Figure", "Finding", "decide"]
