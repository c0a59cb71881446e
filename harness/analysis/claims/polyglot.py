"""Claim *polyglot*."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from harness.analysis.claims.base import Claim, Figure, Finding, topologies
from harness.analysis.claims.functions import is_whole
from harness.analysis.formatting import sentence

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign


def check(campaign: Campaign) -> Finding:
    """Two topologies that differ in one service, made from another root file system, behave alike.

    Alike: every exchange of the workload that both answered has one status, in every attempt, and both have trials that
    count (every answer under load was checked). A differing status refutes. Holds under emulation.
    """
    found = _differing(campaign)
    if not found:
        return Finding("not measured", "No two topologies differ in one service of another root file system.")
    counted = campaign.counted["topology"].value_counts()
    parts, figures, verdicts = [], [], []
    for first, second, one, other in found:
        answers = [_statuses(campaign, topology) for topology in (first, second)]
        common = sorted(answers[0].keys() & answers[1].keys())
        unlike = [exchange for exchange in common if len(answers[0][exchange] | answers[1][exchange]) > 1]
        trials = [int(counted.get(topology, 0)) for topology in (first, second)]
        figures += [Figure(t, "trials that count", n, n=n) for t, n in zip((first, second), trials, strict=True)]
        names = f"the topologies {first} (with {one}) and {second} (with {other})"
        if unlike:
            parts.append(f"{names} differ in status: {', '.join(unlike)}")
            verdicts.append("refuted")
        elif not common or not all(trials):
            why = "no exchange was answered by both" if not common else "one of them has no trial that counts"
            parts.append(f"{names}: {why}")
            verdicts.append("not measured")
        else:
            parts.append(
                f"{names} gave the same status in all {len(common)} exchanges, and served the load in {trials[0]} and "
                f"{trials[1]} trials"
            )
            verdicts.append("supported")
    verdict = next(v for v in ("refuted", "supported", "not measured") if v in verdicts)
    return Finding(verdict, sentence(parts), tuple(figures))


def _services(campaign: Campaign, topology: str) -> set[str]:
    return {
        one.service
        for record in campaign.records
        if record.variant.topology == topology
        for one in record.instances
        if one.role == "service"
    }


def _differing(campaign: Campaign) -> list[tuple[str, str, str, str]]:
    """Both topologies, and the service that each has in place of the other's."""
    artifacts = campaign.manifest.artifacts
    found = []
    for first, second in combinations(topologies(campaign), 2):
        here, there = _services(campaign, first), _services(campaign, second)
        only_here, only_there = here - there, there - here
        # One service in place of a whole monolith is another architecture, not another technology.
        if len(only_here) != 1 or len(only_there) != 1 or not here & there or is_whole(campaign, first):
            continue
        (one,), (other,) = only_here, only_there
        roots = [artifacts[name].digest if name in artifacts else "" for name in (one, other)]
        if roots[0] != roots[1]:
            found.append((first, second, one, other))
    return found


def _statuses(campaign: Campaign, topology: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in campaign.records:
        if record.kind == "measured" and record.variant.topology == topology:
            for exchange, response in record.responses.items():
                found.setdefault(exchange, set()).add(response.partition(" ")[0])
    return found


CLAIM = Claim(
    "polyglot",
    "Services use different technologies side by side.",
    "The same exchanges and the same checked load, with one service made from another root file system.",
    check,
    lambda campaign: len({variant.topology for variant in campaign.experiment.variants}) > 1,
)
