"""Claim *one system*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.base import Claim, Figure, Finding
from harness.analysis.claims.functions import has_set, is_split, route_of
from harness.analysis.claims.proxies import is_reverse
from harness.analysis.comparisons import pooled_figure
from harness.analysis.formatting import figure, listed, percent, sentence
from harness.analysis.selection import select
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.variant import Variant

_PROPAGATION = ("propagation_p50_ms", "propagation_p99_ms")


def check(campaign: Campaign) -> Finding:
    """A set behind one entry point serves every function, its services pass messages, and it outlives one of them.

    Supported: behind a reverse proxy every function was answered in trials that count; an event's propagation to its
    consumer was measured; and where one service was killed there, some function went on. Refuted: after such a kill no
    function had an answer in any trial, so that clients saw a part's loss as the loss of the whole. Entry and messages
    are both needed to support. Propagation is measured where both ends read one kernel's clock.
    """
    counted = set(campaign.counted["variant"])
    sets = [v for v in campaign.manifest.variants if is_split(campaign, v.topology) and v.name in counted and not v.aa]
    entered = [variant for variant in sets if is_reverse(campaign, variant) and _serves_all(campaign, variant)]
    parts, figures = [], []
    if entered:
        names = listed([campaign.label(variant.name) for variant in entered])
        parts.append(f"one entry point served every function in {names}")
    messages = []
    for variant in sets:
        found = {name: pooled_figure(campaign.counted, variant.name, name) for name in _PROPAGATION}
        texts = [figure(METRICS[name], estimate) for name, estimate in found.items() if estimate is not None]
        if texts:
            words = " and, at the 99th percentile, ".join(texts)
            messages.append(f"an event reached its consumer after {words} in {campaign.label(variant.name)}")
        figures += [Figure(variant.name, n, e.median, e.low, e.high, e.n) for n, e in found.items() if e is not None]
    lost, survived = _losses(campaign, entered)
    # The figures have those of every variant.
    parts += [*messages[:1], *lost[:2]]
    if survived is False:
        return Finding("refuted", sentence(parts), tuple(figures))
    absent = [
        why
        for there, why in (
            (entered, "no set behind one entry point has a trial that counts"),
            (messages, "no event's propagation was measured"),
        )
        if not there
    ]
    if absent:
        return Finding("not measured", sentence([*parts, *absent]), tuple(figures))
    return Finding("supported", sentence(parts), tuple(figures))


def _serves_all(campaign: Campaign, variant: Variant) -> bool:
    """Whether an expected answer came below every route; every task's, where the names do not tell which it asked."""
    samples = campaign.samples
    mine = select(samples, variant=variant.name)
    tasks, right = set(mine["task"]), set(mine[mine["outcome"] == "ok"]["task"])
    prefixes = campaign.manifest.routes[variant.topology]
    asked = {route for task in right if (route := route_of(task, prefixes)) is not None}
    return bool(right) and (asked == set(prefixes) or tasks == right)


def _losses(campaign: Campaign, variants: list[Variant]) -> tuple[list[str], bool | None]:
    """What clients noticed of a killed service: the words, and whether some function went on (None without a kill)."""
    frame = campaign.event_requests
    parts, survived = [], []
    events = campaign.events
    for variant in variants:
        mine = frame[(frame["variant"] == variant.name) & (frame["kind"] == "kill") & (frame["moment"] == "during")]
        for number, own in mine.groupby("number"):
            event = select(events, variant=variant.name, number=number)
            sums = own.groupby("task")[["failed", "requests"]].sum()
            share = float(sums["failed"].sum()) / float(sums["requests"].sum())
            gone = sums["failed"] == sums["requests"]
            survived.append(not bool(gone.all()))
            parts.append(
                f"while {event.iloc[0]['instance']} was down in {campaign.label(variant.name)}, {percent(share)} "
                f"of all requests failed, those of {int(gone.sum())} of {len(sums)} functions all"
            )
    return parts, any(survived) if survived else None


CLAIM = Claim(
    "one system",
    "Nodes co-operate by messages and look like one computer.",
    "One entry point serves every function; the propagation of an event; a lost node's effect on clients.",
    check,
    has_set,
)
