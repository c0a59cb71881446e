"""Claim *resources*."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.claims.base import Claim, Figure, Finding, called, emulated, missing, targets_of, variants_on
from harness.analysis.comparisons import BETTER, WORSE, Comparison, compare_variants, noise_floor
from harness.analysis.formatting import factor
from harness.analysis.intervals import Estimate, of_ratio
from harness.units import METRICS, mib

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

_DECIDING = ("memory_mib", "cpu_ms_per_request")


def check(campaign: Campaign) -> Finding:
    """VM against container, in memory at idle (PSS) and in CPU time per request; both must be resolved as more.

    Supported: both are more. Refuted: either is resolved as less. Otherwise not resolved. Emulated VM: memory includes
    the emulator's own, and CPU time is the emulator's work, so neither decides: ``emulated only``, whatever they show.
    One fact does not depend on emulation: the guest's RAM that is touched is what the guest asks for on any hypervisor,
    and a real VM needs at least that. Where it alone exceeds the container's whole memory, the evidence says so; it
    cannot support the claim, which speaks of CPU as well, nor can it refute it, being a lower bound.
    """
    on_container, on_vm = targets_of(campaign, "container", "machine")
    container, vm = variants_on(campaign, on_container, on_vm)
    if container is None or vm is None:
        absent = [target for target, name in ((on_container, container), (on_vm, vm)) if name is None]
        return Finding("not measured", missing(campaign, absent).capitalize() + ".")
    cells = campaign.counted
    found = {
        name: compare_variants(cells, vm, container, name, noise_floor(cells, campaign.manifest.variants, name))
        for name in (*_DECIDING, "footprint_mib")
    }
    figures = tuple(
        Figure(vm, f"{name} ratio to {container}", ratio.median, ratio.low, ratio.high, ratio.n)
        for name, entry in found.items()
        if entry is not None
        for ratio in (entry.estimate,)
    )
    is_emulated = emulated(campaign, on_vm)
    evidence = f"Against the container, the {called(campaign, on_vm)} takes " + ", ".join(
        _part(name, entry) for name, entry in found.items() if entry is not None
    )
    undecided = [name for name in _DECIDING if found[name] is None]
    if len(undecided) == len(_DECIDING):
        return Finding("not measured", "No block has both a container's and a VM's memory or CPU time.", figures)
    if is_emulated:
        guest = guest_ram_ratio(campaign, vm, container)
        tail = "; these are the emulator's figures."
        if guest is not None:
            alone = f"the guest's touched RAM alone is {factor(guest)} the container's memory"
            tail = f"; these are the emulator's figures, but {alone}."
        return Finding("emulated only", evidence + tail, figures)
    verdicts = [entry.verdict for name in _DECIDING if (entry := found[name]) is not None]
    if BETTER in verdicts:
        return Finding("refuted", evidence + ".", figures)
    if undecided:
        absent_metrics = " and ".join(METRICS[name].title for name in undecided)
        return Finding("not measured", f"{evidence}; not measured: {absent_metrics}.", figures)
    if all(verdict == WORSE for verdict in verdicts):
        return Finding("supported", evidence + ".", figures)
    return Finding("not resolved", evidence + ".", figures)


def guest_ram_ratio(campaign: Campaign, vm: str, container: str) -> Estimate | None:
    """The guest's touched RAM over the container's PSS at idle, by block; None where a block lacks either.

    One pair per block: several load levels of a block are averaged (in logarithms) first.
    """
    touched: dict[int, list[float]] = {}
    whole: dict[int, list[float]] = {}
    for record in campaign.counted_records:
        if (view := record.memory_idle) is None:
            continue
        if record.variant.name == vm and view.guest_ram_touched:
            touched.setdefault(record.block, []).append(mib(view.guest_ram_touched))
        elif record.variant.name == container and sum(view.pss.values()) > 0:
            whole.setdefault(record.block, []).append(mib(sum(view.pss.values())))
    blocks = sorted(touched.keys() & whole.keys())
    return of_ratio([_geometric(touched[block]) for block in blocks], [_geometric(whole[block]) for block in blocks])


def _geometric(values: list[float]) -> float:
    return float(np.exp(np.log(values).mean()))


def _part(name: str, entry: Comparison) -> str:
    subject = {"memory_mib": "memory", "cpu_ms_per_request": "CPU time per request", "footprint_mib": "disk"}[name]
    return f"{factor(entry.estimate, entry.verdict)} the {subject}"


CLAIM = Claim(
    "resources",
    "Containers are lightweight, VMs need more RAM and CPU.",
    "The memory ledger at idle, and CPU time per request; disk footprint beside them.",
    check,
)
