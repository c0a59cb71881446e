"""Where a campaign's figures come from: this code, this command, this machine."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from harness.host.accelerator import Accelerator
from harness.host.facts import HostFacts
from harness.store.campaign_records import HostRecord

UNKNOWN = "unknown"


def tare_commit() -> str:
    """The commit of the code that runs, with ``+changes`` if its tree was touched; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no", "--", str(here))
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return commit + ("+changes" if changed else "")


def utc_now() -> str:
    """The date and time for people; no duration is ever computed from it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def host_record(host: HostFacts, accelerator: Accelerator) -> HostRecord:
    """What the manifest keeps of this machine."""
    engines = {"docker": host.docker.version, "libvirt": host.libvirt.version, **host.engine_versions}
    return HostRecord(
        hostname=host.hostname,
        kernel=host.kernel,
        boot_id=host.boot_id,
        os=host.os_pretty,
        cpu_model=host.cpu_model,
        cpus=len(host.cpus),
        memory_total=host.memory_total,
        swap_total=host.swap_total,
        cgroup_version=host.cgroup_version,
        governor=host.governor,
        turbo=host.turbo,
        smt=host.smt,
        virtualisation=host.virtualisation,
        accelerator=accelerator.kind,
        accelerator_reason=accelerator.reason,
        ksm=host.ksm,
        thp=host.thp,
        root=host.root,
        process_count=host.process_count,
        engines={name: version for name, version in engines.items() if version},
    )


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(("git", "-C", str(folder), *words), capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
