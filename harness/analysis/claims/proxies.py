"""What the claims on proxies share: which variants have which kind of proxy, and what it adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.base import Figure
from harness.analysis.formatting import added
from harness.analysis.intervals import Estimate, known
from harness.analysis.selection import select
from harness.records.capabilities import ProxyCapabilities
from harness.spec.proxy import DIRECT

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.variant import Variant

_SHORT = {"latency_p50_ms": "at the median", "latency_p99_ms": "at the 99th percentile"}


def is_forward(campaign: Campaign, variant: Variant) -> bool:
    """Whether its proxy is a forward proxy."""
    return _capabilities(campaign, variant).forward


def is_reverse(campaign: Campaign, variant: Variant) -> bool:
    """Whether its proxy is a reverse proxy. One cache before one origin is judged as a cache, by other claims."""
    one_cache = variant.replicas == 1 and is_cache(campaign, variant)
    return variant.proxy != DIRECT and not is_forward(campaign, variant) and not one_cache


def is_cache(campaign: Campaign, variant: Variant) -> bool:
    """Whether its proxy caches."""
    return _capabilities(campaign, variant).caches


def is_warm(campaign: Campaign, variant: Variant) -> bool:
    """Whether its caches were filled before the load began."""
    spec = campaign.experiment.proxy(variant.proxy)
    return spec is not None and is_cache(campaign, variant) and spec.warm and campaign.experiment.prefill > 0


def _capabilities(campaign: Campaign, variant: Variant) -> ProxyCapabilities:
    """What its proxy can do, as the campaign recorded it; nothing without one."""
    spec = campaign.experiment.proxy(variant.proxy)
    if spec is None:
        return ProxyCapabilities()
    return campaign.manifest.capabilities.proxies.get(spec.kind, ProxyCapabilities())


def what_it_adds(campaign: Campaign, variant: Variant) -> tuple[str, list[Figure]]:
    """What this variant's proxy adds to the latency, for a sentence, and as figures; empty without a direct variant.

    Of the lowest load level that was compared: at a higher one queues would be part of it. The report has all.
    """
    mine = select(campaign.proxies, variant=variant.name)
    level = next((level for level in campaign.levels if level in set(mine["level"])), None)
    texts, figures = [], []
    for row in select(mine, level=level).to_dict("records"):
        found = Estimate(row["added_ms"], known(row["low"]), known(row["high"]), row["n"])
        texts.append(f"{added(found, str(row['verdict']))} {_SHORT[str(row['metric'])]}")
        name = f"{row['metric']} added to {row['direct']} at {level}"
        figures.append(Figure(variant.name, name, found.median, found.low, found.high, found.n))
    return " and ".join(texts), figures
