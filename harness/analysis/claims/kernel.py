"""Claim *kernel*."""

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

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign


def check(campaign: Campaign) -> Finding:
    """Boot ids decide: two kernels may be of one release, but each boot of each kernel has its own id.

    It holds for an emulated guest as for any other: whose kernel runs does not depend on what executes it. One
    counterexample refutes; both halves are needed to support.
    """
    host = host_boot_ids(campaign)
    on_container, on_vm = targets_of(campaign, "container", "machine")
    containers, guests = insides(campaign, on_container), insides(campaign, on_vm)
    figures = tuple(
        Figure(target, "kernel_release", ", ".join(sorted({inside.kernel_release for inside in seen})), n=len(seen))
        for target, seen in ((on_container, containers), (on_vm, guests))
        if seen
    )
    if not host:
        return Finding("not measured", "The host does not tell its boot id, so kernels cannot be told apart.", figures)
    shared = sum(inside.boot_id in host for inside in containers)
    own = sum(inside.boot_id not in host for inside in guests)
    parts = []
    if containers:
        parts.append(f"The container ran on the host's boot of the kernel {in_trials(shared, len(containers))}")
    if guests:
        releases = ", ".join(sorted({inside.kernel_release for inside in guests}))
        parts.append(
            f"the {called(campaign, on_vm)} on a boot of its own {in_trials(own, len(guests))} "
            f"(kernel {releases}; the host's is {campaign.manifest.host.kernel})"
        )
    evidence = "; ".join(parts)
    if shared < len(containers) or own < len(guests):
        return Finding("refuted", evidence + ".", figures)
    if not containers or not guests:
        absent = [target for target, seen in ((on_container, containers), (on_vm, guests)) if not seen]
        return Finding("not measured", "; ".join([*parts, missing(campaign, absent)]) + ".", figures)
    return Finding("supported", evidence + ".", figures)


CLAIM = Claim(
    "kernel",
    "Containers use the host's kernel; a VM has its own.",
    "Kernel release and boot id seen from inside each instance, against the host's.",
    check,
)
