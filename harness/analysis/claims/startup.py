"""Claim *startup*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.base import Claim, Figure, Finding, called, emulated, missing, targets_of, variants_on
from harness.analysis.comparisons import compare_variants, noise_floor, pooled_figure
from harness.analysis.formatting import factor, figure
from harness.analysis.intervals import Estimate
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

MINUTE_S = 60.0
"""What parts "in seconds" from "in minutes". Less than a second counts as seconds."""


def check(campaign: Campaign) -> Finding:
    """Container: its whole interval lies below a minute. VM: its whole interval lies at or above a minute.

    Whichever half fails with its whole interval refutes the claim; an interval across the minute, or none (one trial),
    leaves it not resolved. An emulated VM says nothing about the VM half in either direction: emulation makes it slow,
    and how slow is not known. Then the verdict is ``emulated only``, unless the container half alone refutes.
    """
    on_container, on_vm = targets_of(campaign, "container", "machine")
    container, vm = variants_on(campaign, on_container, on_vm)
    cells, metric = campaign.counted, METRICS["startup_s"]
    starts = {name: pooled_figure(cells, name, metric.name) for name in (container, vm) if name is not None}
    of_container = starts.get(container) if container else None
    of_vm = starts.get(vm) if vm else None
    figures = tuple(
        Figure(name, metric.name, found.median, found.low, found.high, found.n)
        for name, found in starts.items()
        if found is not None
    )
    is_emulated = emulated(campaign, on_vm)
    parts = []
    if of_container is not None:
        parts.append(f"The container gave its first correct response after {figure(metric, of_container)}")
    if of_vm is not None:
        parts.append(f"the {called(campaign, on_vm)} after {figure(metric, of_vm)}")
    if container and vm and of_container is not None and of_vm is not None:
        floor = noise_floor(cells, campaign.manifest.variants, metric.name)
        compared = compare_variants(cells, vm, container, metric.name, floor)
        if compared is not None:
            parts.append(f"VM to container {factor(compared.estimate)}")
    seconds, minutes = _below(of_container), _above(of_vm)
    if seconds is False:
        return Finding("refuted", "; ".join(parts) + ".", figures)
    if of_vm is not None and is_emulated:
        tail = "; how long a VM takes on hardware virtualisation was not measured."
        return Finding("emulated only", "; ".join(parts) + tail, figures)
    if minutes is False:
        return Finding("refuted", "; ".join(parts) + ".", figures)
    absent = [target for target, found in ((on_container, of_container), (on_vm, of_vm)) if found is None]
    if absent:
        return Finding("not measured", "; ".join([*parts, missing(campaign, absent)]) + ".", figures)
    return Finding("supported" if seconds and minutes else "not resolved", "; ".join(parts) + ".", figures)


def _below(found: Estimate | None) -> bool | None:
    """Whether the whole interval lies below a minute; None where it cannot be said."""
    if found is None or found.low is None or found.high is None:
        return None
    return True if found.high < MINUTE_S else False if found.low >= MINUTE_S else None


def _above(found: Estimate | None) -> bool | None:
    below = _below(found)
    return None if below is None else not below


CLAIM = Claim(
    "startup",
    "Containers start in seconds, VMs in minutes.",
    "Startup to the first correct response per target; the ratio with its interval.",
    check,
)
