"""Which CPUs the load generator gets and which the service: never the same core."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Unavailable
from harness.host.cpu_lists import parse_cpu_list

SiblingsOf = Callable[[int], frozenset[int]]


@dataclass(frozen=True, slots=True)
class CpuSplit:
    """``generator`` is one core, with all its hardware threads; ``service`` holds as many CPUs as were asked for."""

    generator: frozenset[int]
    service: frozenset[int]


def siblings_of(cpu: int, cpus: Path = Path("/sys/devices/system/cpu")) -> frozenset[int]:
    """The hardware threads of a CPU's core, itself included; itself alone where the kernel does not tell."""
    try:
        return parse_cpu_list((cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()) | {cpu}
    except (OSError, ValueError):
        return frozenset({cpu})


def split_cpus(available: frozenset[int], service_cpus: float, siblings: SiblingsOf = siblings_of) -> CpuSplit:
    """One core for the generator, the lowest, and ``service_cpus`` (rounded up) CPUs of other cores for the service.

    Deterministic. The service gets one hardware thread of each core while there are cores enough, then siblings. Only
    where this host has no second core do generator and service get threads of the same one. Raises Unavailable where
    ``available`` is too small.
    """
    wanted = math.ceil(service_cpus)
    if len(available) < wanted + 1:
        what = f"a service with cpus = {service_cpus:g} needs {wanted + 1} CPUs; we may use {len(available)} here"
        if len(available) > 1:
            remedy = f"set cpus = {len(available) - 1} or less under [limits] in the experiment"
        else:
            remedy = "use a host (or give this machine) at least 2 CPUs: the load generator must have its own"
        raise Unavailable(what, remedy)
    cores = _cores(available, siblings)
    own, others = cores[0], cores[1:]
    ranks = max(map(len, others), default=0)
    choice = [core[rank] for rank in range(ranks) for core in others if rank < len(core)]
    if len(choice) >= wanted:
        return CpuSplit(frozenset(own), frozenset(choice[:wanted]))
    # Too few other cores: take the generator's spare threads as well, but never its first.
    return CpuSplit(frozenset(own[:1]), frozenset([*choice, *own[1:]][:wanted]))


def _cores(available: frozenset[int], siblings: SiblingsOf) -> list[list[int]]:
    cores: list[list[int]] = []
    seen: set[int] = set()
    for cpu in sorted(available):
        if cpu not in seen:
            core = sorted(siblings(cpu) & available)
            seen.update(core)
            cores.append(core)
    return cores
