"""What a campaign of regions or of replays answers, in a sentence each, from the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.distance import Distance, distances
from harness.analysis.formatting import factor, figure
from harness.analysis.selection import select
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign


def cdn_answer(campaign: Campaign) -> tuple[str, ...]:
    """Latency in the farthest region with and without PoPs; what replayed sequences find cached. Empty for others."""
    return (*_distance(campaign), *_policies(campaign))


def _distance(campaign: Campaign) -> tuple[str, ...]:
    found = distances(campaign)
    if not found:
        return ()
    first = found[0]
    clauses = "; ".join(_with_pops(campaign, one) for one in found)
    return (
        f"In {first.region}, {first.rtt_ms:.1f} ms from the origin, the median latency is "
        f"{figure(METRICS['latency_p50_ms'], first.direct)} without a point of presence; {clauses}.",
    )


def _with_pops(campaign: Campaign, one: Distance) -> str:
    frame = campaign.summaries
    mine = select(frame, variant=one.variant.name, level=one.level, metric="offload")
    offload = f", and {100 * float(mine['median'].iloc[0]):.1f} % of the requests spare the origin" if len(mine) else ""
    return f"with {campaign.label(one.variant.name)} it is {factor(one.ratio)} that{offload}"


def _policies(campaign: Campaign) -> tuple[str, ...]:
    frame = campaign.policies
    found = []
    for sequence, own in frame.groupby("level", sort=False):
        ordered = own.sort_values("hit_ratio")
        least, most = ordered.iloc[0], ordered.iloc[-1]
        if len(ordered) > 1:
            found.append(
                f"Of {sequence}'s requests {100 * least['hit_ratio']:.1f} % ({campaign.label(least['variant'])}) to "
                f"{100 * most['hit_ratio']:.1f} % ({campaign.label(most['variant'])}) were found cached."
            )
    return tuple(found)
