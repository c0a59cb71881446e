"""The memory ledger at one moment: what every process of an instance holds, what its control group is charged.

PSS, the proportional set size, counts a page that n processes share as 1/n of a page for each (proc(5), smaps), so the
sum over an instance's processes counts nothing twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from harness.errors import Unavailable
from harness.probes import qemu_memory
from harness.records.memory import MemoryView
from harness.targets.api import Instance
from harness.units import KIB

_PROC = Path("/proc")
_COMM_LENGTH = 15
"""The kernel keeps no more of a process's name."""


def read_memory(instance: Instance, engine_before: dict[str, int], proc: Path = _PROC) -> MemoryView:
    """The ledger now, in bytes. ``engine_before`` is what ``engine_memory`` said before the launch.

    A process that ends while it is read counts for nothing. Raises Unavailable
    where this user may not read a process, and DeployError if the instance's control group is gone.
    """
    group = instance.cgroup
    charged = None if group is None else group.memory()
    pss: dict[str, int] = defaultdict(int)
    guest_ram: int | None = None
    emulator_cache: int | None = None
    for process in instance.processes():
        pss[process.role] += pss_bytes(process.pid, proc) or 0
        if process.role == "vmm" and (parts := qemu_memory.parts(process.pid, proc)) is not None:
            guest_ram = (guest_ram or 0) + parts.guest_ram
            if instance.accelerator == "tcg":
                emulator_cache = (emulator_cache or 0) + parts.translation_cache
    now = engine_memory(engine_before, proc)
    return MemoryView(
        pss=dict(pss),
        cgroup=charged,
        engine_growth={name: now[name] - before for name, before in engine_before.items()},
        guest_ram_touched=guest_ram,
        emulator_cache=emulator_cache,
        guest=instance.guest_memory(),
    )


def engine_memory(names: Iterable[str], proc: Path = _PROC) -> dict[str, int]:
    """PSS in bytes of the daemons of each name, 0 for one that does not run. Raises as ``pss_bytes`` does."""
    wanted = {name[:_COMM_LENGTH]: name for name in names}
    found = dict.fromkeys(wanted.values(), 0)
    if not wanted:
        return found
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "comm").read_text().strip()
        except OSError:
            continue  # it ended meanwhile
        if command in wanted:
            found[wanted[command]] += pss_bytes(int(entry.name), proc) or 0
    return found


def pss_bytes(pid: int, proc: Path = _PROC) -> int | None:
    """A process's PSS, or None if it has ended. Raises Unavailable where this user may not read it."""
    try:
        lines = (proc / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError as error:
        raise Unavailable(f"this user may not read the memory of process {pid}", "run as root: sudo -E") from error
    return sum(int(line.split()[1]) * KIB for line in lines if line.startswith("Pss:"))
