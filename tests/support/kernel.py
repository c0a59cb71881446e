"""What the kernel itself says of a process: its limits, its CPUs, its namespaces."""

from __future__ import annotations

from pathlib import Path

from harness.host.cgroups.detect import layout
from harness.host.cpu_lists import parse_cpu_list


def memory_limit(pid: int) -> int:
    """The limit of the control group that the process is in, in bytes."""
    at = layout()
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if at.version == "1" and "memory" in controllers.split(","):
            hierarchy, file = at.v1["memory"], "memory.limit_in_bytes"
        elif at.version == "2" and not controllers and at.v2 is not None:
            hierarchy, file = at.v2, "memory.max"
        else:
            continue
        folder = hierarchy.folder(group)
        assert folder is not None
        return int((folder / file).read_text())
    raise AssertionError(f"process {pid} is in no memory group")


def allowed_cpus(pid: int) -> frozenset[int]:
    """Every CPU that any thread of the process may run on."""
    allowed: frozenset[int] = frozenset()
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        allowed |= parse_cpu_list(status["Cpus_allowed_list"].strip())
    return allowed


def shares_pid_namespace(pid: int) -> bool:
    """Whether the process numbers processes as we do, and so sees ours."""
    return Path(f"/proc/{pid}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
