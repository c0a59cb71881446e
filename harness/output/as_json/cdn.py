"""``tare show --json``, on regions and caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.cdn_rows import in_regions, of_caches
from harness.analysis.formatting import number
from harness.output.as_json.sets import Json, estimate_json

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign


def regions_json(campaign: Campaign) -> list[Json]:
    """Each variant, level and region: measured round-trip times, and the median latency by what the cache did."""
    return [
        {
            "variant": one.variant,
            "level": one.level,
            "region": one.region,
            "emulated": campaign.is_emulated(one.variant),
            "rtt_to_origin_ms": one.origin_ms,
            "rtt_to_origin_asked_ms": one.asked_ms,
            "pop": one.pop or None,
            "rtt_to_pop_ms": one.pop_ms,
            "requests": one.requests,
            "latency_p50_ms": {name: estimate_json(found) for name, found in one.medians.items()},
            "latency_p99_ms": estimate_json(one.p99),
        }
        for one in in_regions(campaign)
    ]


def caches_json(campaign: Campaign) -> list[Json]:
    """Each variant and level: hit ratios and offload (shares), and the origin's count against what was fetched.

    ``origin_requests`` and ``fetched`` are sums over the trials; ``unlike`` counts the trials in which they differ.
    """
    return [
        {
            "variant": one.variant,
            "level": one.level,
            "kind": one.kind or None,
            "policy": one.policy or None,
            "caches": one.caches,
            "cache_share": one.cache_share,
            "size_bytes": one.size_bytes,
            "effective_bytes": one.effective_bytes,
            "trials": one.trials,
            **{
                name: estimate_json(getattr(one, name))
                for name in ("hit_ratio", "byte_hit_ratio", "offload", "hit_p50_ms", "miss_p50_ms")
            },
            **{
                name: getattr(one, name)
                for name in ("origin_requests", "fetched", "unlike", "collapsed", "stale", "errors")
            },
        }
        for one in of_caches(campaign)
    ]


def policies_json(campaign: Campaign) -> Json | None:
    """Real policies against simulated ones, and every simulated ratio; null where no sequence was replayed.

    Ratios are hit ratios, ``points`` real less simulated in percentage points.
    """
    if campaign.policies.empty and campaign.simulation is None:
        return None
    found = campaign.simulation
    return {
        "real": [_plain(row) for row in campaign.policies.to_dict("records")],
        "simulated": [_plain(row) for row in campaign.simulated.to_dict("records")],
        "notes": list(found.notes) if found is not None else [],
        "why_not": found.why_not or None if found is not None else "nothing was simulated",
    }


def _plain(row: dict[object, object]) -> Json:
    return {str(key): value if isinstance(value, str | bool | int) else number(value) for key, value in row.items()}
