"""Where Tare keeps what it may throw away: the cache (artifacts, guests) and the state of runs in progress."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Artifacts and guests: /var/lib/tare as root, ~/.cache/tare otherwise; ``TARE_CACHE`` overrides.

    Readable by others as root, because QEMU runs as a user of its own.
    """
    if override := os.environ.get("TARE_CACHE"):
        folder = Path(override)
    elif os.geteuid() == 0:
        folder = Path("/var/lib/tare")
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tare"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return folder


def run_dir() -> Path:
    """State of runs in progress, gone after a boot: /run/tare as root, a folder of the user's otherwise."""
    if os.geteuid() == 0:
        folder = Path("/run/tare")
    else:
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        # ``su`` and ``sudo -E`` keep the variable of the user before.
        folder = Path(runtime) / "tare" if runtime and os.access(runtime, os.W_OK) else cache_dir() / "run"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return folder
