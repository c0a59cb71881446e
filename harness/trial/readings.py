"""What is read of a deployment at a moment: of each instance, and summed up for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.host.noise import NoiseCounters
from harness.probes import cpu, memory
from harness.records.instance import Digests, Footprint, InsideView
from harness.records.memory import CgroupMemory, GuestMemory, MemoryView
from harness.records.window import Cpu, Noise
from harness.targets.api import Target
from harness.trial.campaign_context import set_digest
from harness.trial.launch import Deployment
from harness.trial.layout import Layout


@dataclass(frozen=True, slots=True)
class Counters:
    """CPU time of each instance, the host's noise, and what the deployment and the instrument used, at one moment."""

    cpu: dict[str, cpu.CpuReading]
    noise: NoiseCounters
    own_ns: int

    @classmethod
    def read(cls, deployment: Deployment) -> Counters:
        """Now. Raises DeployError if an instance's control group is gone."""
        instances = deployment.instances
        return cls(
            cpu={each.name: cpu.CpuReading.read(each.instance) for each in deployment.running},
            noise=NoiseCounters.read([group for each in instances if (group := each.cgroup) is not None]),
            own_ns=cpu.own_ns(instances),
        )

    def used_until(self, later: Counters) -> dict[str, Cpu]:
        """What each instance used from here to ``later``."""
        return {name: cpu.used(before, later.cpu[name]) for name, before in self.cpu.items()}

    def noise_until(self, later: Counters) -> Noise:
        """The host's noise from here to ``later``."""
        return self.noise.until(later.noise, later.own_ns - self.own_ns)


def total_cpu(used: Iterable[Cpu]) -> Cpu:
    """The whole's. By control groups only if every instance has one."""
    each = list(used)
    groups = [one.cgroup_ns for one in each if one.cgroup_ns is not None]
    return Cpu(
        cgroup_ns=sum(groups) if len(groups) == len(each) else None,
        processes_ns=sum(one.processes_ns for one in each),
        window_ns=max(one.window_ns for one in each),
    )


def engine_processes(targets: Iterable[Target]) -> tuple[str, ...]:
    """The daemons that carry instances of these targets, each once."""
    return tuple(dict.fromkeys(name for target in targets for name in target.engine_processes))


def read_memory(deployment: Deployment, engine_before: Mapping[str, int]) -> tuple[MemoryView, dict[str, MemoryView]]:
    """The ledger of the whole, and of each instance. The engines' growth is the whole's alone."""
    views = {each.name: memory.read_memory(each.instance, {}) for each in deployment.running}
    now = memory.engine_memory(engine_before)
    growth = {name: now[name] - before for name, before in engine_before.items()}
    return replace(total_memory(views.values()), engine_growth=growth), views


def total_memory(views: Iterable[MemoryView]) -> MemoryView:
    """The sum of several ledgers. A view that one of them lacks, the sum lacks too, or it would be too small.

    Only machines have guests: their own views are summed over the machines.
    """
    each = list(views)
    pss: dict[str, int] = {}
    for view in each:
        for role, size in view.pss.items():
            pss[role] = pss.get(role, 0) + size
    groups = [view.cgroup for view in each if view.cgroup is not None]
    machines = [view for view in each if "vmm" in view.pss]
    return MemoryView(
        pss=pss,
        cgroup=_total_group(groups) if groups and len(groups) == len(each) else None,
        guest_ram_touched=_total([view.guest_ram_touched for view in machines]),
        emulator_cache=_total([view.emulator_cache for view in machines if view.emulator_cache is not None]),
        guest=_total_guest([view.guest for view in machines]),
    )


def digests_of(deployment: Deployment) -> dict[str, Digests]:
    """What each instance was to be deployed from, and what it was, recomputed from its packaging."""
    return {
        each.name: Digests(expected=each.place.service.artifact.digest, observed=each.instance.content_digest())
        for each in deployment.running
    }


def total_digests(deployment: Deployment, each: Mapping[str, Digests]) -> Digests:
    """The digest of the workload's services, of which a proxy is none, unless it is the proxy that differs."""
    expected: dict[str, str] = {}
    observed: dict[str, str] = {}
    for run in deployment.running:
        found = each[run.name]
        if run.place.role == "service":
            expected[run.place.service_name] = found.expected
            if observed.get(run.place.service_name, found.expected) == found.expected:
                observed[run.place.service_name] = found.observed
        elif found.expected != found.observed:
            return found
    return Digests(expected=set_digest(expected), observed=set_digest(observed))


def footprint_of(layout: Layout) -> Footprint:
    """Bytes on disk by part. What several instances share (an artifact's packaging, the guest's disk) counts once."""
    packagings = {(place.target.name, place.service.artifact.digest): place for place in layout.places}
    found: dict[str, int] = {}
    for place in packagings.values():
        for part, size in place.target.footprint(place.service.artifact).parts.items():
            shared = part in place.target.shared_parts
            found[part] = size if shared else found.get(part, 0) + size
    return Footprint(found)


def inside_of(deployment: Deployment) -> InsideView:
    """The view from inside the first service that clients reach."""
    first = deployment.layout.topology.routed[0]
    return deployment.of(first).instance.inside()


def _total(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _total_guest(guests: Sequence[GuestMemory | None]) -> GuestMemory | None:
    total = _total([guest.total if guest else None for guest in guests])
    available = _total([guest.available if guest else None for guest in guests])
    return None if total is None or available is None else GuestMemory(total, available)


def _total_group(groups: Sequence[CgroupMemory]) -> CgroupMemory:
    peaks = [group.peak for group in groups]
    return CgroupMemory(
        anon=sum(group.anon for group in groups),
        file=sum(group.file for group in groups),
        kernel=sum(group.kernel for group in groups),
        page_tables=sum(group.page_tables for group in groups),
        current=sum(group.current for group in groups),
        peak=_total(peaks) if len(groups) == 1 else None,
    )
