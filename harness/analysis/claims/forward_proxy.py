"""Claim *forward proxy*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.base import Claim, Figure, Finding
from harness.analysis.claims.proxies import is_forward, what_it_adds
from harness.analysis.formatting import sentence

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.trial import TrialRecord
    from harness.records.variant import Variant

OPEN = ("connected", "ECONNREFUSED")
"""What a connection past the proxy comes to where the path is open: a refusal is an answer of the host behind it."""

REFUSED = "403"
_CHECKS = {"direct": "the direct path was closed", "forbidden": f"a forbidden destination got {REFUSED}"}


def check(campaign: Campaign) -> Finding:
    """The client reaches the service through the proxy, not past it, and the proxy refuses what is not allowed.

    Supported: in every attempt that looked, the direct path was closed and a forbidden destination got 403, and trials
    through the proxy count, so that what is allowed did pass. One open path, or one forbidden destination that was not
    refused, refutes. Added latency is told and decides nothing. Holds under emulation, where times are the emulator's.
    """
    variants = [v for v in campaign.manifest.variants if is_forward(campaign, v) and not v.aa]
    looked = [record for variant in variants for record in _looked(campaign, variant)]
    counted = set(campaign.counted["variant"])
    figures: list[Figure] = []
    parts = []
    for name, what in _CHECKS.items():
        seen = [record.path_checks[name] for record in looked if name in record.path_checks]
        if not seen:
            continue
        holds = sum(_holds(name, answer) for answer in seen)
        parts.append(f"{what} in {holds} of {len(seen)} attempts ({', '.join(sorted(set(seen)))})")
        figures.append(Figure("forward proxy", name, ", ".join(sorted(set(seen))), n=len(seen)))
    for variant in variants:
        added, more = what_it_adds(campaign, variant)
        parts += [f"through {campaign.label(variant.name)}: latency {added}"] if added else []
        figures += more
    if not all(
        _holds(name, record.path_checks[name]) for record in looked for name in _CHECKS.keys() & record.path_checks
    ):
        return Finding("refuted", sentence(parts), tuple(figures))
    if not all(any(name in record.path_checks for record in looked) for name in _CHECKS):
        parts.append("no attempt tried both paths past the proxy")
        return Finding("not measured", sentence(parts), tuple(figures))
    if not any(variant.name in counted for variant in variants):
        return Finding("not measured", sentence([*parts, "no trial through the proxy counts"]), tuple(figures))
    return Finding("supported", sentence(parts), tuple(figures))


def _holds(name: str, answer: str) -> bool:
    return answer not in OPEN if name == "direct" else answer == REFUSED


def _looked(campaign: Campaign, variant: Variant) -> list[TrialRecord]:
    """What the client met does not depend on how quiet the host was: every attempt that looked, valid or not."""
    return [record for record in campaign.records if record.variant.name == variant.name and record.path_checks]


CLAIM = Claim(
    "forward proxy",
    "A forward proxy is a gateway that keeps clients and the outside apart.",
    "The direct path is closed and a forbidden destination is refused; added latency.",
    check,
    lambda campaign: any(is_forward(campaign, variant) for variant in campaign.experiment.variants),
)
