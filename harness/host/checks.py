"""What ``tare doctor`` says of this host: each check with its detail and the command that fixes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.host import accelerator
from harness.host.cgroups import detect as cgroup
from harness.host.facts import HostFacts
from harness.host.paths import cache_dir
from harness.host.provisioning.engines import EngineFact
from harness.host.provisioning.packages import missing
from harness.units import MIB

Verdict = Literal["yes", "no", "warn"]

GIB = 1024 * MIB
MIN_MEMORY, GOOD_MEMORY = 1 * GIB, 2 * GIB
"""A 512 MiB guest under emulation takes 0.64 GiB; with the harness and an engine beside it, 1 GiB is the least."""
MIN_DISK, GOOD_DISK = 3 * GIB, 8 * GIB
"""Guest disk, root file systems, images and a campaign's samples need about 3 GiB."""
MAX_OTHER_BUSY = 0.10
MAX_STEAL = 0.02
"""METHOD's limit for a trial."""
MIN_DOCKER, MIN_LIBVIRT = (20, 10), (9, 0)


@dataclass(frozen=True, slots=True)
class Check:
    """``ok``: ``no`` means that something cannot be measured, ``warn`` that a figure will suffer or be emulated."""

    name: str
    ok: Verdict
    detail: str
    fix: str = ""


def checks(facts: HostFacts, probe: Callable[[], accelerator.Accelerator] = accelerator.probe) -> list[Check]:
    """Every check, in the order in which a person should read them. Never raises.

    Takes as long as the accelerator's probe does: up to 10 s once per boot of the host.
    """
    return [
        _root(facts),
        _packages(facts),
        _cgroups(),
        _cpus(facts),
        _memory(facts),
        _disk(facts),
        _engine("docker", facts.docker, MIN_DOCKER),
        _engine("libvirt", facts.libvirt, MIN_LIBVIRT),
        _kvm(probe()),
        _network(facts),
        _quiet(facts),
        _governor(facts),
    ]


def _root(facts: HostFacts) -> Check:
    if facts.root:
        return Check("root", "yes", "running as root")
    detail = "not root: only the process target, over loopback and without enforced limits"
    return Check("root", "warn", detail, "run the same command with sudo -E")


def _packages(facts: HostFacts) -> Check:
    needs = missing(facts)
    if not needs:
        return Check("packages", "yes", "every package that Tare needs is there")
    return Check("packages", "no", "missing: " + ", ".join(need.package for need in needs), "sudo -E tare provision")


def _cgroups() -> Check:
    problem = cgroup.obstacle()
    if problem is None:
        return Check("control groups", "yes", f"version {cgroup.version()}, writable")
    return Check("control groups", "no", problem[0], problem[1])


def _cpus(facts: HostFacts) -> Check:
    count = len(facts.cpus)
    if count >= 2:
        return Check("CPUs", "yes", f"{count} ({facts.cpu_model}), SMT {facts.smt}")
    detail = "1: the load generator and the service would share it, and every latency would be wrong"
    return Check("CPUs", "no", detail, "give this machine at least 2 CPUs")


def _memory(facts: HostFacts) -> Check:
    free = facts.memory_available
    detail = f"{free / GIB:.1f} GiB of {facts.memory_total / GIB:.1f} GiB available"
    ok: Verdict = "no" if free < MIN_MEMORY else "warn" if free < GOOD_MEMORY else "yes"
    return Check(
        "memory", ok, detail, "" if ok == "yes" else "end what you do not need: ps -eo pid,rss,comm --sort -rss | head"
    )


def _disk(facts: HostFacts) -> Check:
    if facts.disk_free is None:
        return Check("disk", "no", "the cache folder cannot be made", "set TARE_CACHE to a folder that you may write")
    ok: Verdict = "no" if facts.disk_free < MIN_DISK else "warn" if facts.disk_free < GOOD_DISK else "yes"
    fix = "" if ok == "yes" else "free some space, or set TARE_CACHE to a folder on a bigger disk"
    return Check("disk", ok, f"{facts.disk_free / GIB:.1f} GiB free in {cache_dir()}", fix)


def _engine(name: str, fact: EngineFact, least: tuple[int, int]) -> Check:
    if fact.version is None:
        return Check(name, "no", f"does not answer: {fact.reason}", "sudo -E tare provision")
    numbers = tuple(int(number) for number in re.findall(r"\d+", fact.version)[:2])
    if numbers < least:
        wanted = ".".join(map(str, least))
        return Check(name, "warn", f"{fact.version} answers, but {wanted} is the oldest that is tested", "upgrade it")
    return Check(name, "yes", f"{fact.version} answers")


def _kvm(found: accelerator.Accelerator) -> Check:
    if found.kind == "kvm":
        return Check("KVM", "yes", found.reason)
    if found.kind == "tcg":
        fix = "" if found.proven else "sudo -E tare provision"
        return Check("KVM", "warn", f"virtual machines are emulated: {found.reason}", fix)
    return Check("KVM", "no", found.reason, "sudo -E tare provision")


def _network(facts: HostFacts) -> Check:
    tun = "/dev/net/tun opens" if facts.tun else "/dev/net/tun does not open"
    if facts.netem:
        return Check("links", "yes", f"tc netem works; {tun}")
    known = "this kernel has no tc netem" if facts.netem is False else "tc netem could not be tried"
    # A kernel without a folder of modules has none to load.
    loadable = Path("/lib/modules", facts.kernel).is_dir()
    if facts.tun:
        detail = f"{known}; links get their delay in user space, through TUN"
        return Check("links", "warn", detail, "sudo modprobe sch_netem" if loadable else "")
    detail = f"{known}; {tun}: links with a delay cannot be made"
    return Check("links", "warn", detail, "sudo modprobe -a sch_netem tun" if loadable else "run a kernel with TUN")


def _quiet(facts: HostFacts) -> Check:
    detail = (
        f"others use {facts.other_busy_share:.0%} of the CPUs, {facts.steal_share:.1%} stolen, load {facts.load1:.2f}"
    )
    if facts.other_busy_share <= MAX_OTHER_BUSY and facts.steal_share <= MAX_STEAL:
        return Check("quiet", "yes", detail)
    return Check("quiet", "warn", detail, "see who: top -o %CPU")


def _governor(facts: HostFacts) -> Check:
    if facts.governor in ("performance", "unknown"):
        return Check("CPU frequency", "yes", f"governor {facts.governor}, turbo {facts.turbo}")
    detail = f"governor {facts.governor}: clocks change with the load; turbo {facts.turbo}"
    return Check("CPU frequency", "warn", detail, "sudo cpupower frequency-set -g performance")
