"""Sets of CPUs as the kernel writes them: ``0-3,8``."""

from __future__ import annotations

from collections.abc import Iterable


def cpu_list(cpus: Iterable[int]) -> str:
    """The kernel's notation for a set of CPUs."""
    return ",".join(str(cpu) for cpu in sorted(set(cpus)))


def parse_cpu_list(text: str) -> frozenset[int]:
    """The set that the kernel's notation means. Raises ValueError for anything else."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        if not part:
            continue
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)
