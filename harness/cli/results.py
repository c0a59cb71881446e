"""Which campaign a command is about."""

from __future__ import annotations

from pathlib import Path

from harness.store.folder import newest

RESULTS = Path("results")


def folder_or_newest(folder: Path | None) -> Path:
    """The folder that was named, else the newest campaign's below results/. Raises WrongFolder if there is none."""
    return folder or newest(RESULTS)
