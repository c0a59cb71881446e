"""Where a campaign's figures come from: this code, this command, this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness.host.accelerator import Accelerator
from harness.host.facts import HostFacts
from harness.records.base import shared
from harness.records.host import HostRecord, MachineFacts

UNKNOWN = "unknown"


def tare_commit() -> str:
    """The commit of the code that runs, with ``+changes`` if its tree was touched; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parents[1]
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no", "--", str(here))
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return commit + ("+changes" if changed else "")


def host_record(host: HostFacts, accelerator: Accelerator) -> HostRecord:
    """What the manifest keeps of this machine."""
    engines = {"docker": host.docker.version, "libvirt": host.libvirt.version, **host.engine_versions}
    return HostRecord(
        **shared(MachineFacts, host),
        os=host.os_pretty,
        cpus=len(host.cpus),
        accelerator=accelerator.kind,
        accelerator_reason=accelerator.reason,
        engines={name: version for name, version in engines.items() if version},
    )


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(("git", "-C", str(folder), *words), capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
