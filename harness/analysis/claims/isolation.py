"""Claim *isolation*: what an instance can see. What a noisy neighbour does to it is not measured yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.base import (
    Claim,
    Figure,
    Finding,
    called,
    host_boot_ids,
    in_trials,
    insides,
    missing,
    targets_of,
)
from harness.records.instance import InsideView

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign


def check(campaign: Campaign) -> Finding:
    """Container: the host's processes are hidden, and the operating system (its boot) is the host's. VM: both its own.

    The bare process is the control: a check that it too passes would show nothing, so it is printed beside them. Holds
    under emulation. One counterexample refutes; both halves are needed to support.
    """
    host = host_boot_ids(campaign)
    on_container, on_vm, on_process = targets_of(campaign, "container", "machine", "process")
    containers, guests, bare = (insides(campaign, target) for target in (on_container, on_vm, on_process))
    figures = tuple(
        Figure(target, name, max(getattr(inside, name) for inside in seen), n=len(seen))
        for target, seen in ((on_process, bare), (on_container, containers), (on_vm, guests))
        if seen
        for name in ("visible_processes", "devices")
    )
    if not host:
        return Finding(
            "not measured", "The host does not tell its boot id, so operating systems cannot be told apart.", figures
        )
    hidden = sum(not inside.sees_host_processes and inside.boot_id in host for inside in containers)
    whole = sum(not inside.sees_host_processes and inside.boot_id not in host for inside in guests)
    parts = []
    if containers:
        parts.append(
            f"The container hid the host's processes but not its operating system {in_trials(hidden, len(containers))} "
            f"({_sees(containers)})"
        )
    if guests:
        parts.append(f"the {called(campaign, on_vm)} hid both {in_trials(whole, len(guests))} ({_sees(guests)})")
    if bare:
        parts.append(f"the bare process saw the host's processes {in_trials(_open(bare), len(bare))} ({_sees(bare)})")
    if hidden < len(containers) or whole < len(guests):
        return Finding("refuted", _sentence(parts), figures)
    absent = [target for target, seen in ((on_container, containers), (on_vm, guests)) if not seen]
    if absent:
        return Finding("not measured", _sentence([*parts, missing(campaign, absent)]), figures)
    return Finding("supported", _sentence(parts), figures)


def _open(seen: list[InsideView]) -> int:
    return sum(inside.sees_host_processes for inside in seen)


def _sees(seen: list[InsideView]) -> str:
    most = max(seen, key=lambda inside: inside.visible_processes)
    return f"processes visible: {most.visible_processes}, devices: {most.devices}"


def _sentence(parts: list[str]) -> str:
    return "; ".join(parts) + ". A noisy neighbour's effect was not measured."


CLAIM = Claim(
    "isolation",
    "A container isolates processes, a VM a whole operating system.",
    "What an instance can see: the host's processes, its operating system, devices.",
    check,
)
