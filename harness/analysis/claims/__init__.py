"""The claims that Tare tests: each a named check with a verdict and its evidence.

A new claim is one new module with a ``CLAIM`` and its line in ``CLAIMS``. Verdicts: ``supported``, ``refuted``,
``not resolved`` (within the noise, or too few trials), ``emulated only`` (what was measured is an emulator's),
``not measured``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims import (
    cache_fill,
    containment,
    distance,
    forward_proxy,
    independence,
    isolation,
    kernel,
    one_system,
    orchestration,
    policies,
    polyglot,
    portability,
    resources,
    reverse_proxy,
    startup,
    substrate,
)
from harness.analysis.claims.base import Claim, ClaimResult, Figure, Finding

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

CLAIMS: tuple[Claim, ...] = tuple(
    module.CLAIM
    for module in (
        kernel,
        isolation,
        startup,
        resources,
        substrate,
        portability,
        independence,
        containment,
        polyglot,
        orchestration,
        reverse_proxy,
        forward_proxy,
        distance,
        cache_fill,
        policies,
        one_system,
    )
)


def decide(campaign: Campaign) -> tuple[ClaimResult, ...]:
    """Every claim whose subject occurs in this campaign, decided from it: what was not measured comes last, all else in
    the order of ``CLAIMS``.

    A subject that the experiment asks for and this host could not give occurs as well: the claim then says why not.
    """
    results = []
    for claim in (claim for claim in CLAIMS if claim.occurs(campaign)):
        found = claim.check(campaign)
        results.append(
            ClaimResult(claim.id, claim.text, claim.decided_by, found.verdict, found.evidence, found.figures)
        )
    return tuple(sorted(results, key=lambda result: result.verdict == "not measured"))


__all__ = ["CLAIMS", "Claim", "ClaimResult", "Figure", "Finding", "decide"]
