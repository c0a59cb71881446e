"""Sections on content delivery: latency by region, and what caches kept from the origin. None where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.cdn_rows import InRegion, OfCache, in_regions, of_caches
from harness.analysis.formatting import figure, percents_or_dash
from harness.analysis.intervals import Estimate
from harness.analysis.regions import farthest
from harness.analysis.selection import select
from harness.units import METRICS
from reports import charts
from reports.blocks import Block, Cell, Group, Heading, Section, Table, Text, draw
from reports.charts.latency import arrivals
from reports.labels import MANY_VARIANTS, Look
from reports.tables import too_many_cells

if TYPE_CHECKING:
    from harness.analysis import Campaign

_P50 = METRICS["latency_p50_ms"]
_RATIOS = ("hit_ratio", "byte_hit_ratio", "offload")


def regions(campaign: Campaign, look: Look) -> Section | None:
    """None where no trial that counts has regions."""
    if campaign.rtts.empty:
        return None
    blocks: list[Block] = [
        *_about_warmth(campaign, look),
        draw(
            "How far each region is: round-trip times that its client measured before the load, medians of the valid "
            "trials. A tick is what the experiment asks for.",
            charts.region_distances,
            campaign.rtts,
        ),
        _distances(campaign),
        _latencies(campaign, look),
    ]
    samples = arrivals(campaign.samples)
    levels = [level for level in campaign.levels if level in set(samples["level"].astype(str))]
    blocks += [block for level in levels for block in _curves(campaign, samples, level, look)]
    return Section("regions", "Regions", tuple(blocks))


def caches(campaign: Campaign, look: Look) -> Section | None:
    """None where no trial that counts has a cache, or an origin that counts its requests."""
    found = list(of_caches(campaign))
    if not any(one.caches for one in found):
        return None
    drawn = tuple(
        draw(
            f"{METRICS[name].title}. Dots are trials, a dark tick is the median, a band its interval.",
            charts.metric_dots,
            campaign.trials,
            campaign.summaries,
            name,
            look,
        )
        for name in (_RATIOS[:1] if too_many_cells(campaign, look) else _RATIOS)
    )
    blocks = [
        *(_about_warmth(campaign, look) if campaign.rtts.empty else ()),
        Text(_balance(found), "finding"),
        Text(
            "A hit ratio is of the cacheable requests of the measured window (stale objects that were served are hits; "
            "a request that waited for another's fetch is none). Offload is 1 - origin requests / answered requests, "
            "over all of the load, warm-up and tail included; what filled a warm cache beforehand is in neither."
        ),
        Group(drawn),
        _kept(found, look),
        _balances(found, look),
    ]
    return Section("caches", "Caches and offload", tuple(blocks))


def _about_warmth(campaign: Campaign, look: Look) -> list[Block]:
    """Which variants begin with filled caches."""
    states: dict[str, list[str]] = {"warm": [], "cold": []}
    for variant in campaign.experiment.variants:
        proxy = campaign.experiment.proxy(variant.proxy)
        if proxy is not None and (proxy.cache is not None or proxy.warm) and not variant.aa:
            warm = proxy.warm and campaign.experiment.prefill > 0
            states["warm" if warm else "cold"].append(look.labels.get(variant.name, variant.name))
    if not states["warm"]:
        return []
    prefill = campaign.experiment.prefill
    cold = f" Cold, empty when the load began: {', '.join(states['cold'])}." if states["cold"] else ""
    return [
        Text(
            f"Warm, filled with the first {prefill:,} requests of the sequence before the load: "
            f"{', '.join(states['warm'])}.{cold} The load of all begins after those requests."
        )
    ]


def _distances(campaign: Campaign) -> Table:
    frame, geography = campaign.rtts, campaign.experiment.geography
    own = frame[frame["own"]]
    far = farthest(frame)
    listed = []
    for region in dict.fromkeys(own["region"]):
        mine = select(own, region=region)
        to_origin, to_pop = (select(mine, role=role) for role in ("origin", "pop"))
        weight = "" if geography is None else f"{geography.region(str(region)).weight:g}"
        said = " (the farthest)" if region == far else ""
        listed.append(
            (
                Cell(f"{region}{said}", "head"),
                Cell(weight, "number"),
                Cell(_ms(to_origin["asked_ms"]), "number"),
                Cell(_ms(to_origin["median_ms"]), "number"),
                Cell(_ms(to_origin["p99_ms"]), "number"),
                Cell(str(to_pop["host"].iloc[0]) if len(to_pop) else "none"),
                Cell(_ms(to_pop["median_ms"]), "number"),
            )
        )
    return Table(
        "Round-trip times that the client of each region measured by ICMP: medians of the valid trials, ms",
        ("region", "weight", "origin, asked", "origin", "p99", "sent to", "PoP"),
        tuple(listed),
        folded=True,
    )


def _ms(values: pd.Series[float]) -> str:
    return f"{float(values.median()):,.2f}" if len(values) else "none"


def _latencies(campaign: Campaign, look: Look) -> Table:
    found = list(in_regions(campaign))
    order = {name: place for place, name in enumerate(look.order)}
    several = len({one.level for one in found}) > 1
    regions_in_order = list(dict.fromkeys(one.region for one in found))
    found.sort(key=lambda one: (one.level, regions_in_order.index(one.region), order[one.variant]))
    return Table(
        "Median latency by region: all requests, those that the cache served, and those that waited for the origin; "
        "median of the trials (interval), and the requests of all trials",
        ("region", "variant", "round trips, ms", "all", "hits", "misses", "requests"),
        tuple(_latency(one, several, look) for one in found),
        "No valid trial has requests from a region.",
        folded=len(found) > 4 * MANY_VARIANTS,
    )


def _latency(one: InRegion, several: bool, look: Look) -> tuple[Cell, ...]:
    pop = "" if one.pop_ms is None else f", PoP {one.pop_ms:,.1f}"
    origin = "" if one.origin_ms is None else f"origin {one.origin_ms:,.1f}"
    counts = f"{one.requests['all']:,}"
    if one.pop:
        counts += f" ({one.requests['hit']:,} + {one.requests['miss']:,})"
    return (
        Cell(f"{one.region}, {one.level}" if several else one.region, "head"),
        Cell(look.label(one.variant)),
        Cell(f"{origin}{pop}"),
        *(Cell(_figure(found), "figure") for found in one.medians.values()),
        Cell(counts, "number"),
    )


def _figure(found: Estimate | None) -> str:
    return "-" if found is None else figure(_P50, found)


def _curves(campaign: Campaign, samples: pd.DataFrame, level: str, look: Look) -> list[Block]:
    own = samples[(samples["level"] == level) & (samples["region"] != "")]
    groups = look.groups(look.present(own))
    count = own["region"].nunique() * len(groups)
    # Many regions and variants share the file's room.
    points = max(40, min(120, 2400 // max(count, 1)))
    names = [str(name) for name in dict.fromkeys(campaign.rtts["region"]) if (own["region"] == name).any()]
    drawn = tuple(
        draw(
            f"{region}{f', {family}' if family else ''}: share of requests answered within a time, all valid trials "
            "together. Dotted: misses.",
            charts.region_ecdf,
            own[(own["region"] == region) & own["variant"].isin(chosen)],
            look,
            points=points,
        )
        for region in names
        for family, chosen in groups
    )
    return [Heading(f"With and without a point of presence, load level {level}"), Group(drawn)] if drawn else []


def _balance(found: list[OfCache]) -> str:
    """Whether the origin counted what the caches fetched."""
    counted = [one for one in found if one.caches and one.origin_requests is not None]
    trials, unlike = sum(one.trials for one in counted), sum(one.unlike for one in counted)
    if not counted:
        return "The origin did not count its requests, so they cannot be held against the misses."
    if not unlike:
        return f"The origin counted exactly what the caches fetched, in each of {trials} trials with caches."
    off = sum((one.origin_requests or 0) - one.fetched for one in counted)
    return (
        f"The origin counted otherwise than the caches fetched in {unlike} of {trials} trials with caches: {off:+,} "
        "requests in all. A shield, stale objects that were refreshed, and requests that broke off can be why."
    )


def _kept(found: list[OfCache], look: Look) -> Table:
    order = {name: place for place, name in enumerate(look.order)}
    rows = sorted((one for one in found if one.caches), key=lambda one: order[one.variant])
    several = len({one.level for one in rows}) > 1
    return Table(
        "What the caches kept, and how soon they answered: medians of the valid trials (interval)",
        ("variant", "cache", "capacity", "hit ratio", "by bytes", "median of hits", "median of misses", "trials"),
        tuple(
            (
                Cell(f"{look.label(one.variant)}, {one.level}" if several else look.label(one.variant), "head"),
                Cell(f"{one.kind} {one.policy.upper()}" + (f", {one.caches} of them" if one.caches > 1 else "")),
                Cell(_capacity(one)),
                *(Cell(percents_or_dash(ratio), "figure") for ratio in (one.hit_ratio, one.byte_hit_ratio)),
                *(Cell(_figure(median), "figure") for median in (one.hit_p50_ms, one.miss_p50_ms)),
                Cell(str(one.trials), "number"),
            )
            for one in rows
        ),
        folded=len(rows) > 2 * MANY_VARIANTS,
    )


def _capacity(one: OfCache) -> str:
    if one.size_bytes is None:
        return "unknown"
    share = "" if one.cache_share is None else f"{100 * one.cache_share:g} % of the catalogue, "
    effective = "" if one.effective_bytes is None else f", {one.effective_bytes / 2**20:,.1f} of bodies"
    return f"{share}{one.size_bytes / 2**20:,.1f} MiB{effective}"


def _balances(found: list[OfCache], look: Look) -> Table:
    order = {name: place for place, name in enumerate(look.order)}
    rows = sorted((one for one in found if one.origin_requests is not None), key=lambda one: order[one.variant])
    several = len({one.level for one in rows}) > 1
    return Table(
        "The origin's count against what was fetched (misses, and what is not cacheable; all answers without a cache): "
        "sums of the valid trials",
        ("variant", "offload", "origin counted", "fetched", "trials unlike", "collapsed", "stale", "no response"),
        tuple(
            (
                Cell(f"{look.label(one.variant)}, {one.level}" if several else look.label(one.variant), "head"),
                Cell(percents_or_dash(one.offload), "figure"),
                Cell(f"{one.origin_requests:,}", "number"),
                Cell(f"{one.fetched:,}", "number"),
                Cell(f"{one.unlike} of {one.trials}", "number"),
                *(Cell(f"{count:,}", "number") for count in (one.collapsed, one.stale, one.errors)),
            )
            for one in rows
        ),
        "The origin did not count its requests.",
        folded=len(rows) > 2 * MANY_VARIANTS,
    )
